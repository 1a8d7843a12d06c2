//! The roles that members of a business may have, and the permissions of which a role consists.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, delete, get, put, web};
use identity::auth_event::By;
use identity::role::{self, NewRole, Role};
use identity::{AppSlug, PermissionKey, RoleKey, permission};
use serde::{Deserialize, Serialize};
use tenancy::{SharedScope, SharedTx};
use utoipa::ToSchema;
use values::{Name, Note};

use crate::http::caller::{Member, may};
use crate::http::client;
use crate::http::etag::{self, Tag};
use crate::http::extract::{IfMatch, Json, PathId, Query};
use crate::http::lists::{NoParameters, PageView};
use crate::http::problem::Problem;
use crate::http::recent::Recent;
use crate::http::state::State;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoleView {
    /// The app in which the role applies.
    #[schema(example = "inventory")]
    app: AppSlug,
    /// The key of the role, which is unique in the app and the business.
    #[schema(example = "buyer")]
    key: RoleKey,
    /// The name of the role.
    #[schema(example = "Buyer")]
    name: String,
    /// The purpose of the role; null without one.
    #[schema(example = "Orders goods from suppliers")]
    description: Option<String>,
    /// true: the role belongs to the app, and only the operator of the platform can change it. false: the
    /// role belongs to the business.
    is_preset: bool,
    /// The permissions of the role.
    #[schema(example = json!(["catalogue.read", "purchasing.write"]))]
    permissions: Vec<String>,
}

impl From<Role> for RoleView {
    fn from(role: Role) -> Self {
        Self {
            app: role.app,
            key: role.key,
            name: role.name,
            description: Some(role.description).filter(|text| !text.is_empty()),
            is_preset: role.is_preset,
            permissions: role.permissions,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PutRole {
    /// The name of the role.
    #[schema(example = "Buyer")]
    name: Name,
    /// The purpose of the role.
    #[schema(example = "Orders goods from suppliers")]
    description: Option<Note>,
    /// The permissions of the role: those that the app has or borrows. You must have each permission yourself
    /// that the role gains or loses. An owner of the business may use all permissions.
    #[schema(example = json!(["catalogue.read", "purchasing.write"]))]
    permissions: Vec<PermissionKey>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PermissionView {
    /// The app whose roles may contain the permission.
    #[schema(example = "pos")]
    app: AppSlug,
    /// The key of the permission, which tokens carry.
    #[schema(example = "catalogue.read")]
    key: PermissionKey,
    /// The app to which the permission belongs. It differs from `app` if `app` borrows the permission.
    #[schema(example = "inventory")]
    owner_app: AppSlug,
    /// The actions that the permission allows.
    #[schema(example = "Read stock levels")]
    description: String,
}

/// List roles
///
/// Returns the roles that members of this business may have: the presets of each app, and the roles that the
/// business has defined itself.
#[utoipa::path(tag = "team", operation_id = "listRoles",
    responses((status = 200, body = PageView<RoleView>)))]
#[get("/roles")]
pub async fn list(
    state: web::Data<State>,
    member: Member<may::TeamManage>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let tenant = member.tenant.id;
    let list = async |tx: &SharedTx| role::list(tx, tenant).await;
    let roles = state.database.read_shared(SharedScope::Tenant(tenant), list).await?;
    Ok(HttpResponse::Ok().json(PageView::whole(roles, RoleView::from)))
}

/// Read a role
///
/// Returns a role with its permissions.
#[utoipa::path(tag = "team", operation_id = "readRole", responses((status = 200, body = RoleView)),
    params(("app" = AppSlug, Path,), ("key" = RoleKey, Path,)))]
#[get("/roles/{app}/{key}")]
pub async fn show(
    state: web::Data<State>,
    member: Member<may::TeamManage>,
    PathId((app, key)): PathId<(AppSlug, RoleKey)>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let tenant = member.tenant.id;
    let find = async |tx: &SharedTx| role::find(tx, tenant, &app, &key).await;
    let role = state.database.read_shared(SharedScope::Tenant(tenant), find).await?;
    let role = role.ok_or_else(Problem::not_found)?;
    Ok(etag::respond(&request, Tag::of_version(role.version), &RoleView::from(role)))
}

/// Create or replace a role
///
/// Creates a role of the business, or replaces it. Members who have the role get its new permissions at once:
/// they must refresh their sessions. Repeating the request changes nothing.
#[utoipa::path(tag = "team", operation_id = "putRole", request_body = PutRole,
    responses((status = 200, body = RoleView), (status = 201, body = RoleView)),
    params(("app" = AppSlug, Path,), ("key" = RoleKey, Path,)))]
#[put("/roles/{app}/{key}")]
pub async fn put(
    state: web::Data<State>,
    member: Recent<Member<may::TeamManage>>,
    client::From(origin): client::From,
    PathId((app, key)): PathId<(AppSlug, RoleKey)>,
    IfMatch(if_version): IfMatch,
    body: Json<PutRole>,
) -> Result<HttpResponse, Problem> {
    let PutRole { name, description, permissions } = body.value;
    let wanted = NewRole { app, key, name, description, permissions };
    let (tenant, by) = (member.tenant.id, By::person(member.principal.user, &origin));
    let work = async |tx: &SharedTx| {
        let is_new = role::put(tx, tenant, &wanted, by, if_version).await?;
        let role = role::find(tx, tenant, &wanted.app, &wanted.key).await?;
        Ok::<_, Problem>((is_new, role.ok_or_else(Problem::not_found)?))
    };
    let (is_new, role) = state.database.write_shared(SharedScope::Tenant(tenant), work).await?;
    let tag = Tag::of_version(role.version);
    if !is_new {
        return Ok(etag::changed(tag, &RoleView::from(role)));
    }
    let location = format!("/api/v1/roles/{}/{}", role.app, role.key);
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, location))
        .insert_header((header::ETAG, tag.to_string()))
        .json(RoleView::from(role)))
}

/// Remove a role
///
/// Removes a role of the business that no member has.
#[utoipa::path(tag = "team", operation_id = "removeRole", responses((status = 204, description = "Removed")),
    params(("app" = AppSlug, Path,), ("key" = RoleKey, Path,)))]
#[delete("/roles/{app}/{key}")]
pub async fn remove(
    state: web::Data<State>,
    member: Recent<Member<may::TeamManage>>,
    client::From(origin): client::From,
    PathId((app, key)): PathId<(AppSlug, RoleKey)>,
    IfMatch(if_version): IfMatch,
) -> Result<HttpResponse, Problem> {
    let (tenant, by) = (member.tenant.id, By::person(member.principal.user, &origin));
    let remove = async |tx: &SharedTx| role::remove(tx, tenant, &app, &key, by, if_version).await;
    state.database.write_shared(SharedScope::Tenant(tenant), remove).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// List permissions
///
/// Returns the permissions that roles may contain, for each app with memberships in businesses.
#[utoipa::path(tag = "team", operation_id = "listPermissions",
    responses((status = 200, body = PageView<PermissionView>)))]
#[get("/permissions")]
pub async fn list_permissions(
    state: web::Data<State>,
    member: Member<may::TeamManage>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let scope = SharedScope::Tenant(member.tenant.id);
    let listed = state.database.read_shared(scope, async |tx| permission::list(tx).await).await?;
    Ok(HttpResponse::Ok().json(PageView::whole(listed, |row| PermissionView {
        app: row.app,
        key: row.permission,
        owner_app: row.owner_app,
        description: row.description,
    })))
}
