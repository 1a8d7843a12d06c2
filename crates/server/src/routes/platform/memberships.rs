//! Memberships of any business and of apps without businesses, for the platform's staff.

use actix_web::{HttpRequest, HttpResponse, delete, get, post, put, web};
use identity::MembershipId;
use identity::membership::{self, MembershipStatus};
use identity::membership_change::Target;
use tenancy::{SharedScope, SharedTx};
use values::IfVersion;

use crate::http::caller::{Staff, may};
use crate::http::etag::{self, Tag};
use crate::http::extract::{IfMatch, Json, PathId};
use crate::http::problem::Problem;
use crate::http::recent::Recent;
use crate::http::state::State;
use crate::routes::people::memberships::{ChangeMembership, UserMembershipView, changed};

/// Read any membership
///
/// Returns a membership of any business or of the platform.
#[utoipa::path(tag = "platform", operation_id = "readAnyMembership",
    responses((status = 200, body = UserMembershipView)), params(("id" = MembershipId, Path,)))]
#[get("/platform/memberships/{id}")]
pub async fn show(
    state: web::Data<State>,
    _staff: Staff<may::UsersRead>,
    PathId(id): PathId<MembershipId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let find = async |tx: &SharedTx| membership::find(tx, id, None).await;
    let membership = state.database.read_shared(SharedScope::Platform, find).await?;
    let membership = membership.ok_or_else(Problem::not_found)?;
    let tag = Tag::of_version(membership.version);
    Ok(etag::respond(&request, tag, &UserMembershipView::from(membership)))
}

/// Change the roles of any member
///
/// Replaces the roles. The member must refresh the session, and then has the new permissions.
#[utoipa::path(tag = "platform", operation_id = "changeAnyMembership", request_body = ChangeMembership,
    responses((status = 200, body = UserMembershipView)), params(("id" = MembershipId, Path,)))]
#[put("/platform/memberships/{id}")]
pub async fn put(
    state: web::Data<State>,
    staff: Recent<Staff<may::UsersWrite>>,
    PathId(id): PathId<MembershipId>,
    IfMatch(if_version): IfMatch,
    body: Json<ChangeMembership>,
) -> Result<HttpResponse, Problem> {
    let target = Target { id, tenant: None, if_version };
    let operator = state.operator(&staff)?;
    Ok(changed(operator.set_member_roles(target, &body.value.keys()).await?))
}

/// Suspend any member
///
/// The member can no longer sign in there. All sessions of the membership end within a second.
#[utoipa::path(tag = "platform", operation_id = "suspendAnyMembership",
    responses((status = 200, body = UserMembershipView)), params(("id" = MembershipId, Path,)))]
#[post("/platform/memberships/{id}/suspend")]
pub async fn suspend(
    state: web::Data<State>,
    staff: Staff<may::UsersWrite>,
    PathId(id): PathId<MembershipId>,
    IfMatch(if_version): IfMatch,
) -> Result<HttpResponse, Problem> {
    set_status(&state, &staff, id, if_version, MembershipStatus::Suspended).await
}

/// Resume any suspended member
///
/// The member can sign in again.
#[utoipa::path(tag = "platform", operation_id = "resumeAnyMembership",
    responses((status = 200, body = UserMembershipView)), params(("id" = MembershipId, Path,)))]
#[post("/platform/memberships/{id}/resume")]
pub async fn resume(
    state: web::Data<State>,
    staff: Recent<Staff<may::UsersWrite>>,
    PathId(id): PathId<MembershipId>,
    IfMatch(if_version): IfMatch,
) -> Result<HttpResponse, Problem> {
    set_status(&state, &staff, id, if_version, MembershipStatus::Active).await
}

async fn set_status(
    state: &State,
    staff: &Staff<may::UsersWrite>,
    id: MembershipId,
    if_version: IfVersion,
    status: MembershipStatus,
) -> Result<HttpResponse, Problem> {
    let target = Target { id, tenant: None, if_version };
    Ok(changed(state.operator(staff)?.set_member_status(target, status).await?))
}

/// Remove any member
///
/// Ends the membership with its sessions. The account of the person stays.
#[utoipa::path(tag = "platform", operation_id = "removeAnyMembership",
    responses((status = 204, description = "Removed")), params(("id" = MembershipId, Path,)))]
#[delete("/platform/memberships/{id}")]
pub async fn remove(
    state: web::Data<State>,
    staff: Staff<may::UsersWrite>,
    PathId(id): PathId<MembershipId>,
    IfMatch(if_version): IfMatch,
) -> Result<HttpResponse, Problem> {
    let target = Target { id, tenant: None, if_version };
    state.operator(&staff)?.remove_member(target).await?;
    Ok(HttpResponse::NoContent().finish())
}
