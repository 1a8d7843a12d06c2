//! The state of a running installation, as the database shows it: settings, roles, row level security and the
//! system catalogue.

use chrono::{DateTime, Utc};
use const_format::concatcp;
use serde::Serialize;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::connection::connect::DatabaseUrl;
use crate::connection::error::DbError;
use crate::owner::provisioning::OwnerDatabase;
use crate::registry::locks::{IS_OUR_LOCK, JOBS_LOCK};
use crate::scope::database::Database;

/// The settings and the state of the PostgreSQL server that matter here.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// The text of `server_version`, such as `17.5`.
    pub version: String,
    /// The limit of connections to the whole PostgreSQL server.
    pub max_connections: i64,
    /// The part of `max_connections` that only superusers may use.
    pub reserved_connections: i64,
    /// Client connections that are open now, in all databases of the server.
    pub connections: i64,
    /// The room for locks that each connection and each prepared transaction adds to the lock table.
    pub max_locks_per_transaction: i64,
    /// The limit of prepared transactions. Each adds `max_locks_per_transaction` locks to the lock table.
    pub max_prepared_transactions: i64,
    /// The size of PostgreSQL's own cache.
    pub shared_buffers_bytes: i64,
    /// The form in which PostgreSQL stores new passwords: `scram-sha-256` or `md5`.
    pub password_encryption: String,
    /// The statements that PostgreSQL logs: `none`, `ddl`, `mod` or `all`.
    pub log_statement: String,
    /// The settings among fsync, full_page_writes and synchronous_commit that are off.
    pub off: Vec<String>,
    /// The time by which the server's clock is ahead of ours; negative if the server's clock is behind.
    pub clock_ahead: chrono::TimeDelta,
}

/// The size of the system catalogue.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CatalogueSize {
    /// Schemas in the registry, whatever their state.
    pub schemas: i64,
    /// Tables, indexes and similar objects of the whole database.
    pub relations: i64,
    /// The size of the catalogue tables that grow with each schema, with their indexes.
    pub size_bytes: i64,
    /// Tables, indexes and similar objects of the newest schema. Each takes a lock when the schema is
    /// dropped.
    pub relations_per_schema: i64,
}

impl OwnerDatabase {
    /// Reads the server's settings.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn server_settings(&self) -> Result<ServerSettings, DbError> {
        const SETTINGS: &str = "
            SELECT current_setting('server_version') AS version,
                   current_setting('max_connections')::bigint AS max_connections,
                   current_setting('superuser_reserved_connections')::bigint AS reserved,
                   (SELECT count(*) FROM pg_stat_activity
                     WHERE backend_type = 'client backend') AS connections,
                   current_setting('max_locks_per_transaction')::bigint AS locks,
                   current_setting('max_prepared_transactions')::bigint AS prepared,
                   pg_size_bytes(current_setting('shared_buffers')) AS shared_buffers,
                   current_setting('password_encryption') AS password_encryption,
                   current_setting('log_statement') AS log_statement,
                   ARRAY(SELECT name FROM pg_settings
                          WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit')
                            AND setting = 'off') AS off,
                   clock_timestamp() AS clock";
        let transaction = self.owner.begin_unscoped().await?;
        let asked = Utc::now();
        let row = transaction.query_one(SETTINGS, &[]).await?;
        let answered = Utc::now();
        // The server read its clock between these two moments, so the middle is the best estimate.
        let clock: DateTime<Utc> = row.try_get("clock")?;
        let middle = asked + (answered - asked) / 2;
        Ok(ServerSettings {
            version: row.try_get("version")?,
            max_connections: row.try_get("max_connections")?,
            reserved_connections: row.try_get("reserved")?,
            connections: row.try_get("connections")?,
            max_locks_per_transaction: row.try_get("locks")?,
            max_prepared_transactions: row.try_get("prepared")?,
            shared_buffers_bytes: row.try_get("shared_buffers")?,
            password_encryption: row.try_get("password_encryption")?,
            log_statement: row.try_get("log_statement")?,
            off: row.try_get("off")?,
            clock_ahead: clock - middle,
        })
    }

    /// Lists the tables of the `shared` schema that contain rows of businesses or users, but have no row
    /// level security.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn tables_without_row_security(&self) -> Result<Vec<String>, DbError> {
        const OPEN: &str = "
            SELECT DISTINCT c.relname::text AS name
              FROM pg_class c
              JOIN pg_attribute a ON a.attrelid = c.oid
             WHERE c.relnamespace = 'shared'::regnamespace AND c.relkind = 'r' AND NOT c.relrowsecurity
               AND (a.attname IN ('tenant_id', 'user_id', 'membership_id')
                    OR c.relname IN ('tenants', 'users', 'schemas'))
             ORDER BY 1";
        let transaction = self.owner.begin_unscoped().await?;
        let rows = transaction.query(OPEN, &[]).await?;
        rows.iter().map(|row| row.try_get("name").map_err(DbError::from)).collect()
    }

    /// Returns the size of the system catalogue.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn catalogue_size(&self) -> Result<CatalogueSize, DbError> {
        const SIZE: &str = "
            SELECT (SELECT count(*) FROM shared.schemas) AS schemas,
                   (SELECT count(*) FROM pg_class) AS relations,
                   (SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class
                     WHERE relname IN ('pg_class', 'pg_attribute', 'pg_index', 'pg_constraint', 'pg_depend',
                                       'pg_type', 'pg_statistic', 'pg_shdepend')
                       AND relnamespace = 'pg_catalog'::regnamespace) AS size_bytes,
                   (SELECT count(*) FROM pg_class
                     WHERE relnamespace = (SELECT n.oid FROM pg_namespace n
                                             JOIN shared.schemas s ON s.name = n.nspname
                                            ORDER BY s.number DESC LIMIT 1)) AS relations_per_schema";
        let transaction = self.owner.begin_unscoped().await?;
        let row = transaction.query_one(SIZE, &[]).await?;
        Ok(CatalogueSize {
            schemas: row.try_get("schemas")?,
            relations: row.try_get("relations")?,
            size_bytes: row.try_get("size_bytes")?,
            relations_per_schema: row.try_get("relations_per_schema")?,
        })
    }

    /// Returns the number of spare schemas at the newest version.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn spares_ready(&self) -> Result<i64, DbError> {
        const READY: &str =
            "SELECT count(*) AS ready FROM shared.schemas WHERE state = 'spare' AND version = $1";
        let transaction = self.owner.begin_unscoped().await?;
        Ok(transaction.query_one(READY, &[&self.tenant.latest()]).await?.try_get("ready")?)
    }

    /// Whether a process runs background jobs.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn has_job_runner(&self) -> Result<bool, DbError> {
        const RUNNER: &str = concatcp!(
            "SELECT EXISTS (SELECT FROM pg_locks l WHERE l.objid = $1::bigint::oid AND ",
            IS_OUR_LOCK,
            ") AS there"
        );
        let transaction = self.owner.begin_unscoped().await?;
        let key = i64::from(JOBS_LOCK.cast_unsigned());
        Ok(transaction.query_one(RUNNER, &[&key]).await?.try_get("there")?)
    }
}

/// The effect of a pooler, if there is one, on our connections to PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// No effect: each connection has its own backend, with our settings.
    None,
    /// Several clients share one backend. Session state, LISTEN and advisory locks do not work.
    SharesBackends,
    /// The settings that a connection starts with are lost: timeouts, isolation, the empty search_path.
    DropsSettings,
}

impl Pooling {
    /// The problem of the pooler and its cure. `None` if there is no problem.
    pub fn problem(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::None => None,
            Self::SharesBackends => Some((
                "a pooler between Tenantry and PostgreSQL shares backends among clients",
                "connect directly to PostgreSQL; Tenantry has its own connection pool",
            )),
            Self::DropsSettings => Some((
                "a pooler between Tenantry and PostgreSQL drops connection settings, such as timeouts",
                "connect directly to PostgreSQL, or let the pooler forward the startup parameter `options`",
            )),
        }
    }
}

/// Tests the effect of a pooler, if there is one, with three connections.
///
/// # Errors
/// [`DbError`].
pub async fn pooling(url: &DatabaseUrl) -> Result<Pooling, DbError> {
    const BACKEND: &str = "SELECT pg_backend_pid() AS pid";
    const SEARCH_PATH: &str = "SELECT current_setting('search_path') AS search_path";
    let settings = crate::PoolSettings { max_connections: 1, ..crate::PoolSettings::default() };
    let Ok(database) = Database::new(url, &settings) else { return Ok(Pooling::None) };
    let one = database.connect().await?;
    let before = first_cell(&one, BACKEND).await?;
    // If backends are shared, another transaction takes the backend of `one`, which has none now, or the next
    // query of `one` gets another backend. A pooler that uses its backends in turn shows it only to the
    // second transaction.
    let hold = format!("BEGIN; {BACKEND}");
    let others = [database.connect().await?, database.connect().await?];
    let mut held = Vec::new();
    for other in &others {
        held.push(first_cell(other, &hold).await?);
    }
    let after = first_cell(&one, BACKEND).await?;
    if before != after || held.contains(&before) {
        return Ok(Pooling::SharesBackends);
    }
    let search_path = first_cell(&one, SEARCH_PATH).await?;
    Ok(if search_path.is_some_and(|path| path.is_empty()) { Pooling::None } else { Pooling::DropsSettings })
}

/// Runs SQL in the simple protocol, which needs no prepared statement: behind a pooler, that could be on
/// another backend. Returns the first cell of the answer.
async fn first_cell(client: &Client, sql: &str) -> Result<Option<String>, DbError> {
    let messages = client.simple_query(sql).await?;
    Ok(messages.into_iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    }))
}

/// Lists the rules of pg_hba.conf with a method that is weaker than SCRAM: trust, md5 or password. Returns
/// none if the TLS of the URL cannot be set up.
///
/// # Errors
/// [`DbError`] when the login cannot connect or may not read the rules.
pub async fn weak_sign_in(admin: &DatabaseUrl) -> Result<Vec<String>, DbError> {
    const WEAK: &str = "
        SELECT format('line %s: %s %s %s %s', line_number, type, array_to_string(database, ','),
                      coalesce(address, 'local'), auth_method) AS rule
          FROM pg_hba_file_rules
         WHERE auth_method IN ('trust', 'md5', 'password') AND error IS NULL
         ORDER BY line_number";
    let settings = crate::PoolSettings { max_connections: 1, ..crate::PoolSettings::default() };
    let Ok(database) = Database::new(admin, &settings) else { return Ok(Vec::new()) };
    let client = database.connect().await?;
    let rows = client.query(WEAK, &[]).await?;
    rows.iter().map(|row| row.try_get("rule").map_err(DbError::from)).collect()
}
