//! Invitations to any business and to apps without businesses, for the platform's staff.

use actix_web::{HttpResponse, delete, get, post, web};
use identity::invitation::{self, InvitationId, InvitationStatus, NewInvitation};
use identity::membership::MemberOf;
use identity::{AppSlug, RoleKey};
use serde::Deserialize;
use tenancy::{SharedScope, SharedTx, TenantId};
use utoipa::{IntoParams, ToSchema};
use values::Email;

use crate::http::caller::{Staff, may};
use crate::http::extract::{Json, PathId};
use crate::http::lists::{List, PageView, Paging};
use crate::http::problem::Problem;
use crate::http::recent::Recent;
use crate::http::state::State;
use crate::routes::people::invitations::{InvitationView, created, refuse_without_mail};
use crate::routes::platform::lifecycle::find;

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListAllInvitations {
    /// The business. Defaults to all businesses and to apps without businesses.
    tenant_id: Option<TenantId>,
    /// The status. Defaults to all.
    status: Option<InvitationStatus>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "email": "ana@acme.example", "tenantId": "01990000-0000-7000-8000-000000000000", "app": "inventory",
    "roles": ["STAFF"],
}))]
pub struct InviteMember {
    /// The address to which the invitation is mailed.
    email: Email,
    /// The business in which the roles apply. Leave it out for an app without businesses.
    tenant_id: Option<TenantId>,
    /// The app in which the roles apply. Defaults to inventory in a business, and to platform without one.
    app: Option<AppSlug>,
    /// The keys of the roles: one or more.
    roles: Vec<RoleKey>,
}

/// List all invitations
///
/// Returns the invitations of all businesses and of the platform, newest first.
#[utoipa::path(tag = "platform", operation_id = "listAllInvitations", params(ListAllInvitations, Paging),
    responses((status = 200, body = PageView<InvitationView>)))]
#[get("/platform/invitations")]
pub async fn list(
    state: web::Data<State>,
    _staff: Staff<may::UsersRead>,
    List { query, page }: List<ListAllInvitations>,
) -> Result<HttpResponse, Problem> {
    let page = page.request()?;
    let read = async |tx: &SharedTx| invitation::list(tx, query.tenant_id, query.status, &page).await;
    let page = state.database.read_shared(SharedScope::Platform, read).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, InvitationView::from)))
}

/// Invite a person to any business
///
/// Mails a link with which the person becomes a member. It can be used once, within 7 days.
#[utoipa::path(tag = "platform", operation_id = "inviteMember", request_body = InviteMember,
    responses((status = 201, body = InvitationView)))]
#[post("/platform/invitations")]
pub async fn create(
    state: web::Data<State>,
    staff: Recent<Staff<may::UsersWrite>>,
    body: Json<InviteMember>,
) -> Result<HttpResponse, Problem> {
    let operator = state.operator(&staff)?;
    refuse_without_mail(&state)?;
    let InviteMember { email, tenant_id, app, roles } = body.value;
    if let Some(tenant) = tenant_id {
        let unknown = |_| Problem::not_found_at("/tenantId", "there is no such business");
        find(&state, tenant).await.map_err(unknown)?;
    }
    let place = MemberOf::at(app, tenant_id);
    let new = NewInvitation { email, place, roles: roles.iter().map(ToString::to_string).collect() };
    let (invitation, _) = operator.invite(&state.sign_in.hasher.link_key(), &new, true).await?;
    Ok(created("/api/v1/platform/invitations", invitation))
}

/// Send any invitation again
///
/// Mails another link, which can be used within 7 days. Former links are no longer valid.
#[utoipa::path(tag = "platform", operation_id = "resendAnyInvitation",
    responses((status = 200, body = InvitationView)), params(("id" = InvitationId, Path,)))]
#[post("/platform/invitations/{id}/resend")]
pub async fn resend(
    state: web::Data<State>,
    staff: Recent<Staff<may::UsersWrite>>,
    PathId(id): PathId<InvitationId>,
) -> Result<HttpResponse, Problem> {
    let operator = state.operator(&staff)?;
    refuse_without_mail(&state)?;
    let (invitation, _) = operator.resend_invitation(&state.sign_in.hasher.link_key(), id, true).await?;
    Ok(HttpResponse::Ok().json(InvitationView::from(invitation)))
}

/// Revoke any invitation
///
/// The link is no longer valid.
#[utoipa::path(tag = "platform", operation_id = "revokeAnyInvitation",
    responses((status = 204, description = "Revoked")), params(("id" = InvitationId, Path,)))]
#[delete("/platform/invitations/{id}")]
pub async fn revoke(
    state: web::Data<State>,
    staff: Staff<may::UsersWrite>,
    PathId(id): PathId<InvitationId>,
) -> Result<HttpResponse, Problem> {
    state.operator(&staff)?.revoke_invitation(id).await?;
    Ok(HttpResponse::NoContent().finish())
}
