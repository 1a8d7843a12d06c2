//! Passwords of signed-in users, and of users who have forgotten theirs.

use actix_web::{HttpResponse, post, web};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;
use values::Email;

use crate::http::caller::SignedIn;
use crate::http::client;
use crate::http::extract::Json;
use crate::http::host_owner::HostOwner;
use crate::http::problem::Problem;
use crate::http::state::State;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangePassword {
    /// The present password of the user.
    #[schema(value_type = String, format = Password)]
    current_password: SecretString,
    /// The new password. It may have any letters, digits, signs and spaces; four words at random are a good
    /// one.
    #[schema(value_type = String, format = Password, example = "kijani mlima nyota saba")]
    new_password: SecretString,
}

/// Change the password
///
/// Changes the password of the signed-in user. All other sessions of the user end.
#[utoipa::path(tag = "auth", operation_id = "changePassword", request_body = ChangePassword,
    responses((status = 204, description = "Changed")))]
#[post("/auth/password/change")]
pub async fn change_password(
    state: web::Data<State>,
    caller: SignedIn,
    client::From(origin): client::From,
    body: Json<ChangePassword>,
) -> Result<HttpResponse, Problem> {
    let ChangePassword { current_password, new_password } = body.value;
    state.sign_in.change_password(&caller.principal, &current_password, &new_password, &origin).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForgotPassword {
    /// The email address of the user.
    email: Email,
}

/// Ask for a new password
///
/// Mails a link to the user, if there is a user with this email. The answer is the same if there is none. The
/// link is valid for 30 minutes and can be used once.
#[utoipa::path(tag = "auth", operation_id = "forgotPassword", request_body = ForgotPassword,
    responses((status = 202, description = "The mail is sent, if there is such a user")), security(()))]
#[post("/auth/password/forgot")]
pub async fn forgot(
    state: web::Data<State>,
    host_owner: HostOwner,
    client::From(origin): client::From,
    body: Json<ForgotPassword>,
) -> Result<HttpResponse, Problem> {
    state.sign_in.forgot_password(&body.value.email, host_owner.tenant(), &origin).await?;
    Ok(HttpResponse::Accepted().finish())
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResetPassword {
    /// The token of the mailed link.
    #[schema(value_type = String, example = "kq3...")]
    token: SecretString,
    /// The new password.
    #[schema(value_type = String, format = Password, example = "kijani mlima nyota saba")]
    new_password: SecretString,
}

/// Set a new password
///
/// Sets the password of the user to whom the link was mailed. All sessions of the user end.
#[utoipa::path(tag = "auth", operation_id = "resetPassword", request_body = ResetPassword,
    responses((status = 204, description = "Set")), security(()))]
#[post("/auth/password/reset")]
pub async fn reset(
    state: web::Data<State>,
    host_owner: HostOwner,
    client::From(origin): client::From,
    body: Json<ResetPassword>,
) -> Result<HttpResponse, Problem> {
    let ResetPassword { token, new_password } = body.value;
    state.sign_in.reset_password(&token, &new_password, host_owner.tenant(), &origin).await?;
    Ok(HttpResponse::NoContent().finish())
}
