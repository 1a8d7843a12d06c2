//! A business is born: role, schema, migrations, defaults and registry row in one transaction, or nothing at all.

use std::error::Error;
use std::sync::Arc;

use crate::bootstrap::Installed;
use crate::connect::DatabaseUrl;
use crate::database::Database;
use crate::error::DbError;
use crate::failpoint;
use crate::migrations::{MigrationError, Migrations};
use crate::names::{
    BusinessNumber, RoleName, SchemaName, TENANT_GROUP, TenantId, TenantSlug, quote_identifier,
};
use crate::pool::{PoolSettings, Realm};
use crate::scope::{Openings, ScopedTx, SharedScope, SharedTx, TenantTx};
use crate::session::Session;
use crate::tenant::{Tenant, TenantStatus};

/// What a business needs to exist.
#[derive(Debug, Clone)]
pub struct NewTenant {
    pub slug: TenantSlug,
    /// The business's name, for people.
    pub name: String,
}

/// A business could not be made; nothing of it stays.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    #[error("the slug \"{0}\" is taken; choose another")]
    SlugTaken(TenantSlug),
    #[error("provisioning failed in the database")]
    Db(#[from] DbError),
    #[error("provisioning failed in a migration")]
    Migration(#[from] MigrationError),
}

/// Makes and migrates schemas, as the login that owns them.
pub struct Provisioner {
    owner: Database,
    installed: Installed,
    tenant: Migrations,
    shared: Migrations,
}

impl Provisioner {
    /// `owner` is the login of `database.owner_url`.
    pub fn new(owner: Database, installed: Installed, tenant: Migrations, shared: Migrations) -> Self {
        Self { owner, installed, tenant, shared }
    }

    /// The version that a new business has.
    pub fn latest_version(&self) -> i32 {
        self.tenant.latest()
    }

    /// Creates a business in one transaction.
    ///
    /// `seed` fills the new schema, acting as the new tenant; `register` writes what the `shared` schema has to know.
    /// Two calls with one slug: the second waits for the first and is then refused.
    ///
    /// # Errors
    /// [`ProvisionError`], or what `seed` and `register` return. Nothing stays then, and calling again is safe.
    pub async fn create<T, E>(
        &self,
        new: &NewTenant,
        seed: impl AsyncFn(&TenantTx) -> Result<(), E>,
        register: impl AsyncFn(&Tenant, &SharedTx) -> Result<T, E>,
    ) -> Result<(Arc<Tenant>, T), E>
    where
        E: Error + From<ProvisionError>,
    {
        let session = self.owner.begin_unscoped().await.map_err(ProvisionError::from)?;
        let tenant = Arc::new(self.insert_row(&session, new).await?);
        failpoint::reach("after_registry");
        self.make_schema(&session, &tenant).await?;
        failpoint::reach("after_migrations");

        let scope = tenant.scope();
        session.batch(tenant.openings.settings()).await.map_err(ProvisionError::from)?;
        let tx = TenantTx::over(session.into_realm(Realm::Business(tenant.number)), &scope);
        seed(&tx).await?;
        failpoint::reach("after_seed");

        let session = tx.into_session().into_realm(Realm::Shared);
        session
            .batch("SET LOCAL ROLE NONE; SET LOCAL search_path = ''")
            .await
            .map_err(ProvisionError::from)?;
        let tx = SharedTx::over(session, &SharedScope::Platform);
        let registered = register(&tenant, &tx).await?;
        failpoint::reach("before_commit");
        tx.into_session().commit().await.map_err(ProvisionError::from)?;
        failpoint::reach("after_commit");
        tracing::info!(tenant.slug = %tenant.slug, tenant.number = tenant.number.get(), "created business {}", tenant.slug);
        Ok((tenant, registered))
    }

    /// Takes the slug first, so that a second sign-up for it waits here and not in front of half a schema.
    async fn insert_row(&self, session: &Session, new: &NewTenant) -> Result<Tenant, ProvisionError> {
        const NEXT_NUMBER: &str = "SELECT nextval('shared.business_numbers') AS number";
        const INSERT: &str = "
            INSERT INTO shared.tenants
                   (id, number, slug, name, status, schema_name, role_name, login, schema_version, created_at, updated_at)
            VALUES ($1, $2, $3, $4, 'active', $5, $6, $7, $8, $9, $9)";
        let number = session.query_one(NEXT_NUMBER, &[]).await?;
        let number = BusinessNumber::from_sequence(number.try_get("number").map_err(DbError::from)?);
        let schema = SchemaName::numbered(number);
        let role = RoleName::from_registry(self.installed.installation.tenant_role(number));
        let tenant = Tenant {
            openings: Openings::new(&role, &schema),
            id: TenantId::new(),
            number,
            slug: new.slug.clone(),
            name: new.name.clone(),
            status: TenantStatus::Active,
            schema,
            role,
            schema_version: self.tenant.latest(),
            created_at: session.now(),
        };
        let inserted = session
            .execute(
                INSERT,
                &[
                    &tenant.id.as_uuid(),
                    &number.get(),
                    &tenant.slug.as_str(),
                    &tenant.name,
                    &tenant.schema.as_str(),
                    &tenant.role.as_str(),
                    &self.installed.server_login,
                    &tenant.schema_version,
                    &tenant.created_at,
                ],
            )
            .await;
        match inserted {
            Ok(_) => Ok(tenant),
            Err(error) if error.constraint() == Some("tenants_slug_key") => {
                Err(ProvisionError::SlugTaken(new.slug.clone()))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn make_schema(&self, session: &Session, tenant: &Tenant) -> Result<(), ProvisionError> {
        const MAKE_ROLE: &str = "SELECT shared.make_tenant_role($1)";
        session.execute(MAKE_ROLE, &[&tenant.number.get()]).await?;
        failpoint::reach("after_role");
        let schema = tenant.schema.quoted();
        let role = tenant.role.quoted();
        let reader = quote_identifier(&self.installed.installation.reader_role());
        // Default privileges before the DDL: a GRANT ON ALL TABLES afterwards reads the whole catalogue.
        let statements = [
            format!("CREATE SCHEMA {schema}"),
            format!("GRANT USAGE ON SCHEMA {schema} TO {role}, {reader}"),
            format!(
                "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {TENANT_GROUP}"
            ),
            format!("ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO {reader}"),
            format!("SET LOCAL search_path = {schema}, extensions, pg_temp"),
        ];
        let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
        session.pipeline(&statements).await.map_err(|(_, error)| error)?;
        failpoint::reach("after_schema");
        self.tenant.run(session).await?;
        Ok(())
    }

    /// Brings the `shared` schema to its newest version; returns the versions applied.
    ///
    /// # Errors
    /// [`ProvisionError`]; nothing of a failed run stays.
    pub async fn migrate_shared(&self) -> Result<Vec<i32>, ProvisionError> {
        let session = self.owner.begin_unscoped().await?;
        // Two runs at once: the second waits, however long, and then finds nothing to do.
        session.batch("SET LOCAL lock_timeout = 0").await?;
        session.batch("SELECT pg_advisory_xact_lock(hashtext('tenantry'), hashtext('shared'))").await?;
        let applied = self.shared.run(&session).await?;
        session.commit().await?;
        Ok(applied)
    }

    /// Brings one business's schema to its newest version; returns the versions applied.
    ///
    /// # Errors
    /// [`ProvisionError`]; nothing of a failed run stays.
    pub async fn migrate(&self, tenant: &Tenant) -> Result<Vec<i32>, ProvisionError> {
        const RECORD: &str = "UPDATE shared.tenants SET schema_version = $2, updated_at = $3 WHERE id = $1";
        let session = self.owner.begin_unscoped().await?;
        session.batch("SET LOCAL lock_timeout = 0").await?;
        let lock = format!("SELECT pg_advisory_xact_lock(hashtext('tenantry'), {}::integer)", tenant.number);
        session.batch(&lock).await?;
        // Whoever waits for a table keeps everyone behind him waiting too.
        session.batch("SET LOCAL lock_timeout = '2s'").await?;
        session
            .batch(&format!("SET LOCAL search_path = {}, extensions, pg_temp", tenant.schema.quoted()))
            .await?;
        let applied = self.tenant.run(&session).await?;
        if let Some(version) = applied.last() {
            session.execute(RECORD, &[&tenant.id.as_uuid(), version, &session.now()]).await?;
        }
        session.commit().await?;
        Ok(applied)
    }

    /// The pool settings that suit the owner's work: few connections, long statements.
    pub fn pool_settings() -> PoolSettings {
        PoolSettings {
            max_connections: 4,
            statement_timeout: std::time::Duration::ZERO,
            lock_timeout: std::time::Duration::from_secs(10),
            ..PoolSettings::default()
        }
    }

    /// The owner's own view of the `shared` schema, for commands that run where the owner's login is.
    ///
    /// # Errors
    /// What `work` returns.
    pub async fn write_shared<T, E>(&self, work: impl AsyncFn(&SharedTx) -> Result<T, E>) -> Result<T, E>
    where
        E: Error + From<DbError>,
    {
        let session = self.owner.begin_unscoped().await?;
        let tx = SharedTx::over(session, &SharedScope::Platform);
        let done = work(&tx).await?;
        tx.into_session().commit().await?;
        Ok(done)
    }
}

/// The owner's database, with the settings that suit its work.
///
/// # Errors
/// [`TlsError`](crate::connect::TlsError) when the URL asks for TLS that cannot be set up.
pub fn owner_database(url: &DatabaseUrl) -> Result<Database, crate::connect::TlsError> {
    Database::new(url, &Provisioner::pool_settings())
}
