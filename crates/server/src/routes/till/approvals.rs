//! Approvals: a member enters a PIN at the till of another one.

use actix_web::{HttpResponse, post, web};
use chrono::{DateTime, Utc};
use identity::{Permission, UserId};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tenancy::TenantTx;
use till::{ApprovalId, approval};
use utoipa::ToSchema;
use uuid::Uuid;
use values::ActorId;

use crate::http::caller::{Member, may};
use crate::http::client;
use crate::http::extract::Json;
use crate::http::problem::Problem;
use crate::http::state::State;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Approve {
    /// The member who approves, with the permission till.approve.
    user_id: UserId,
    /// The PIN of the member.
    #[schema(value_type = String, example = "4071")]
    pin: SecretString,
    /// The id of the document to be approved, such as a shift. A document that does not exist yet has the id
    /// that the client chooses for it.
    document_id: Uuid,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalView {
    /// Send this id with the document.
    id: ApprovalId,
    /// The member who approved.
    approved_by: UserId,
    /// The moment until which the approval can be used, once.
    expires_at: DateTime<Utc>,
}

/// Approve a document by PIN
///
/// A member with the permission till.approve enters the PIN at the till where you are signed in; nobody is
/// signed in or out. The approval is valid for one document, once, for 5 minutes. Your session must be one of
/// the app pos that was started with the name of a device, or with a PIN there.
#[utoipa::path(tag = "till", operation_id = "approveByPin", request_body = Approve,
    responses((status = 201, body = ApprovalView)))]
#[post("/approvals")]
pub async fn create(
    state: web::Data<State>,
    caller: Member<may::TillSell>,
    client::From(origin): client::From,
    body: Json<Approve>,
) -> Result<HttpResponse, Problem> {
    let Approve { user_id, pin, document_id } = body.value;
    let (till, permission) = (&caller.principal, Permission::TillApprove);
    state.sign_in.approve_with_pin(till, user_id, &pin, permission, &origin).await?;
    let (approver, actor) = (ActorId::person(user_id), ActorId::person(till.user));
    let insert = async |tx: &TenantTx| approval::insert(tx, document_id, approver, actor).await;
    let approval = state.database.write(&caller.tenant.scope(), insert).await?;
    let view = ApprovalView { id: approval.id, approved_by: user_id, expires_at: approval.expires_at };
    Ok(HttpResponse::Created().json(view))
}
