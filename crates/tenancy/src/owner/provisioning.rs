//! A business is born: role, schema, migrations, defaults and registry row in one transaction, or nothing at all.

use std::error::Error;
use std::sync::Arc;

use crate::connection::connect::{DatabaseUrl, TlsError};
use crate::connection::error::DbError;
use crate::connection::pool::{PoolSettings, Realm};
use crate::connection::transaction::Session;
use crate::failpoint;
use crate::migration::files::{MigrationError, Migrations};
use crate::names::tenant_names::{TenantId, TenantSlug};
use crate::owner::bootstrap::Installed;
use crate::registry::schema::{self, Schema, SchemaState};
use crate::registry::tenant::{self, Tenant};
use crate::scope::database::Database;
use crate::scope::scope::{ScopedTx, SharedScope, SharedTx, TenantTx};

/// What a business needs to exist.
#[derive(Debug, Clone)]
pub struct NewTenant {
    pub slug: TenantSlug,
    /// The business's name, for people.
    pub name: String,
    /// The id of a business that was dropped and comes back; another one gets a new id.
    pub id: Option<TenantId>,
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

/// Makes, migrates and moves schemas, as the login that owns them.
pub struct Provisioner {
    pub(crate) owner: Database,
    pub(crate) installed: Installed,
    pub(crate) tenant: Migrations,
    pub(crate) shared: Migrations,
}

impl Provisioner {
    /// `owner` is the login of `database.owner_url`.
    pub fn new(owner: Database, installed: Installed, tenant: Migrations, shared: Migrations) -> Self {
        Self { owner, installed, tenant, shared }
    }

    /// The files of a business schema.
    pub fn tenant_migrations(&self) -> &Migrations {
        &self.tenant
    }

    /// The newest version of the `shared` schema.
    pub fn latest_shared_version(&self) -> i32 {
        self.shared.latest()
    }

    /// The version that a new business has.
    pub fn latest_version(&self) -> i32 {
        self.tenant.latest()
    }

    /// Creates a business in one transaction, in a spare schema when there is one.
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
        let (schema, is_spare) = self.claim_or_register(&session).await?;
        let tenant = Arc::new(self.insert_row(&session, new, &schema).await?);
        failpoint::reach("after_registry");
        if !is_spare {
            self.build_schema(&session, &schema, &self.tenant).await?;
            schema::admit_role(&session, &schema).await.map_err(ProvisionError::from)?;
            failpoint::reach("after_role");
        }
        failpoint::reach("after_migrations");

        let scope = tenant.scope();
        session.batch(tenant.openings.settings()).await.map_err(ProvisionError::from)?;
        let tx = TenantTx::over(session.into_realm(Realm::Business(tenant.number)), &scope);
        seed(&tx).await?;
        failpoint::reach("after_seed");

        let session = tx.into_session().into_realm(Realm::Shared);
        session.batch(AS_OWNER).await.map_err(ProvisionError::from)?;
        let tx = SharedTx::over(session, &SharedScope::Platform);
        let registered = register(&tenant, &tx).await?;
        failpoint::reach("before_commit");
        tx.into_session().commit().await.map_err(ProvisionError::from)?;
        failpoint::reach("after_commit");
        tracing::info!(tenant.slug = %tenant.slug, tenant.number = tenant.number.get(), "created business {}", tenant.slug);
        Ok((tenant, registered))
    }

    /// A spare schema of the newest version, or else the row of one that is still to be built.
    async fn claim_or_register(&self, session: &Session) -> Result<(Schema, bool), ProvisionError> {
        if let Some(spare) = schema::claim_spare(session, self.tenant.latest()).await? {
            return Ok((spare, true));
        }
        let fresh = schema::insert(session, &self.installed, SchemaState::Live, &self.tenant).await?;
        Ok((fresh, false))
    }

    /// Takes the slug before the schema is built, so that a second sign-up for it waits here and not in front of half
    /// a schema.
    pub(crate) async fn insert_row(
        &self,
        session: &Session,
        new: &NewTenant,
        schema: &Schema,
    ) -> Result<Tenant, ProvisionError> {
        const INSERT: &str = "
            INSERT INTO shared.tenants (id, number, slug, name, status, created_at, updated_at)
            VALUES ($1, $2, $3, $4, 'active', $5, $5)";
        let tenant = Tenant::new(new, schema, self.tenant.needs_code(schema.version), session.now());
        let inserted = session
            .execute(
                INSERT,
                &[
                    &tenant.id.as_uuid(),
                    &tenant.number.get(),
                    &tenant.slug.as_str(),
                    &tenant.name,
                    &tenant.created_at,
                ],
            )
            .await;
        let taken = || ProvisionError::SlugTaken(new.slug.clone());
        match inserted {
            Err(error) if error.constraint() == Some("tenants_slug_key") => return Err(taken()),
            other => other?,
        };
        if tenant::is_slug_reserved(session, &new.slug, None).await? {
            return Err(taken());
        }
        Ok(tenant)
    }

    /// Makes a registered `schema`, and runs `migrations` in it. The session sees it afterwards; its role is still to be
    /// admitted.
    pub(crate) async fn build_schema(
        &self,
        session: &Session,
        schema: &Schema,
        migrations: &Migrations,
    ) -> Result<(), ProvisionError> {
        let statements = schema.creation(&self.installed.installation);
        let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
        session.pipeline(&statements).await.map_err(|(_, error)| error)?;
        failpoint::reach("after_schema");
        migrations.run(session).await?;
        Ok(())
    }

    /// Fills the pool of spare schemas up to `wanted`, a batch to a transaction; returns how many were made.
    ///
    /// Every new role makes each backend rebuild its list of roles, so a batch shares that cost. When somebody else
    /// is filling already, this does nothing.
    ///
    /// # Errors
    /// [`ProvisionError`]; the batches before stay.
    pub async fn fill_spares(&self, wanted: usize) -> Result<usize, ProvisionError> {
        let mut made = 0;
        loop {
            let session = self.owner.begin_unscoped().await?;
            if !schema::try_lock(&session, schema::SPARES_LOCK).await? {
                return Ok(made);
            }
            let missing = wanted.saturating_sub(schema::count_spares(&session).await?);
            if missing == 0 {
                return Ok(made);
            }
            for _ in 0..missing.min(SPARES_PER_BATCH) {
                let spare =
                    schema::insert(&session, &self.installed, SchemaState::Spare, &self.tenant).await?;
                self.build_schema(&session, &spare, &self.tenant).await?;
                session.batch(AS_OWNER).await?;
                schema::admit_role(&session, &spare).await?;
            }
            session.commit().await?;
            made += missing.min(SPARES_PER_BATCH);
        }
    }

    /// The pool settings that suit the owner's work: few connections, long statements.
    pub fn pool_settings(max_connections: usize) -> PoolSettings {
        PoolSettings {
            max_connections,
            pools: 1,
            statement_timeout: std::time::Duration::ZERO,
            lock_timeout: std::time::Duration::from_secs(10),
            ..PoolSettings::default()
        }
    }

    /// Runs `work` as a business, with the owner's login: for background work over all businesses.
    ///
    /// # Errors
    /// What `work` returns.
    pub async fn write_tenant<T, E>(
        &self,
        tenant: &Arc<Tenant>,
        work: impl AsyncFn(&TenantTx) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: Error + From<DbError>,
    {
        let session = self.owner.begin_unscoped().await?;
        session.batch(tenant.openings.settings()).await?;
        let realm = Realm::Business(tenant.number);
        let tx = TenantTx::over(session.into_realm(realm), &tenant.scope());
        let done = work(&tx).await?;
        tx.into_session().commit().await?;
        Ok(done)
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

/// Back from a tenant's role and schema to the owner's own, within a transaction.
pub(crate) const AS_OWNER: &str = "SET LOCAL ROLE NONE; SET LOCAL search_path = ''";

/// A transaction keeps a lock on each table and index it makes; PostgreSQL's lock table has room for some 60 schemas.
const SPARES_PER_BATCH: usize = 10;

/// The owner's database, with the settings that suit its work and this many connections.
///
/// # Errors
/// [`TlsError`] when the URL asks for TLS that cannot be set up.
pub fn owner_database(url: &DatabaseUrl, max_connections: usize) -> Result<Database, TlsError> {
    Database::new(url, &Provisioner::pool_settings(max_connections))
}
