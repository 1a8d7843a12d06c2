//! The registry of schemas: which there are, who uses them, which version they have, and how their last migration went.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;

use crate::connection::error::DbError;
use crate::connection::transaction::Session;
use crate::migration::files::Migrations;
use crate::names::tenant_names::{
    BusinessNumber, Installation, RoleName, SchemaName, TENANT_GROUP, TenantId, quote_identifier,
};
use crate::owner::bootstrap::Installed;
use crate::registry::tenant::Tenant;

/// Who uses a schema that is being made. One that a restore set aside was made for a business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SchemaState {
    /// Finished, and waiting for a new business.
    Spare,
    /// A business's own.
    Live,
    /// Nobody's, for as long as isolation is tried.
    Probe,
}

impl SchemaState {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Spare => "spare",
            Self::Live => "live",
            Self::Probe => "probe",
        }
    }
}

/// A schema and its role, by the names that the registry has.
#[derive(Debug, Clone)]
pub(crate) struct Schema {
    pub(crate) number: BusinessNumber,
    pub(crate) name: SchemaName,
    pub(crate) role: RoleName,
    pub(crate) version: i32,
}

impl Schema {
    pub(crate) fn from_row(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            number: BusinessNumber::from_sequence(row.try_get("number")?),
            name: SchemaName::from_registry(row.try_get("name")?),
            role: RoleName::from_registry(row.try_get("role_name")?),
            version: row.try_get("version")?,
        })
    }

    /// The statements that make the schema, its default privileges, and let the session see it.
    pub(crate) fn creation(&self, installation: &Installation) -> [String; 5] {
        let schema = self.name.quoted();
        let reader = quote_identifier(&installation.reader_role());
        // Default privileges before the DDL: a GRANT ON ALL TABLES afterwards reads the whole catalogue.
        [
            format!("CREATE SCHEMA {schema}"),
            format!("GRANT USAGE ON SCHEMA {schema} TO {reader}"),
            format!(
                "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {TENANT_GROUP}"
            ),
            format!("ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO {reader}"),
            search_path(&self.name),
        ]
    }
}

/// Makes the schema's role and lets it in.
///
/// Last before the commit where a transaction takes long: from PostgreSQL 16 on, joining the tenant group locks that group
/// until the end, and every other new role waits.
pub(crate) async fn admit_role(session: &Session, schema: &Schema) -> Result<(), DbError> {
    const MAKE_ROLE: &str = "SELECT shared.make_tenant_role($1)";
    session.execute(MAKE_ROLE, &[&schema.number.get()]).await?;
    session.batch(&admission(&schema.name, &schema.role)).await
}

/// Lets a role into a schema.
pub(crate) fn admission(schema: &SchemaName, role: &RoleName) -> String {
    format!("GRANT USAGE ON SCHEMA {} TO {}", schema.quoted(), role.quoted())
}

/// Lets the transaction see the schema, under whatever role it has.
pub(crate) fn search_path(schema: &SchemaName) -> String {
    // pg_temp stands last: searched first, as it is by default, a temporary table would hide a business's own.
    format!("SET LOCAL search_path = {}, extensions, pg_temp", schema.quoted())
}

/// Registers a schema that is about to be built at the newest version of `migrations`.
pub(crate) async fn insert(
    session: &Session,
    installed: &Installed,
    state: SchemaState,
    migrations: &Migrations,
) -> Result<Schema, DbError> {
    const NEXT_NUMBER: &str = "SELECT nextval('shared.business_numbers') AS number";
    const INSERT: &str = "
        INSERT INTO shared.schemas
               (number, name, role_name, login, state, version, needs_code, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)";
    let number = BusinessNumber::from_sequence(session.query_one(NEXT_NUMBER, &[]).await?.try_get("number")?);
    let schema = Schema {
        number,
        name: SchemaName::numbered(number),
        role: RoleName::from_registry(installed.installation.tenant_role(number)),
        version: migrations.latest(),
    };
    session
        .execute(
            INSERT,
            &[
                &number.get(),
                &schema.name.as_str(),
                &schema.role.as_str(),
                &installed.server_login,
                &state.as_str(),
                &schema.version,
                &migrations.needs_code(schema.version),
                &session.now(),
            ],
        )
        .await?;
    Ok(schema)
}

/// Takes a spare schema of this version, if there is one that nobody else is taking.
pub(crate) async fn claim_spare(session: &Session, version: i32) -> Result<Option<Schema>, DbError> {
    const CLAIM: &str = "
        UPDATE shared.schemas
           SET state = 'live', updated_at = $2
         WHERE number = (SELECT number
                           FROM shared.schemas
                          WHERE state = 'spare' AND version = $1
                          ORDER BY number
                          LIMIT 1
                            FOR UPDATE SKIP LOCKED)
     RETURNING number, name, role_name, version";
    session.query_opt(CLAIM, &[&version, &session.now()]).await?.as_ref().map(Schema::from_row).transpose()
}

/// How many spare schemas wait, of whatever version.
pub(crate) async fn count_spares(session: &Session) -> Result<usize, DbError> {
    const COUNT: &str = "SELECT count(*) AS spares FROM shared.schemas WHERE state = 'spare'";
    let count: i64 = session.query_one(COUNT, &[]).await?.try_get("spares")?;
    Ok(usize::try_from(count).unwrap_or_default())
}

/// Keys of advisory locks, beside [`LOCK_CLASS`]. A schema's own lock has its number.
pub(crate) const SHARED_LOCK: i32 = -1;
pub(crate) const SPARES_LOCK: i32 = -2;
pub(crate) const JOBS_LOCK: i32 = -3;
pub(crate) const PROBES_LOCK: i32 = -4;
/// The first half of all our advisory locks: "tent" in ASCII, so that they can be told from other programs'.
pub(crate) const LOCK_CLASS: i32 = 0x7465_6e74;

/// The condition that a row `l` of pg_locks is one of our advisory locks, held in this database; `l.objid` is its key.
macro_rules! is_our_lock {
    () => {
        "l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND l.classid = 1952804468::oid
         AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    };
}
pub(crate) use is_our_lock;
const _: () = assert!(LOCK_CLASS == 1_952_804_468);

/// Whether the lock was free; it is held until the transaction ends.
pub(crate) async fn try_lock(session: &Session, key: i32) -> Result<bool, DbError> {
    const TRY_LOCK: &str = "SELECT pg_try_advisory_xact_lock($1, $2) AS locked";
    Ok(session.query_one(TRY_LOCK, &[&LOCK_CLASS, &key]).await?.try_get("locked")?)
}

/// Waits for the lock, which is held until the transaction ends.
pub(crate) async fn lock(session: &Session, key: i32) -> Result<(), DbError> {
    const LOCK: &str = "SELECT pg_advisory_xact_lock($1, $2)";
    session.execute(LOCK, &[&LOCK_CLASS, &key]).await.map(drop)
}

/// The key of a schema's own lock.
pub(crate) fn lock_key(number: BusinessNumber) -> i32 {
    // Two thousand million schemas are more than PostgreSQL can hold.
    i32::try_from(number.get()).unwrap_or(i32::MAX)
}

/// The schema's version as it is now, locked until the transaction ends; `None` when it is gone.
pub(crate) async fn lock_version(session: &Session, number: BusinessNumber) -> Result<Option<i32>, DbError> {
    const VERSION: &str = "SELECT version FROM shared.schemas WHERE number = $1 FOR NO KEY UPDATE";
    let row = session.query_opt(VERSION, &[&number.get()]).await?;
    row.map(|row| row.try_get("version").map_err(DbError::from)).transpose()
}

/// Records that the schema has the newest version of `migrations` now, and that nothing is wrong with it.
pub(crate) async fn record_version(
    session: &Session,
    number: BusinessNumber,
    migrations: &Migrations,
) -> Result<(), DbError> {
    const RECORD: &str = "
        UPDATE shared.schemas
           SET version = $2, needs_code = $3, updated_at = $4,
               failure = NULL, failed_version = NULL, failed_at = NULL, attempts = 0
         WHERE number = $1";
    let version = migrations.latest();
    let needs_code = migrations.needs_code(version);
    session.execute(RECORD, &[&number.get(), &version, &needs_code, &session.now()]).await.map(drop)
}

/// Records that migrating the schema did not succeed.
pub(crate) async fn record_failure(
    session: &Session,
    number: BusinessNumber,
    failed_version: i32,
    failure: &str,
) -> Result<(), DbError> {
    const RECORD: &str = "
        UPDATE shared.schemas
           SET failure = $3, failed_version = $2, failed_at = $4, attempts = attempts + 1
         WHERE number = $1";
    session.execute(RECORD, &[&number.get(), &failed_version, &failure, &session.now()]).await.map(drop)
}

/// Makes `number` the business's schema, and opens the business as it was before maintenance.
pub(crate) async fn point_tenant(
    session: &Session,
    tenant: TenantId,
    number: BusinessNumber,
) -> Result<(), DbError> {
    const LIVE: &str = "
        UPDATE shared.schemas
           SET state = 'live', set_aside_from = NULL, set_aside_at = NULL, updated_at = $2
         WHERE number = $1";
    const POINT: &str = "
        UPDATE shared.tenants
           SET number = $2, status = coalesce(status_before, status), status_before = NULL, updated_at = $3
         WHERE id = $1";
    session.execute(LIVE, &[&number.get(), &session.now()]).await?;
    session.execute(POINT, &[&tenant.as_uuid(), &number.get(), &session.now()]).await.map(drop)
}

/// Records that the business's schema was its own until now, and lets its role in no longer: whoever still works in it is
/// refused from here on.
pub(crate) async fn set_aside(session: &Session, tenant: &Tenant) -> Result<(), DbError> {
    const SET_ASIDE: &str = "
        UPDATE shared.schemas
           SET state = 'set_aside', set_aside_from = $2, set_aside_at = $3, updated_at = $3
         WHERE number = $1";
    session.execute(SET_ASIDE, &[&tenant.number.get(), &tenant.id.as_uuid(), &session.now()]).await?;
    session
        .batch(&format!("REVOKE USAGE ON SCHEMA {} FROM {}", tenant.schema.quoted(), tenant.role.quoted()))
        .await
}

/// Drops a schema, its role and its registry row; a schema that is gone already is not missed.
pub(crate) async fn drop_schema(
    session: &Session,
    schema: &SchemaName,
    number: BusinessNumber,
) -> Result<(), DbError> {
    const DROP_ROLE: &str = "SELECT shared.drop_tenant_role($1)";
    const FORGET: &str = "DELETE FROM shared.schemas WHERE number = $1";
    session.batch(&format!("DROP SCHEMA IF EXISTS {} CASCADE", schema.quoted())).await?;
    session.execute(DROP_ROLE, &[&number.get()]).await?;
    session.execute(FORGET, &[&number.get()]).await?;
    Ok(())
}

/// Closes the business for a restore; remembers what it goes back to.
pub(crate) async fn begin_maintenance(tx: &Session, tenant: TenantId) -> Result<(), DbError> {
    const BEGIN: &str = "
        UPDATE shared.tenants
           SET status_before = coalesce(status_before, status), status = 'restoring', updated_at = $2
         WHERE id = $1";
    tx.execute(BEGIN, &[&tenant.as_uuid(), &tx.now()]).await.map(drop)
}

/// Opens the business as it was before; whether it was closed.
pub(crate) async fn end_maintenance(tx: &Session, tenant: TenantId) -> Result<bool, DbError> {
    const END: &str = "
        UPDATE shared.tenants
           SET status = coalesce(status_before, 'active'), status_before = NULL, updated_at = $2
         WHERE id = $1 AND status IN ('migrating', 'restoring')";
    Ok(tx.execute(END, &[&tenant.as_uuid(), &tx.now()]).await? > 0)
}

/// A migration that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    pub reason: String,
    /// The version that was tried.
    pub version: i32,
    pub attempts: i32,
    pub failed_at: DateTime<Utc>,
}

impl Failure {
    pub(crate) fn from_row(row: &Row) -> Result<Option<Self>, DbError> {
        let Some(reason) = row.try_get::<_, Option<String>>("failure")? else { return Ok(None) };
        Ok(Some(Self {
            reason,
            version: row.try_get::<_, Option<i32>>("failed_version")?.unwrap_or_default(),
            attempts: row.try_get("attempts")?,
            failed_at: row.try_get("failed_at")?,
        }))
    }
}
