//! The fleet is all schemas. This module lists the schemas that are behind, migrates them, and reports the
//! status of the fleet.
//!
//! The registry stores each schema's version and the result of its last migration. One query therefore lists
//! the schemas that are behind, for any number of businesses. Each schema is migrated in its own transaction,
//! under its own advisory lock. After a run is killed, each schema is either unchanged or fully migrated. Two
//! runs at the same time share the work.

use const_format::concatcp;
use std::num::NonZeroUsize;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio_postgres::error::SqlState;

use crate::connection::error::DbError;
use crate::connection::row::{Cells, FromRow, read_row};
use crate::names::database::{SchemaName, TenantNumber};
use crate::names::tenant::TenantSlug;
use crate::owner::fleet_run::{LOCK_TIMEOUT, Run, holder, persist};
use crate::owner::provisioning::{OwnerDatabase, ProvisionError};

use crate::registry::locks::{self, IS_OUR_LOCK, SHARED_LOCK};
use crate::registry::schema::Failure;

/// The schemas to migrate, and the limits of a run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Number of schemas to migrate at the same time.
    pub jobs: NonZeroUsize,
    /// Only these businesses. If empty, all businesses and all spare schemas.
    pub tenants: Vec<TenantSlug>,
    /// Only schemas whose last migration failed.
    pub since_failed: bool,
    /// Number of schemas to migrate first. The others are migrated only if all of these succeed.
    pub canary: usize,
    /// After more failures than this, the run starts no further schema. Failures of other runs at the same
    /// time count.
    pub max_failures: Option<usize>,
    /// How long the run waits at most for a schema that another process is working on.
    pub patience: Duration,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            jobs: NonZeroUsize::MIN.saturating_add(3),
            tenants: Vec::new(),
            since_failed: false,
            canary: 0,
            max_failures: None,
            patience: Duration::from_secs(60),
        }
    }
}

/// A schema that is older than the newest version, or whose last migration failed.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Behind {
    /// The business that uses the schema. `None` for a spare schema.
    pub business: Option<TenantSlug>,
    /// The name of the schema.
    pub schema: SchemaName,
    /// The version of the newest migration in the schema.
    pub version: i32,
    /// The failure of the last migration, if it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The number of the schema, from which the key of its advisory lock is made.
    #[serde(skip)]
    pub number: TenantNumber,
}

impl Behind {
    /// Returns the business's slug. For a spare schema, returns the schema's name.
    pub fn label(&self) -> &str {
        self.business.as_ref().map_or(self.schema.as_str(), TenantSlug::as_str)
    }
}

impl FromRow for Behind {
    const COLUMNS: &'static [&'static str] =
        &["slug", "name", "version", "number", "failure", "failed_version", "attempts", "failed_at"];

    fn from_cells(cells: &mut Cells<'_>) -> Result<Self, tokio_postgres::Error> {
        let (business, schema, version, number) =
            (cells.read()?, cells.read()?, cells.read()?, cells.read()?);
        let reason: Option<String> = cells.read()?;
        let (failed_version, attempts): (Option<i32>, i32) = (cells.read()?, cells.read()?);
        let failed_at: Option<DateTime<Utc>> = cells.read()?;
        let failure = reason.zip(failed_at).map(|(reason, failed_at)| Failure {
            reason,
            version: failed_version.unwrap_or_default(),
            attempts,
            failed_at,
        });
        Ok(Self { business, schema, version, failure, number })
    }
}

/// The schemas that a run would migrate.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Whether the `shared` schema must be migrated, which happens before all others.
    pub shared: bool,
    /// In the order of the run: businesses before spare schemas.
    pub behind: Vec<Behind>,
}

impl Plan {
    /// Whether a run would find nothing to migrate.
    pub fn is_empty(&self) -> bool {
        !self.shared && self.behind.is_empty()
    }
}

/// The result of one schema, while a run is in progress.
#[derive(Debug)]
pub struct Progress<'a> {
    /// The schema, as it was before the run.
    pub schema: &'a Behind,
    /// The result of the schema.
    pub outcome: &'a Outcome,
    /// Number of schemas finished so far, including this one.
    pub done: usize,
    /// Number of schemas in the run.
    pub total: usize,
    /// The time that the schema took, retries included. Zero if the schema was not started.
    pub duration: Duration,
}

/// The result of one schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// This run migrated the schema.
    Migrated {
        /// The version that the schema has now.
        to: i32,
    },
    /// Another run migrated the schema, or it no longer exists. The text names the case.
    Elsewhere(String),
    /// The migration failed, in this run or in another one at the same time. The text is the reason, which
    /// the registry also stores.
    Failed(String),
    /// Not started, because another process was working on it all the time. The text names the process.
    Busy(String),
    /// Not started, because a canary or too many others had failed.
    Left,
}

/// The result of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Versions applied to the `shared` schema.
    pub shared: Vec<i32>,
    /// Number of schemas that this run migrated.
    pub migrated: usize,
    /// Number of schemas that another run migrated, or that no longer exist.
    pub elsewhere: usize,
    /// Number of schemas whose migration failed, in this run or in another one at the same time.
    pub failed: usize,
    /// Not started, because another process was working on them, or because a canary or too many others had
    /// failed.
    pub left: usize,
}

/// The status of the fleet.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The newest version that this program knows.
    pub latest: i32,
    /// The version of the `shared` schema. 0 before its first migration.
    pub shared_version: i32,
    /// The newest version of the `shared` schema that this program knows.
    pub shared_latest: i32,
    /// The versions that schemas have, newest first.
    pub versions: Vec<VersionStatus>,
    /// The schemas whose last migration failed.
    pub failed: Vec<Behind>,
    /// The schemas that a process has locked at this moment, for example for a migration or a restore.
    pub running: Vec<Running>,
}

impl Status {
    /// Whether every schema has exactly the version of this program, and no last migration failed.
    pub fn is_current(&self) -> bool {
        self.shared_version == self.shared_latest
            && self.failed.is_empty()
            && self.versions.iter().all(|status| status.version == self.latest)
    }
}

/// The number of schemas at one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionStatus {
    /// The version that these schemas share.
    pub version: i32,
    /// The number of schemas that businesses use.
    pub businesses: i64,
    /// The number of spare schemas, which new businesses will use.
    pub spare: i64,
    /// The number of these schemas whose last migration failed.
    pub failed: i64,
    /// The number of these schemas that a process has locked at this moment, for a migration or a restore.
    pub running: i64,
}

crate::from_row!(VersionStatus { version, businesses, spare, failed, running });

/// A schema whose lock is held at this moment.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Running {
    /// The business that uses the schema. `None` if no business uses it.
    pub business: Option<TenantSlug>,
    /// The name of the schema.
    pub schema: SchemaName,
    /// The process that holds the lock: its `application_name`, which names program, host and process, and
    /// its backend.
    pub by: String,
}

impl OwnerDatabase {
    /// Returns the schemas that a run with these options would migrate. Needs one query.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn plan(&self, options: &RunOptions) -> Result<Plan, DbError> {
        const BEHIND: &str = "
            SELECT history.versions, history.checksums, behind.*
              FROM (SELECT array_agg(version ORDER BY version) AS versions,
                           array_agg(checksum::text ORDER BY version) AS checksums
                      FROM shared.shared_migrations) AS history
              LEFT JOIN (SELECT s.number, s.name, s.version, s.state, s.failure, s.failed_version,
                                s.failed_at, s.attempts, t.slug
                           FROM shared.schemas s
                           LEFT JOIN shared.tenants t ON t.number = s.number
                          WHERE s.state IN ('live', 'spare') AND s.version < $1
                            AND (t.slug = ANY ($2) OR cardinality($2) = 0)
                            AND (s.failure IS NOT NULL OR NOT $3)) AS behind ON true
             ORDER BY behind.state, behind.number";
        let transaction = self.owner.begin_unscoped().await?;
        let slugs: Vec<&str> = options.tenants.iter().map(TenantSlug::as_str).collect();
        let rows =
            match transaction.query(BEHIND, &[&self.tenant.latest(), &slugs, &options.since_failed]).await {
                // The registry does not exist yet, or is older than this query expects.
                Err(error) if is_undefined(&error) => return Ok(Plan { shared: true, behind: Vec::new() }),
                other => other?,
            };
        let mut plan = Plan::default();
        for row in &rows {
            let versions: Option<Vec<i32>> = row.try_get("versions")?;
            let checksums: Option<Vec<String>> = row.try_get("checksums")?;
            let history: Vec<(i32, String)> =
                versions.unwrap_or_default().into_iter().zip(checksums.unwrap_or_default()).collect();
            plan.shared = !self.shared.is_complete(&history);
            if row.try_get::<_, Option<i64>>("number")?.is_some() {
                plan.behind.push(read_row(row)?);
            }
        }
        Ok(plan)
    }

    /// Migrates the `shared` schema, and then the schemas that the options select, to the newest version.
    /// Continues after a schema fails, within the limits of the options.
    ///
    /// `tell` is called after each schema. A run that has nothing to do needs one query.
    ///
    /// # Errors
    /// [`ProvisionError`] when the `shared` schema cannot be migrated or the registry cannot be read. A
    /// failure of any other schema is counted in the report.
    pub async fn migrate_fleet(
        &self,
        options: &RunOptions,
        tell: impl Fn(Progress<'_>),
    ) -> Result<Report, ProvisionError> {
        let mut report = Report::default();
        let started = self.owner.begin_unscoped().await?.now();
        let mut plan = self.plan(options).await?;
        if plan.shared {
            report.shared = self.migrate_shared().await?;
            plan = self.plan(options).await?;
        }
        let (done, total, patience) = (AtomicUsize::new(0), plan.behind.len(), options.patience);
        let run = Run { owner_database: self, tell, done, total, started, patience };
        let (canaries, others) = plan.behind.split_at(options.canary.min(plan.behind.len()));
        run.migrate(canaries, options.jobs, Some(0), &mut report).await;
        // A canary that another process holds is no success.
        if report.failed + report.left == 0 {
            run.migrate(others, options.jobs, options.max_failures, &mut report).await;
        } else {
            run.leave(others, &mut report);
        }
        Ok(report)
    }

    /// Migrates the `shared` schema to its newest version. Returns the versions that were applied.
    ///
    /// # Errors
    /// [`ProvisionError`]. A failed run changes nothing.
    pub async fn migrate_shared(&self) -> Result<Vec<i32>, ProvisionError> {
        persist(|| self.attempt_shared()).await.map_err(|(error, _)| error)
    }

    async fn attempt_shared(&self) -> Result<Vec<i32>, ProvisionError> {
        let transaction = self.owner.begin_unscoped().await?;
        // If two runs start at the same time, the second waits without a limit and then finds nothing to do.
        transaction.batch("SET LOCAL lock_timeout = 0").await?;
        locks::lock(&transaction, SHARED_LOCK).await?;
        // A backup may be reading a table of `shared`. While a migration waits for that table, every sign-in
        // waits behind the migration, so the wait must be short.
        transaction.batch(LOCK_TIMEOUT).await?;
        let applied = self.shared.run(&transaction).await?;
        transaction.commit().await?;
        Ok(applied)
    }

    /// Returns the status of the fleet.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn fleet_status(&self) -> Result<Status, DbError> {
        const VERSIONS: &str = concatcp!(
            "
            SELECT s.version,
                   count(*) FILTER (WHERE s.state = 'live') AS businesses,
                   count(*) FILTER (WHERE s.state = 'spare') AS spare,
                   count(*) FILTER (WHERE s.failure IS NOT NULL) AS failed,
                   count(*) FILTER (WHERE EXISTS (
                       SELECT FROM pg_locks l WHERE l.objid = s.number::oid AND ",
            IS_OUR_LOCK,
            ")) AS running
              FROM shared.schemas s
             WHERE s.state IN ('live', 'spare')
             GROUP BY s.version
             ORDER BY s.version DESC"
        );
        const FAILED: &str = "
            SELECT s.number, s.name, s.version, s.failure, s.failed_version, s.failed_at, s.attempts, t.slug
              FROM shared.schemas s
              LEFT JOIN shared.tenants t ON t.number = s.number
             WHERE s.failure IS NOT NULL AND s.state IN ('live', 'spare')
             ORDER BY s.number";
        const RUNNING: &str = concatcp!(
            "
            SELECT t.slug, s.name, a.pid, a.application_name
              FROM pg_locks l
              JOIN shared.schemas s ON s.number::oid = l.objid
              LEFT JOIN shared.tenants t ON t.number = s.number
              LEFT JOIN pg_stat_activity a ON a.pid = l.pid
             WHERE ",
            IS_OUR_LOCK,
            "
             ORDER BY s.number"
        );
        const SHARED: &str = "SELECT coalesce(max(version), 0) AS version FROM shared.shared_migrations";
        let transaction = self.owner.begin_unscoped().await?;
        let versions = transaction.rows(VERSIONS, &[]).await?;
        let failed = transaction.rows(FAILED, &[]).await?;
        let running = transaction.query(RUNNING, &[]).await?;
        Ok(Status {
            latest: self.tenant.latest(),
            shared_version: transaction.value(SHARED, &[]).await?,
            shared_latest: self.shared.latest(),
            versions,
            failed,
            running: running
                .iter()
                .map(|row| {
                    Ok(Running {
                        business: row.try_get("slug")?,
                        schema: row.try_get("name")?,
                        by: holder(row)?,
                    })
                })
                .collect::<Result<_, DbError>>()?,
        })
    }
}

impl Report {
    pub(super) fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Migrated { .. } => self.migrated += 1,
            Outcome::Elsewhere(_) => self.elsewhere += 1,
            Outcome::Failed(_) => self.failed += 1,
            Outcome::Busy(_) | Outcome::Left => self.left += 1,
        }
    }
}

/// Whether the query named a schema, table or column that does not exist (yet).
fn is_undefined(error: &DbError) -> bool {
    error.sqlstate().is_some_and(|code| {
        [SqlState::UNDEFINED_TABLE, SqlState::UNDEFINED_COLUMN, SqlState::INVALID_SCHEMA_NAME].contains(code)
    })
}
