//! Migrating all schemas: who is behind, a run over them, and where things stand.
//!
//! The registry keeps each schema's version and how its last migration went, so "who is behind" is one query, whatever
//! the number of businesses. Each schema is migrated in a transaction of its own, under an advisory lock of its own:
//! a run that is killed leaves each schema as it was or done, and two runs at once share the work.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use serde::Serialize;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use crate::connection::error::{DbError, chain, may_succeed_again, root_sqlstate};
use crate::connection::transaction::Session;
use crate::failpoint;
use crate::migration::files::HISTORY;
use crate::names::tenant_names::{BusinessNumber, SchemaName, TenantSlug};
use crate::owner::provisioning::{ProvisionError, Provisioner};
use crate::registry::schema::{self, Failure, SHARED_LOCK, is_our_lock, search_path};

/// What to migrate, and when to give up.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Schemas migrated at the same time.
    pub jobs: NonZeroUsize,
    /// These businesses alone; empty for all, spare schemas among them.
    pub tenants: Vec<TenantSlug>,
    /// Only schemas whose last migration failed.
    pub since_failed: bool,
    /// So many schemas go first, and the others only when all of them succeeded.
    pub canary: usize,
    /// After more failures than this no further schema is begun.
    pub max_failures: Option<usize>,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            jobs: NonZeroUsize::MIN.saturating_add(3),
            tenants: Vec::new(),
            since_failed: false,
            canary: 0,
            max_failures: None,
        }
    }
}

/// A schema that does not have the newest version.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Behind {
    /// Whose it is; a spare schema is nobody's.
    pub business: Option<TenantSlug>,
    pub schema: SchemaName,
    pub version: i32,
    /// How the last migration went, if it did not succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    #[serde(skip)]
    pub number: BusinessNumber,
}

impl Behind {
    /// The business's slug, or the schema's name.
    pub fn label(&self) -> &str {
        self.business.as_ref().map_or(self.schema.as_str(), TenantSlug::as_str)
    }

    fn from_row(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            business: row.try_get::<_, Option<String>>("slug")?.map(TenantSlug::from_registry),
            schema: SchemaName::from_registry(row.try_get("name")?),
            version: row.try_get("version")?,
            failure: Failure::from_row(row)?,
            number: BusinessNumber::from_sequence(row.try_get("number")?),
        })
    }
}

/// What a run would do.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Whether the `shared` schema has to be migrated; it goes first.
    pub shared: bool,
    /// In the order in which they would be begun: businesses before spare schemas.
    pub behind: Vec<Behind>,
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        !self.shared && self.behind.is_empty()
    }
}

/// One schema is done with.
#[derive(Debug)]
pub struct Progress<'a> {
    pub schema: &'a Behind,
    pub outcome: &'a Outcome,
    /// Schemas done with so far, this one among them, of how many.
    pub done: usize,
    pub total: usize,
    pub duration: Duration,
}

/// How migrating one schema ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Migrated {
        to: i32,
    },
    /// Another run did it, or is at it; the text says who.
    Elsewhere(String),
    /// The reason. It is in the registry too.
    Failed(String),
    /// Not begun, because too much had failed before.
    Left,
}

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Versions applied to the `shared` schema.
    pub shared: Vec<i32>,
    pub migrated: usize,
    pub elsewhere: usize,
    pub failed: usize,
    /// Not begun, because a canary or too many others had failed.
    pub left: usize,
}

/// Where the fleet stands.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The newest version that this program knows.
    pub latest: i32,
    pub shared_version: i32,
    pub shared_latest: i32,
    /// Newest first.
    pub versions: Vec<VersionStatus>,
    pub failed: Vec<Behind>,
    pub running: Vec<Running>,
}

impl Status {
    /// Whether every schema has exactly the version of this program.
    pub fn is_current(&self) -> bool {
        self.shared_version == self.shared_latest
            && self.failed.is_empty()
            && self.versions.iter().all(|status| status.version == self.latest)
    }
}

/// How many schemas have a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionStatus {
    pub version: i32,
    pub businesses: i64,
    pub spare: i64,
    /// Of both, those whose last migration failed.
    pub failed: i64,
    /// Of both, those that are being migrated at this moment.
    pub running: i64,
}

/// A schema that is being worked on at this moment.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Running {
    pub business: Option<TenantSlug>,
    pub schema: SchemaName,
    /// Who: the program, its host and process, as it told PostgreSQL.
    pub by: String,
}

/// While it waits for a table, everybody who comes after it waits too: not long, but often.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '500ms'";
const ATTEMPTS: u32 = 8;

impl Provisioner {
    /// What a run with these options would do. One query.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn plan(&self, options: &RunOptions) -> Result<Plan, DbError> {
        const BEHIND: &str = "
            SELECT history.versions, history.checksums, behind.*
              FROM (SELECT array_agg(version ORDER BY version) AS versions,
                           array_agg(checksum::text ORDER BY version) AS checksums
                      FROM shared.shared_migrations) AS history
              LEFT JOIN (SELECT s.number, s.name, s.version, s.state, s.failure, s.failed_version, s.failed_at,
                                s.attempts, t.slug
                           FROM shared.schemas s
                           LEFT JOIN shared.tenants t ON t.number = s.number
                          WHERE s.state IN ('live', 'spare') AND s.version < $1
                            AND (t.slug = ANY ($2) OR cardinality($2) = 0)
                            AND (s.failure IS NOT NULL OR NOT $3)) AS behind ON true
             ORDER BY behind.state, behind.number";
        let session = self.owner.begin_unscoped().await?;
        let slugs: Vec<&str> = options.tenants.iter().map(TenantSlug::as_str).collect();
        let rows = match session.query(BEHIND, &[&self.tenant.latest(), &slugs, &options.since_failed]).await
        {
            // Not even the registry is there, or it is older than the one that the query knows.
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
                plan.behind.push(Behind::from_row(row)?);
            }
        }
        Ok(plan)
    }

    /// Brings the `shared` schema and then all others to the newest version, and goes on past those that fail.
    ///
    /// `tell` hears of each schema as it is done with. A run that has nothing to do is one query.
    ///
    /// # Errors
    /// [`ProvisionError`] when the `shared` schema cannot be migrated or the registry cannot be read; what failed in
    /// one schema is in the report.
    pub async fn migrate_fleet(
        &self,
        options: &RunOptions,
        tell: impl Fn(Progress<'_>),
    ) -> Result<Report, ProvisionError> {
        let mut report = Report::default();
        let mut plan = self.plan(options).await?;
        if plan.shared {
            report.shared = self.migrate_shared().await?;
            plan = self.plan(options).await?;
        }
        let run = Run { provisioner: self, tell, done: AtomicUsize::new(0), total: plan.behind.len() };
        let (canaries, others) = plan.behind.split_at(options.canary.min(plan.behind.len()));
        run.migrate(canaries, options.jobs, Some(0), &mut report).await;
        if report.failed == 0 {
            run.migrate(others, options.jobs, options.max_failures, &mut report).await;
        } else {
            run.leave(others, &mut report);
        }
        Ok(report)
    }

    /// Brings the `shared` schema to its newest version; returns the versions applied.
    ///
    /// # Errors
    /// [`ProvisionError`]; nothing of a failed run stays.
    pub async fn migrate_shared(&self) -> Result<Vec<i32>, ProvisionError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.attempt_shared().await {
                Err(error) if may_be_tried_again(&error, attempt) => pause(attempt).await,
                other => return other,
            }
        }
    }

    async fn attempt_shared(&self) -> Result<Vec<i32>, ProvisionError> {
        let session = self.owner.begin_unscoped().await?;
        // Two runs at once: the second waits, however long, and then finds nothing to do.
        session.batch("SET LOCAL lock_timeout = 0").await?;
        schema::lock(&session, SHARED_LOCK).await?;
        // A table of `shared` that a backup is reading: every sign-in would queue behind a wait for it.
        session.batch(LOCK_TIMEOUT).await?;
        let applied = self.shared.run(&session).await?;
        session.commit().await?;
        Ok(applied)
    }

    /// Where the fleet stands.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn fleet_status(&self) -> Result<Status, DbError> {
        const VERSIONS: &str = concat!(
            "
            SELECT s.version,
                   count(*) FILTER (WHERE s.state = 'live') AS businesses,
                   count(*) FILTER (WHERE s.state = 'spare') AS spare,
                   count(*) FILTER (WHERE s.failure IS NOT NULL) AS failed,
                   count(*) FILTER (WHERE EXISTS (
                       SELECT FROM pg_locks l WHERE l.objid = s.number::oid AND ",
            is_our_lock!(),
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
        const RUNNING: &str = concat!(
            "
            SELECT t.slug, s.name, a.pid, a.application_name
              FROM pg_locks l
              JOIN shared.schemas s ON s.number::oid = l.objid
              LEFT JOIN shared.tenants t ON t.number = s.number
              LEFT JOIN pg_stat_activity a ON a.pid = l.pid
             WHERE ",
            is_our_lock!(),
            "
             ORDER BY s.number"
        );
        const SHARED: &str = "SELECT coalesce(max(version), 0) AS version FROM shared.shared_migrations";
        let session = self.owner.begin_unscoped().await?;
        let versions = session.query(VERSIONS, &[]).await?;
        let failed = session.query(FAILED, &[]).await?;
        let running = session.query(RUNNING, &[]).await?;
        Ok(Status {
            latest: self.tenant.latest(),
            shared_version: session.query_one(SHARED, &[]).await?.try_get("version")?,
            shared_latest: self.shared.latest(),
            versions: versions
                .iter()
                .map(|row| {
                    Ok(VersionStatus {
                        version: row.try_get("version")?,
                        businesses: row.try_get("businesses")?,
                        spare: row.try_get("spare")?,
                        failed: row.try_get("failed")?,
                        running: row.try_get("running")?,
                    })
                })
                .collect::<Result<_, DbError>>()?,
            failed: failed.iter().map(Behind::from_row).collect::<Result<_, _>>()?,
            running: running
                .iter()
                .map(|row| {
                    Ok(Running {
                        business: row.try_get::<_, Option<String>>("slug")?.map(TenantSlug::from_registry),
                        schema: SchemaName::from_registry(row.try_get("name")?),
                        by: holder(row)?,
                    })
                })
                .collect::<Result<_, DbError>>()?,
        })
    }
}

/// One run over the fleet.
struct Run<'a, Tell> {
    provisioner: &'a Provisioner,
    tell: Tell,
    done: AtomicUsize,
    total: usize,
}

impl<Tell: Fn(Progress<'_>)> Run<'_, Tell> {
    async fn migrate(
        &self,
        schemas: &[Behind],
        jobs: NonZeroUsize,
        max_failures: Option<usize>,
        report: &mut Report,
    ) {
        let failures = AtomicUsize::new(0);
        let too_many = || max_failures.is_some_and(|most| failures.load(Ordering::Relaxed) > most);
        let outcomes = stream::iter(schemas)
            .map(|schema| async {
                if too_many() {
                    return self.end(schema, Outcome::Left, Duration::ZERO);
                }
                let started = std::time::Instant::now();
                let outcome = self.migrate_one(schema).await;
                if matches!(outcome, Outcome::Failed(_)) {
                    failures.fetch_add(1, Ordering::Relaxed);
                }
                self.end(schema, outcome, started.elapsed())
            })
            .buffer_unordered(jobs.get());
        let mut outcomes = std::pin::pin!(outcomes);
        while let Some(outcome) = outcomes.next().await {
            report.count(&outcome);
        }
    }

    fn leave(&self, schemas: &[Behind], report: &mut Report) {
        for schema in schemas {
            report.count(&self.end(schema, Outcome::Left, Duration::ZERO));
        }
    }

    fn end(&self, schema: &Behind, outcome: Outcome, duration: Duration) -> Outcome {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        (self.tell)(Progress { schema, outcome: &outcome, done, total: self.total, duration });
        outcome
    }

    /// Migrates one schema, waits for its tables again and again, and records a failure.
    async fn migrate_one(&self, schema: &Behind) -> Outcome {
        let mut attempt = 0;
        let error = loop {
            attempt += 1;
            match self.attempt(schema).await {
                Ok(outcome) => return outcome,
                Err(error) if may_be_tried_again(&error, attempt) => pause(attempt).await,
                Err(error) => break error,
            }
        };
        let mut reason = chain(&error);
        if root_sqlstate(&error) == Some(&SqlState::LOCK_NOT_AVAILABLE) {
            reason = format!("a table was in use at each of {attempt} attempts: {reason}");
        }
        match self.record(schema, &reason).await {
            Ok(()) => Outcome::Failed(reason),
            Err(unrecorded) => Outcome::Failed(format!("{reason} (not recorded: {})", chain(&unrecorded))),
        }
    }

    async fn attempt(&self, behind: &Behind) -> Result<Outcome, ProvisionError> {
        let session = self.provisioner.owner.begin_unscoped().await?;
        if !schema::try_lock(&session, schema::lock_key(behind.number)).await? {
            return Ok(Outcome::Elsewhere(who_holds(&session, behind.number).await?));
        }
        match schema::lock_version(&session, behind.number).await? {
            None => Ok(Outcome::Elsewhere("dropped meanwhile".to_owned())),
            Some(version) if version >= self.provisioner.tenant.latest() => {
                Ok(Outcome::Elsewhere("migrated by another run".to_owned()))
            }
            Some(_) => {
                let migrations = &self.provisioner.tenant;
                session.batch(&format!("{LOCK_TIMEOUT}; {}", search_path(&behind.schema))).await?;
                // A backup holds the history while it reads: wait for it before any table is locked.
                session.batch(&format!("LOCK TABLE {HISTORY} IN SHARE ROW EXCLUSIVE MODE")).await?;
                migrations.run(&session).await?;
                schema::record_version(&session, behind.number, migrations).await?;
                failpoint::reach("before_migration_commit");
                session.commit().await?;
                Ok(Outcome::Migrated { to: migrations.latest() })
            }
        }
    }

    async fn record(&self, schema: &Behind, reason: &str) -> Result<(), DbError> {
        let session = self.provisioner.owner.begin_unscoped().await?;
        schema::record_failure(&session, schema.number, self.provisioner.tenant.latest(), reason).await?;
        session.commit().await
    }
}

fn may_be_tried_again(error: &ProvisionError, attempt: u32) -> bool {
    attempt < ATTEMPTS && root_sqlstate(error).is_some_and(may_succeed_again)
}

/// 0.1, 0.2, 0.4 s ..., give or take half.
async fn pause(attempt: u32) {
    tokio::time::sleep(Duration::from_millis(50 << attempt).mul_f64(0.5 + fastrand::f64())).await;
}

impl Report {
    fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Migrated { .. } => self.migrated += 1,
            Outcome::Elsewhere(_) => self.elsewhere += 1,
            Outcome::Failed(_) => self.failed += 1,
            Outcome::Left => self.left += 1,
        }
    }
}

async fn who_holds(session: &Session, number: BusinessNumber) -> Result<String, DbError> {
    const WHO: &str = concat!(
        "
        SELECT a.pid, a.application_name
          FROM pg_locks l
          JOIN pg_stat_activity a ON a.pid = l.pid
         WHERE l.objid = $1::bigint::oid AND ",
        is_our_lock!(),
        "
         LIMIT 1"
    );
    let row = session.query_opt(WHO, &[&number.get()]).await?;
    Ok(match row {
        Some(row) => format!("being migrated by {}", holder(&row)?),
        None => "migrated by another run".to_owned(),
    })
}

/// Who a row of pg_stat_activity is.
fn holder(row: &Row) -> Result<String, DbError> {
    let name: Option<String> = row.try_get("application_name")?;
    let pid: Option<i32> = row.try_get("pid")?;
    let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| "somebody".to_owned());
    Ok(format!("{name} (backend {})", pid.unwrap_or_default()))
}

/// A table or column that does not exist (yet).
fn is_undefined(error: &DbError) -> bool {
    error.sqlstate().is_some_and(|code| {
        [SqlState::UNDEFINED_TABLE, SqlState::UNDEFINED_COLUMN, SqlState::INVALID_SCHEMA_NAME].contains(code)
    })
}
