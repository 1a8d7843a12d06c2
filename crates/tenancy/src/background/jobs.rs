//! Long and repeated work: one row of `shared.jobs` each, run by one elected process at a time.
//!
//! Whoever holds an advisory lock runs the jobs; when it dies, PostgreSQL frees the lock and another process takes over.
//! There is only one runner, so whatever a new one finds "running" was interrupted, and is run again. Work is therefore
//! written so that running it twice does no harm. A job is cancelled by dropping its future: its transaction rolls back.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::LocalBoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::connection::error::DbError;
use crate::names::tenant_names::TenantId;
use crate::owner::provisioning::Provisioner;
use crate::registry::schema::{JOBS_LOCK, LOCK_CLASS};
use crate::scope::scope::SharedTx;

/// A job's key (UUIDv7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct JobId(Uuid);

impl JobId {
    pub fn from_uuid(id: Uuid) -> Self {
        Self(id)
    }

    pub fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl std::str::FromStr for JobId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::try_parse(text).map(Self)
    }
}

impl std::fmt::Display for JobId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    Queued,
    Running,
    Succeeded,
    Failed,
    Cancelled,
}

impl JobState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    fn from_registry(text: &str) -> Self {
        match text {
            "running" => Self::Running,
            "succeeded" => Self::Succeeded,
            "failed" => Self::Failed,
            "cancelled" => Self::Cancelled,
            _ => Self::Queued,
        }
    }
}

/// One job.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    pub id: JobId,
    pub kind: String,
    pub tenant_id: Option<TenantId>,
    pub parameters: Value,
    pub state: JobState,
    pub done: i64,
    /// `None` while it is not known.
    pub total: Option<i64>,
    /// What it is at, or why it failed.
    pub message: Option<String>,
    pub result: Option<Value>,
    pub attempts: i32,
    pub max_attempts: i32,
    /// Seconds after its end at which it comes again.
    pub period_s: Option<i32>,
    pub cancel_requested: bool,
    pub run_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    pub requested_by: String,
    pub created_at: DateTime<Utc>,
}

impl Job {
    fn from_row(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            id: JobId(row.try_get("id")?),
            kind: row.try_get("kind")?,
            tenant_id: row.try_get::<_, Option<Uuid>>("tenant_id")?.map(TenantId::from_uuid),
            parameters: row.try_get("parameters")?,
            state: JobState::from_registry(row.try_get("state")?),
            done: row.try_get("done")?,
            total: row.try_get("total")?,
            message: row.try_get("message")?,
            result: row.try_get("result")?,
            attempts: row.try_get("attempts")?,
            max_attempts: row.try_get("max_attempts")?,
            period_s: row.try_get("period_s")?,
            cancel_requested: row.try_get("cancel_requested")?,
            run_at: row.try_get("run_at")?,
            started_at: row.try_get("started_at")?,
            finished_at: row.try_get("finished_at")?,
            requested_by: row.try_get("requested_by")?,
            created_at: row.try_get("created_at")?,
        })
    }
}

/// The columns that [`Job::from_row`] reads, between two texts.
macro_rules! with_job_columns {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            " id, kind, tenant_id, parameters, state, done, total, message, result, attempts, max_attempts, period_s,
              cancel_requested, run_at, started_at, finished_at, requested_by, created_at ",
            $after
        )
    };
}

/// A job to be run as soon as its turn comes.
#[derive(Debug, Clone)]
pub struct NewJob {
    pub kind: &'static str,
    pub tenant_id: Option<TenantId>,
    pub parameters: Value,
    pub max_attempts: i32,
    /// Who wants it, for people.
    pub requested_by: String,
}

/// Queues a job; with the rest of the transaction, or not at all. When the same one waits already, that one is returned.
///
/// # Errors
/// [`DbError`].
pub async fn insert(tx: &SharedTx, new: &NewJob) -> Result<Job, DbError> {
    const INSERT: &str = with_job_columns!(
        "INSERT INTO shared.jobs (id, kind, tenant_id, parameters, state, max_attempts, run_at, requested_by, created_at)
         VALUES ($1, $2, $3, $4, 'queued', $5, $6, $7, $6)
      RETURNING",
        ""
    );
    const WAITING: &str = with_job_columns!(
        "SELECT",
        "FROM shared.jobs
          WHERE state = 'queued' AND kind = $1 AND tenant_id IS NOT DISTINCT FROM $2 AND parameters = $3 LIMIT 1"
    );
    let tenant = new.tenant_id.map(TenantId::as_uuid);
    if let Some(row) = tx.query_opt(WAITING, &[&new.kind, &tenant, &new.parameters]).await? {
        return Job::from_row(&row);
    }
    let row = tx
        .query_one(
            INSERT,
            &[
                &Uuid::now_v7(),
                &new.kind,
                &tenant,
                &new.parameters,
                &new.max_attempts,
                &tx.now(),
                &new.requested_by,
            ],
        )
        .await?;
    Job::from_row(&row)
}

/// The job with this id, if the scope may see it.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &SharedTx, id: JobId) -> Result<Option<Job>, DbError> {
    const FIND: &str = with_job_columns!("SELECT", "FROM shared.jobs WHERE id = $1");
    tx.query_opt(FIND, &[&id.0]).await?.as_ref().map(Job::from_row).transpose()
}

/// Up to `limit` jobs, the newest first, from the one before `before` on, of one state or of all.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &SharedTx,
    state: Option<JobState>,
    before: Option<JobId>,
    limit: i64,
) -> Result<Vec<Job>, DbError> {
    const LIST: &str = with_job_columns!(
        "SELECT",
        "FROM shared.jobs WHERE (state = $1 OR $1 IS NULL) AND id < $2 ORDER BY id DESC LIMIT $3"
    );
    let before = before.map_or(Uuid::max(), JobId::as_uuid);
    let rows = tx.query(LIST, &[&state.map(JobState::as_str), &before, &limit]).await?;
    rows.iter().map(Job::from_row).collect()
}

/// A job cannot be changed like that.
#[derive(Debug, thiserror::Error)]
pub enum JobChangeError {
    #[error("there is no such job")]
    NotFound,
    #[error("the job is {0}; only a queued or running job can be cancelled")]
    Ended(&'static str),
    #[error("the job is {0}; only a failed or cancelled job can be run again")]
    NotFailed(&'static str),
    #[error("a job query failed")]
    Db(#[from] DbError),
}

/// Cancels a job: at once when it waits, within a second when it runs.
///
/// # Errors
/// [`JobChangeError`].
pub async fn cancel(tx: &SharedTx, id: JobId) -> Result<Job, JobChangeError> {
    const CANCEL: &str = with_job_columns!(
        "UPDATE shared.jobs
            SET cancel_requested = true,
                state = CASE state WHEN 'queued' THEN 'cancelled' ELSE state END,
                finished_at = CASE state WHEN 'queued' THEN $2 ELSE finished_at END
          WHERE id = $1 AND state IN ('queued', 'running') AND period_s IS NULL
      RETURNING",
        ""
    );
    match tx.query_opt(CANCEL, &[&id.0, &tx.now()]).await? {
        Some(row) => Ok(Job::from_row(&row)?),
        None => Err(find(tx, id).await?.map_or(JobChangeError::NotFound, |job| {
            JobChangeError::Ended(if job.period_s.is_some() { "repeated" } else { job.state.as_str() })
        })),
    }
}

/// Queues a failed or cancelled job again, with all its attempts.
///
/// # Errors
/// [`JobChangeError`].
pub async fn retry(tx: &SharedTx, id: JobId) -> Result<Job, JobChangeError> {
    const RETRY: &str = with_job_columns!(
        "UPDATE shared.jobs
            SET state = 'queued', attempts = 0, done = 0, total = NULL, message = NULL, cancel_requested = false,
                run_at = $2, started_at = NULL, finished_at = NULL
          WHERE id = $1 AND state IN ('failed', 'cancelled')
      RETURNING",
        ""
    );
    match tx.query_opt(RETRY, &[&id.0, &tx.now()]).await? {
        Some(row) => Ok(Job::from_row(&row)?),
        None => Err(find(tx, id)
            .await?
            .map_or(JobChangeError::NotFound, |job| JobChangeError::NotFailed(job.state.as_str()))),
    }
}

/// Why a job did not succeed; the text is for the operator.
pub type JobError = Box<dyn std::error::Error + Send + Sync>;

/// What a job works with.
#[derive(Clone)]
pub struct JobContext {
    pub job: Rc<Job>,
    pub provisioner: Arc<Provisioner>,
}

impl JobContext {
    /// Tells how far the work is.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn progress(&self, done: usize, total: Option<usize>, message: &str) -> Result<(), DbError> {
        const PROGRESS: &str =
            "UPDATE shared.jobs SET done = $2, total = $3, message = $4 WHERE id = $1 AND state = 'running'";
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.provisioner
            .write_shared(async |tx| {
                tx.execute(PROGRESS, &[&self.job.id.0, &count(done), &total.map(count), &message])
                    .await
                    .map(drop)
            })
            .await
    }
}

type Work = Box<dyn Fn(JobContext) -> LocalBoxFuture<'static, Result<Value, JobError>> + Send>;

/// A kind of job: its name, and what it does.
pub struct JobKind {
    name: &'static str,
    period: Option<Duration>,
    work: Work,
}

impl JobKind {
    /// Work that is asked for.
    pub fn new<F>(name: &'static str, work: impl Fn(JobContext) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<Value, JobError>> + 'static,
    {
        Self { name, period: None, work: Box::new(move |context| Box::pin(work(context))) }
    }

    /// Work that comes again, so long after it ended. Its parameters are empty.
    #[must_use]
    pub fn every(self, period: Duration) -> Self {
        Self { period: Some(period), ..self }
    }
}

/// Runs jobs while this process is the elected one.
pub struct JobRunner {
    provisioner: Arc<Provisioner>,
    kinds: HashMap<&'static str, JobKind>,
}

/// Jobs at the same time that were asked for; each may use several connections of the owner.
const CONCURRENT: usize = 2;
/// Repeated work is short, and does not wait behind what was asked for.
const CONCURRENT_REPEATED: usize = 1;
const POLL: Duration = Duration::from_millis(500);

impl JobRunner {
    pub fn new(provisioner: Arc<Provisioner>, kinds: Vec<JobKind>) -> Self {
        Self { provisioner, kinds: kinds.into_iter().map(|kind| (kind.name, kind)).collect() }
    }

    /// Runs jobs until `stop` is set, on the calling thread. Work that is cut off then is run again by whoever is
    /// elected next.
    pub async fn run(&self, mut stop: watch::Receiver<bool>) {
        let stopped = async {
            // A sender that is gone means the same.
            let _ = stop.wait_for(|stop| *stop).await;
        };
        let elections = async {
            loop {
                if let Err(error) = self.stand_for_election().await {
                    tracing::warn!(error = %crate::chain(&error), "running jobs was interrupted");
                }
                tokio::time::sleep(POLL * 4).await;
            }
        };
        tokio::select! {
            () = stopped => {}
            () = elections => {}
        }
    }

    /// Becomes the runner, if there is none, and stays it until its connection breaks.
    async fn stand_for_election(&self) -> Result<(), DbError> {
        const STAND: &str = "SELECT pg_try_advisory_lock($1, $2) AS elected";
        let client = self.provisioner.owner.connect().await?;
        let row = client.query_one(STAND, &[&LOCK_CLASS, &JOBS_LOCK]).await?;
        if !row.try_get::<_, bool>("elected")? {
            return Ok(());
        }
        self.take_over().await?;
        let mut asked: FuturesUnordered<LocalBoxFuture<'_, ()>> = FuturesUnordered::new();
        let mut repeated: FuturesUnordered<LocalBoxFuture<'_, ()>> = FuturesUnordered::new();
        loop {
            for (running, most, is_repeated) in
                [(&asked, CONCURRENT, false), (&repeated, CONCURRENT_REPEATED, true)]
            {
                while running.len() < most {
                    let Some(job) = self.claim(&client, is_repeated).await? else { break };
                    running.push(Box::pin(self.run_one(job)));
                }
            }
            tokio::select! {
                Some(()) = asked.next(), if !asked.is_empty() => {}
                Some(()) = repeated.next(), if !repeated.is_empty() => {}
                // Only who still has this connection still has the lock.
                () = tokio::time::sleep(POLL) => client.simple_query("").await.map(drop)?,
            }
        }
    }

    /// Queues what the last runner left, and what is to come again and again.
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
        self.provisioner
            .write_shared(async |tx| {
                tx.execute(INTERRUPTED, &[&tx.now()]).await?;
                for (kind, period_s) in &repeated {
                    tx.execute(REPEAT, &[&Uuid::now_v7(), kind, period_s, &tx.now()]).await?;
                }
                let kinds: Vec<&str> = repeated.iter().map(|(kind, _)| *kind).collect();
                tx.execute(FORGET, &[&kinds]).await.map(drop)
            })
            .await
    }

    /// On the runner's own connection: those of the pool may all be with jobs, which nobody polls meanwhile.
    async fn claim(
        &self,
        client: &tokio_postgres::Client,
        is_repeated: bool,
    ) -> Result<Option<Job>, DbError> {
        const CLAIM: &str = with_job_columns!(
            "UPDATE shared.jobs
                SET state = 'running', started_at = $1, finished_at = NULL, attempts = attempts + 1, message = NULL
              WHERE id = (SELECT id FROM shared.jobs
                           WHERE state = 'queued' AND run_at <= $1 AND kind = ANY ($2) AND (period_s IS NOT NULL) = $3
                           ORDER BY run_at, id
                           LIMIT 1
                             FOR UPDATE SKIP LOCKED)
          RETURNING",
            ""
        );
        let kinds: Vec<&str> = self.kinds.keys().copied().collect();
        let row = client.query_opt(CLAIM, &[&Utc::now(), &kinds, &is_repeated]).await?;
        row.as_ref().map(Job::from_row).transpose()
    }

    async fn run_one(&self, job: Job) {
        let Some(kind) = self.kinds.get(job.kind.as_str()) else { return };
        let job = Rc::new(job);
        let context = JobContext { job: job.clone(), provisioner: self.provisioner.clone() };
        let outcome = tokio::select! {
            outcome = (kind.work)(context) => Some(outcome),
            () = self.cancelled(job.id) => None,
        };
        if let Some(Err(error)) = &outcome {
            tracing::warn!(job.kind = job.kind, job.id = %job.id, error = %crate::chain(error.as_ref()), "a job failed");
        }
        if let Err(error) = self.record(&job, outcome).await {
            tracing::warn!(job.id = %job.id, error = %crate::chain(&error), "a job's outcome could not be recorded");
        }
    }

    async fn cancelled(&self, id: JobId) {
        const WANTED: &str = "SELECT cancel_requested FROM shared.jobs WHERE id = $1";
        loop {
            tokio::time::sleep(POLL).await;
            let wanted =
                self.provisioner.write_shared(async |tx| tx.query_opt(WANTED, &[&id.as_uuid()]).await).await;
            match wanted {
                Ok(Some(row)) if !row.try_get::<_, bool>("cancel_requested").unwrap_or(false) => {}
                // The database is away for a moment: that cancels nothing.
                Err(_) => {}
                // Its business was dropped, and the row with it.
                Ok(_) => return,
            }
        }
    }

    async fn record(&self, job: &Job, outcome: Option<Result<Value, JobError>>) -> Result<(), DbError> {
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
            (state, run_in) = (JobState::Queued, Duration::from_secs(period.unsigned_abs().into()));
        } else if state == JobState::Failed && job.attempts < job.max_attempts {
            // 10 s, 20 s, 40 s ...
            (state, run_in) =
                (JobState::Queued, Duration::from_secs(5 << job.attempts.clamp(1, 10).unsigned_abs()));
        }
        self.provisioner
            .write_shared(async |tx| {
                let run_at = tx.now() + run_in;
                tx.execute(RECORD, &[&job.id.0, &state.as_str(), &result, &message, &run_at, &tx.now()])
                    .await
                    .map(drop)
            })
            .await
    }
}
