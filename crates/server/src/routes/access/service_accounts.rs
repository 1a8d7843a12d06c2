//! Service accounts: what a business allows programs that the operator has registered.

use actix_web::{HttpResponse, delete, get, put, web};
use chrono::{DateTime, Utc};
use identity::auth_event::By;
use identity::service_account::{self, ServiceAccount, ServiceAccountId};
use identity::{AppSlug, ClientId, PermissionKey, UserId};
use serde::{Deserialize, Serialize};
use tenancy::{SharedScope, SharedTx};
use utoipa::ToSchema;

use crate::http::caller::{Member, may};
use crate::http::client;
use crate::http::extract::{Json, PathId};
use crate::http::lists::{List, NoParameters, PageView, Paging};
use crate::http::problem::Problem;
use crate::http::recent::Recent;
use crate::http::state::State;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccountView {
    /// The id. The audit log and documents name it as their actor.
    id: ServiceAccountId,
    /// The program.
    #[schema(example = "erp-sync")]
    client_id: ClientId,
    /// The name of the program.
    #[schema(example = "ERP")]
    client_name: String,
    /// The app of the program, whose access tokens it gets.
    #[schema(example = "inventory")]
    app: AppSlug,
    /// The permissions of the account. The program may use a permission only as long as the member of the
    /// account has it, too.
    #[schema(example = json!(["catalogue.read", "stock.read"]))]
    permissions: Vec<String>,
    /// The member who allowed it last; null if the operator of the platform did.
    user_id: Option<UserId>,
    /// Whether the program can get access tokens. false: the member is not an active member any more; another
    /// member can replace the account.
    is_active: bool,
    /// The time at which the program got an access token last; null if it did not.
    last_used_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<ServiceAccount> for ServiceAccountView {
    fn from(account: ServiceAccount) -> Self {
        Self {
            id: account.id,
            client_id: account.client_id,
            client_name: account.client_name,
            app: account.app,
            permissions: account.permissions,
            user_id: account.user_id,
            is_active: account.is_active,
            last_used_at: account.last_used_at,
            created_at: account.created_at,
            updated_at: account.updated_at,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"permissions": ["catalogue.read", "stock.read"]}))]
pub struct PutServiceAccount {
    /// The permissions of the account: one or more of those that the app of the program has or borrows. You
    /// must have all of them yourself. team.manage and api_keys.manage are for people alone.
    permissions: Vec<PermissionKey>,
}

/// List service accounts
///
/// Returns the programs that may get access tokens for this business, newest first.
#[utoipa::path(tag = "access", operation_id = "listServiceAccounts", params(Paging),
    responses((status = 200, body = PageView<ServiceAccountView>)))]
#[get("/service-accounts")]
pub async fn list(
    state: web::Data<State>,
    member: Member<may::ApiKeysManage>,
    List { page, .. }: List<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let tenant = member.tenant.id;
    let page = page.request()?;
    let read = async |tx: &SharedTx| service_account::list(tx, Some(tenant), &page).await;
    let page = state.database.read_shared(SharedScope::Tenant(tenant), read).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, ServiceAccountView::from)))
}

/// Allow a program to work here
///
/// Makes the service account of a program, or replaces its permissions. The operator of the platform has
/// registered the program and knows its client id. The account never has more permissions than you have, and
/// the program gets no access token after you have left the business. Former access tokens end at once.
#[utoipa::path(tag = "access", operation_id = "putServiceAccount", request_body = PutServiceAccount,
    responses((status = 200, body = ServiceAccountView), (status = 201, body = ServiceAccountView)),
    params(("slug" = ClientId, Path,)))]
#[put("/service-accounts/{slug}")]
pub async fn put(
    state: web::Data<State>,
    member: Recent<Member<may::ApiKeysManage>>,
    client::From(origin): client::From,
    PathId(id): PathId<ClientId>,
    body: Json<PutServiceAccount>,
) -> Result<HttpResponse, Problem> {
    let (tenant, by) = (member.tenant.id, By::person(member.principal.user, &origin));
    let permissions = body.value.permissions;
    let put = async |tx: &SharedTx| service_account::put(tx, tenant, &id, &permissions, by).await;
    let (account, is_new) = state.database.write_shared(SharedScope::Tenant(tenant), put).await?;
    let mut response = if is_new { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(response.json(ServiceAccountView::from(account)))
}

/// Remove a service account
///
/// The program can do nothing here any more: every server refuses its access tokens within a second.
#[utoipa::path(tag = "access", operation_id = "removeServiceAccount",
    responses((status = 204, description = "Removed")), params(("slug" = ClientId, Path,)))]
#[delete("/service-accounts/{slug}")]
pub async fn remove(
    state: web::Data<State>,
    member: Member<may::ApiKeysManage>,
    client::From(origin): client::From,
    PathId(id): PathId<ClientId>,
) -> Result<HttpResponse, Problem> {
    let (tenant, by) = (member.tenant.id, By::person(member.principal.user, &origin));
    let remove = async |tx: &SharedTx| service_account::remove(tx, tenant, &id, by).await;
    state.database.write_shared(SharedScope::Tenant(tenant), remove).await?;
    Ok(HttpResponse::NoContent().finish())
}
