//! The page on which a person sets up a second factor, because a role needs one.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use identity::SignOn;
use identity::enrolment::EnrolsIn;
use identity::second_factor::SecondFactorError;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use crate::http::client;
use crate::http::extract::Body;
use crate::http::host_owner::AtIdentity;
use crate::http::problem::{Problem, sentence};
use crate::http::sign_on_cookie::SignOnCookie;
use crate::http::state::State;
use crate::pages::error::PageError;
use crate::pages::page;
use crate::routes::provider::authorization_request::AuthorizationRequest;
use crate::routes::provider::authorize;
use crate::routes::provider::page_form::PageForm;

/// The page, with another secret each time. A secret that somebody else may have begun with is never shown.
pub async fn show(
    state: &State,
    asked: &AuthorizationRequest,
    sign_on: &SignOn,
) -> Result<HttpResponse, PageError> {
    let tenant = asked.business.as_ref().map(|tenant| tenant.id);
    let begun = state.sign_in.begin_enrolment_in_browser(sign_on, tenant).await.map_err(Problem::from)?;
    let picture = begun.qr_code.expose_secret();
    let secret: Vec<u8> = begun.secret.expose_secret().bytes().collect();
    let groups: Vec<_> = secret.chunks(4).map(String::from_utf8_lossy).collect();
    let values = json!({
        "person": authorize::person(sign_on),
        "picture": picture.find("<svg").map(|start| &picture[start..]),
        "secret": groups.join(" "),
        "query": asked.parameters.to_query(),
        "other_query": asked.query_of_another_account(),
    });
    Ok(page::render(StatusCode::OK, "enrolment.html", &values))
}

/// Checks the digits, and shows the recovery codes. The query is that of the authorization endpoint.
pub async fn submit(
    _at: AtIdentity,
    state: web::Data<State>,
    request: HttpRequest,
    cookie: Result<SignOnCookie, Problem>,
    client::From(origin): client::From,
    body: Result<Body, Problem>,
) -> Result<HttpResponse, PageError> {
    let form = match PageForm::read(&state, &request, cookie, body).await {
        Ok(form) => form,
        Err(refusal) => return Ok(refusal.into_response()),
    };
    let opened = form.sign_on(&state).await?;
    let PageForm { fields, asked, .. } = form;
    let query = asked.parameters.to_query();
    // A person who was signed out meanwhile, or waited too long, begins again.
    let Some(sign_on) = opened.filter(SignOn::is_recent) else { return Ok(authorize::go_on(&query)) };
    let code = SecretString::from(fields.get("code").unwrap_or_default());
    let (user, place) = (sign_on.user_id, EnrolsIn::SignOn(sign_on.id));
    let mut wait = None;
    let (status, text) = match state.sign_in.confirm_enrolment(user, place, &code, &origin).await {
        Ok(codes) => {
            let codes: Vec<&str> = codes.iter().map(|code| code.expose_secret()).collect();
            let values = json!({"codes": codes, "query": query});
            return Ok(page::render(StatusCode::OK, "recovery_codes.html", &values));
        }
        Err(SecondFactorError::AlreadyEnabled | SecondFactorError::NotEnabled) => {
            return Ok(authorize::go_on(&query));
        }
        Err(error @ SecondFactorError::TooManyAttempts(seconds)) => {
            wait = Some(seconds);
            (StatusCode::TOO_MANY_REQUESTS, sentence(&error))
        }
        Err(SecondFactorError::Wrong) => {
            let text = "The digits are wrong. Enter those that the app shows now.";
            (StatusCode::UNPROCESSABLE_ENTITY, text.to_owned())
        }
        Err(error) => return Err(Problem::from(error).into()),
    };
    let values = json!({
        "person": authorize::person(&sign_on),
        "query": query,
        "other_query": asked.query_of_another_account(),
        "error": text,
    });
    Ok(page::retry_after(page::render(status, "enrolment.html", &values), wait))
}
