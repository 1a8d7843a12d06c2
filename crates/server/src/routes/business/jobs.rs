//! Background jobs. A business reads its own jobs, and the platform's staff reads all jobs.

use actix_web::{HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenancy::jobs::{self, Job, JobId, JobState};
use tenancy::{SharedScope, TenantId};
use utoipa::{IntoParams, ToSchema};

use crate::http::caller::{Staff, TokenHolder, may};
use crate::http::extract::PathId;
use crate::http::host_owner::HostOwner;
use crate::http::lists::{List, PageView, Paging};
use crate::http::problem::Problem;
use crate::http::state::State;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobView {
    id: JobId,
    /// The name of the work.
    #[schema(example = "backups.create")]
    kind: String,
    /// The business; null for a job of the whole platform.
    tenant_id: Option<TenantId>,
    state: JobState,
    /// The number of finished items, such as businesses.
    done: i64,
    /// The number of all items; null while it is not known.
    total: Option<i64>,
    /// The current step, or the reason why the last run did not succeed. Always null for a business.
    message: Option<String>,
    /// The result of the last run; null if that run failed, and before the first run ends. Its fields depend
    /// on the kind. Always null for a business.
    #[schema(value_type = Option<Object>)]
    result: Option<Value>,
    /// The number of times that the job has been started. A repeated job starts again with 0.
    attempts: i32,
    created_at: DateTime<Utc>,
    /// The time of the last start; null before the first start and after the job was queued again.
    started_at: Option<DateTime<Utc>>,
    /// The time when the last run ended or the job was cancelled; null until then and during a run.
    finished_at: Option<DateTime<Utc>>,
}

impl From<Job> for JobView {
    fn from(job: Job) -> Self {
        Self {
            id: job.id,
            kind: job.kind,
            tenant_id: job.tenant_id,
            state: job.state,
            done: job.done,
            total: job.total,
            message: job.message,
            result: job.result,
            attempts: job.attempts,
            created_at: job.created_at,
            started_at: job.started_at,
            finished_at: job.finished_at,
        }
    }
}

/// Read a job of the business
///
/// Returns the state and the progress of the job. Its message and its result are always null.
#[utoipa::path(tag = "business", operation_id = "readOwnJob", responses((status = 200, body = JobView)),
    params(("id" = JobId, Path,)))]
#[get("/jobs/{id}")]
pub async fn show_own(
    state: web::Data<State>,
    holder: TokenHolder,
    PathId(id): PathId<JobId>,
) -> Result<HttpResponse, Problem> {
    let HostOwner::Tenant(tenant) = holder.host_owner else { return Err(Problem::not_found()) };
    let mut job = find_in(&state, SharedScope::Tenant(tenant.id), id).await?;
    // Results and messages may name files of the platform, which a business must not see.
    (job.result, job.message) = (None, None);
    Ok(HttpResponse::Ok().json(job))
}

async fn find_in(state: &State, scope: SharedScope, id: JobId) -> Result<JobView, Problem> {
    let job = state.database.read_shared(scope, async |tx| jobs::find(tx, id).await).await?;
    Ok(JobView::from(job.ok_or_else(Problem::not_found)?))
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListJobs {
    /// Returns only jobs in this state. Defaults to all.
    state: Option<JobState>,
    /// The business. Defaults to all jobs.
    tenant_id: Option<TenantId>,
}

/// List jobs
///
/// Returns jobs, newest first.
#[utoipa::path(tag = "platform", operation_id = "listJobs", params(ListJobs, Paging),
    responses((status = 200, body = PageView<JobView>)))]
#[get("/platform/jobs")]
pub async fn list(
    state: web::Data<State>,
    _staff: Staff<may::TenantsRead>,
    List { query, page }: List<ListJobs>,
) -> Result<HttpResponse, Problem> {
    let page = page.request::<JobId>()?;
    let jobs = state
        .database
        .read_shared(SharedScope::Platform, async |tx| {
            jobs::list(tx, query.state, query.tenant_id, page.after, page.limit.and_one()).await
        })
        .await?;
    let page = page.page(jobs, |job| job.id);
    Ok(HttpResponse::Ok().json(PageView::new(page, JobView::from)))
}

/// Read a job
///
/// Returns a job of the platform or of a business, with its progress.
#[utoipa::path(tag = "platform", operation_id = "readJob", responses((status = 200, body = JobView)),
    params(("id" = JobId, Path,)))]
#[get("/platform/jobs/{id}")]
pub async fn show(
    state: web::Data<State>,
    _staff: Staff<may::TenantsRead>,
    PathId(id): PathId<JobId>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(find_in(&state, SharedScope::Platform, id).await?))
}

/// Cancel a job
///
/// A queued job is cancelled immediately, and a running job within one second. Unfinished work is undone;
/// finished items, such as backups of other businesses, stay. A recurring job cannot be cancelled.
#[utoipa::path(tag = "platform", operation_id = "cancelJob", responses((status = 200, body = JobView)),
    params(("id" = JobId, Path,)))]
#[post("/platform/jobs/{id}/cancel")]
pub async fn cancel(
    state: web::Data<State>,
    _staff: Staff<may::TenantsWrite>,
    PathId(id): PathId<JobId>,
) -> Result<HttpResponse, Problem> {
    let owner_database = state.onboarding()?.owner_database();
    let job = owner_database.write_shared(async |tx| jobs::cancel(tx, id).await).await?;
    Ok(HttpResponse::Ok().json(JobView::from(job)))
}

/// Repeat a failed or cancelled job
///
/// Queues the job again, with its full number of attempts.
#[utoipa::path(tag = "platform", operation_id = "retryJob", responses((status = 200, body = JobView)),
    params(("id" = JobId, Path,)))]
#[post("/platform/jobs/{id}/retry")]
pub async fn retry(
    state: web::Data<State>,
    _staff: Staff<may::TenantsWrite>,
    PathId(id): PathId<JobId>,
) -> Result<HttpResponse, Problem> {
    let owner_database = state.onboarding()?.owner_database();
    let job = owner_database.write_shared(async |tx| jobs::retry(tx, id).await).await?;
    Ok(HttpResponse::Ok().json(JobView::from(job)))
}
