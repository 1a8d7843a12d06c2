//! Background jobs: long work and recurring work. Each job is one row of `shared.jobs`.

use chrono::{DateTime, Utc};
use const_format::concatcp;
use serde::Serialize;
use serde_json::Value;
use values::Key;

use crate::background::job_runner::CHANNEL;
use crate::connection::error::DbError;
use crate::names::tenant::TenantId;
use crate::scope::transactions::SharedTx;

values::ids! {
    /// The key of a job.
    JobId,
}

values::words! {
    /// The state of a job.
    pub enum JobState {
        /// The job waits for its turn.
        Queued = "queued",
        /// A process works on the job.
        Running = "running",
        /// The job ended without an error.
        Succeeded = "succeeded",
        /// The last allowed attempt ended with an error or was interrupted.
        Failed = "failed",
        /// The job was cancelled before it ended.
        Cancelled = "cancelled",
    }
}

/// One job.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// The id of the job.
    pub id: JobId,
    /// The name of the work, such as `backups.create`.
    pub kind: String,
    /// The business; `None` for a job of the whole platform.
    pub tenant_id: Option<TenantId>,
    /// The input of the work, a JSON object whose fields depend on the kind.
    pub parameters: Value,
    /// The state; the runner, [`cancel`] and [`retry`] change it.
    pub state: JobState,
    /// The number of finished items, such as businesses.
    pub done: i64,
    /// `None` while the total is not known.
    pub total: Option<i64>,
    /// The current step, or the reason why the last run did not succeed.
    pub message: Option<String>,
    /// The output of the last run, if that run succeeded; otherwise `None`, also before the first run ends.
    /// Its fields depend on the kind.
    pub result: Option<Value>,
    /// The number of times that the job has been started. [`retry`] resets the number to 0.
    pub attempts: i32,
    /// A failed job runs again until it has been started this many times. Ignored for a recurring job.
    pub max_attempts: i32,
    /// For a recurring job: the number of seconds between the end of one run and the start of the next.
    pub period_s: Option<i32>,
    /// Whether somebody cancelled the job. If the job is running, the runner then stops it.
    pub cancel_requested: bool,
    /// For a queued job: the earliest time of the next start.
    pub run_at: DateTime<Utc>,
    /// The time of the last start; `None` before the first start and after [`retry`].
    pub started_at: Option<DateTime<Utc>>,
    /// The time when the last run ended or the job was cancelled; `None` until then and during a run.
    pub finished_at: Option<DateTime<Utc>>,
    /// The person or program that requested the job, for display; `schedule` for a recurring job.
    pub requested_by: String,
    /// When the row was stored.
    pub created_at: DateTime<Utc>,
}

crate::from_row!(Job {
    id,
    kind,
    tenant_id,
    parameters,
    state,
    done,
    total,
    message,
    result,
    attempts,
    max_attempts,
    period_s,
    cancel_requested,
    run_at,
    started_at,
    finished_at,
    requested_by,
    created_at
});

/// The columns of a [`Job`].
pub(crate) const COLUMNS: &str = "
    id, kind, tenant_id, parameters, state, done, total, message, result, attempts, max_attempts, period_s,
    cancel_requested, run_at, started_at, finished_at, requested_by, created_at";

/// A job to be queued.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// The name of a [`JobKind`]. A job of an unknown kind stays queued.
    pub kind: &'static str,
    /// The business; `None` for a job of the whole platform.
    pub tenant_id: Option<TenantId>,
    /// The input of the work, a JSON object whose fields depend on the kind.
    pub parameters: Value,
    /// The highest number of starts; 1 means that a failed job does not run again.
    pub max_attempts: i32,
    /// The person or program that requests the job, for display.
    pub requested_by: String,
}

/// Queues a job as part of the transaction.
///
/// If a job of the same kind, business and parameters is queued already, returns that job instead and
/// ignores the other fields of `new`.
///
/// # Errors
/// [`DbError`].
pub async fn insert(tx: &SharedTx, new: &NewJob) -> Result<Job, DbError> {
    const INSERT: &str = concatcp!(
        "INSERT INTO shared.jobs
                (id, kind, tenant_id, parameters, state, max_attempts, run_at, requested_by, created_at)
         VALUES ($1, $2, $3, $4, 'queued', $5, $6, $7, $6)
      RETURNING ",
        COLUMNS
    );
    const WAITING: &str = concatcp!(
        "SELECT ",
        COLUMNS,
        " FROM shared.jobs
          WHERE state = 'queued' AND kind = $1 AND tenant_id IS NOT DISTINCT FROM $2 AND parameters = $3
          LIMIT 1"
    );
    let tenant = new.tenant_id;
    if let Some(waiting) = tx.row_opt(WAITING, &[&new.kind, &tenant, &new.parameters]).await? {
        return Ok(waiting);
    }
    announce(tx).await?;
    tx.row(
        INSERT,
        &[
            &JobId::new(),
            &new.kind,
            &tenant,
            &new.parameters,
            &new.max_attempts,
            &tx.now(),
            &new.requested_by,
        ],
    )
    .await
}

/// Wakes the runner when the transaction commits.
async fn announce(tx: &SharedTx) -> Result<(), DbError> {
    tx.execute("SELECT pg_notify($1, '')", &[&CHANNEL]).await.map(drop)
}

/// Finds the job with this id, if the scope may see it.
///
/// # Errors
/// [`DbError`]. An unknown id is not an error, but `None`.
pub async fn find(tx: &SharedTx, id: JobId) -> Result<Option<Job>, DbError> {
    const FIND: &str = concatcp!("SELECT ", COLUMNS, " FROM shared.jobs WHERE id = $1");
    tx.row_opt(FIND, &[&id]).await
}

/// Lists up to `limit` jobs, newest first. With `before`, only older jobs than that one. With `state` or
/// `tenant`, only jobs in that state, or for that business.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &SharedTx,
    state: Option<JobState>,
    tenant: Option<TenantId>,
    before: Option<JobId>,
    limit: i64,
) -> Result<Vec<Job>, DbError> {
    const LIST: &str = concatcp!(
        "SELECT ",
        COLUMNS,
        " FROM shared.jobs
          WHERE (state = $1 OR $1 IS NULL) AND (tenant_id = $4 OR $4 IS NULL) AND id < $2
          ORDER BY id DESC LIMIT $3"
    );
    let before = before.unwrap_or_else(JobId::highest);
    tx.rows(LIST, &[&state, &before, &limit, &tenant]).await
}

/// A job cannot be cancelled or run again.
#[derive(Debug, thiserror::Error)]
pub enum JobChangeError {
    /// No job has this id, or the scope may not see the job.
    #[error("there is no such job")]
    NotFound,
    /// The job cannot be cancelled. The text is the state of the job, or `recurring`.
    #[error("the job is {0}; only a queued or running job that is not recurring can be cancelled")]
    Ended(&'static str),
    /// The job cannot be run again. The text is the state of the job.
    #[error("the job is {0}; only a failed or cancelled job can be run again")]
    NotFailed(&'static str),
    /// The job could not be read or changed.
    #[error("a job query failed")]
    Db(#[from] DbError),
}

/// Cancels a job: immediately if it is queued, within a second if it is running.
///
/// # Errors
/// [`JobChangeError`].
pub async fn cancel(tx: &SharedTx, id: JobId) -> Result<Job, JobChangeError> {
    const CANCEL: &str = concatcp!(
        "UPDATE shared.jobs
            SET cancel_requested = true,
                state = CASE state WHEN 'queued' THEN 'cancelled' ELSE state END,
                finished_at = CASE state WHEN 'queued' THEN $2 ELSE finished_at END
          WHERE id = $1 AND state IN ('queued', 'running') AND period_s IS NULL
      RETURNING ",
        COLUMNS
    );
    match tx.row_opt(CANCEL, &[&id, &tx.now()]).await? {
        Some(job) => Ok(job),
        None => Err(find(tx, id).await?.map_or(JobChangeError::NotFound, |job| {
            JobChangeError::Ended(if job.period_s.is_some() { "recurring" } else { job.state.as_str() })
        })),
    }
}

/// Queues a failed or cancelled job again, with its full number of attempts.
///
/// # Errors
/// [`JobChangeError`].
pub async fn retry(tx: &SharedTx, id: JobId) -> Result<Job, JobChangeError> {
    const RETRY: &str = concatcp!(
        "UPDATE shared.jobs
            SET state = 'queued', attempts = 0, done = 0, total = NULL, message = NULL,
                cancel_requested = false, run_at = $2, started_at = NULL, finished_at = NULL
          WHERE id = $1 AND state IN ('failed', 'cancelled')
      RETURNING ",
        COLUMNS
    );
    announce(tx).await?;
    match tx.row_opt(RETRY, &[&id, &tx.now()]).await? {
        Some(job) => Ok(job),
        None => Err(find(tx, id)
            .await?
            .map_or(JobChangeError::NotFound, |job| JobChangeError::NotFailed(job.state.as_str()))),
    }
}

pub use crate::background::job_runner::{JobContext, JobError, JobKind, JobRunner};
