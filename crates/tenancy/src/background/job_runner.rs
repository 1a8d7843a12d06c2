//! Runs background jobs, in one elected process at a time.
//!
//! The process that holds an advisory lock runs the jobs. When that process dies, PostgreSQL frees the lock
//! and another process takes over. The runner sleeps until the next job is due. New jobs are announced, so
//! an idle runner hardly asks the database. There is only one runner, so a new runner treats every job in
//! the state `running` as interrupted, and runs it again. The work of a job must therefore do no harm when
//! it runs twice. A job is cancelled by dropping its future, which rolls its transaction back.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use const_format::concatcp;
use futures_util::future::{FutureExt as _, LocalBoxFuture};
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde_json::Value;
use tokio::sync::{Notify, mpsc, watch};
use tokio_postgres::Client;

use crate::background::jobs::{COLUMNS, Job, JobId, JobState};
use crate::connection::error::DbError;
use crate::connection::row::read_rows;
use crate::owner::provisioning::OwnerDatabase;
use crate::registry::locks::{JOBS_LOCK, LOCK_CLASS};

/// The reason why a job failed. The text is for the operator.
pub type JobError = Box<dyn std::error::Error + Send + Sync>;

/// The job, and the database for its work.
#[derive(Clone)]
pub struct JobContext {
    /// The job as it was when this run started.
    pub job: Rc<Job>,
    /// The database, opened with the login that owns the schemas.
    pub owner_database: Arc<OwnerDatabase>,
    again_at: Rc<Cell<Option<DateTime<Utc>>>>,
}

impl JobContext {
    /// Stores the progress of the job.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn progress(&self, done: usize, total: Option<usize>, message: &str) -> Result<(), DbError> {
        const PROGRESS: &str =
            "UPDATE shared.jobs SET done = $2, total = $3, message = $4 WHERE id = $1 AND state = 'running'";
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.owner_database
            .write_shared(async |tx| {
                tx.execute(PROGRESS, &[&self.job.id, &count(done), &total.map(count), &message])
                    .await
                    .map(drop)
            })
            .await
    }

    /// Lets a recurring job run again at this time, if its next run is later.
    pub fn run_again_at(&self, moment: Option<DateTime<Utc>>) {
        self.again_at.set(moment);
    }
}

type Work = Box<dyn Fn(JobContext) -> LocalBoxFuture<'static, Result<Value, JobError>> + Send>;

type Service = Box<dyn Fn(Arc<OwnerDatabase>, Rc<Notify>) -> LocalBoxFuture<'static, ()> + Send>;

/// A kind of job: its name and its work.
pub struct JobKind {
    name: &'static str,
    period: Option<Duration>,
    is_prompted: bool,
    work: Work,
}

impl JobKind {
    /// A kind of job that runs when it is requested.
    pub fn new<F>(name: &'static str, work: impl Fn(JobContext) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<Value, JobError>> + 'static,
    {
        Self {
            name,
            period: None,
            is_prompted: false,
            work: Box::new(move |context| Box::pin(work(context))),
        }
    }

    /// Makes the job recurring, with empty parameters. The next run starts `period` after the last run has
    /// ended.
    #[must_use]
    pub fn every(self, period: Duration) -> Self {
        Self { period: Some(period), ..self }
    }

    /// Makes the job recurring, and lets it run at once whenever the database announces work for it, on the
    /// channel `tenantry_jobs` by its name. The period is for announcements that nobody heard.
    #[must_use]
    pub fn when_prompted(self) -> Self {
        Self { period: Some(UNPROMPTED), is_prompted: true, ..self }
    }
}

/// Whether another job may start now: one that was asked for, and a recurring one.
#[derive(Clone, Copy)]
struct Free {
    asked: bool,
    repeated: bool,
}

/// Runs jobs while this process is the elected one.
pub struct JobRunner {
    owner_database: Arc<OwnerDatabase>,
    kinds: HashMap<&'static str, JobKind>,
    service: Option<(&'static str, Service)>,
}

/// Number of requested jobs that run at the same time. Each may use several connections of the owner.
const CONCURRENT: usize = 2;
/// Number of recurring jobs that run at the same time. Recurring jobs are short, and do not wait behind
/// requested jobs.
const CONCURRENT_REPEATED: usize = 1;
/// Longest time between two runs of a job that waits for announcements.
const UNPROMPTED: Duration = Duration::from_secs(300);
/// The pause after a failed run of such a job, and after other failures.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// How often the connection that holds the lock is tested.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// The pause before this process stands for election again.
const STAND_AGAIN: Duration = Duration::from_secs(2);
/// How often a running job asks whether it was cancelled.
const POLL: Duration = Duration::from_millis(500);
/// The channel on which new jobs are announced: the name of a recurring job that should run, or nothing.
pub(super) const CHANNEL: &str = "tenantry_jobs";

impl JobRunner {
    /// Returns a runner of these kinds of jobs, which starts no job before [`JobRunner::run`].
    pub fn new(owner_database: Arc<OwnerDatabase>, kinds: Vec<JobKind>) -> Self {
        let kinds = kinds.into_iter().map(|kind| (kind.name, kind)).collect();
        Self { owner_database, kinds, service: None }
    }

    /// Adds work that goes on for as long as this process runs the jobs. It is notified when the database
    /// announces its name on the channel of jobs.
    #[must_use]
    pub fn with_service<F>(
        self,
        name: &'static str,
        work: impl Fn(Arc<OwnerDatabase>, Rc<Notify>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + 'static,
    {
        let service: Service = Box::new(move |database, prompted| Box::pin(work(database, prompted)));
        Self { service: Some((name, service)), ..self }
    }

    /// Runs jobs on the calling thread until `stop` is set. The next elected process runs the interrupted
    /// jobs again.
    pub async fn run(&self, mut stop: watch::Receiver<bool>) {
        let stopped = async {
            // A dropped sender also means stop.
            let _ = stop.wait_for(|stop| *stop).await;
        };
        let elections = async {
            loop {
                if let Err(error) = self.stand_for_election().await {
                    tracing::warn!(error = %crate::chain(&error), "background jobs were interrupted");
                }
                tokio::time::sleep(STAND_AGAIN).await;
            }
        };
        tokio::select! {
            () = stopped => {}
            () = elections => {}
        }
    }

    /// Becomes the runner if there is none, and stays the runner until its connection breaks.
    async fn stand_for_election(&self) -> Result<(), DbError> {
        const STAND: &str = "SELECT pg_try_advisory_lock($1, $2) AS elected";
        const LISTEN: &str = concatcp!("LISTEN ", CHANNEL);
        let (sender, mut told) = mpsc::unbounded_channel();
        let client = self.owner_database.owner.connect_telling(sender).await?;
        let row = client.query_one(STAND, &[&LOCK_CLASS, &JOBS_LOCK]).await?;
        if !row.try_get::<_, bool>("elected")? {
            return Ok(());
        }
        client.batch_execute(LISTEN).await?;
        self.take_over().await?;
        let mut asked: FuturesUnordered<LocalBoxFuture<'_, ()>> = FuturesUnordered::new();
        let mut repeated: FuturesUnordered<LocalBoxFuture<'_, ()>> = FuturesUnordered::new();
        let service_prompted = Rc::new(Notify::new());
        let mut service = Box::pin(self.serve(service_prompted.clone()));
        // What was announced while nobody listened may be waiting.
        let mut prompted: HashSet<String> = self.prompted_kinds().map(str::to_owned).collect();
        loop {
            if !prompted.is_empty() {
                self.prompt(&client, &mut prompted).await?;
            }
            let free = loop {
                let free =
                    Free { asked: asked.len() < CONCURRENT, repeated: repeated.len() < CONCURRENT_REPEATED };
                let Some(job) = self.claim(&client, free).await? else { break free };
                let running = if job.period_s.is_some() { &repeated } else { &asked };
                running.push(Box::pin(self.run_one(job)));
            };
            let next_start = self.next_start(&client, free).await?;
            loop {
                let pause =
                    next_start.map_or(HEARTBEAT, |start| start.saturating_duration_since(Instant::now()));
                tokio::select! {
                    Some(()) = asked.next(), if !asked.is_empty() => break,
                    Some(()) = repeated.next(), if !repeated.is_empty() => break,
                    never = &mut service => match never {},
                    name = told.recv() => {
                        // Without the connection, another process may be elected already.
                        let Some(name) = name else { return Ok(()) };
                        let more = std::iter::from_fn(|| told.try_recv().ok());
                        let names: HashSet<String> = std::iter::once(name).chain(more).collect();
                        if self.service.as_ref().is_some_and(|(name, _)| names.contains(*name)) {
                            service_prompted.notify_one();
                        }
                        let is_ours = |name: &String| self.is_prompted(name);
                        // An empty name stands for a job that somebody has asked for.
                        if names.contains("") || names.iter().any(is_ours) {
                            prompted.extend(names.into_iter().filter(is_ours));
                            break;
                        }
                    }
                    () = tokio::time::sleep(pause.min(HEARTBEAT)) => {
                        if pause <= HEARTBEAT {
                            break;
                        }
                        // The lock lasts only as long as this connection.
                        client.simple_query("").await?;
                    }
                }
            }
        }
    }

    /// Does the work that goes on. A panic does not end the jobs.
    async fn serve(&self, prompted: Rc<Notify>) -> Infallible {
        let Some((name, work)) = &self.service else { return std::future::pending().await };
        loop {
            let work = work(self.owner_database.clone(), prompted.clone());
            if AssertUnwindSafe(work).catch_unwind().await.is_err() {
                tracing::error!("{name} panicked, and begins again");
            }
            tokio::time::sleep(AFTER_FAILURE).await;
        }
    }

    fn is_prompted(&self, kind: &str) -> bool {
        self.kinds.get(kind).is_some_and(|kind| kind.is_prompted)
    }

    fn prompted_kinds(&self) -> impl Iterator<Item = &str> {
        self.kinds.values().filter(|kind| kind.is_prompted).map(|kind| kind.name)
    }

    /// Lets these recurring jobs run now. One that is running stays in the set.
    async fn prompt(&self, client: &Client, prompted: &mut HashSet<String>) -> Result<(), DbError> {
        const PROMPT: &str = "
            UPDATE shared.jobs SET run_at = least(run_at, clock_timestamp())
             WHERE kind = ANY ($1) AND period_s IS NOT NULL AND state = 'queued'
         RETURNING kind";
        let kinds: Vec<&String> = prompted.iter().collect();
        for row in client.query(PROMPT, &[&kinds]).await? {
            prompted.remove(row.try_get::<_, &str>("kind")?);
        }
        Ok(())
    }

    /// The time of the next start of a queued job for which there is a free place.
    async fn next_start(&self, client: &Client, free: Free) -> Result<Option<Instant>, DbError> {
        // The clock of the database counts: it has set the time.
        const NEXT: &str = "
            SELECT extract(epoch FROM min(run_at) - clock_timestamp())::float8 AS seconds FROM shared.jobs
             WHERE state = 'queued' AND kind = ANY ($1)
               AND CASE WHEN period_s IS NULL THEN $2::boolean ELSE $3::boolean END";
        let row = client.query_one(NEXT, &[&self.kind_names(), &free.asked, &free.repeated]).await?;
        let seconds: Option<f64> = row.try_get("seconds")?;
        let pause = seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default());
        Ok(pause.map(|pause| Instant::now() + pause))
    }

    fn kind_names(&self) -> Vec<&'static str> {
        self.kinds.keys().copied().collect()
    }

    /// Queues the jobs that the last runner left unfinished, and the recurring jobs.
    async fn take_over(&self) -> Result<(), DbError> {
        const INTERRUPTED: &str = "
            UPDATE shared.jobs
               SET state = CASE WHEN cancel_requested THEN 'cancelled'
                                WHEN attempts >= max_attempts AND period_s IS NULL THEN 'failed'
                                ELSE 'queued' END,
                   finished_at = CASE WHEN cancel_requested OR attempts >= max_attempts AND period_s IS NULL
                                      THEN $1::timestamptz END,
                   message = 'the process that ran it ended'
             WHERE state = 'running'";
        const REPEAT: &str = "
            INSERT INTO shared.jobs
                   (id, kind, parameters, state, max_attempts, period_s, run_at, requested_by, created_at)
            VALUES ($1, $2, '{}', 'queued', 1, $3, $4, 'schedule', $4)
                ON CONFLICT (kind) WHERE period_s IS NOT NULL DO UPDATE SET period_s = EXCLUDED.period_s";
        const FORGET: &str = "DELETE FROM shared.jobs WHERE period_s IS NOT NULL AND kind <> ALL ($1)";
        let repeated: Vec<(&str, i32)> = self
            .kinds
            .values()
            .filter_map(|kind| Some((kind.name, i32::try_from(kind.period?.as_secs()).unwrap_or(i32::MAX))))
            .collect();
        self.owner_database
            .write_shared(async |tx| {
                tx.execute(INTERRUPTED, &[&tx.now()]).await?;
                for (kind, period_s) in &repeated {
                    tx.execute(REPEAT, &[&JobId::new(), kind, period_s, &tx.now()]).await?;
                }
                let kinds: Vec<&str> = repeated.iter().map(|(kind, _)| *kind).collect();
                tx.execute(FORGET, &[&kinds]).await.map(drop)
            })
            .await
    }

    /// Claims the next job, on the runner's own connection. Jobs may hold all connections of the pool, and no
    /// job makes progress while the runner waits here.
    async fn claim(&self, client: &Client, free: Free) -> Result<Option<Job>, DbError> {
        const CLAIM: &str = concatcp!(
            "UPDATE shared.jobs
                SET state = 'running', started_at = clock_timestamp(), finished_at = NULL,
                    attempts = attempts + 1, message = NULL
              WHERE id = (SELECT id FROM shared.jobs
                           WHERE state = 'queued' AND run_at <= clock_timestamp() AND kind = ANY ($1)
                             AND CASE WHEN period_s IS NULL THEN $2::boolean ELSE $3::boolean END
                           ORDER BY run_at, id
                           LIMIT 1
                             FOR UPDATE SKIP LOCKED)
          RETURNING ",
            COLUMNS
        );
        let kinds = self.kind_names();
        let row = client.query_opt(CLAIM, &[&kinds, &free.asked, &free.repeated]).await?;
        Ok(read_rows(row.as_slice())?.pop())
    }

    async fn run_one(&self, job: Job) {
        let Some(kind) = self.kinds.get(job.kind.as_str()) else { return };
        let job = Rc::new(job);
        let again_at = Rc::new(Cell::new(None));
        let owner_database = self.owner_database.clone();
        let context = JobContext { job: job.clone(), owner_database, again_at: again_at.clone() };
        let outcome = tokio::select! {
            // A panic of one job must not end all others.
            outcome = AssertUnwindSafe((kind.work)(context)).catch_unwind() => {
                Some(outcome.unwrap_or_else(|_| Err("the job panicked; the log has the reason".into())))
            }
            () = self.cancelled(job.id) => None,
        };
        if let Some(Err(error)) = &outcome {
            tracing::warn!(
                job.kind = job.kind,
                job.id = %job.id,
                error = %crate::chain(error.as_ref()),
                "a job failed"
            );
        }
        // A job whose outcome is not stored would never run again.
        while let Err(error) = self.record(&job, outcome.as_ref(), again_at.get()).await {
            tracing::warn!(
                job.id = %job.id,
                error = %crate::chain(&error),
                "the outcome of a job cannot be stored; trying again"
            );
            tokio::time::sleep(AFTER_FAILURE).await;
        }
    }

    async fn cancelled(&self, id: JobId) {
        const WANTED: &str = "SELECT cancel_requested FROM shared.jobs WHERE id = $1";
        loop {
            tokio::time::sleep(POLL).await;
            let wanted =
                self.owner_database.write_shared(async |tx| tx.query_opt(WANTED, &[&id]).await).await;
            match wanted {
                Ok(Some(row)) if !row.try_get::<_, bool>("cancel_requested").unwrap_or(false) => {}
                // If the database cannot be reached for a moment, no job is cancelled.
                Err(_) => {}
                // A cancellation was requested, or the job's row was deleted when its business was dropped.
                Ok(_) => return,
            }
        }
    }

    async fn record(
        &self,
        job: &Job,
        outcome: Option<&Result<Value, JobError>>,
        again_at: Option<DateTime<Utc>>,
    ) -> Result<(), DbError> {
        const RECORD: &str = "
            UPDATE shared.jobs
               SET state = $2, result = $3, message = $4, run_at = $5, finished_at = $6,
                   done = CASE WHEN $3::jsonb IS NULL THEN done ELSE coalesce(total, done) END
             WHERE id = $1";
        let (mut state, result, message) = match outcome {
            Some(Ok(result)) => (JobState::Succeeded, Some(result), None),
            Some(Err(error)) => (JobState::Failed, None, Some(crate::chain(error.as_ref()))),
            None => (JobState::Cancelled, None, Some("cancelled".to_owned())),
        };
        let mut run_in = Duration::ZERO;
        if let Some(period) = job.period_s {
            let period = Duration::from_secs(period.unsigned_abs().into());
            // Nobody announces again what a failed run has left.
            let run_again =
                if self.is_prompted(&job.kind) && state == JobState::Failed { AFTER_FAILURE } else { period };
            (state, run_in) = (JobState::Queued, run_again);
        } else if state == JobState::Failed && job.attempts < job.max_attempts {
            // The job runs again after 10 s, 20 s, 40 s and so on.
            (state, run_in) =
                (JobState::Queued, Duration::from_secs(5 << job.attempts.clamp(1, 10).unsigned_abs()));
        }
        self.owner_database
            .write_shared(async |tx| {
                let run_at = tx.now() + run_in;
                let run_at = again_at.map_or(run_at, |again_at| run_at.min(again_at));
                tx.execute(RECORD, &[&job.id, &state, &result, &message, &run_at, &tx.now()]).await.map(drop)
            })
            .await
    }
}
