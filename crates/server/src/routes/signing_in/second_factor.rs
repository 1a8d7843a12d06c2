//! The second factor of the signed-in user, and proving once more who one is.

use actix_web::http::header;
use actix_web::{HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use identity::enrolment::EnrolsIn;
use identity::second_factor;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tenancy::{SharedScope, SharedTx};
use utoipa::ToSchema;

use crate::http::caller::{SignedIn, TokenHolder};
use crate::http::client;
use crate::http::codes::Code;
use crate::http::extract::Json;
use crate::http::problem::Problem;
use crate::http::recent::pin_session;
use crate::http::state::State;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecondFactorView {
    /// Whether the second factor is on: each sign-in needs it.
    is_enabled: bool,
    /// The time at which it was turned on; null if it is off.
    enabled_at: Option<DateTime<Utc>>,
    /// The number of recovery codes that were not used.
    recovery_codes_left: i64,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnrolmentView {
    /// The secret in base32, for an authenticator app that cannot scan.
    #[schema(example = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")]
    secret: String,
    /// The address in the picture.
    #[schema(example = "otpauth://totp/Tenantry:ana@example.com?secret=JBSWY3DPEHPK3PXP...")]
    uri: String,
    /// The picture for the authenticator app, as SVG.
    #[schema(example = "<svg ...></svg>")]
    qr_code: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryCodesView {
    /// Ten codes, each of which replaces the authenticator app once. No later response contains them.
    #[schema(example = json!(["h3fk-9qpa-x7mc-2wtn"]))]
    recovery_codes: Vec<String>,
}

impl From<Vec<SecretString>> for RecoveryCodesView {
    fn from(codes: Vec<SecretString>) -> Self {
        Self { recovery_codes: codes.iter().map(|code| code.expose_secret().to_owned()).collect() }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Confirmed {
    /// The present password.
    #[schema(value_type = String, format = Password)]
    current_password: SecretString,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmEnrolment {
    /// The six digits that the authenticator app shows.
    #[schema(value_type = String, example = "492039")]
    code: SecretString,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BothFactors {
    /// The present password.
    #[schema(value_type = String, format = Password)]
    current_password: SecretString,
    /// The six digits that the authenticator app shows, or a recovery code.
    #[schema(value_type = String, example = "492039")]
    code: SecretString,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StepUp {
    /// The present password.
    #[schema(value_type = String, format = Password)]
    current_password: SecretString,
    /// The second factor, if you have one: six digits, or a recovery code.
    #[schema(value_type = Option<String>, example = json!(null))]
    code: Option<SecretString>,
}

/// Read the second factor
///
/// Returns whether the signed-in user has a second factor, and how many recovery codes are left.
#[utoipa::path(tag = "auth", operation_id = "readSecondFactor",
    responses((status = 200, body = SecondFactorView)))]
#[get("/auth/second-factor")]
pub async fn show(state: web::Data<State>, caller: SignedIn) -> Result<HttpResponse, Problem> {
    let user = caller.principal.user;
    let find = async |tx: &SharedTx| second_factor::find(tx, user).await;
    let found = state.database.read_shared(SharedScope::User(user.into()), find).await?;
    Ok(HttpResponse::Ok().json(SecondFactorView {
        is_enabled: found.is_some(),
        enabled_at: found.as_ref().map(|found| found.enabled_at),
        recovery_codes_left: found.map_or(0, |found| found.recovery_codes_left),
    }))
}

/// Begin to set up a second factor
///
/// Returns the secret for an authenticator app. The second factor stays off until you send the digits of the
/// app to POST /auth/second-factor/confirm. Beginning again replaces the secret.
#[utoipa::path(tag = "auth", operation_id = "beginSecondFactor", request_body = Confirmed,
    responses((status = 200, body = EnrolmentView)))]
#[post("/auth/second-factor")]
pub async fn begin(
    state: web::Data<State>,
    caller: SignedIn,
    client::From(origin): client::From,
    body: Json<Confirmed>,
) -> Result<HttpResponse, Problem> {
    let password = body.value.current_password;
    let enrolment = state.sign_in.begin_enrolment(&caller.principal, &password, &origin).await?;
    Ok(no_store().json(EnrolmentView {
        secret: enrolment.secret.expose_secret().to_owned(),
        uri: enrolment.uri.expose_secret().to_owned(),
        qr_code: enrolment.qr_code.expose_secret().to_owned(),
    }))
}

/// Turn the second factor on
///
/// Turns the second factor on, and returns ten recovery codes. All other sessions of the user end. Refresh
/// this session, so that its tokens carry the second factor.
#[utoipa::path(tag = "auth", operation_id = "confirmSecondFactor", request_body = ConfirmEnrolment,
    responses((status = 200, body = RecoveryCodesView)))]
#[post("/auth/second-factor/confirm")]
pub async fn confirm(
    state: web::Data<State>,
    caller: SignedIn,
    client::From(origin): client::From,
    body: Json<ConfirmEnrolment>,
) -> Result<HttpResponse, Problem> {
    let (user, place) = (caller.principal.user, EnrolsIn::Session(caller.principal.session));
    let codes = state.sign_in.confirm_enrolment(user, place, &body.value.code, &origin).await?;
    Ok(no_store().json(RecoveryCodesView::from(codes)))
}

/// Replace the recovery codes
///
/// Returns ten new recovery codes. The former ones are not valid any more.
#[utoipa::path(tag = "auth", operation_id = "renewRecoveryCodes", request_body = BothFactors,
    responses((status = 200, body = RecoveryCodesView)))]
#[post("/auth/second-factor/recovery-codes")]
pub async fn renew_codes(
    state: web::Data<State>,
    caller: SignedIn,
    client::From(origin): client::From,
    body: Json<BothFactors>,
) -> Result<HttpResponse, Problem> {
    let BothFactors { current_password, code } = body.value;
    let codes =
        state.sign_in.renew_recovery_codes(&caller.principal, &current_password, &code, &origin).await?;
    Ok(no_store().json(RecoveryCodesView::from(codes)))
}

/// Turn the second factor off
///
/// Needs the password and a code. All other sessions of the user end. If a role of the user needs a second
/// factor, this session has no permissions from the next refresh on.
#[utoipa::path(tag = "auth", operation_id = "disableSecondFactor", request_body = BothFactors,
    responses((status = 204, description = "Turned off")))]
#[post("/auth/second-factor/disable")]
pub async fn disable(
    state: web::Data<State>,
    caller: SignedIn,
    client::From(origin): client::From,
    body: Json<BothFactors>,
) -> Result<HttpResponse, Problem> {
    let BothFactors { current_password, code } = body.value;
    state.sign_in.disable_second_factor(&caller.principal, &current_password, &code, &origin).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Prove once more who you are
///
/// Checks the password and, if you have one, the second factor. Refresh the session afterwards: the next
/// access token may do what needs a proof of the last 15 minutes, such as changing roles and making API keys.
/// A program to which you signed in by single sign-on sends you to sign in again instead.
#[utoipa::path(tag = "auth", operation_id = "stepUp", request_body = StepUp,
    responses((status = 204, description = "Proved")))]
#[post("/auth/step-up")]
pub async fn step_up(
    state: web::Data<State>,
    caller: TokenHolder,
    client::From(origin): client::From,
    body: Json<StepUp>,
) -> Result<HttpResponse, Problem> {
    let principal = &caller.principal;
    if principal.impersonator.is_some() {
        let detail = "The staff of the platform cannot do this as a member.";
        return Err(Problem::new(Code::ImpersonationRefused, detail));
    }
    if principal.delegated.is_some() {
        let detail = "A program never gets the password. It sends you to sign in again, with max_age=900.";
        return Err(Problem::new(Code::AccountNotGranted, detail));
    }
    if principal.by_pin {
        return Err(pin_session());
    }
    let StepUp { current_password, code } = body.value;
    state.sign_in.step_up(principal, &current_password, code.as_ref(), &origin).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn no_store() -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    response
}
