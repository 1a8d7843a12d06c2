//! The form in which a person gives the second factor.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use identity::second_factor::SecondFactorError;
use secrecy::SecretString;

use crate::http::client;
use crate::http::extract::Body;
use crate::http::host_owner::AtIdentity;
use crate::http::problem::{Problem, sentence};
use crate::http::sign_on_cookie::SignOnCookie;
use crate::http::state::State;
use crate::pages::error::PageError;
use crate::pages::page;
use crate::routes::provider::authorize;
use crate::routes::provider::page_form::PageForm;

/// Checks the code. The query is that of the authorization endpoint.
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
    // A person who was signed out meanwhile signs in again.
    let Some(sign_on) = opened.filter(|sign_on| sign_on.needs_second_factor) else {
        return Ok(authorize::go_on(&asked.parameters.to_query()));
    };
    let code = SecretString::from(fields.get("code").unwrap_or_default());
    let mut wait = None;
    let (status, error) = match state.sign_in.complete_sign_on(&sign_on, &code, &origin).await {
        Ok(()) => return Ok(authorize::go_on(&asked.parameters.to_query())),
        Err(error @ SecondFactorError::TooManyAttempts(seconds)) => {
            wait = Some(seconds);
            (StatusCode::TOO_MANY_REQUESTS, error)
        }
        Err(error @ (SecondFactorError::Wrong | SecondFactorError::Required)) => {
            (StatusCode::UNAUTHORIZED, error)
        }
        Err(error) => return Err(Problem::from(error).into()),
    };
    let page = authorize::ask_for_second_factor(&asked, &sign_on, Some(&sentence(&error)), status);
    Ok(page::retry_after(page, wait))
}
