//! One run over the fleet: migrates one schema after the other, and retries while a table is in use.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use chrono::{DateTime, Utc};
use const_format::concatcp;
use futures_util::{StreamExt, stream};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use crate::connection::error::{DbError, chain, may_succeed_again, root_sqlstate};
use crate::connection::transaction::Transaction;
use crate::failpoint;
use crate::migration::files::HISTORY;
use crate::names::database::TenantNumber;
use crate::owner::fleet::{Behind, Outcome, Progress, Report};
use crate::owner::provisioning::{OwnerDatabase, ProvisionError};
use crate::registry::locks::{self, IS_OUR_LOCK};
use crate::registry::schema;
use crate::scope::opening::search_path;

/// A migration that waits for a table lock blocks every later query on that table. It therefore waits briefly
/// and retries often.
pub(super) const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '500ms'";
const RETRIES: usize = 7;

/// One run over the fleet.
pub(super) struct Run<'a, Tell> {
    pub owner_database: &'a OwnerDatabase,
    pub tell: Tell,
    pub done: AtomicUsize,
    pub total: usize,
    /// When the run began. What failed since then, failed in this run or in another one at the same time.
    pub started: DateTime<Utc>,
    /// How long the run waits at most for a schema that another process is working on.
    pub patience: Duration,
}

impl<Tell: Fn(Progress<'_>)> Run<'_, Tell> {
    pub async fn migrate(
        &self,
        schemas: &[Behind],
        jobs: NonZeroUsize,
        max_failures: Option<usize>,
        report: &mut Report,
    ) {
        let failures = AtomicUsize::new(0);
        let too_many = || max_failures.is_some_and(|most| failures.load(Ordering::Relaxed) > most);
        let migrate = async |schema, until: Option<Instant>| {
            if too_many() {
                return (schema, Outcome::Left, Duration::ZERO);
            }
            let started = Instant::now();
            let outcome = self.migrate_before(schema, until).await;
            if matches!(outcome, Outcome::Failed(_)) {
                failures.fetch_add(1, Ordering::Relaxed);
            }
            (schema, outcome, started.elapsed())
        };
        let mut busy: Vec<&Behind> = Vec::new();
        let first = stream::iter(schemas).map(|schema| migrate(schema, None)).buffer_unordered(jobs.get());
        let mut first = std::pin::pin!(first);
        while let Some((schema, outcome, took)) = first.next().await {
            match outcome {
                Outcome::Busy(_) => busy.push(schema),
                outcome => report.count(&self.end(schema, outcome, took)),
            }
        }
        // Those that another process is working on come last. Only what that process has done is known then.
        let until = Some(Instant::now() + self.patience);
        let rest = stream::iter(busy).map(|schema| migrate(schema, until)).buffer_unordered(jobs.get());
        let mut rest = std::pin::pin!(rest);
        while let Some((schema, outcome, took)) = rest.next().await {
            report.count(&self.end(schema, outcome, took));
        }
    }

    /// Migrates one schema. If another process is working on it, waits for that until `until`.
    async fn migrate_before(&self, schema: &Behind, until: Option<Instant>) -> Outcome {
        loop {
            match self.migrate_one(schema).await {
                Outcome::Busy(_) if until.is_some_and(|until| Instant::now() < until) => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                outcome => return outcome,
            }
        }
    }

    pub fn leave(&self, schemas: &[Behind], report: &mut Report) {
        for schema in schemas {
            report.count(&self.end(schema, Outcome::Left, Duration::ZERO));
        }
    }

    fn end(&self, schema: &Behind, outcome: Outcome, duration: Duration) -> Outcome {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        (self.tell)(Progress { schema, outcome: &outcome, done, total: self.total, duration });
        outcome
    }

    /// Migrates one schema. Retries while a table is in use, and records a failure.
    async fn migrate_one(&self, schema: &Behind) -> Outcome {
        let (error, attempts) = match persist(|| self.attempt(schema)).await {
            Ok(outcome) => return outcome,
            Err(given_up) => given_up,
        };
        let mut reason = chain(&error);
        if root_sqlstate(&error) == Some(&SqlState::LOCK_NOT_AVAILABLE) {
            reason = format!("a table was in use at each of {attempts} attempts: {reason}");
        }
        match self.record(schema, &reason).await {
            Ok(()) => Outcome::Failed(reason),
            Err(unrecorded) => Outcome::Failed(format!("{reason} (not recorded: {})", chain(&unrecorded))),
        }
    }

    async fn attempt(&self, behind: &Behind) -> Result<Outcome, ProvisionError> {
        let transaction = self.owner_database.owner.begin_unscoped().await?;
        if !locks::try_lock(&transaction, behind.number.lock_key()).await? {
            return Ok(Outcome::Busy(who_holds(&transaction, behind.number).await?));
        }
        match schema::lock_version(&transaction, behind.number).await? {
            None => Ok(Outcome::Elsewhere("the schema no longer exists".to_owned())),
            Some((version, _)) if version >= self.owner_database.tenant.latest() => {
                Ok(Outcome::Elsewhere("migrated by another run".to_owned()))
            }
            Some((_, Some(failure))) if failure.failed_at > self.started => {
                Ok(Outcome::Failed(format!("in another run: {}", failure.reason)))
            }
            Some(_) => {
                transaction.batch("SAVEPOINT before_migration").await?;
                let outcome = match self.migrate_in(&transaction, behind).await {
                    Ok(to) => Outcome::Migrated { to },
                    Err(error) if root_sqlstate(&error).is_some_and(may_succeed_again) => return Err(error),
                    // Recorded under the lock of the schema, so that another run finds it and does not try
                    // again.
                    Err(error) => {
                        let (reason, to) = (chain(&error), self.owner_database.tenant.latest());
                        transaction.roll_back_to("before_migration").await?;
                        schema::record_failure(&transaction, behind.number, to, &reason).await?;
                        Outcome::Failed(reason)
                    }
                };
                transaction.commit().await?;
                Ok(outcome)
            }
        }
    }

    /// Migrates a schema in a transaction that holds its lock. Returns its version.
    async fn migrate_in(&self, transaction: &Transaction, behind: &Behind) -> Result<i32, ProvisionError> {
        let migrations = &self.owner_database.tenant;
        transaction.batch(&format!("{LOCK_TIMEOUT}; {}", search_path(&behind.schema))).await?;
        // A backup locks the history while it reads. Wait for the backup before any other table is locked.
        transaction.batch(&format!("LOCK TABLE {HISTORY} IN SHARE ROW EXCLUSIVE MODE")).await?;
        migrations.run(transaction).await?;
        schema::record_version(transaction, behind.number, migrations).await?;
        failpoint::reach("before_migration_commit");
        Ok(migrations.latest())
    }

    async fn record(&self, schema: &Behind, reason: &str) -> Result<(), DbError> {
        let transaction = self.owner_database.owner.begin_unscoped().await?;
        schema::record_failure(&transaction, schema.number, self.owner_database.tenant.latest(), reason)
            .await?;
        transaction.commit().await
    }
}

/// Runs `attempt` again while a table is in use, after 0.1, 0.2, 0.4 s and so on, each lengthened at random.
///
/// # Errors
/// The error of the last attempt, and the number of attempts.
pub(super) async fn persist<T, Attempt: Future<Output = Result<T, ProvisionError>>>(
    attempt: impl Fn() -> Attempt,
) -> Result<T, (ProvisionError, usize)> {
    let pauses = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_times(RETRIES)
        .with_jitter()
        .build();
    let mut attempts = 1;
    for pause in pauses {
        match attempt().await {
            Err(error) if root_sqlstate(&error).is_some_and(may_succeed_again) => {
                tokio::time::sleep(pause).await;
                attempts += 1;
            }
            other => return other.map_err(|error| (error, attempts)),
        }
    }
    attempt().await.map_err(|error| (error, attempts))
}

async fn who_holds(transaction: &Transaction, number: TenantNumber) -> Result<String, DbError> {
    const WHO: &str = concatcp!(
        "
        SELECT a.pid, a.application_name
          FROM pg_locks l
          JOIN pg_stat_activity a ON a.pid = l.pid
         WHERE l.objid = $1::bigint::oid AND ",
        IS_OUR_LOCK,
        "
         LIMIT 1"
    );
    let row = transaction.query_opt(WHO, &[&number.get()]).await?;
    Ok(match row {
        Some(row) => holder(&row)?,
        None => "another process".to_owned(),
    })
}

/// Describes the process in a row of pg_stat_activity.
pub(super) fn holder(row: &Row) -> Result<String, DbError> {
    let name: Option<String> = row.try_get("application_name")?;
    let pid: Option<i32> = row.try_get("pid")?;
    let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| "an unnamed process".to_owned());
    Ok(format!("{name} (backend {})", pid.unwrap_or_default()))
}
