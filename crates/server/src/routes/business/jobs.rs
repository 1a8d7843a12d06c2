//! Long and repeated work: a business's own, and for the platform's staff all of it.

use actix_web::{HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenancy::jobs::{self, Job, JobId, JobState};
use tenancy::{SharedScope, TenantId};
use utoipa::{IntoParams, ToSchema};
use values::{Cursor, Limit};

use crate::http::extract::{PathId, Query, SignedIn, Staff, may};
use crate::http::lists::{PageView, page_request};
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::middleware::tenant::Site;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobView {
    #[schema(value_type = uuid::Uuid)]
    id: JobId,
    #[schema(example = "backups.create")]
    kind: String,
    #[schema(value_type = Option<uuid::Uuid>)]
    tenant_id: Option<TenantId>,
    #[schema(value_type = String, example = "running")]
    state: JobState,
    /// How far it is; total is null while that is not known.
    done: i64,
    total: Option<i64>,
    /// What it is at, or why it failed.
    message: Option<String>,
    #[schema(value_type = Option<Object>)]
    result: Option<Value>,
    attempts: i32,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
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
#[utoipa::path(tag = "business", responses((status = 200, body = JobView)), params(("id" = uuid::Uuid, Path,)))]
#[get("/jobs/{id}")]
pub async fn show_own(
    state: web::Data<State>,
    signed_in: SignedIn,
    PathId(id): PathId<uuid::Uuid>,
) -> Result<HttpResponse, Problem> {
    let Site::Business(tenant) = signed_in.site else { return Err(Problem::not_found()) };
    let mut job = find_in(&state, SharedScope::Tenant(tenant.id), id).await?;
    // Where the platform keeps its files is not the business's to know, and failures tell it too.
    (job.result, job.message) = (None, None);
    Ok(HttpResponse::Ok().json(job))
}

async fn find_in(state: &State, scope: SharedScope, id: uuid::Uuid) -> Result<JobView, Problem> {
    let id = JobId::from_uuid(id);
    let job = state.database.read_shared(scope, async |tx| jobs::find(tx, id).await).await?;
    Ok(JobView::from(job.ok_or_else(Problem::not_found)?))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListJobs {
    /// queued, running, succeeded, failed or cancelled.
    #[param(value_type = Option<String>)]
    state: Option<JobState>,
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100)]
    limit: Option<Limit>,
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<1>>,
}

/// List jobs
///
/// The newest first.
#[utoipa::path(tag = "platform", params(ListJobs), responses((status = 200, body = PageView<JobView>)))]
#[get("/platform/jobs")]
pub async fn list(
    state: web::Data<State>,
    _staff: Staff<may::TenantsRead>,
    Query(query): Query<ListJobs>,
) -> Result<HttpResponse, Problem> {
    let page = page_request(query.limit, query.cursor);
    let before = page.after.map(|cursor| JobId::from_uuid(cursor.key()[0]));
    let jobs = state
        .database
        .read_shared(SharedScope::Platform, async |tx| {
            jobs::list(tx, query.state, before, page.limit.and_one()).await
        })
        .await?;
    let page = page.page(jobs, |job| [job.id.as_uuid()]);
    Ok(HttpResponse::Ok().json(PageView::new(page, JobView::from)))
}

/// Read a job
#[utoipa::path(tag = "platform", responses((status = 200, body = JobView)), params(("id" = uuid::Uuid, Path,)))]
#[get("/platform/jobs/{id}")]
pub async fn show(
    state: web::Data<State>,
    _staff: Staff<may::TenantsRead>,
    PathId(id): PathId<uuid::Uuid>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(find_in(&state, SharedScope::Platform, id).await?))
}

/// Cancel a job
///
/// At once when it waits, within a second when it runs; what it had not finished is undone.
#[utoipa::path(tag = "platform", responses((status = 200, body = JobView)), params(("id" = uuid::Uuid, Path,)))]
#[post("/platform/jobs/{id}/cancel")]
pub async fn cancel(
    state: web::Data<State>,
    _staff: Staff<may::TenantsWrite>,
    PathId(id): PathId<uuid::Uuid>,
) -> Result<HttpResponse, Problem> {
    let provisioner = state.onboarding()?.provisioner();
    let job = provisioner.write_shared(async |tx| jobs::cancel(tx, JobId::from_uuid(id)).await).await?;
    Ok(HttpResponse::Ok().json(JobView::from(job)))
}

/// Run a failed or cancelled job again
#[utoipa::path(tag = "platform", responses((status = 200, body = JobView)), params(("id" = uuid::Uuid, Path,)))]
#[post("/platform/jobs/{id}/retry")]
pub async fn retry(
    state: web::Data<State>,
    _staff: Staff<may::TenantsWrite>,
    PathId(id): PathId<uuid::Uuid>,
) -> Result<HttpResponse, Problem> {
    let provisioner = state.onboarding()?.provisioner();
    let job = provisioner.write_shared(async |tx| jobs::retry(tx, JobId::from_uuid(id)).await).await?;
    Ok(HttpResponse::Ok().json(JobView::from(job)))
}
