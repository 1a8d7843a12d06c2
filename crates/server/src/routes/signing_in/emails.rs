//! Mailed links: an invitation is accepted, an email confirmed.

use actix_web::{HttpResponse, post, web};
use identity::accepting::Acceptance;
use identity::email_change::Confirmation;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use values::{Email, Name, ShortText};

use crate::http::browser::Browser;
use crate::http::caller::SignedIn;
use crate::http::client;
use crate::http::extract::Json;
use crate::http::host_owner::HostOwner;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::routes::signing_in::auth::{LoginView, tokens};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AcceptInvitation {
    /// The token of the mailed link.
    #[schema(value_type = String, example = "kq3...")]
    token: SecretString,
    /// A password for the new account. A person who has an account keeps the password, and this field is
    /// ignored. Without a password, a new account gets one by POST /api/v1/auth/password/forgot.
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<SecretString>,
    /// The name of a new user. A person who has an account keeps the name.
    full_name: Option<Name>,
    /// A name for the device, which the list of sessions shows.
    device: Option<ShortText>,
    /// true keeps the tokens in cookies that no script can read, as at sign-in. Defaults to false.
    #[serde(default)]
    #[schema(example = json!(false))]
    cookies: bool,
}

/// Accept an invitation
///
/// Makes the person to whom the link was mailed a member of the business, and signs the person in. Creates an
/// account if there is none. The answer is the same if there is one.
#[utoipa::path(tag = "auth", operation_id = "acceptInvitation", request_body = AcceptInvitation,
    responses((status = 200, body = LoginView)), security(()))]
#[post("/auth/invitations/accept")]
pub async fn accept(
    state: web::Data<State>,
    host_owner: HostOwner,
    client::From(mut origin): client::From,
    browser: Result<Browser, Problem>,
    body: Json<AcceptInvitation>,
) -> Result<HttpResponse, Problem> {
    state.tokens.check_ready()?;
    let AcceptInvitation { token, password, full_name, device, cookies } = body.value;
    let browser = if cookies { Some(browser?) } else { None };
    origin.device = device.map(|device| device.to_string());
    let acceptance = Acceptance { token, password, full_name };
    let (account, started) =
        state.sign_in.accept_invitation(&acceptance, host_owner.tenant(), &origin).await?;
    tokens(&state, &host_owner, account, &started, browser.as_ref())
}

/// Ask for a mail that confirms the email
///
/// Mails a link to the signed-in user, which shows that the email is theirs.
#[utoipa::path(tag = "auth", operation_id = "requestEmailVerification",
    responses((status = 202, description = "The mail is sent")))]
#[post("/auth/email/verify")]
pub async fn verify(state: web::Data<State>, caller: SignedIn) -> Result<HttpResponse, Problem> {
    state.sign_in.request_verification(&caller.principal).await?;
    Ok(HttpResponse::Accepted().finish())
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeEmail {
    /// The new email.
    new_email: Email,
    /// The present password of the user.
    #[schema(value_type = String, format = Password)]
    current_password: SecretString,
}

/// Ask for another email
///
/// Mails a link to the present and to the new address. The email is changed when both have been used, within
/// 24 hours. A user without an email confirms the new address alone. The answer does not tell whether another
/// account has the new address.
#[utoipa::path(tag = "auth", operation_id = "requestEmailChange", request_body = ChangeEmail,
    responses((status = 202, description = "The mails are sent")))]
#[post("/auth/email/change")]
pub async fn change(
    state: web::Data<State>,
    caller: SignedIn,
    client::From(origin): client::From,
    body: Json<ChangeEmail>,
) -> Result<HttpResponse, Problem> {
    let ChangeEmail { new_email, current_password } = body.value;
    state.sign_in.request_email_change(&caller.principal, &new_email, &current_password, &origin).await?;
    Ok(HttpResponse::Accepted().finish())
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmEmail {
    /// The token of the mailed link.
    #[schema(value_type = String, example = "kq3...")]
    token: SecretString,
}

#[derive(Serialize, ToSchema)]
pub struct ConfirmedView {
    /// What came of the link.
    status: Confirmation,
}

/// Confirm an email
///
/// Uses a mailed link. Each link can be used once.
#[utoipa::path(tag = "auth", operation_id = "confirmEmail", request_body = ConfirmEmail,
    responses((status = 200, body = ConfirmedView)), security(()))]
#[post("/auth/email/confirm")]
pub async fn confirm(
    state: web::Data<State>,
    host_owner: HostOwner,
    client::From(origin): client::From,
    body: Json<ConfirmEmail>,
) -> Result<HttpResponse, Problem> {
    let status = state.sign_in.confirm_email(&body.value.token, host_owner.tenant(), &origin).await?;
    Ok(HttpResponse::Ok().json(ConfirmedView { status }))
}
