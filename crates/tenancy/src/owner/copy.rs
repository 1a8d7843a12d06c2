//! One business's data on the move: a consistent picture of a schema to read from, and a new schema to load into.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::connection::error::DbError;
use crate::connection::transaction::{CopyIn, CopyOut, Session};
use crate::failpoint;
use crate::migration::files::{HISTORY, SHARED_HISTORY};
use crate::names::tenant_names::{BusinessNumber, RoleName, SchemaName, TenantId, quote_identifier};
use crate::owner::lifecycle::LifecycleError;
use crate::owner::provisioning::{AS_OWNER, NewTenant, ProvisionError, Provisioner};
use crate::registry::schema::{self, Schema, SchemaState};
use crate::registry::tenant::{self, Tenant};
use crate::scope::scope::{ScopedTx, SharedScope, SharedTx};

/// A table and its columns, in the order in which a copy writes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    pub name: String,
    pub columns: Vec<String>,
}

/// A business's data, and the `shared` schema, as they were at one moment.
///
/// Reads in one REPEATABLE READ transaction that nothing waits for but migrations of this one schema.
pub struct Snapshot {
    tx: SharedTx,
    schema: SchemaName,
    version: i32,
}

/// A new schema that is being filled; dropped, it never was.
pub struct Loading {
    tx: SharedTx,
    schema: Schema,
}

/// The table that refuses to be emptied; it is empty in a fresh installation.
const APPEND_ONLY: &str = "platform_audit";

impl Snapshot {
    /// The `shared` schema at the same moment.
    pub fn shared(&self) -> &SharedTx {
        &self.tx
    }

    /// The last migration that the schema has.
    pub fn version(&self) -> i32 {
        self.version
    }

    /// The tables, each after those that it refers to.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn tables(&self) -> Result<Vec<Table>, DbError> {
        tables(&self.tx, &self.schema).await
    }

    /// All rows of a table, in PostgreSQL's text format.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn copy_out(&self, table: &Table) -> Result<CopyOut<'_>, DbError> {
        self.tx.copy_out(&copy(&self.schema, table, "TO STDOUT")).await
    }

    /// The server's version, for people.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn postgres_version(&self) -> Result<String, DbError> {
        const VERSION: &str = "SELECT current_setting('server_version') AS version";
        Ok(self.tx.query_one(VERSION, &[]).await?.try_get("version")?)
    }
}

impl Loading {
    /// The version at which the schema was made.
    pub fn version(&self) -> i32 {
        self.schema.version
    }

    /// The tables, each after those that it refers to.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn tables(&self) -> Result<Vec<Table>, DbError> {
        tables(&self.tx, &self.schema.name).await
    }

    /// Rows for a table, in PostgreSQL's text format and in the order of `table.columns`.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn copy_in(&self, table: &Table) -> Result<CopyIn<'_>, DbError> {
        self.tx.copy_in(&copy(&self.schema.name, table, "FROM STDIN")).await
    }

    /// What was loaded, for comparing.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn copy_out(&self, table: &Table) -> Result<CopyOut<'_>, DbError> {
        self.tx.copy_out(&copy(&self.schema.name, table, "TO STDOUT")).await
    }
}

impl Provisioner {
    /// A consistent picture of a business and of the `shared` schema, and the business as it was at that moment; `None`
    /// when there is no such business any more. Waits for a migration of the business to end.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn snapshot(&self, id: TenantId) -> Result<Option<(Snapshot, Arc<Tenant>)>, DbError> {
        let find = async |tx: &SharedTx| tenant::find_by_id(tx, id).await;
        let Some(mut expected) = self.write_shared(find).await? else { return Ok(None) };
        loop {
            let session = self.owner.begin_snapshot().await?;
            let history = format!("{}.{HISTORY}", expected.schema.quoted());
            let locked = session.batch(&keep_migrations_out(&history)).await;
            let tx = SharedTx::over(session, &SharedScope::Platform);
            // Until the lock was taken, a restore may have given the business another schema, and this one be gone.
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

    /// A consistent picture of the `shared` schema alone.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn snapshot_shared(&self) -> Result<Snapshot, DbError> {
        const VERSION: &str = "SELECT max(version) AS version FROM shared.shared_migrations";
        let session = self.owner.begin_snapshot().await?;
        session.batch(&keep_migrations_out(&format!("shared.{SHARED_HISTORY}"))).await?;
        let version = session.query_one(VERSION, &[]).await?.try_get("version")?;
        let tx = SharedTx::over(session, &SharedScope::Platform);
        Ok(Snapshot { tx, schema: SchemaName::shared(), version })
    }

    /// An empty schema at `version`, to be filled for a business that is not there yet, or for nobody.
    ///
    /// # Errors
    /// [`ProvisionError`], with the slug when it is taken.
    pub async fn begin_loading(
        &self,
        version: i32,
        new: Option<&NewTenant>,
    ) -> Result<(Loading, Option<Arc<Tenant>>), ProvisionError> {
        let session = self.owner.begin_patient().await?;
        let migrations = self.tenant.up_to(version);
        let state = if new.is_some() { SchemaState::Live } else { SchemaState::Spare };
        let schema = schema::insert(&session, &self.installed, state, &migrations).await?;
        let tenant = match new {
            Some(new) => Some(Arc::new(self.insert_row(&session, new, &schema).await?)),
            None => None,
        };
        self.build_schema(&session, &schema, &migrations).await?;
        session.batch(AS_OWNER).await?;
        let tx = SharedTx::over(session, &SharedScope::Platform);
        Ok((Loading { tx, schema }, tenant))
    }

    /// Whether the `shared` schema holds nothing but what its migrations put there.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn is_fresh(&self) -> Result<bool, DbError> {
        is_fresh(&self.owner.begin_unscoped().await?).await
    }

    /// The `shared` schema of a fresh installation, emptied of what its migrations put there; `None` when it is in use.
    /// Spare schemas go: what is loaded may know businesses by their numbers.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn begin_loading_shared(&self) -> Result<Option<Loading>, DbError> {
        const SPARES: &str = "SELECT number, name, role_name, version FROM shared.schemas";
        let session = self.owner.begin_patient().await?;
        // Nobody fills the pool meanwhile.
        schema::lock(&session, schema::SPARES_LOCK).await?;
        let tx = SharedTx::over(session, &SharedScope::Platform);
        if !is_fresh(&tx).await? {
            return Ok(None);
        }
        for row in tx.query(SPARES, &[]).await? {
            let spare = Schema::from_row(&row)?;
            // One schema to a transaction, for a transaction holds a lock on each table that it drops.
            let dropping = self.owner.begin_unscoped().await?;
            schema::drop_schema(&dropping, &spare.name, spare.number).await?;
            dropping.commit().await?;
        }
        let schema = SchemaName::shared();
        for table in tables(&tx, &schema).await?.iter().rev().filter(|table| table.name != APPEND_ONLY) {
            tx.batch(&format!("DELETE FROM {}.{}", schema.quoted(), quote_identifier(&table.name))).await?;
        }
        let version = self.shared.latest();
        let (number, role) = (BusinessNumber::from_sequence(0), RoleName::from_registry(String::new()));
        Ok(Some(Loading { tx, schema: Schema { number, name: schema, role, version } }))
    }

    /// Brings what was loaded to the newest version, tells the planner about it, and makes its role. What follows has to
    /// be short.
    ///
    /// # Errors
    /// [`ProvisionError`].
    pub async fn finish_loading(&self, loading: &Loading) -> Result<(), ProvisionError> {
        loading.tx.batch(&schema::search_path(&loading.schema.name)).await?;
        self.tenant.run(&loading.tx).await?;
        for table in loading.tables().await? {
            loading.tx.batch(&format!("ANALYZE {}", quote_identifier(&table.name))).await?;
        }
        loading.tx.batch(AS_OWNER).await?;
        schema::record_version(&loading.tx, loading.schema.number, &self.tenant).await?;
        schema::admit_role(&loading.tx, &loading.schema).await?;
        Ok(())
    }

    /// Keeps what was loaded for a new business, once `register` has written what else the `shared` schema has to know.
    ///
    /// # Errors
    /// What `register` returns; nothing stays then.
    pub async fn keep_loaded<T, E>(
        &self,
        loading: Loading,
        register: impl AsyncFn(&SharedTx) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: std::error::Error + From<DbError>,
    {
        let done = register(&loading.tx).await?;
        loading.tx.into_session().commit().await?;
        Ok(done)
    }

    /// Gives what was loaded to the business in place of its own schema, which is set aside, and opens it again.
    ///
    /// # Errors
    /// What `register` returns; nothing has changed then.
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
        schema::point_tenant(tx, tenant.id, loading.schema.number).await?;
        let row = tx.query_one(EXISTS, &[&tenant.schema.as_str()]).await?;
        if row.try_get("there").map_err(DbError::from)? {
            schema::set_aside(tx, tenant).await?;
        } else {
            // The `shared` schema came out of a backup of its own: the business has had no schema since.
            tx.execute(FORGET, &[&tenant.number.get()]).await?;
        }
        register(tx).await?;
        failpoint::reach("before_replacing");
        loading.tx.into_session().commit().await?;
        Ok(())
    }

    /// Holds the business's lock, so that nothing comes between, and closes the business for as long as the guard lives.
    ///
    /// # Errors
    /// [`LifecycleError`].
    pub async fn begin_maintenance(&self, id: TenantId) -> Result<Maintenance<'_>, LifecycleError> {
        let close = async |tx: &SharedTx| schema::begin_maintenance(tx, id).await;
        let (tenant, lock) = self.hold(id, close).await?;
        Ok(Maintenance { provisioner: self, tenant, _lock: lock })
    }

    /// Opens businesses whose maintenance was cut off: their status says so, and nobody holds their lock.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn end_abandoned_maintenance(&self) -> Result<usize, DbError> {
        const IN_MAINTENANCE: &str =
            "SELECT t.id, t.number FROM shared.tenants t WHERE t.status IN ('migrating', 'restoring')
                AND EXISTS (SELECT FROM pg_namespace n JOIN shared.schemas s ON s.name = n.nspname WHERE s.number = t.number)";
        let rows = self.write_shared(async |tx| tx.query(IN_MAINTENANCE, &[]).await).await?;
        let mut ended = 0;
        for row in rows {
            let number = BusinessNumber::from_sequence(row.try_get("number")?);
            let session = self.owner.begin_unscoped().await?;
            if schema::try_lock(&session, schema::lock_key(number)).await? {
                let tenant = TenantId::from_uuid(row.try_get("id")?);
                let tx = SharedTx::over(session, &SharedScope::Platform);
                ended += usize::from(schema::end_maintenance(&tx, tenant).await?);
                tx.into_session().commit().await?;
            }
        }
        Ok(ended)
    }
}

/// A business that is closed while something is done to its schema. End it with [`Maintenance::end`]; when the process
/// dies instead, [`Provisioner::end_abandoned_maintenance`] opens the business again.
pub struct Maintenance<'a> {
    provisioner: &'a Provisioner,
    /// As it was when the lock had been taken.
    tenant: Arc<Tenant>,
    /// Keeps the business's advisory lock.
    _lock: Session,
}

impl Maintenance<'_> {
    /// The business that is closed.
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// Opens the business again, as it was before.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn end(self) -> Result<(), DbError> {
        self.provisioner
            .write_shared(async |tx| schema::end_maintenance(tx, self.tenant.id).await.map(drop))
            .await
    }
}

async fn is_fresh(session: &Session) -> Result<bool, DbError> {
    const IS_FRESH: &str = "
        SELECT NOT EXISTS (SELECT FROM shared.tenants) AND NOT EXISTS (SELECT FROM shared.users)
               AND NOT EXISTS (SELECT FROM shared.platform_audit) AS fresh";
    Ok(session.query_one(IS_FRESH, &[]).await?.try_get("fresh")?)
}

/// Waits for a migration to end, and lets none begin. The lock takes no snapshot of the data yet, as a query would: what
/// is read afterwards is what the migration left.
fn keep_migrations_out(history: &str) -> String {
    format!("SET LOCAL lock_timeout = '60s'; LOCK TABLE {history} IN SHARE MODE")
}

fn copy(schema: &SchemaName, table: &Table, direction: &str) -> String {
    let columns: Vec<String> = table.columns.iter().map(|column| quote_identifier(column)).collect();
    format!("COPY {}.{} ({}) {direction}", schema.quoted(), quote_identifier(&table.name), columns.join(", "))
}

/// The tables of a schema but the history of its migrations, each after those that it refers to.
async fn tables(session: &Session, schema: &SchemaName) -> Result<Vec<Table>, DbError> {
    const TABLES: &str = "
        SELECT c.relname::text AS name,
               (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a
                 WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
               ARRAY(SELECT r.relname::text FROM pg_constraint k JOIN pg_class r ON r.oid = k.confrelid
                      WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.confrelid <> c.oid) AS refers_to
          FROM pg_namespace n
          -- pg_class has no index by schema; what stands in one depends on it, and that has.
          JOIN pg_depend d ON d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid
                          AND d.classid = 'pg_class'::regclass
          JOIN pg_class c ON c.oid = d.objid
         WHERE n.nspname = $1 AND c.relkind IN ('r', 'p')
         ORDER BY c.relname";
    let rows = session.query(TABLES, &[&schema.as_str()]).await?;
    let mut waiting: Vec<(Table, Vec<String>)> = Vec::new();
    for row in &rows {
        let name: String = row.try_get("name")?;
        if name == HISTORY || name == SHARED_HISTORY {
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
        // Migrations are checked for cycles of foreign keys; without this a cycle would loop for ever.
        let (ready, later) = if ready.is_empty() { (later, Vec::new()) } else { (ready, later) };
        placed.extend(ready.iter().map(|(table, _)| table.name.clone()));
        ordered.extend(ready.into_iter().map(|(table, _)| table));
        waiting = later;
    }
    Ok(ordered)
}
