//! Creates businesses. The role, schema, migrations, defaults and registry row are created in one
//! transaction, or not at all.

use std::error::Error;
use std::sync::Arc;

use crate::connection::connect::{DatabaseUrl, TlsError};
use crate::connection::error::DbError;
use crate::connection::pool::SchemaKey;
use crate::connection::pool_settings::PoolSettings;
use crate::connection::transaction::Transaction;
use crate::failpoint;
use crate::migration::files::{MigrationError, Migrations};
use crate::names::database::Installed;
use crate::names::tenant::{TenantId, TenantSlug};
use crate::owner::lifecycle::{self, LifecycleError};
use crate::registry::locks;
use crate::registry::schema::{self, Schema, SchemaState};
use crate::registry::tenant::{self, NewTenant};
use crate::scope::database::Database;
use crate::scope::tenant::Tenant;
use crate::scope::transactions::{ScopedTx, SharedScope, SharedTx, TenantTx};

/// A business or a schema could not be created or migrated. Nothing of the failed transaction remains.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// Another business uses the slug, or the slug is still reserved for its former business.
    #[error("the slug \"{0}\" is taken; choose another")]
    SlugTaken(TenantSlug),
    /// A query failed, or no connection was available.
    #[error("a provisioning query failed")]
    Db(#[from] DbError),
    /// A migration of the `shared` schema or of a business schema failed.
    #[error("a migration failed")]
    Migration(#[from] MigrationError),
}

/// Creates, migrates, copies and drops schemas, with the login that owns them.
pub struct OwnerDatabase {
    pub(crate) owner: Database,
    pub(crate) installed: Installed,
    pub(crate) tenant: Migrations,
    pub(crate) shared: Migrations,
}

/// Goes on with the role and the schema of a business.
async fn as_tenant(transaction: Transaction, tenant: &Arc<Tenant>) -> Result<TenantTx, DbError> {
    transaction.batch(tenant.openings.settings()).await?;
    let schema_key = SchemaKey::Tenant(tenant.number);
    Ok(TenantTx::over(transaction.into_schema(schema_key), &tenant.scope()))
}

/// Goes on with the owner's own role, in the `shared` schema.
async fn as_owner(tx: TenantTx) -> Result<SharedTx, DbError> {
    let transaction = tx.into_transaction().into_schema(SchemaKey::Shared);
    transaction.batch(AS_OWNER).await?;
    Ok(SharedTx::over(transaction, &SharedScope::Platform))
}

impl OwnerDatabase {
    /// Opens the database at `url`, with at most `max_connections` connections. The login in `url` must own
    /// the schemas.
    ///
    /// # Errors
    /// [`TlsError`] when the URL requires TLS that cannot be set up.
    pub fn new(
        url: &DatabaseUrl,
        max_connections: usize,
        installed: Installed,
        tenant: Migrations,
        shared: Migrations,
    ) -> Result<Self, TlsError> {
        let owner = Database::new(url, &Self::pool_settings(max_connections))?;
        Ok(Self { owner, installed, tenant, shared })
    }

    /// As [`Database::keep_watch`], for the owner's connections.
    pub async fn keep_watch(&self) {
        self.owner.keep_watch().await;
    }

    /// The migration files of a business schema.
    pub fn tenant_migrations(&self) -> &Migrations {
        &self.tenant
    }

    /// The newest version of the `shared` schema.
    pub fn latest_shared_version(&self) -> i32 {
        self.shared.latest()
    }

    /// The schema version of a new business.
    pub fn latest_version(&self) -> i32 {
        self.tenant.latest()
    }

    /// Creates a business in one transaction, in a spare schema if there is one.
    ///
    /// `seed` fills the new schema, with the role of the new tenant. `register` writes the rows that the
    /// `shared` schema needs for the business. If two calls use the same slug, the second waits for the first
    /// and is then refused.
    ///
    /// # Errors
    /// [`ProvisionError`], or the error of `seed` or `register`. Nothing remains then, and the call may be
    /// repeated.
    pub async fn create<T, E>(
        &self,
        new: &NewTenant,
        seed: impl AsyncFn(&TenantTx) -> Result<(), E>,
        register: impl AsyncFn(&Tenant, &SharedTx) -> Result<T, E>,
    ) -> Result<(Arc<Tenant>, T), E>
    where
        E: Error + From<ProvisionError>,
    {
        let transaction = self.owner.begin_unscoped().await.map_err(ProvisionError::from)?;
        let (schema, is_spare) = self.claim_or_register(&transaction).await?;
        let tenant = Arc::new(self.insert_row(&transaction, new, &schema).await?);
        failpoint::reach("after_registry");
        if !is_spare {
            self.build_schema(&transaction, &schema, &self.tenant).await?;
            schema::admit_role(&transaction, &schema).await.map_err(ProvisionError::from)?;
            failpoint::reach("after_role");
        }
        failpoint::reach("after_migrations");

        let tx = as_tenant(transaction, &tenant).await.map_err(ProvisionError::from)?;
        seed(&tx).await?;
        failpoint::reach("after_seed");

        let tx = as_owner(tx).await.map_err(ProvisionError::from)?;
        let registered = register(&tenant, &tx).await?;
        failpoint::reach("before_commit");
        tx.into_transaction().commit().await.map_err(ProvisionError::from)?;
        failpoint::reach("after_commit");
        tracing::info!(
            tenant.slug = %tenant.slug,
            tenant.number = tenant.number.get(),
            "created business {}",
            tenant.slug
        );
        Ok((tenant, registered))
    }

    /// Takes a spare schema of the newest version, and returns it with `true`. If there is none, registers a
    /// schema that must still be built, and returns it with `false`.
    async fn claim_or_register(&self, transaction: &Transaction) -> Result<(Schema, bool), ProvisionError> {
        if let Some(spare) = schema::claim_spare(transaction, self.tenant.latest()).await? {
            return Ok((spare, true));
        }
        let fresh = schema::insert(transaction, &self.installed, SchemaState::Live, &self.tenant).await?;
        Ok((fresh, false))
    }

    /// Inserts the row of the tenant with a licence of the default plan. The row takes the slug, before the
    /// schema is built. A second sign-up with the same slug then waits here, before it has built part of a
    /// schema.
    pub(crate) async fn insert_row(
        &self,
        transaction: &Transaction,
        new: &NewTenant,
        schema: &Schema,
    ) -> Result<Tenant, ProvisionError> {
        const INSERT: &str = "
            INSERT INTO shared.tenants (id, number, slug, name, status, created_at, updated_at, plan,
                                        licensed_at, licensed_until)
            SELECT $1::uuid, $2::bigint, $3::text, $4::text, 'active', $5::timestamptz, $5, p.key, $5,
                   $5 + p.term_days * interval '1 day'
              FROM shared.plans p
             WHERE p.is_default";
        let tenant = new.tenant(schema, self.tenant.needs_code(schema.version), transaction.now());
        let inserted = transaction
            .execute(
                INSERT,
                &[&tenant.id, &tenant.number.get(), &tenant.slug.as_str(), &tenant.name, &tenant.created_at],
            )
            .await;
        let taken = || ProvisionError::SlugTaken(new.slug.clone());
        match inserted {
            Err(error) if error.constraint() == Some("tenants_slug_key") => return Err(taken()),
            other => other?,
        };
        if tenant::is_slug_reserved(transaction, &new.slug, new.id).await? {
            return Err(taken());
        }
        Ok(tenant)
    }

    /// Creates a registered `schema` and runs `migrations` in it. Afterwards, the transaction sees the
    /// schema, but the schema's role must still be admitted with `schema::admit_role`.
    pub(crate) async fn build_schema(
        &self,
        transaction: &Transaction,
        schema: &Schema,
        migrations: &Migrations,
    ) -> Result<(), ProvisionError> {
        let statements = schema.creation(&self.installed.installation);
        let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
        transaction.pipeline(&statements).await.map_err(|(_, error)| error)?;
        failpoint::reach("after_schema");
        migrations.run(transaction).await?;
        Ok(())
    }

    /// Fills the pool of spare schemas up to `wanted`, in batches of one transaction each. Returns the number
    /// of schemas that were created.
    ///
    /// Every new role forces each backend to rebuild its list of roles, so the schemas of a batch share that
    /// cost. If another process is already filling the pool, this function does nothing.
    ///
    /// # Errors
    /// [`ProvisionError`]. The finished batches remain.
    pub async fn fill_spares(&self, wanted: usize) -> Result<usize, ProvisionError> {
        let mut made = 0;
        loop {
            let transaction = self.owner.begin_unscoped().await?;
            if !locks::try_lock(&transaction, locks::SPARES_LOCK).await? {
                return Ok(made);
            }
            let missing = wanted.saturating_sub(schema::count_spares(&transaction).await?);
            if missing == 0 {
                return Ok(made);
            }
            for _ in 0..missing.min(SPARES_PER_BATCH) {
                let spare =
                    schema::insert(&transaction, &self.installed, SchemaState::Spare, &self.tenant).await?;
                self.build_schema(&transaction, &spare, &self.tenant).await?;
                transaction.batch(AS_OWNER).await?;
                schema::admit_role(&transaction, &spare).await?;
            }
            transaction.commit().await?;
            made += missing.min(SPARES_PER_BATCH);
        }
    }

    /// The pool settings for the owner's work: few connections, and no time limit for a statement.
    pub fn pool_settings(max_connections: usize) -> PoolSettings {
        PoolSettings {
            max_connections,
            pools: 1,
            statement_timeout: std::time::Duration::ZERO,
            lock_timeout: std::time::Duration::from_secs(10),
            // Backups and migrations run for long, and survive a server that stands still for a moment.
            longest_silence: std::time::Duration::from_secs(60),
            ..PoolSettings::default()
        }
    }

    /// Runs `work` once, in one transaction with the role of a business, on a connection of the owner's
    /// login. For background work over all businesses.
    ///
    /// # Errors
    /// The error of `work`, and [`DbError`] when there is no connection or the commit fails.
    pub async fn write_tenant<T, E>(
        &self,
        tenant: &Arc<Tenant>,
        work: impl AsyncFn(&TenantTx) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: Error + From<DbError>,
    {
        let tx = as_tenant(self.owner.begin_unscoped().await?, tenant).await?;
        let done = work(&tx).await?;
        tx.into_transaction().commit().await?;
        Ok(done)
    }

    /// Runs `work` in a business, and then `record` in the `shared` schema with the output of `work`, in one
    /// transaction. Returns the output of `record`. The business is locked against changes of its lifecycle.
    /// Locks are awaited for half a second only, because those who come after wait, too.
    ///
    /// # Errors
    /// The error of `work` or `record`, and [`LifecycleError`] when the business is gone or busy.
    pub async fn write_both<T, R, E>(
        &self,
        id: TenantId,
        work: impl AsyncFn(&TenantTx) -> Result<T, E>,
        record: impl AsyncFn(&SharedTx, &Tenant, &T) -> Result<R, E>,
    ) -> Result<R, E>
    where
        E: Error + From<LifecycleError>,
    {
        let transaction = self.owner.begin_unscoped().await.map_err(LifecycleError::from)?;
        transaction.batch("SET LOCAL lock_timeout = '500ms'").await.map_err(LifecycleError::from)?;
        let tx = SharedTx::over(transaction, &SharedScope::Platform);
        let tenant = Arc::new(lifecycle::lock(&tx, id).await?);
        let tx = as_tenant(tx.into_transaction(), &tenant).await.map_err(LifecycleError::from)?;
        let done = work(&tx).await?;
        let tx = as_owner(tx).await.map_err(LifecycleError::from)?;
        let recorded = record(&tx, &tenant, &done).await?;
        tx.into_transaction().commit().await.map_err(LifecycleError::from)?;
        Ok(recorded)
    }

    /// Runs `work` once, in one transaction on the `shared` schema, with the owner's login. Sees every row.
    ///
    /// # Errors
    /// The error of `work`, and [`DbError`] when there is no connection or the commit fails.
    pub async fn write_shared<T, E>(&self, work: impl AsyncFn(&SharedTx) -> Result<T, E>) -> Result<T, E>
    where
        E: Error + From<DbError>,
    {
        let transaction = self.owner.begin_unscoped().await?;
        let tx = SharedTx::over(transaction, &SharedScope::Platform);
        let done = work(&tx).await?;
        tx.into_transaction().commit().await?;
        Ok(done)
    }

    /// The business with an id; `None` if there is none.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn find_tenant(&self, id: TenantId) -> Result<Option<Arc<Tenant>>, DbError> {
        let find = async |tx: &SharedTx| tenant::find_by_id(tx, id).await;
        Ok(self.write_shared(find).await?.map(Arc::new))
    }

    /// As [`OwnerDatabase::write_shared`], but nothing of it is kept: it shows whether the work would
    /// succeed.
    ///
    /// # Errors
    /// As [`OwnerDatabase::write_shared`].
    pub async fn rehearse_shared<T, E>(&self, work: impl AsyncFn(&SharedTx) -> Result<T, E>) -> Result<T, E>
    where
        E: Error + From<DbError>,
    {
        let transaction = self.owner.begin_unscoped().await?;
        // Without a commit, the end of the transaction rolls it back.
        work(&SharedTx::over(transaction, &SharedScope::Platform)).await
    }
}

/// Changes from a tenant's role and schema back to the owner's own, within a transaction.
pub(crate) const AS_OWNER: &str = "SET LOCAL ROLE NONE; SET LOCAL search_path = ''";

/// A transaction holds a lock on each table and index that it creates. PostgreSQL's lock table has room for
/// about 60 schemas.
const SPARES_PER_BATCH: usize = 10;
