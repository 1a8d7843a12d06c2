//! The platform's staff acting as members of businesses.

use crate::http::bearer::TokenType;
use actix_web::http::header;
use actix_web::{HttpResponse, delete, get, post, web};
use chrono::{DateTime, Utc};
use identity::impersonation::{self, Impersonated, Impersonation, NewImpersonation};
use identity::{AppSlug, Permission, SessionId, UserId};
use serde::{Deserialize, Serialize};
use tenancy::{SharedScope, SharedTx, TenantId};
use utoipa::{IntoParams, ToSchema};
use values::ShortText;

use crate::http::caller::{Staff, may};
use crate::http::extract::{Json, PathId};
use crate::http::lists::{List, PageView, Paging};
use crate::http::problem::Problem;
use crate::http::recent::Recent;
use crate::http::state::State;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImpersonationView {
    /// The session, which the logs name.
    id: SessionId,
    /// The business.
    tenant_id: TenantId,
    /// The member as whom the staff acts.
    user_id: UserId,
    /// The member of the staff.
    staff_id: UserId,
    /// The reason.
    #[schema(example = "Ticket 4711: the stock of one product looks wrong")]
    reason: String,
    /// Whether nothing can be changed.
    is_read_only: bool,
    created_at: DateTime<Utc>,
    /// The time at which the impersonation ends by itself.
    expires_at: DateTime<Utc>,
    /// The time at which the impersonation was ended; null if it was not.
    ended_at: Option<DateTime<Utc>>,
}

impl From<Impersonation> for ImpersonationView {
    fn from(found: Impersonation) -> Self {
        Self {
            id: found.id,
            tenant_id: found.tenant_id,
            user_id: found.user_id,
            staff_id: found.staff_id,
            reason: found.reason,
            is_read_only: found.is_read_only,
            created_at: found.created_at,
            expires_at: found.expires_at,
            ended_at: found.ended_at,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"reason": "Ticket 4711: the stock of one product looks wrong", "minutes": 15}))]
pub struct StartImpersonation {
    /// The member as whom you want to act. Defaults to the owner who has been a member for longest.
    user_id: Option<UserId>,
    /// The app, inventory or pos. Defaults to inventory.
    app: Option<AppSlug>,
    /// The reason, which the business can read.
    reason: ShortText,
    /// The time for which the access token is valid, in minutes, 1 to 60. Defaults to 15.
    #[schema(minimum = 1, maximum = 60)]
    minutes: Option<u32>,
    /// Whether the token can change nothing. Defaults to true. Changes require the permission tenants.write.
    is_read_only: Option<bool>,
}

/// An impersonation with its access token.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StartedImpersonationView {
    /// The session.
    id: SessionId,
    /// The member as whom you act.
    user_id: UserId,
    /// The app of the token.
    app: AppSlug,
    /// The access token for the address of the business. It cannot be refreshed.
    #[schema(example = "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9...")]
    access_token: String,
    /// The type of the token, which is always Bearer.
    #[schema(example = "Bearer")]
    token_type: TokenType,
    /// The lifetime of the token, in seconds.
    #[schema(example = 900)]
    expires_in: u64,
    /// Whether the token can change nothing.
    is_read_only: bool,
    expires_at: DateTime<Utc>,
}

/// The time of an impersonation that names none, in minutes.
const MINUTES: u32 = 15;

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListImpersonations {
    /// The business. Defaults to all.
    tenant_id: Option<TenantId>,
    /// true: those that last. false: those that have ended. Defaults to both.
    is_active: Option<bool>,
}

/// Act as a member
///
/// Returns an access token with which you act as a member of the business for a limited time. The business
/// can refuse this with its setting operatorAccess. Its logs show the reason, each request and each change.
/// You can change neither the account of the member nor members, roles and API keys. The impersonation ends
/// with your own session.
#[utoipa::path(tag = "platform", operation_id = "startImpersonation", request_body = StartImpersonation,
    responses((status = 201, body = StartedImpersonationView)), params(("id" = TenantId, Path,)))]
#[post("/platform/tenants/{id}/impersonations")]
pub async fn start(
    state: web::Data<State>,
    staff: Recent<Staff<may::MembersImpersonate>>,
    PathId(id): PathId<TenantId>,
    body: Json<StartImpersonation>,
) -> Result<HttpResponse, Problem> {
    let StartImpersonation { user_id, app, reason, minutes, is_read_only } = body.value;
    let is_read_only = is_read_only.unwrap_or(true);
    if !is_read_only {
        staff.require(Permission::TenantsWrite)?;
    }
    let minutes = minutes.unwrap_or(MINUTES);
    let new = NewImpersonation { user: user_id, app, reason, minutes, is_read_only };
    state.tokens.check_ready()?;
    let asking = impersonation::Staff { user: staff.principal.user, session: staff.principal.session };
    let granted = state.operator(&staff)?.act_as(id, &new, asking).await?;
    let token = state.tokens.issue_to_staff(&granted)?;
    let Impersonated { session, member, expires_at, .. } = granted;
    Ok(HttpResponse::Created().insert_header((header::CACHE_CONTROL, "no-store")).json(
        StartedImpersonationView {
            id: session,
            user_id: member.user,
            app: member.member_of.app().clone(),
            access_token: token.token,
            token_type: TokenType::Bearer,
            expires_in: token.expires_in.as_secs(),
            is_read_only,
            expires_at,
        },
    ))
}

/// List impersonations
///
/// Returns the impersonations of the last days, newest first. The logs keep them for longer.
#[utoipa::path(tag = "platform", operation_id = "listImpersonations", params(ListImpersonations, Paging),
    responses((status = 200, body = PageView<ImpersonationView>)))]
#[get("/platform/impersonations")]
pub async fn list(
    state: web::Data<State>,
    _staff: Staff<may::UsersRead>,
    List { query, page }: List<ListImpersonations>,
) -> Result<HttpResponse, Problem> {
    let page = page.request()?;
    let (tenant, is_active) = (query.tenant_id, query.is_active);
    let read = async |tx: &SharedTx| impersonation::list(tx, tenant, is_active, &page).await;
    let page = state.database.read_shared(SharedScope::Platform, read).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, ImpersonationView::from)))
}

/// End an impersonation
///
/// Every server refuses its access token within a second.
#[utoipa::path(tag = "platform", operation_id = "endImpersonation",
    responses((status = 204, description = "Ended")), params(("id" = SessionId, Path,)))]
#[delete("/platform/impersonations/{id}")]
pub async fn end(
    state: web::Data<State>,
    staff: Staff<may::MembersImpersonate>,
    PathId(id): PathId<SessionId>,
) -> Result<HttpResponse, Problem> {
    state.operator(&staff)?.end_impersonation(id).await?;
    Ok(HttpResponse::NoContent().finish())
}
