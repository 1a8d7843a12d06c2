//! Operations of the platform's staff on existing businesses. The audit log of the platform records each
//! operation.

use actix_web::{HttpResponse, post, put, web};
use platform::backup;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tenancy::lifecycle::StatusChange;
use tenancy::{SharedScope, Tenant, TenantId, TenantLimits, TenantSlug, tenant};
use utoipa::ToSchema;
use values::Name;

use crate::http::caller::{Staff, may};
use crate::http::codes::Code;
use crate::http::extract::{Json, PathId};
use crate::http::problem::Problem;
use crate::http::recent::Recent;
use crate::http::state::State;
use crate::routes::platform::tenants::{CreateOwner, OnboardedView, TenantView};

async fn change(
    state: &State,
    staff: &Staff<may::TenantsWrite>,
    id: TenantId,
    change: StatusChange,
) -> Result<HttpResponse, Problem> {
    let tenant = state.operator(staff)?.change_status(id, change).await?;
    Ok(HttpResponse::Ok().json(TenantView::new(&tenant, state)))
}

/// Suspend a business
///
/// Within one second, all servers refuse the requests of the business. All data is kept.
#[utoipa::path(tag = "platform", operation_id = "suspendBusiness",
    responses((status = 200, body = TenantView)), params(("id" = TenantId, Path,)))]
#[post("/platform/tenants/{id}/suspend")]
pub async fn suspend(
    state: web::Data<State>,
    staff: Staff<may::TenantsWrite>,
    PathId(id): PathId<TenantId>,
) -> Result<HttpResponse, Problem> {
    change(&state, &staff, id, StatusChange::Suspend).await
}

/// Resume a suspended business
///
/// All servers serve the business again.
#[utoipa::path(tag = "platform", operation_id = "resumeBusiness",
    responses((status = 200, body = TenantView)), params(("id" = TenantId, Path,)))]
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
/// Closes the business: its requests get 410. All data is kept until the business is dropped. An archived
/// business can be reopened.
#[utoipa::path(tag = "platform", operation_id = "archiveBusiness",
    responses((status = 200, body = TenantView)), params(("id" = TenantId, Path,)))]
#[post("/platform/tenants/{id}/archive")]
pub async fn archive(
    state: web::Data<State>,
    staff: Recent<Staff<may::TenantsWrite>>,
    PathId(id): PathId<TenantId>,
) -> Result<HttpResponse, Problem> {
    change(&state, &staff, id, StatusChange::Archive).await
}

/// Reopen an archived business
///
/// The business gets the status back that it had before it was archived.
#[utoipa::path(tag = "platform", operation_id = "unarchiveBusiness",
    responses((status = 200, body = TenantView)), params(("id" = TenantId, Path,)))]
#[post("/platform/tenants/{id}/unarchive")]
pub async fn unarchive(
    state: web::Data<State>,
    staff: Recent<Staff<may::TenantsWrite>>,
    PathId(id): PathId<TenantId>,
) -> Result<HttpResponse, Problem> {
    change(&state, &staff, id, StatusChange::Unarchive).await
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"slug": "acme-2"}))]
pub struct RenameTenant {
    /// The new slug.
    slug: TenantSlug,
}

/// Rename a business
///
/// Gives the business another slug. For some time, the former address redirects to the new address (308) and
/// stays reserved. Signed-in users stay signed in.
#[utoipa::path(tag = "platform", operation_id = "renameBusiness", request_body = RenameTenant,
    responses((status = 200, body = TenantView)), params(("id" = TenantId, Path,)))]
#[post("/platform/tenants/{id}/rename")]
pub async fn rename(
    state: web::Data<State>,
    staff: Recent<Staff<may::TenantsWrite>>,
    PathId(id): PathId<TenantId>,
    body: Json<RenameTenant>,
) -> Result<HttpResponse, Problem> {
    let reserved = state.settings.former_slugs_reserved_for();
    let tenant = state.operator(&staff)?.rename(id, &body.value.slug, reserved).await?;
    Ok(HttpResponse::Ok().json(TenantView::new(&tenant, &state)))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetLimits {
    /// The longest time that one SQL statement of the business may take, in milliseconds, 100 to 600000.
    /// Defaults to the limit of the installation.
    #[schema(minimum = 100, maximum = 600_000)]
    statement_timeout_ms: Option<u32>,
    /// The largest number of concurrent transactions of the business at each server, 1 to 500. Defaults to
    /// the limit of the installation.
    #[schema(minimum = 1, maximum = 500)]
    max_transactions: Option<u32>,
}

/// Set the limits of a business
///
/// Replaces both limits. A limit that is left out returns to the limit of the installation.
#[utoipa::path(tag = "platform", operation_id = "setBusinessLimits", request_body = SetLimits,
    responses((status = 200, body = TenantView)), params(("id" = TenantId, Path,)))]
#[put("/platform/tenants/{id}/limits")]
pub async fn limit(
    state: web::Data<State>,
    staff: Staff<may::TenantsWrite>,
    PathId(id): PathId<TenantId>,
    body: Json<SetLimits>,
) -> Result<HttpResponse, Problem> {
    let SetLimits { statement_timeout_ms, max_transactions } = body.value;
    let check = |field: &str, value: Option<u32>, low, high| match value {
        Some(value) if !(low..=high).contains(&value) => Err(Problem::invalid(
            format!("/{field}"),
            Code::OutOfRange,
            format!("the value must be from {low} to {high}"),
        )),
        _ => Ok(()),
    };
    check("statementTimeoutMs", statement_timeout_ms, 100, 600_000)?;
    check("maxTransactions", max_transactions, 1, 500)?;
    let limits = TenantLimits {
        statement_timeout: statement_timeout_ms.map(|ms| Duration::from_millis(ms.into())),
        max_transactions: max_transactions.map(|count| count as usize),
    };
    let tenant = state.operator(&staff)?.set_limits(id, limits).await?;
    Ok(HttpResponse::Ok().json(TenantView::new(&tenant, &state)))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "slug": "acme-copy", "name": "Acme, copy", "owner": {"email": "ann@acme.example"},
}))]
pub struct CloneTenant {
    /// The slug of the copy.
    slug: TenantSlug,
    /// The name of the copy.
    name: Name,
    /// The owner of the copy. Other members are not copied.
    owner: CreateOwner,
}

/// Copy a business
///
/// Creates a business with a copy of all current data, and with its own owner. The work continues if the
/// client disconnects.
#[utoipa::path(tag = "platform", operation_id = "cloneBusiness", request_body = CloneTenant,
    responses((status = 201, body = OnboardedView)), params(("id" = TenantId, Path,)))]
#[post("/platform/tenants/{id}/clone")]
pub async fn clone_tenant(
    state: web::Data<State>,
    staff: Recent<Staff<may::TenantsWrite>>,
    PathId(id): PathId<TenantId>,
    body: Json<CloneTenant>,
) -> Result<HttpResponse, Problem> {
    let CloneTenant { slug, name, owner } = body.value;
    let owner = owner.checked(&state)?;
    let from = find(&state, id).await?;
    let actor = staff.actor();
    to_its_end(async move {
        let onboarding = state.onboarding()?;
        let (tenant, added) =
            backup::clone_tenant(onboarding, &from, &slug, name.as_str(), &owner, &actor, &|_, _| Ok(()))
                .await?;
        let location = format!("/api/v1/platform/tenants/{}", tenant.id);
        let view = OnboardedView::new(&tenant, added, &owner, &state);
        Ok(HttpResponse::Created().insert_header(("location", location)).json(view))
    })
    .await
}

/// Runs work to its end, even if the request is cancelled. Copying a large business takes longer than one
/// request may take. A business that was dropped only in part would have to be dropped again.
async fn to_its_end(
    work: impl Future<Output = Result<HttpResponse, Problem>> + 'static,
) -> Result<HttpResponse, Problem> {
    actix_web::rt::spawn(work).await.unwrap_or_else(|error| Err(Problem::internal(error)))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DropTenant {
    /// The slug of the business, as a confirmation.
    #[schema(value_type = TenantSlug)]
    slug: String,
    /// true drops the business even if it has no verified backup whose file is undamaged. Defaults to false.
    #[serde(default)]
    without_backup: bool,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemovedView {
    /// The names of the dropped schemas: that of the business, and those that restores set aside for it.
    schemas: Vec<String>,
    /// The number of dropped tables, without those of schemas that were set aside.
    tables: i64,
    /// The size of these tables with their indexes, in bytes.
    size_bytes: i64,
    /// The number of removed memberships.
    members: usize,
    /// The number of removed custom domains.
    domains: i64,
}

/// Drop a business
///
/// Removes the schemas, the memberships and the custom domains of the business permanently. Users are kept.
/// Requires a verified backup whose file is undamaged, unless withoutBackup is true. The work continues if
/// the client disconnects.
#[utoipa::path(tag = "platform", operation_id = "dropBusiness", request_body = DropTenant,
    responses((status = 200, body = RemovedView)), params(("id" = TenantId, Path,)))]
#[post("/platform/tenants/{id}/drop")]
pub async fn drop_tenant(
    state: web::Data<State>,
    staff: Recent<Staff<may::TenantsWrite>>,
    PathId(id): PathId<TenantId>,
    body: Json<DropTenant>,
) -> Result<HttpResponse, Problem> {
    let operator = state.operator(&staff)?;
    let tenant = find(&state, id).await?;
    if body.value.slug != tenant.slug.as_str() {
        let message = format!("the slug of this business is {}; send it to confirm", tenant.slug);
        return Err(Problem::invalid("/slug", Code::NotConfirmed, message));
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
