//! Copies of a business's data: a consistent snapshot of a schema to read from, and a new schema to load
//! into.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::connection::copy_stream::{CopyIn, CopyOut};
use crate::connection::error::DbError;
use crate::connection::transaction::Transaction;
use crate::failpoint;
use crate::migration::files::{HISTORY, Migrations, SHARED_HISTORY};
use crate::names::database::{SchemaName, TenantNumber};
use crate::names::quoting::quote_identifier;
use crate::names::tenant::TenantId;
use crate::owner::lifecycle::LifecycleError;
use crate::owner::provisioning::{AS_OWNER, OwnerDatabase, ProvisionError};
use crate::registry::locks;
use crate::registry::maintenance;
use crate::registry::schema::{self, Schema, SchemaState};
use crate::registry::tenant::NewTenant;
use crate::registry::tenant::{self};
use crate::scope::opening::search_path;
use crate::scope::tenant::Tenant;
use crate::scope::transactions::{ScopedTx, SharedScope, SharedTx};

/// A table and its columns, in the order in which a copy writes the columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// The name of the table, without its schema.
    pub name: String,
    /// The names of the columns, unquoted.
    pub columns: Vec<String>,
}

/// The data of a business and of the `shared` schema, at one moment.
///
/// Reads in one REPEATABLE READ transaction. Only a migration and a drop of this schema must wait for this
/// transaction.
pub struct Snapshot {
    tx: SharedTx,
    schema: SchemaName,
    version: i32,
}

/// A new schema that is being filled. If this value is dropped, the schema is rolled back.
pub struct Loading {
    tx: SharedTx,
    target: Target,
}

/// The schema that is filled.
enum Target {
    /// A new schema, for a business or for none.
    Tenant(Schema),
    /// The `shared` schema of a fresh installation, at this version.
    Shared(SchemaName, i32),
}

impl Target {
    fn name(&self) -> &SchemaName {
        match self {
            Self::Tenant(schema) => &schema.name,
            Self::Shared(name, _) => name,
        }
    }
}

/// The table that refuses deletes, and is empty in a fresh installation.
const APPEND_ONLY: &str = "platform_audit";

/// The tables of the `shared` schema that no backup contains: a session or a key that has been revoked since
/// then must not come back to life, and no link or mail of then is of use.
const OF_THE_MOMENT: [&str; 16] = [
    "sessions",
    "refresh_tokens",
    "revocations",
    "signing_keys",
    "api_keys",
    "oauth_clients",
    "sign_ons",
    "authorization_codes",
    "consents",
    "logout_notices",
    "service_accounts",
    "one_time_tokens",
    "mails",
    "sign_in_attempts",
    "pins",
    "sign_ups",
];

impl Snapshot {
    /// Access to the `shared` schema at the same moment.
    pub fn shared(&self) -> &SharedTx {
        &self.tx
    }

    /// The version of the schema, which is that of its last migration.
    pub fn version(&self) -> i32 {
        self.version
    }

    /// Lists the tables. Each table comes after the tables that it refers to.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn tables(&self) -> Result<Vec<Table>, DbError> {
        tables(&self.tx, &self.schema).await
    }

    /// Reads all rows of a table, in PostgreSQL's text format.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn copy_out(&self, table: &Table) -> Result<CopyOut<'_>, DbError> {
        self.tx.copy_out(&copy(&self.schema, table, "TO STDOUT")).await
    }

    /// Returns the version of the PostgreSQL server, for display.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn postgres_version(&self) -> Result<String, DbError> {
        const VERSION: &str = "SELECT current_setting('server_version') AS version";
        Ok(self.tx.query_one(VERSION, &[]).await?.try_get("version")?)
    }
}

impl Loading {
    /// The version at which the schema was created.
    pub fn version(&self) -> i32 {
        match &self.target {
            Target::Tenant(schema) => schema.version,
            Target::Shared(_, version) => *version,
        }
    }

    /// Lists the tables. Each table comes after the tables that it refers to.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn tables(&self) -> Result<Vec<Table>, DbError> {
        tables(&self.tx, self.target.name()).await
    }

    /// Writes rows into a table. The rows must have PostgreSQL's text format and the order of
    /// `table.columns`.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn copy_in(&self, table: &Table) -> Result<CopyIn<'_>, DbError> {
        self.tx.copy_in(&copy(self.target.name(), table, "FROM STDIN")).await
    }

    /// Reads the loaded rows of a table, for comparison.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn copy_out(&self, table: &Table) -> Result<CopyOut<'_>, DbError> {
        self.tx.copy_out(&copy(self.target.name(), table, "TO STDOUT")).await
    }
}

impl OwnerDatabase {
    /// Opens a snapshot of a business and of the `shared` schema. Also returns the business as it was at that
    /// moment. Returns `None` when the business no longer exists. Waits up to 60 seconds for a running
    /// migration of the business to end.
    ///
    /// # Errors
    /// [`DbError`], also when the migration takes longer.
    pub async fn snapshot(&self, id: TenantId) -> Result<Option<(Snapshot, Arc<Tenant>)>, DbError> {
        let find = async |tx: &SharedTx| tenant::find_by_id(tx, id).await;
        let Some(mut expected) = self.write_shared(find).await? else { return Ok(None) };
        loop {
            let transaction = self.owner.begin_snapshot().await?;
            let history = format!("{}.{HISTORY}", expected.schema.quoted());
            let locked = transaction.batch(&keep_migrations_out(&history)).await;
            let tx = SharedTx::over(transaction, &SharedScope::Platform);
            // Before the lock was taken, a restore may have given the business another schema, and the old
            // schema may have been dropped.
            let now = if locked.is_ok() { find(&tx).await? } else { self.write_shared(find).await? };
            let Some(now) = now else { return Ok(None) };
            if now.number == expected.number {
                locked?;
                let (schema, version) = (now.schema.clone(), now.schema_version);
                return Ok(Some((Snapshot { tx, schema, version }, Arc::new(now))));
            }
            expected = now;
        }
    }

    /// Opens a snapshot of the `shared` schema alone. Waits up to 60 seconds for a running migration of that
    /// schema to end.
    ///
    /// # Errors
    /// [`DbError`], also when the migration takes longer.
    pub async fn snapshot_shared(&self) -> Result<Snapshot, DbError> {
        const VERSION: &str = "SELECT max(version) AS version FROM shared.shared_migrations";
        let transaction = self.owner.begin_snapshot().await?;
        transaction.batch(&keep_migrations_out(&format!("shared.{SHARED_HISTORY}"))).await?;
        let version = transaction.query_one(VERSION, &[]).await?.try_get("version")?;
        let tx = SharedTx::over(transaction, &SharedScope::Platform);
        Ok(Snapshot { tx, schema: SchemaName::shared(), version })
    }

    /// Creates an empty schema at `version` that belongs to no business, to be filled.
    ///
    /// # Errors
    /// [`ProvisionError`].
    pub async fn begin_loading(&self, version: i32) -> Result<Loading, ProvisionError> {
        let transaction = self.owner.begin_patient().await?;
        let migrations = self.tenant.up_to(version);
        let schema = schema::insert(&transaction, &self.installed, SchemaState::Spare, &migrations).await?;
        self.build_to_load(transaction, schema, &migrations).await
    }

    /// Creates an empty schema at `version`, to be filled, and the new business that it belongs to.
    ///
    /// # Errors
    /// [`ProvisionError`]; [`ProvisionError::SlugTaken`] when the slug is taken.
    pub async fn begin_loading_for(
        &self,
        version: i32,
        new: &NewTenant,
    ) -> Result<(Loading, Arc<Tenant>), ProvisionError> {
        let transaction = self.owner.begin_patient().await?;
        let migrations = self.tenant.up_to(version);
        let schema = schema::insert(&transaction, &self.installed, SchemaState::Live, &migrations).await?;
        let tenant = Arc::new(self.insert_row(&transaction, new, &schema).await?);
        Ok((self.build_to_load(transaction, schema, &migrations).await?, tenant))
    }

    async fn build_to_load(
        &self,
        transaction: Transaction,
        schema: Schema,
        migrations: &Migrations,
    ) -> Result<Loading, ProvisionError> {
        self.build_schema(&transaction, &schema, migrations).await?;
        transaction.batch(AS_OWNER).await?;
        let tx = SharedTx::over(transaction, &SharedScope::Platform);
        Ok(Loading { tx, target: Target::Tenant(schema) })
    }

    /// Whether the installation has no business, no user and no entry in the platform's audit log.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn is_fresh(&self) -> Result<bool, DbError> {
        is_fresh(&self.owner.begin_unscoped().await?).await
    }

    /// Deletes all rows of the `shared` schema of a fresh installation, so that it can be filled. Returns
    /// `None` when the installation is in use.
    ///
    /// Also drops all spare schemas, because their numbers may belong to businesses in the loaded data. Each
    /// spare schema is dropped in its own transaction, and stays dropped if the loading is given up.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn begin_loading_shared(&self) -> Result<Option<Loading>, DbError> {
        const SPARES: &str = "SELECT number, name, role_name, version FROM shared.schemas";
        let transaction = self.owner.begin_patient().await?;
        // The lock prevents other processes from adding spare schemas.
        locks::lock(&transaction, locks::SPARES_LOCK).await?;
        let tx = SharedTx::over(transaction, &SharedScope::Platform);
        if !is_fresh(&tx).await? {
            return Ok(None);
        }
        for spare in tx.rows::<Schema>(SPARES, &[]).await? {
            // Each schema is dropped in its own transaction, because a transaction holds a lock on each table
            // that it drops.
            let dropping = self.owner.begin_unscoped().await?;
            schema::drop_schema(&dropping, &spare.name, spare.number).await?;
            dropping.commit().await?;
        }
        let schema = SchemaName::shared();
        for table in tables(&tx, &schema).await?.iter().rev().filter(|table| table.name != APPEND_ONLY) {
            tx.batch(&format!("DELETE FROM {}.{}", schema.quoted(), quote_identifier(&table.name))).await?;
        }
        // A file of an older release lacks tables to which other rows refer. The caller makes their rows.
        tx.batch("SET CONSTRAINTS ALL DEFERRED").await?;
        Ok(Some(Loading { tx, target: Target::Shared(schema, self.shared.latest()) }))
    }

    /// Migrates the loaded schema to the newest version, updates the planner's statistics, and creates the
    /// schema's role. The caller must commit soon afterwards, because other new roles may wait until then.
    /// Does nothing for the `shared` schema.
    ///
    /// # Errors
    /// [`ProvisionError`].
    pub async fn finish_loading(&self, loading: &Loading) -> Result<(), ProvisionError> {
        // The `shared` schema is loaded at its newest version, and has no role of its own.
        let Target::Tenant(schema) = &loading.target else { return Ok(()) };
        loading.tx.batch(&search_path(&schema.name)).await?;
        self.tenant.run(&loading.tx).await?;
        for table in loading.tables().await? {
            loading.tx.batch(&format!("ANALYZE {}", quote_identifier(&table.name))).await?;
        }
        loading.tx.batch(AS_OWNER).await?;
        schema::record_version(&loading.tx, schema.number, &self.tenant).await?;
        schema::admit_role(&loading.tx, schema).await?;
        Ok(())
    }

    /// Commits the loaded schema of a new business, or the loaded `shared` schema. Before that, `register`
    /// writes the other rows that the `shared` schema needs.
    ///
    /// # Errors
    /// The error of `register`, and [`DbError`] when the commit fails. Nothing remains then.
    pub async fn keep_loaded<T, E>(
        &self,
        loading: Loading,
        register: impl AsyncFn(&SharedTx) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: std::error::Error + From<DbError>,
    {
        let done = register(&loading.tx).await?;
        loading.tx.into_transaction().commit().await?;
        Ok(done)
    }

    /// Gives the loaded schema to the business, and opens the business again. Sets aside the earlier schema
    /// of the business if that schema still exists. `register` writes in the same transaction.
    ///
    /// # Errors
    /// The error of `register`, and [`DbError`] when a query fails. Nothing has changed then.
    pub async fn replace_by_loaded<E>(
        &self,
        loading: Loading,
        maintenance: &Maintenance<'_>,
        register: impl AsyncFn(&SharedTx) -> Result<(), E>,
    ) -> Result<(), E>
    where
        E: std::error::Error + From<DbError>,
    {
        const EXISTS: &str = "SELECT to_regnamespace($1) IS NOT NULL AS there";
        const FORGET: &str = "DELETE FROM shared.schemas WHERE number = $1";
        let (tx, tenant) = (&loading.tx, &maintenance.tenant);
        if let Target::Tenant(schema) = &loading.target {
            schema::point_tenant(tx, tenant.id, schema.number).await?;
        }
        let row = tx.query_one(EXISTS, &[&tenant.schema.as_str()]).await?;
        if row.try_get("there").map_err(DbError::from)? {
            schema::set_aside(tx, tenant).await?;
        } else {
            // The `shared` schema was restored from its own backup. The business has had no schema since
            // then.
            tx.execute(FORGET, &[&tenant.number.get()]).await?;
        }
        register(tx).await?;
        failpoint::reach("before_replacing");
        loading.tx.into_transaction().commit().await?;
        Ok(())
    }

    /// Takes the business's lock, so that no other process works on the business, and closes the business
    /// until the guard is ended.
    ///
    /// # Errors
    /// [`LifecycleError::NotFound`]; [`LifecycleError::Busy`] when another process holds the lock;
    /// [`LifecycleError::Db`].
    pub async fn begin_maintenance(&self, id: TenantId) -> Result<Maintenance<'_>, LifecycleError> {
        let close = async |tx: &SharedTx| maintenance::begin_maintenance(tx, id).await;
        let (tenant, lock) = self.hold(id, close).await?;
        Ok(Maintenance { owner_database: self, tenant, _lock: lock })
    }

    /// Opens businesses whose maintenance was interrupted: they have a status of maintenance, but no process
    /// holds their lock. Returns the number of these businesses. A business whose schema does not exist stays
    /// closed.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn end_abandoned_maintenance(&self) -> Result<usize, DbError> {
        const IN_MAINTENANCE: &str =
            "SELECT t.id, t.number FROM shared.tenants t WHERE t.status IN ('migrating', 'restoring')
                AND EXISTS (SELECT FROM pg_namespace n JOIN shared.schemas s ON s.name = n.nspname
                             WHERE s.number = t.number)";
        let rows = self.write_shared(async |tx| tx.query(IN_MAINTENANCE, &[]).await).await?;
        let mut ended = 0;
        for row in rows {
            let number: TenantNumber = row.try_get("number")?;
            let transaction = self.owner.begin_unscoped().await?;
            if locks::try_lock(&transaction, number.lock_key()).await? {
                let tenant = row.try_get("id")?;
                let tx = SharedTx::over(transaction, &SharedScope::Platform);
                ended += usize::from(maintenance::end_maintenance(&tx, tenant).await?);
                tx.into_transaction().commit().await?;
            }
        }
        Ok(ended)
    }
}

/// A business that is closed while its schema is changed. The caller must call [`Maintenance::end`]. If the
/// process dies before that, [`OwnerDatabase::end_abandoned_maintenance`] opens the business again.
pub struct Maintenance<'a> {
    owner_database: &'a OwnerDatabase,
    /// The business as it was when the lock was taken.
    tenant: Arc<Tenant>,
    /// Holds the business's advisory lock.
    _lock: Transaction,
}

impl Maintenance<'_> {
    /// Returns the business as it was before it was closed.
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// Opens the business again, with its earlier status. Does nothing if the business is open already.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn end(self) -> Result<(), DbError> {
        self.owner_database
            .write_shared(async |tx| maintenance::end_maintenance(tx, self.tenant.id).await.map(drop))
            .await
    }
}

async fn is_fresh(transaction: &Transaction) -> Result<bool, DbError> {
    const IS_FRESH: &str = "
        SELECT NOT EXISTS (SELECT FROM shared.tenants) AND NOT EXISTS (SELECT FROM shared.users)
               AND NOT EXISTS (SELECT FROM shared.platform_audit) AS fresh";
    Ok(transaction.query_one(IS_FRESH, &[]).await?.try_get("fresh")?)
}

/// Returns the statements that wait for a running migration to end, and prevent a new one. LOCK TABLE takes
/// no snapshot of the data, unlike a query. Later reads therefore see the result of the migration.
fn keep_migrations_out(history: &str) -> String {
    format!("SET LOCAL lock_timeout = '60s'; LOCK TABLE {history} IN SHARE MODE")
}

fn copy(schema: &SchemaName, table: &Table, direction: &str) -> String {
    let columns: Vec<String> = table.columns.iter().map(|column| quote_identifier(column)).collect();
    format!("COPY {}.{} ({}) {direction}", schema.quoted(), quote_identifier(&table.name), columns.join(", "))
}

/// Lists the tables of a schema whose rows backups contain. Each table comes after the tables that
/// it refers to.
async fn tables(transaction: &Transaction, schema: &SchemaName) -> Result<Vec<Table>, DbError> {
    const TABLES: &str = "
        SELECT c.relname::text AS name,
               (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a
                 WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                   AND a.attgenerated = '') AS columns,
               ARRAY(SELECT r.relname::text FROM pg_constraint k JOIN pg_class r ON r.oid = k.confrelid
                      WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.confrelid <> c.oid) AS refers_to
          FROM pg_namespace n
          -- pg_class has no index on the schema. pg_depend has an index, and each object depends on its
          -- schema.
          JOIN pg_depend d ON d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid
                          AND d.classid = 'pg_class'::regclass
          JOIN pg_class c ON c.oid = d.objid
         WHERE n.nspname = $1 AND c.relkind IN ('r', 'p')
         ORDER BY c.relname";
    let rows = transaction.query(TABLES, &[&schema.as_str()]).await?;
    let mut waiting: Vec<(Table, Vec<String>)> = Vec::new();
    for row in &rows {
        let name: String = row.try_get("name")?;
        let is_of_the_moment = *schema == SchemaName::shared() && OF_THE_MOMENT.contains(&name.as_str());
        if name == HISTORY || name == SHARED_HISTORY || is_of_the_moment {
            continue;
        }
        let columns: Option<Vec<String>> = row.try_get("columns")?;
        waiting.push((Table { name, columns: columns.unwrap_or_default() }, row.try_get("refers_to")?));
    }
    let mut placed: BTreeSet<String> = BTreeSet::new();
    let mut ordered = Vec::new();
    while !waiting.is_empty() {
        let (ready, later): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|(_, refers_to)| refers_to.iter().all(|name| placed.contains(name)));
        // A check of the migrations refuses cycles of foreign keys. Without this line, a cycle would cause an
        // endless loop.
        let (ready, later) = if ready.is_empty() { (later, Vec::new()) } else { (ready, later) };
        placed.extend(ready.iter().map(|(table, _)| table.name.clone()));
        ordered.extend(ready.into_iter().map(|(table, _)| table));
        waiting = later;
    }
    Ok(ordered)
}
