//! The roles for which a business requires a second factor.

use actix_web::{HttpResponse, get, put, web};
use identity::auth_event::By;
use identity::role_requirement::{self, RoleName};
use identity::{AppSlug, RoleKey};
use serde::{Deserialize, Serialize};
use tenancy::{SharedScope, SharedTx};
use utoipa::ToSchema;

use crate::http::caller::{Member, may};
use crate::http::client;
use crate::http::extract::Json;
use crate::http::problem::Problem;
use crate::http::recent::Recent;
use crate::http::state::State;

/// The roles that need a second factor.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecondFactorRoles {
    /// The roles. A member who has one of them has no permissions in a session without a second factor.
    #[schema(example = json!([{"app": "inventory", "role": "OWNER"}]))]
    roles: Vec<RoleNameView>,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleNameView {
    /// The app in which the role applies.
    #[schema(example = "inventory")]
    app: AppSlug,
    /// The key of the role.
    #[schema(example = "OWNER")]
    role: RoleKey,
}

impl From<Vec<RoleName>> for SecondFactorRoles {
    fn from(roles: Vec<RoleName>) -> Self {
        let roles = roles.into_iter().map(|name| RoleNameView { app: name.app, role: name.role });
        Self { roles: roles.collect() }
    }
}

/// Read the roles that need a second factor
///
/// Returns the roles whose members must have a second factor.
#[utoipa::path(tag = "team", operation_id = "readSecondFactorRoles",
    responses((status = 200, body = SecondFactorRoles)))]
#[get("/second-factor-roles")]
pub async fn show(state: web::Data<State>, member: Member<may::TeamManage>) -> Result<HttpResponse, Problem> {
    let tenant = member.tenant.id;
    let list = async |tx: &SharedTx| role_requirement::list(tx, tenant).await;
    let roles = state.database.read_shared(SharedScope::Tenant(tenant), list).await?;
    Ok(HttpResponse::Ok().json(SecondFactorRoles::from(roles)))
}

/// Set the roles that need a second factor
///
/// Sets all roles for which the business requires a second factor. It takes effect at once: members who have
/// such a role refresh their sessions, and have no permissions until they have set up a second factor, or
/// given it.
#[utoipa::path(tag = "team", operation_id = "setSecondFactorRoles", request_body = SecondFactorRoles,
    responses((status = 200, body = SecondFactorRoles)))]
#[put("/second-factor-roles")]
pub async fn put(
    state: web::Data<State>,
    member: Recent<Member<may::TeamManage>>,
    client::From(origin): client::From,
    body: Json<SecondFactorRoles>,
) -> Result<HttpResponse, Problem> {
    let wanted = body.value.roles.into_iter().map(|name| RoleName { app: name.app, role: name.role });
    let wanted: Vec<RoleName> = wanted.collect();
    let (tenant, by) = (member.tenant.id, By::person(member.principal.user, &origin));
    let set = async |tx: &SharedTx| role_requirement::set(tx, tenant, &wanted, by).await;
    let roles = state.database.write_shared(SharedScope::Tenant(tenant), set).await?;
    Ok(HttpResponse::Ok().json(SecondFactorRoles::from(roles)))
}
