//! Memberships: the roles of a member in one app of the business.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, delete, get, post, put, web};
use chrono::{DateTime, Utc};
use identity::auth_event::{By, Origin};
use identity::membership::{self, MemberOf, Membership, MembershipError, MembershipStatus};
use identity::membership_change::{self, Target};
use identity::{AppSlug, MembershipId, RoleKey, UserId, person};
use serde::{Deserialize, Serialize};
use tenancy::{SharedScope, SharedTx, TenantId};
use utoipa::ToSchema;
use values::IfVersion;

use crate::http::caller::{Member, may};
use crate::http::client;
use crate::http::etag::{self, Tag};
use crate::http::extract::{IfMatch, Json, PathId};
use crate::http::problem::Problem;
use crate::http::recent::Recent;
use crate::http::state::State;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserMembershipView {
    /// The id of the membership.
    id: MembershipId,
    /// The member.
    user_id: UserId,
    /// The app in which the roles apply.
    #[schema(example = "inventory")]
    app: AppSlug,
    /// The business; null for an app without businesses.
    business: Option<MemberBusinessView>,
    /// The status. Only an active member can sign in.
    status: MembershipStatus,
    /// The keys of the roles.
    #[schema(example = json!(["MANAGER"]))]
    roles: Vec<String>,
    /// The time of the last sign-in; null before the first one.
    last_sign_in_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberBusinessView {
    id: TenantId,
    /// The first label of the address of the business.
    #[schema(example = "acme")]
    slug: String,
    /// The name of the business.
    #[schema(example = "Acme Ltd")]
    name: String,
}

impl From<Membership> for UserMembershipView {
    fn from(membership: Membership) -> Self {
        let Membership { tenant_id, slug, business, .. } = membership;
        let business = tenant_id.map(|id| MemberBusinessView {
            id,
            slug: slug.unwrap_or_default(),
            name: business.unwrap_or_default(),
        });
        Self {
            id: membership.id,
            user_id: membership.user_id,
            app: membership.app,
            business,
            status: membership.status,
            roles: membership.roles,
            last_sign_in_at: membership.last_sign_in_at,
            created_at: membership.created_at,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"app": "pos", "roles": ["cashier"]}))]
pub struct CreateMembership {
    /// The app in which the roles apply.
    app: AppSlug,
    /// The keys of the roles: one or more. You must have all their permissions yourself.
    roles: Vec<RoleKey>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeMembership {
    /// The keys of the roles: one or more. They replace the present roles. You must have all permissions
    /// yourself that the member gains or loses.
    #[schema(example = json!(["MANAGER"]))]
    pub(crate) roles: Vec<RoleKey>,
}

impl ChangeMembership {
    pub(crate) fn keys(&self) -> Vec<String> {
        keys(&self.roles)
    }
}

fn keys(roles: &[RoleKey]) -> Vec<String> {
    roles.iter().map(ToString::to_string).collect()
}

/// The answer to a change of a membership.
pub(crate) fn changed(membership: Membership) -> HttpResponse {
    etag::changed(Tag::of_version(membership.version), &UserMembershipView::from(membership))
}

/// Give a member another app
///
/// Gives roles in an app of the business to a person who is a member already.
#[utoipa::path(tag = "team", operation_id = "createMembership", request_body = CreateMembership,
    responses((status = 201, body = UserMembershipView)), params(("id" = UserId, Path,)))]
#[post("/users/{id}/memberships")]
pub async fn create(
    state: web::Data<State>,
    member: Recent<Member<may::TeamManage>>,
    client::From(origin): client::From,
    PathId(user): PathId<UserId>,
    body: Json<CreateMembership>,
) -> Result<HttpResponse, Problem> {
    let CreateMembership { app, roles } = body.value;
    let (tenant, by) = (member.tenant.id, By::person(member.principal.user, &origin));
    let (place, roles) = (MemberOf::app_of(app, Some(tenant)), keys(&roles));
    let work = async |tx: &SharedTx| {
        person::find(tx, user, Some(tenant)).await?.ok_or_else(Problem::not_found)?;
        let id = membership::insert(tx, user, &place, &roles, by).await?;
        membership::find(tx, id, Some(tenant)).await?.ok_or_else(Problem::not_found)
    };
    let membership = state.database.write_shared(SharedScope::Tenant(tenant), work).await?;
    let location = format!("/api/v1/memberships/{}", membership.id);
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, location))
        .insert_header((header::ETAG, Tag::of_version(membership.version).to_string()))
        .json(UserMembershipView::from(membership)))
}

/// Read a membership
///
/// Returns the access of a member to one app, with the roles of the member.
#[utoipa::path(tag = "team", operation_id = "readMembership",
    responses((status = 200, body = UserMembershipView)), params(("id" = MembershipId, Path,)))]
#[get("/memberships/{id}")]
pub async fn show(
    state: web::Data<State>,
    member: Member<may::TeamManage>,
    PathId(id): PathId<MembershipId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let tenant = member.tenant.id;
    let find = async |tx: &SharedTx| membership::find(tx, id, Some(tenant)).await;
    let membership = state.database.read_shared(SharedScope::Tenant(tenant), find).await?;
    let membership = membership.ok_or_else(Problem::not_found)?;
    let tag = Tag::of_version(membership.version);
    Ok(etag::respond(&request, tag, &UserMembershipView::from(membership)))
}

/// Change the roles of a member
///
/// Replaces the roles. The member must refresh the session, and then has the new permissions. A business
/// always has an active owner.
#[utoipa::path(tag = "team", operation_id = "changeMembership", request_body = ChangeMembership,
    responses((status = 200, body = UserMembershipView)), params(("id" = MembershipId, Path,)))]
#[put("/memberships/{id}")]
pub async fn put(
    state: web::Data<State>,
    member: Recent<Member<may::TeamManage>>,
    client::From(origin): client::From,
    PathId(id): PathId<MembershipId>,
    IfMatch(if_version): IfMatch,
    body: Json<ChangeMembership>,
) -> Result<HttpResponse, Problem> {
    let (target, by) = target(&member, &origin, id, if_version);
    let roles = body.value.keys();
    let set = async |tx: &SharedTx| membership_change::set_roles(tx, target, &roles, by).await;
    Ok(changed(write(&state, &member, set).await?.membership))
}

/// Suspend a member
///
/// The member can no longer sign in to this app of the business. All sessions of the membership end within a
/// second.
#[utoipa::path(tag = "team", operation_id = "suspendMembership",
    responses((status = 200, body = UserMembershipView)), params(("id" = MembershipId, Path,)))]
#[post("/memberships/{id}/suspend")]
pub async fn suspend(
    state: web::Data<State>,
    member: Member<may::TeamManage>,
    client::From(origin): client::From,
    PathId(id): PathId<MembershipId>,
    IfMatch(if_version): IfMatch,
) -> Result<HttpResponse, Problem> {
    set_status(&state, &member, &origin, id, if_version, MembershipStatus::Suspended).await
}

/// Resume a suspended member
///
/// The member can sign in again.
#[utoipa::path(tag = "team", operation_id = "resumeMembership",
    responses((status = 200, body = UserMembershipView)), params(("id" = MembershipId, Path,)))]
#[post("/memberships/{id}/resume")]
pub async fn resume(
    state: web::Data<State>,
    member: Recent<Member<may::TeamManage>>,
    client::From(origin): client::From,
    PathId(id): PathId<MembershipId>,
    IfMatch(if_version): IfMatch,
) -> Result<HttpResponse, Problem> {
    set_status(&state, &member, &origin, id, if_version, MembershipStatus::Active).await
}

async fn set_status(
    state: &State,
    member: &Member<may::TeamManage>,
    origin: &Origin,
    id: MembershipId,
    if_version: IfVersion,
    status: MembershipStatus,
) -> Result<HttpResponse, Problem> {
    let (target, by) = target(member, origin, id, if_version);
    let set = async |tx: &SharedTx| membership_change::set_status(tx, target, status, by).await;
    Ok(changed(write(state, member, set).await?.membership))
}

/// Remove a member
///
/// Ends the membership with its sessions. The account of the person stays, and so do the documents that the
/// person made.
#[utoipa::path(tag = "team", operation_id = "removeMembership",
    responses((status = 204, description = "Removed")), params(("id" = MembershipId, Path,)))]
#[delete("/memberships/{id}")]
pub async fn remove(
    state: web::Data<State>,
    member: Member<may::TeamManage>,
    client::From(origin): client::From,
    PathId(id): PathId<MembershipId>,
    IfMatch(if_version): IfMatch,
) -> Result<HttpResponse, Problem> {
    let (target, by) = target(&member, &origin, id, if_version);
    write(&state, &member, async |tx: &SharedTx| membership_change::remove(tx, target, by).await).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn target<'a>(
    member: &Member<may::TeamManage>,
    origin: &'a Origin,
    id: MembershipId,
    if_version: IfVersion,
) -> (Target, By<'a>) {
    let target = Target { id, tenant: Some(member.tenant.id), if_version };
    (target, By::person(member.principal.user, origin))
}

async fn write<T>(
    state: &State,
    member: &Member<may::TeamManage>,
    work: impl AsyncFn(&SharedTx) -> Result<T, MembershipError>,
) -> Result<T, Problem> {
    Ok(state.database.write_shared(SharedScope::Tenant(member.tenant.id), work).await?)
}
