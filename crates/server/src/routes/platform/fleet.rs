//! All businesses together, for the platform's staff: schema versions, backups, the audit log.

use actix_web::{HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use identity::UserId;
use platform::Backup;
use platform::backup::{self, BackupId};
use platform::platform_audit::{self, Entry, PlatformEntryId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenancy::jobs;
use tenancy::{SharedScope, TenantId, tenant};
use till::books::{self, ChainSpan};
use utoipa::{IntoParams, ToSchema};

use crate::http::caller::{Staff, may};
use crate::http::extract::{Json, PathId};
use crate::http::lists::{List, PageView, Paging};
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::routes::business::jobs::JobView;
use crate::routes::platform::lifecycle::find;
use crate::routes::stock::levels::LedgerView;

/// Read the migration status
///
/// Returns the number of schemas at each version, the failed schemas with the reasons, and in `running` the
/// schemas that a migration or a restore has locked.
#[utoipa::path(tag = "platform", operation_id = "readMigrationStatus",
    responses((status = 200, body = Object, example = json!({
        "latest": 10, "sharedLatest": 7, "sharedVersion": 7,
        "versions": [{"version": 10, "businesses": 1200, "spare": 10, "failed": 0, "running": 0}],
        "failed": [], "running": [],
    }))))]
#[get("/platform/migrations")]
pub async fn migrations(
    state: web::Data<State>,
    _staff: Staff<may::TenantsRead>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(state.onboarding()?.owner_database().fleet_status().await?))
}

/// Migrate all schemas
///
/// Queues a job that brings every schema to the newest version, and answers immediately. If such a job is
/// queued already, returns that job.
#[utoipa::path(tag = "platform", operation_id = "migrateFleet", responses((status = 202, body = JobView)))]
#[post("/platform/migrations")]
pub async fn migrate(
    state: web::Data<State>,
    staff: Staff<may::TenantsWrite>,
) -> Result<HttpResponse, Problem> {
    let new = platform::job_kinds::migrate(staff.actor().to_string());
    queue(&state, &staff, "migrations.requested", &new).await
}

/// Verify all ledgers
///
/// Queues a job and answers immediately. If such a job is queued already, returns that job. The job fails if
/// the stock, the receipts or the credit of a business differ from what they are computed of. Its message
/// names the business. A business that cannot be read, such as before its migration,
/// is skipped; the result of the job has the number of skipped businesses.
#[utoipa::path(tag = "platform", operation_id = "verifyAllLedgers",
    responses((status = 202, body = JobView)))]
#[post("/platform/ledger")]
pub async fn verify_ledgers(
    state: web::Data<State>,
    staff: Staff<may::TenantsWrite>,
) -> Result<HttpResponse, Problem> {
    let new = platform::job_kinds::verify_ledgers(staff.actor().to_string());
    queue(&state, &staff, "ledgers.verification_requested", &new).await
}

/// Verify the ledger of a business
///
/// Computes every stock level again from all movements, every reserved quantity from the open orders, and the
/// receipts and the credit of the tills.
#[utoipa::path(tag = "platform", operation_id = "verifyLedgerOfBusiness",
    responses((status = 200, body = LedgerView)), params(("id" = TenantId, Path,)))]
#[get("/platform/tenants/{id}/ledger")]
pub async fn verify_ledger(
    state: web::Data<State>,
    _staff: Staff<may::TenantsRead>,
    PathId(id): PathId<TenantId>,
) -> Result<HttpResponse, Problem> {
    let tenant = find(&state, id).await?;
    let books = state
        .database
        .read_snapshot(&tenant.scope(), async |tx| books::verify(tx, ChainSpan::LastMonth).await)
        .await?;
    Ok(HttpResponse::Ok().json(LedgerView::from(books)))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupView {
    id: BackupId,
    /// The business; null for a backup of the shared schema.
    tenant_id: Option<TenantId>,
    /// The slug of the business when the backup was created; null for a backup of the shared schema.
    slug: Option<String>,
    /// The path of the file on the server.
    file: String,
    /// The size of the file, in bytes.
    size_bytes: i64,
    /// The SHA-256 digest of the file, in hexadecimal.
    sha256: String,
    /// The schema version of the data.
    schema_version: i32,
    /// The number of rows in the backup.
    rows: i64,
    /// The time that the backup took, in milliseconds.
    duration_ms: i64,
    taken_at: DateTime<Utc>,
    /// The time of the last verification, which restores the backup into a scratch schema and compares all
    /// rows. For a backup of the shared schema, it only compares the file with its digests. null before the
    /// first verification.
    verified_at: Option<DateTime<Utc>>,
    /// The damage or the difference that the last verification found; null if it found none.
    failure: Option<String>,
}

impl From<Backup> for BackupView {
    fn from(backup: Backup) -> Self {
        Self {
            id: backup.id,
            tenant_id: backup.tenant_id,
            slug: backup.slug,
            file: backup.file.display().to_string(),
            size_bytes: backup.size_bytes,
            sha256: backup.sha256,
            schema_version: backup.schema_version,
            rows: backup.rows,
            duration_ms: backup.duration_ms,
            taken_at: backup.taken_at,
            verified_at: backup.verified_at,
            failure: backup.failure,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OfABusiness {
    /// Returns only rows of this business. Defaults to all businesses.
    tenant_id: Option<TenantId>,
}

/// List backups
///
/// Returns backups, newest first.
#[utoipa::path(tag = "platform", operation_id = "listBackups", params(OfABusiness, Paging),
    responses((status = 200, body = PageView<BackupView>)))]
#[get("/platform/backups")]
pub async fn backups(
    state: web::Data<State>,
    _staff: Staff<may::TenantsRead>,
    List { query, page }: List<OfABusiness>,
) -> Result<HttpResponse, Problem> {
    let page = page.request::<BackupId>()?;
    let backups = state
        .database
        .read_shared(SharedScope::Platform, async |tx| {
            backup::page(tx, query.tenant_id, page.after, page.limit.and_one()).await
        })
        .await?;
    let page = page.page(backups, |backup| backup.id);
    Ok(HttpResponse::Ok().json(PageView::new(page, BackupView::from)))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateBackup {
    /// The business to back up. Defaults to all businesses.
    tenant_id: Option<TenantId>,
    /// Whether the job verifies each backup: it restores the backup into a scratch schema and compares all
    /// rows. Defaults to true.
    verify: Option<bool>,
}

/// Back up one business or all businesses
///
/// Queues a job and answers immediately. If an equal job is queued already, returns that job. A backup of all
/// businesses does not include the shared schema.
#[utoipa::path(tag = "platform", operation_id = "createBackups", request_body = CreateBackup,
    responses((status = 202, body = JobView)))]
#[post("/platform/backups")]
pub async fn back_up(
    state: web::Data<State>,
    staff: Staff<may::TenantsWrite>,
    body: Json<CreateBackup>,
) -> Result<HttpResponse, Problem> {
    let tenant = body.value.tenant_id;
    if let Some(id) = tenant {
        find(&state, id).await?;
    }
    let requested_by = staff.actor().to_string();
    let new = platform::job_kinds::back_up(tenant, body.value.verify.unwrap_or(true), requested_by);
    queue(&state, &staff, "backups.requested", &new).await
}

async fn queue(
    state: &State,
    staff: &Staff<may::TenantsWrite>,
    action: &str,
    new: &jobs::NewJob,
) -> Result<HttpResponse, Problem> {
    let actor = staff.actor();
    let job = state
        .onboarding()?
        .owner_database()
        .write_shared(async |tx| {
            let job = jobs::insert(tx, new).await?;
            let tenant = match new.tenant_id {
                Some(id) => tenant::find_by_id(tx, id).await?,
                None => None,
            };
            platform_audit::record(tx, &actor, action, tenant.as_ref(), &serde_json::json!({"job": job.id}))
                .await?;
            Ok::<_, tenancy::DbError>(job)
        })
        .await?;
    let location = format!("/api/v1/platform/jobs/{}", job.id);
    Ok(HttpResponse::Accepted().insert_header(("location", location)).json(JobView::from(job)))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EntryView {
    id: PlatformEntryId,
    occurred_at: DateTime<Utc>,
    /// The user or the command that made the change, as a text.
    actor: String,
    /// The user; null for a command.
    actor_id: Option<UserId>,
    /// The name of the action.
    #[schema(example = "tenant.suspended")]
    action: String,
    /// The business; null for a change of the whole platform.
    tenant_id: Option<TenantId>,
    /// The slug that the business had at that time.
    tenant_slug: Option<String>,
    /// The details of the action, such as a new slug. The fields depend on the action.
    #[schema(value_type = Object)]
    details: Value,
}

impl From<Entry> for EntryView {
    fn from(entry: Entry) -> Self {
        let Entry { id, occurred_at, actor, actor_id, action, tenant_id, tenant_slug, details } = entry;
        Self { id, occurred_at, actor, actor_id, action, tenant_id, tenant_slug, details }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListEntries {
    /// The business. Defaults to all.
    tenant_id: Option<TenantId>,
    /// Whether entries with the action data.read are listed, too. Defaults to false.
    with_reads: Option<bool>,
}

/// List changes of the platform
///
/// Returns the operations of the platform's staff and of commands, newest first. Reading data of businesses
/// or people is recorded, too, with the action data.read.
#[utoipa::path(tag = "platform", operation_id = "listPlatformChanges", params(ListEntries, Paging),
    responses((status = 200, body = PageView<EntryView>)))]
#[get("/platform/audit")]
pub async fn list_audit(
    state: web::Data<State>,
    _staff: Staff<may::TenantsRead>,
    List { query, page }: List<ListEntries>,
) -> Result<HttpResponse, Problem> {
    let with_reads = query.with_reads.unwrap_or(false);
    let page = page.request::<PlatformEntryId>()?;
    let entries = state
        .database
        .read_shared(SharedScope::Platform, async |tx| {
            let limit = page.limit.and_one();
            platform_audit::list(tx, query.tenant_id, with_reads, page.after, limit).await
        })
        .await?;
    let page = page.page(entries, |entry| entry.id);
    Ok(HttpResponse::Ok().json(PageView::new(page, EntryView::from)))
}
