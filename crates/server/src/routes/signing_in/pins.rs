//! PINs, with which the cashiers of a till take turns.

use actix_web::{HttpResponse, delete, get, post, put, web};
use identity::pin::{self, Pin, PinHolder};
use identity::{UserId, Username};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tenancy::{SharedScope, SharedTx};
use utoipa::ToSchema;

use crate::http::caller::SignedIn;
use crate::http::client;
use crate::http::extract::{Json, Query};
use crate::http::host_owner::HostOwner;
use crate::http::lists::{NoParameters, PageView};
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::routes::signing_in::auth::{self, LoginView};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetPin {
    /// The present password.
    #[schema(value_type = String, format = Password)]
    current_password: SecretString,
    /// The PIN: 4 to 12 digits. Digits that all count up or down, or repeat one or two digits, are refused.
    #[schema(value_type = String, pattern = "^[0-9]{4,12}$", example = "4071")]
    pin: SecretString,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PinSignIn {
    /// The member who signs in.
    user_id: UserId,
    /// The PIN of the member.
    #[schema(value_type = String, example = "4071")]
    pin: SecretString,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PinHolderView {
    /// The member.
    user_id: UserId,
    /// The name of the member; null if it is not known.
    #[schema(example = "Ana Souza")]
    full_name: Option<String>,
    /// The username of the member at this business; null for a member who signs in with an email.
    #[schema(example = "ana")]
    username: Option<Username>,
}

impl From<PinHolder> for PinHolderView {
    fn from(holder: PinHolder) -> Self {
        Self { user_id: holder.user_id, full_name: holder.full_name, username: holder.username }
    }
}

/// Set your PIN
///
/// Sets the PIN with which you sign in at a till of this business. You must be a member of the app pos. A
/// session that began with the former PIN ends.
#[utoipa::path(tag = "auth", operation_id = "setPin", request_body = SetPin,
    responses((status = 204, description = "Set")))]
#[put("/auth/pin")]
pub async fn set(
    state: web::Data<State>,
    caller: SignedIn,
    client::From(origin): client::From,
    body: Json<SetPin>,
) -> Result<HttpResponse, Problem> {
    let pin = Pin::parse(&body.value.pin)?;
    state.sign_in.set_pin(&caller.principal, &body.value.current_password, &pin, &origin).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Remove your PIN
///
/// The PIN no longer opens a till, and approves nothing. The password stays as it is.
#[utoipa::path(tag = "auth", operation_id = "removePin",
    responses((status = 204, description = "Removed")))]
#[delete("/auth/pin")]
pub async fn remove(
    state: web::Data<State>,
    caller: SignedIn,
    client::From(origin): client::From,
) -> Result<HttpResponse, Problem> {
    match state.sign_in.remove_pin(&caller.principal, &origin).await? {
        true => Ok(HttpResponse::NoContent().finish()),
        false => Err(Problem::not_found()),
    }
}

/// List the members who have a PIN
///
/// Returns the members of this business who may sign in at a till with a PIN.
#[utoipa::path(tag = "auth", operation_id = "listPinHolders",
    responses((status = 200, body = PageView<PinHolderView>)))]
#[get("/auth/pin/members")]
pub async fn members(
    state: web::Data<State>,
    caller: SignedIn,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let Some(tenant) = caller.principal.member_of.tenant() else { return Err(Problem::not_found()) };
    let list = async |tx: &SharedTx| pin::holders(tx, tenant).await;
    let holders = state.database.read_shared(SharedScope::Tenant(tenant), list).await?;
    Ok(HttpResponse::Ok().json(PageView::whole(holders, PinHolderView::from)))
}

/// Sign in at a till with a PIN
///
/// Starts a session of another member at the till of this session. This session must be one of the app pos
/// that was started with the name of a device; keep its tokens for the next member. The new session ends with
/// it, after twelve hours, and when the next member signs in there. It cannot change the account of the
/// member.
#[utoipa::path(tag = "auth", operation_id = "signInWithPin", request_body = PinSignIn,
    responses((status = 200, body = LoginView)))]
#[post("/auth/pin/sign-in")]
pub async fn sign_in(
    state: web::Data<State>,
    caller: SignedIn,
    host_owner: HostOwner,
    client::From(origin): client::From,
    body: Json<PinSignIn>,
) -> Result<HttpResponse, Problem> {
    let PinSignIn { user_id, pin } = body.value;
    state.tokens.check_ready()?;
    let (account, started) =
        state.sign_in.sign_in_with_pin(&caller.principal, user_id, &pin, &origin).await?;
    auth::tokens(&state, &host_owner, account, &started, None)
}
