//! What the platform's staff does to a business after its creation. Each deed is in the audit log.

use actix_web::{HttpResponse, post, put, web};
use platform::{Actor, backup};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tenancy::lifecycle::StatusChange;
use tenancy::tenant::TenantLimits;
use tenancy::{SharedScope, Tenant, TenantId, TenantSlug, tenant};
use utoipa::ToSchema;
use values::Name;

use crate::http::extract::{Json, PathId, Staff, may};
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::routes::platform::tenants::{CreateOwner, OnboardedView, TenantView};

async fn change(
    state: &State,
    staff: &Staff<may::TenantsWrite>,
    id: TenantId,
    change: StatusChange,
) -> Result<HttpResponse, Problem> {
    let tenant = state.operator(staff.principal.user)?.change_status(id, change).await?;
    Ok(HttpResponse::Ok().json(TenantView::new(&tenant, state)))
}

/// Suspend a business
///
/// Nobody gets in, in every running server within a second; all its data stays.
#[utoipa::path(tag = "platform", responses((status = 200, body = TenantView)), params(("id" = uuid::Uuid, Path,)))]
#[post("/platform/tenants/{id}/suspend")]
pub async fn suspend(
    state: web::Data<State>,
    staff: Staff<may::TenantsWrite>,
    PathId(id): PathId<TenantId>,
) -> Result<HttpResponse, Problem> {
    change(&state, &staff, id, StatusChange::Suspend).await
}

/// Open a suspended business again
#[utoipa::path(tag = "platform", responses((status = 200, body = TenantView)), params(("id" = uuid::Uuid, Path,)))]
#[post("/platform/tenants/{id}/resume")]
pub async fn resume(
    state: web::Data<State>,
    staff: Staff<may::TenantsWrite>,
    PathId(id): PathId<TenantId>,
) -> Result<HttpResponse, Problem> {
    change(&state, &staff, id, StatusChange::Resume).await
}

/// Archive a business
///
/// Closed for good; all its data stays until it is dropped.
#[utoipa::path(tag = "platform", responses((status = 200, body = TenantView)), params(("id" = uuid::Uuid, Path,)))]
#[post("/platform/tenants/{id}/archive")]
pub async fn archive(
    state: web::Data<State>,
    staff: Staff<may::TenantsWrite>,
    PathId(id): PathId<TenantId>,
) -> Result<HttpResponse, Problem> {
    change(&state, &staff, id, StatusChange::Archive).await
}

/// Open an archived business again
#[utoipa::path(tag = "platform", responses((status = 200, body = TenantView)), params(("id" = uuid::Uuid, Path,)))]
#[post("/platform/tenants/{id}/unarchive")]
pub async fn unarchive(
    state: web::Data<State>,
    staff: Staff<may::TenantsWrite>,
    PathId(id): PathId<TenantId>,
) -> Result<HttpResponse, Problem> {
    change(&state, &staff, id, StatusChange::Unarchive).await
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RenameTenant {
    #[schema(value_type = String, pattern = "^[a-z][a-z0-9-]{1,38}[a-z0-9]$", example = "acme-2")]
    slug: TenantSlug,
}

/// Give a business another address
///
/// The former one answers 308 with the new one, and is nobody else's for a while. Whoever is signed in stays so.
#[utoipa::path(tag = "platform", request_body = RenameTenant, responses((status = 200, body = TenantView)),
    params(("id" = uuid::Uuid, Path,)))]
#[post("/platform/tenants/{id}/rename")]
pub async fn rename(
    state: web::Data<State>,
    staff: Staff<may::TenantsWrite>,
    PathId(id): PathId<TenantId>,
    body: Json<RenameTenant>,
) -> Result<HttpResponse, Problem> {
    let reserved = state.settings.former_slugs_reserved_for();
    let tenant = state.operator(staff.principal.user)?.rename(id, &body.value.slug, reserved).await?;
    Ok(HttpResponse::Ok().json(TenantView::new(&tenant, &state)))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetLimits {
    /// 100 to 600000; null or left out for the installation's own.
    statement_timeout_ms: Option<u32>,
    /// Transactions at the same time, 1 to 500; null or left out for the installation's own.
    max_transactions: Option<u32>,
}

/// Give a business limits of its own
#[utoipa::path(tag = "platform", request_body = SetLimits, responses((status = 200, body = TenantView)),
    params(("id" = uuid::Uuid, Path,)))]
#[put("/platform/tenants/{id}/limits")]
pub async fn limit(
    state: web::Data<State>,
    staff: Staff<may::TenantsWrite>,
    PathId(id): PathId<TenantId>,
    body: Json<SetLimits>,
) -> Result<HttpResponse, Problem> {
    let SetLimits { statement_timeout_ms, max_transactions } = body.value;
    let check = |field: &str, value: Option<u32>, low, high| match value {
        Some(value) if !(low..=high).contains(&value) => {
            Err(Problem::invalid(format!("/{field}"), "out_of_range", format!("{low} to {high} is accepted")))
        }
        _ => Ok(()),
    };
    check("statementTimeoutMs", statement_timeout_ms, 100, 600_000)?;
    check("maxTransactions", max_transactions, 1, 500)?;
    let limits = TenantLimits {
        statement_timeout: statement_timeout_ms.map(|ms| Duration::from_millis(ms.into())),
        max_transactions: max_transactions.map(|count| count as usize),
    };
    let tenant = state.operator(staff.principal.user)?.set_limits(id, limits).await?;
    Ok(HttpResponse::Ok().json(TenantView::new(&tenant, &state)))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CloneTenant {
    #[schema(value_type = String, pattern = "^[a-z][a-z0-9-]{1,38}[a-z0-9]$", example = "acme-copy")]
    slug: TenantSlug,
    #[schema(value_type = String, max_length = 200, example = "Acme, copy")]
    name: Name,
    owner: CreateOwner,
}

/// Copy a business into a new one
///
/// With all its data as it is at this moment, and an owner of its own. Goes on when the client does not wait for it.
#[utoipa::path(tag = "platform", request_body = CloneTenant, responses((status = 201, body = OnboardedView)),
    params(("id" = uuid::Uuid, Path,)))]
#[post("/platform/tenants/{id}/clone")]
pub async fn clone_business(
    state: web::Data<State>,
    staff: Staff<may::TenantsWrite>,
    PathId(id): PathId<TenantId>,
    body: Json<CloneTenant>,
) -> Result<HttpResponse, Problem> {
    let CloneTenant { slug, name, owner } = body.value;
    let owner = owner.checked(&state)?;
    let from = find(&state, id).await?;
    let actor = Actor::User(staff.principal.user);
    to_its_end(async move {
        let (onboarding, name) = (state.onboarding()?, name.to_string());
        let (tenant, added) = backup::clone_business(onboarding, &from, &slug, &name, &owner, &actor).await?;
        let location = format!("/api/v1/platform/tenants/{}", tenant.id);
        let view = OnboardedView::new(&tenant, added, &owner, &state);
        Ok(HttpResponse::Created().insert_header(("location", location)).json(view))
    })
    .await
}

/// Work that takes its time, and goes on when the request is given up: a big business would never be copied within the
/// time of one request, and one that is half removed has to be removed again.
async fn to_its_end(
    work: impl Future<Output = Result<HttpResponse, Problem>> + 'static,
) -> Result<HttpResponse, Problem> {
    actix_web::rt::spawn(work).await.unwrap_or_else(|error| Err(Problem::internal(error)))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DropTenant {
    /// The business's slug, once more.
    slug: String,
    /// Say true to drop a business that has no verified backup.
    #[serde(default)]
    without_backup: bool,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemovedView {
    schemas: Vec<String>,
    tables: i64,
    size_bytes: i64,
    members: usize,
    domains: i64,
}

/// Remove a business for good
///
/// With its schemas, its members' access and its hosts. Users stay. Needs a verified backup unless told otherwise. Goes on
/// when the client does not wait for it.
#[utoipa::path(tag = "platform", request_body = DropTenant, responses((status = 200, body = RemovedView)),
    params(("id" = uuid::Uuid, Path,)))]
#[post("/platform/tenants/{id}/drop")]
pub async fn drop_business(
    state: web::Data<State>,
    staff: Staff<may::TenantsWrite>,
    PathId(id): PathId<TenantId>,
    body: Json<DropTenant>,
) -> Result<HttpResponse, Problem> {
    let operator = state.operator(staff.principal.user)?;
    let tenant = find(&state, id).await?;
    if body.value.slug != tenant.slug.as_str() {
        let message = format!("the slug of this business is {}; nothing was removed", tenant.slug);
        return Err(Problem::invalid("/slug", "not_confirmed", message));
    }
    to_its_end(async move {
        let backup = operator.backup_before_drop(&tenant, body.value.without_backup).await?;
        let removed = operator.drop_tenant(&tenant, backup.as_ref()).await?;
        Ok(HttpResponse::Ok().json(RemovedView {
            schemas: removed.dropped.schemas,
            tables: removed.dropped.tables,
            size_bytes: removed.dropped.size_bytes,
            members: removed.members,
            domains: removed.dropped.domains,
        }))
    })
    .await
}

/// The business with this id.
pub(super) async fn find(state: &State, id: TenantId) -> Result<Arc<Tenant>, Problem> {
    let found = state
        .database
        .read_shared(SharedScope::Platform, async |tx| tenant::find_by_id(tx, id).await)
        .await?;
    Ok(Arc::new(found.ok_or_else(Problem::not_found)?))
}
