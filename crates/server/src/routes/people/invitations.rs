//! Invitations: people who are asked by mail to become members.

use actix_web::http::header;
use actix_web::{HttpResponse, delete, get, post, web};
use chrono::{DateTime, Utc};
use identity::auth_event::By;
use identity::invitation::{self, Invitation, InvitationId, InvitationStatus, NewInvitation};
use identity::membership::MemberOf;
use identity::{AppSlug, RoleKey, UserId};
use serde::{Deserialize, Serialize};
use tenancy::{SharedScope, SharedTx, TenantId};
use utoipa::{IntoParams, ToSchema};
use values::Email;

use crate::http::caller::{Member, may};
use crate::http::client;
use crate::http::codes::Code;
use crate::http::extract::{Json, PathId};
use crate::http::lists::{List, PageView, Paging};
use crate::http::problem::Problem;
use crate::http::recent::Recent;
use crate::http::state::State;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvitationView {
    id: InvitationId,
    /// The address to which the invitation is mailed.
    email: Email,
    /// The business; null for an app without businesses.
    tenant_id: Option<TenantId>,
    /// The app in which the roles apply.
    app: AppSlug,
    /// The keys of the roles.
    #[schema(example = json!(["STAFF"]))]
    roles: Vec<String>,
    /// The status. Only a pending invitation can be accepted.
    status: InvitationStatus,
    /// The member who invites; null for the operator of the platform.
    inviter_id: Option<UserId>,
    created_at: DateTime<Utc>,
    /// The time at which the last link expires.
    expires_at: DateTime<Utc>,
    /// The time at which the invitation was accepted; null if it was not.
    accepted_at: Option<DateTime<Utc>>,
    /// The user who accepted the invitation; null if nobody did.
    accepted_by: Option<UserId>,
}

impl From<Invitation> for InvitationView {
    fn from(invitation: Invitation) -> Self {
        Self {
            id: invitation.id,
            email: invitation.email,
            tenant_id: invitation.tenant_id,
            app: invitation.app,
            roles: invitation.roles,
            status: invitation.status,
            inviter_id: invitation.inviter_id,
            created_at: invitation.created_at,
            expires_at: invitation.expires_at,
            accepted_at: invitation.accepted_at,
            accepted_by: invitation.accepted_by,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"email": "ana@acme.example", "app": "inventory", "roles": ["STAFF"]}))]
pub struct CreateInvitation {
    /// The address to which the invitation is mailed.
    email: Email,
    /// The app in which the roles apply. Defaults to inventory.
    app: Option<AppSlug>,
    /// The keys of the roles: one or more. You must have all their permissions yourself.
    roles: Vec<RoleKey>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListInvitations {
    /// The status. Defaults to all.
    pub(crate) status: Option<InvitationStatus>,
}

/// Refuses to invite if no mail is sent.
pub(crate) fn refuse_without_mail(state: &State) -> Result<(), Problem> {
    if state.sign_in.sends_mail {
        return Ok(());
    }
    let detail = "This installation sends no mail, so nobody can be invited. Ask the operator of the \
                  platform to add the member.";
    Err(Problem::new(Code::NoMail, detail))
}

/// The answer to a new invitation.
pub(crate) fn created(location: &str, invitation: Invitation) -> HttpResponse {
    HttpResponse::Created()
        .insert_header((header::LOCATION, format!("{location}/{}", invitation.id)))
        .json(InvitationView::from(invitation))
}

/// List invitations
///
/// Returns the invitations of this business, newest first.
#[utoipa::path(tag = "team", operation_id = "listInvitations", params(ListInvitations, Paging),
    responses((status = 200, body = PageView<InvitationView>)))]
#[get("/invitations")]
pub async fn list(
    state: web::Data<State>,
    member: Member<may::TeamManage>,
    List { query, page }: List<ListInvitations>,
) -> Result<HttpResponse, Problem> {
    let tenant = member.tenant.id;
    let page = page.request()?;
    let read = async |tx: &SharedTx| invitation::list(tx, Some(tenant), query.status, &page).await;
    let page = state.database.read_shared(SharedScope::Tenant(tenant), read).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, InvitationView::from)))
}

/// Invite a person
///
/// Mails a link with which the person becomes a member. It can be used once, within 7 days. The answer does
/// not tell whether the person has an account.
#[utoipa::path(tag = "team", operation_id = "createInvitation", request_body = CreateInvitation,
    responses((status = 201, body = InvitationView)))]
#[post("/invitations")]
pub async fn create(
    state: web::Data<State>,
    member: Recent<Member<may::TeamManage>>,
    client::From(origin): client::From,
    body: Json<CreateInvitation>,
) -> Result<HttpResponse, Problem> {
    refuse_without_mail(&state)?;
    // A stranger may have made the business, and writes to people in its name.
    member.tenant.licence.check_granted()?;
    let CreateInvitation { email, app, roles } = body.value;
    let (tenant, by) = (member.tenant.id, By::person(member.principal.user, &origin));
    let place = MemberOf::at(app, Some(tenant));
    let new = NewInvitation { email, place, roles: roles.iter().map(ToString::to_string).collect() };
    let key = state.sign_in.hasher.link_key();
    let invite = async |tx: &SharedTx| invitation::create(tx, &key, &new, true, by).await;
    let (invitation, _) = state.database.write_shared(SharedScope::Tenant(tenant), invite).await?;
    Ok(created("/api/v1/invitations", invitation))
}

/// Read an invitation
///
/// Returns an invitation with its state.
#[utoipa::path(tag = "team", operation_id = "readInvitation",
    responses((status = 200, body = InvitationView)), params(("id" = InvitationId, Path,)))]
#[get("/invitations/{id}")]
pub async fn show(
    state: web::Data<State>,
    member: Member<may::TeamManage>,
    PathId(id): PathId<InvitationId>,
) -> Result<HttpResponse, Problem> {
    let tenant = member.tenant.id;
    let find = async |tx: &SharedTx| invitation::find(tx, id, Some(tenant)).await;
    let invitation = state.database.read_shared(SharedScope::Tenant(tenant), find).await?;
    Ok(HttpResponse::Ok().json(InvitationView::from(invitation.ok_or_else(Problem::not_found)?)))
}

/// Send an invitation again
///
/// Mails another link, which can be used within 7 days. Former links are no longer valid.
#[utoipa::path(tag = "team", operation_id = "resendInvitation",
    responses((status = 200, body = InvitationView)), params(("id" = InvitationId, Path,)))]
#[post("/invitations/{id}/resend")]
pub async fn resend(
    state: web::Data<State>,
    member: Recent<Member<may::TeamManage>>,
    client::From(origin): client::From,
    PathId(id): PathId<InvitationId>,
) -> Result<HttpResponse, Problem> {
    refuse_without_mail(&state)?;
    member.tenant.licence.check_granted()?;
    let (tenant, by) = (member.tenant.id, By::person(member.principal.user, &origin));
    let key = state.sign_in.hasher.link_key();
    let send = async |tx: &SharedTx| invitation::resend(tx, &key, id, Some(tenant), true, by).await;
    let (invitation, _) = state.database.write_shared(SharedScope::Tenant(tenant), send).await?;
    Ok(HttpResponse::Ok().json(InvitationView::from(invitation)))
}

/// Revoke an invitation
///
/// The link is no longer valid.
#[utoipa::path(tag = "team", operation_id = "revokeInvitation",
    responses((status = 204, description = "Revoked")), params(("id" = InvitationId, Path,)))]
#[delete("/invitations/{id}")]
pub async fn revoke(
    state: web::Data<State>,
    member: Member<may::TeamManage>,
    client::From(origin): client::From,
    PathId(id): PathId<InvitationId>,
) -> Result<HttpResponse, Problem> {
    let (tenant, by) = (member.tenant.id, By::person(member.principal.user, &origin));
    let take_back = async |tx: &SharedTx| invitation::revoke(tx, id, Some(tenant), by).await;
    state.database.write_shared(SharedScope::Tenant(tenant), take_back).await?;
    Ok(HttpResponse::NoContent().finish())
}
