//! The registry of schemas: the names, state and version of each schema, and the result of its last
//! migration.

use chrono::{DateTime, Utc};

use crate::connection::error::DbError;
use crate::connection::transaction::Transaction;
use crate::migration::files::Migrations;
use crate::names::database::Installed;
use crate::names::database::{Installation, RoleName, SchemaName, TENANT_GROUP, TenantNumber};
use crate::names::quoting::quote_identifier;
use crate::names::tenant::TenantId;
use crate::scope::opening::search_path;
use crate::scope::tenant::Tenant;

values::words! {
    /// The state of a schema when it is created. A schema that a restore set aside was created as `Live`.
    pub(crate) enum SchemaState {
        /// Complete, and waiting for a new business.
        Spare = "spare",
        /// Used by a business.
        Live = "live",
        /// Used by no business. Exists only during an isolation test.
        Probe = "probe",
    }
}

/// A schema and its role, with their names from the registry.
#[derive(Debug, Clone)]
pub(crate) struct Schema {
    pub(crate) number: TenantNumber,
    pub(crate) name: SchemaName,
    pub(crate) role: RoleName,
    pub(crate) version: i32,
}

crate::from_row!(Schema { number, name, role: "role_name", version });

impl Schema {
    /// The statements that create the schema, set its default privileges, and make it visible to the
    /// transaction.
    pub(crate) fn creation(&self, installation: &Installation) -> [String; 5] {
        let schema = self.name.quoted();
        let reader = quote_identifier(&installation.reader_role());
        // Default privileges are set before the DDL, because a later GRANT ON ALL TABLES would read the whole
        // catalogue.
        [
            format!("CREATE SCHEMA {schema}"),
            format!("GRANT USAGE ON SCHEMA {schema} TO {reader}"),
            format!(
                "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} \
                 GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {TENANT_GROUP}"
            ),
            format!("ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO {reader}"),
            search_path(&self.name),
        ]
    }
}

/// Creates the schema's role, and permits the role to use the schema.
///
/// In a long transaction, this must be the last step before the commit. From PostgreSQL 16 on, joining the
/// tenant group locks that group until the transaction ends, and every other new role must wait.
pub(crate) async fn admit_role(transaction: &Transaction, schema: &Schema) -> Result<(), DbError> {
    const MAKE_ROLE: &str = "SELECT shared.make_tenant_role($1)";
    transaction.execute(MAKE_ROLE, &[&schema.number.get()]).await?;
    transaction.batch(&admission(&schema.name, &schema.role)).await
}

/// Returns the statement that permits a role to use a schema.
pub(crate) fn admission(schema: &SchemaName, role: &RoleName) -> String {
    format!("GRANT USAGE ON SCHEMA {} TO {}", schema.quoted(), role.quoted())
}

/// Registers a schema that will be built at the newest version of `migrations`.
pub(crate) async fn insert(
    transaction: &Transaction,
    installed: &Installed,
    state: SchemaState,
    migrations: &Migrations,
) -> Result<Schema, DbError> {
    const NEXT_NUMBER: &str = "SELECT nextval('shared.business_numbers') AS number";
    let number: TenantNumber = transaction.value(NEXT_NUMBER, &[]).await?;
    insert_numbered(transaction, installed, state, migrations, number).await
}

/// Registers a schema that is built in a transaction which is never committed. It uses up no number of a
/// business.
pub(crate) async fn insert_rehearsed(
    transaction: &Transaction,
    installed: &Installed,
    migrations: &Migrations,
) -> Result<Schema, DbError> {
    // Two rehearsals at the same time must not wait for each other.
    const NUMBER: &str = "SELECT 1000000000000 + pg_backend_pid()";
    let number: TenantNumber = transaction.value(NUMBER, &[]).await?;
    insert_numbered(transaction, installed, SchemaState::Spare, migrations, number).await
}

async fn insert_numbered(
    transaction: &Transaction,
    installed: &Installed,
    state: SchemaState,
    migrations: &Migrations,
    number: TenantNumber,
) -> Result<Schema, DbError> {
    const INSERT: &str = "
        INSERT INTO shared.schemas
               (number, name, role_name, login, state, version, needs_code, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)";
    let schema = Schema {
        number,
        name: SchemaName::numbered(number),
        role: RoleName::numbered(&installed.installation, number),
        version: migrations.latest(),
    };
    transaction
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
                &transaction.now(),
            ],
        )
        .await?;
    Ok(schema)
}

/// Takes a spare schema of this version, if there is one that no other transaction is taking.
pub(crate) async fn claim_spare(transaction: &Transaction, version: i32) -> Result<Option<Schema>, DbError> {
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
    transaction.row_opt(CLAIM, &[&version, &transaction.now()]).await
}

/// The number of spare schemas, of any version.
pub(crate) async fn count_spares(transaction: &Transaction) -> Result<usize, DbError> {
    const COUNT: &str = "SELECT count(*) AS spares FROM shared.schemas WHERE state = 'spare'";
    let count: i64 = transaction.value(COUNT, &[]).await?;
    Ok(usize::try_from(count).unwrap_or_default())
}

/// Returns the schema's current version and its last failure, and locks its row until the transaction ends.
/// Returns `None` if the schema no longer exists.
pub(crate) async fn lock_version(
    transaction: &Transaction,
    number: TenantNumber,
) -> Result<Option<(i32, Option<Failure>)>, DbError> {
    const VERSION: &str = "
        SELECT version, failure, failed_version, failed_at, attempts FROM shared.schemas
         WHERE number = $1 FOR NO KEY UPDATE";
    let Some(row) = transaction.query_opt(VERSION, &[&number.get()]).await? else { return Ok(None) };
    let (reason, failed_at): (Option<String>, _) = (row.try_get("failure")?, row.try_get("failed_at")?);
    let (version, attempts): (Option<i32>, _) = (row.try_get("failed_version")?, row.try_get("attempts")?);
    let failure = reason.zip(failed_at).map(|(reason, failed_at)| Failure {
        reason,
        version: version.unwrap_or_default(),
        attempts,
        failed_at,
    });
    Ok(Some((row.try_get("version")?, failure)))
}

/// Records that the schema now has the newest version of `migrations`, and clears any recorded failure.
pub(crate) async fn record_version(
    transaction: &Transaction,
    number: TenantNumber,
    migrations: &Migrations,
) -> Result<(), DbError> {
    const RECORD: &str = "
        UPDATE shared.schemas
           SET version = $2, needs_code = $3, updated_at = $4,
               failure = NULL, failed_version = NULL, failed_at = NULL, attempts = 0
         WHERE number = $1";
    let version = migrations.latest();
    let needs_code = migrations.needs_code(version);
    transaction.execute(RECORD, &[&number.get(), &version, &needs_code, &transaction.now()]).await.map(drop)
}

/// Records that a migration of the schema failed just now, which may be long after the transaction began.
pub(crate) async fn record_failure(
    transaction: &Transaction,
    number: TenantNumber,
    failed_version: i32,
    failure: &str,
) -> Result<(), DbError> {
    const RECORD: &str = "
        UPDATE shared.schemas
           SET failure = $3, failed_version = $2, failed_at = clock_timestamp(), attempts = attempts + 1
         WHERE number = $1";
    transaction.execute(RECORD, &[&number.get(), &failed_version, &failure]).await.map(drop)
}

/// Makes schema `number` the business's schema, and gives the business back its status from before
/// maintenance.
pub(crate) async fn point_tenant(
    transaction: &Transaction,
    tenant: TenantId,
    number: TenantNumber,
) -> Result<(), DbError> {
    const LIVE: &str = "
        UPDATE shared.schemas
           SET state = 'live', set_aside_from = NULL, set_aside_at = NULL, updated_at = $2
         WHERE number = $1";
    const POINT: &str = "
        UPDATE shared.tenants
           SET number = $2, status = coalesce(status_before, status), status_before = NULL, updated_at = $3
         WHERE id = $1";
    transaction.execute(LIVE, &[&number.get(), &transaction.now()]).await?;
    transaction.execute(POINT, &[&tenant, &number.get(), &transaction.now()]).await.map(drop)
}

/// Records that the business's schema is set aside, and revokes its role's access to the schema. Transactions
/// that still use the schema are refused from then on.
pub(crate) async fn set_aside(transaction: &Transaction, tenant: &Tenant) -> Result<(), DbError> {
    const SET_ASIDE: &str = "
        UPDATE shared.schemas
           SET state = 'set_aside', set_aside_from = $2, set_aside_at = $3, updated_at = $3
         WHERE number = $1";
    transaction.execute(SET_ASIDE, &[&tenant.number.get(), &tenant.id, &transaction.now()]).await?;
    transaction
        .batch(&format!("REVOKE USAGE ON SCHEMA {} FROM {}", tenant.schema.quoted(), tenant.role.quoted()))
        .await
}

/// Drops a schema, its role and its registry row. A schema that no longer exists is not an error.
pub(crate) async fn drop_schema(
    transaction: &Transaction,
    schema: &SchemaName,
    number: TenantNumber,
) -> Result<(), DbError> {
    const DROP_ROLE: &str = "SELECT shared.drop_tenant_role($1)";
    const FORGET: &str = "DELETE FROM shared.schemas WHERE number = $1";
    transaction.batch(&format!("DROP SCHEMA IF EXISTS {} CASCADE", schema.quoted())).await?;
    transaction.execute(DROP_ROLE, &[&number.get()]).await?;
    transaction.execute(FORGET, &[&number.get()]).await?;
    Ok(())
}

/// A migration that failed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The error and all its causes, in one line.
    pub reason: String,
    /// The version that the migration should have reached.
    pub version: i32,
    /// Number of runs that failed since the last migration that succeeded.
    pub attempts: i32,
    /// When the last of these runs failed.
    pub failed_at: DateTime<Utc>,
}
