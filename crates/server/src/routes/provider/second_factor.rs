//! The form in which a person gives the second factor.

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use identity::second_factor::SecondFactorError;
use identity::sign_on;
use secrecy::SecretString;
use tenancy::{SharedScope, SharedTx};

use crate::http::client;
use crate::http::extract::Body;
use crate::http::host_owner::AtIdentity;
use crate::http::problem::{Problem, sentence};
use crate::http::sign_on_cookie::SignOnCookie;
use crate::http::state::State;
use crate::pages::error::PageError;
use crate::routes::provider::authorization_request::AuthorizationRequest;
use crate::routes::provider::sign_in::refuse_other_pages;
use crate::routes::provider::{authorize, parameters};

/// Checks the code. The query is that of the authorization endpoint.
pub async fn submit(
    _at: AtIdentity,
    state: web::Data<State>,
    request: HttpRequest,
    cookie: Result<SignOnCookie, Problem>,
    client::From(origin): client::From,
    body: Result<Body, Problem>,
) -> Result<HttpResponse, PageError> {
    let cookie = cookie?;
    refuse_other_pages(&cookie)?;
    let form = parameters::of_page(request.headers(), &body?.0).map_err(PageError::bad_request)?;
    let asked = match AuthorizationRequest::read(&state, request.query_string()).await {
        Ok(asked) => asked,
        Err(refusal) => return Ok(refusal.into_response()),
    };
    let open = async |tx: &SharedTx| match cookie.secret() {
        Some(secret) => sign_on::open(tx, secret, &state.sign_in.terms).await,
        None => Ok(None),
    };
    let opened = state.database.write_shared(SharedScope::Public, open).await?;
    // Whoever was signed out meanwhile signs in again.
    let Some(sign_on) = opened.filter(|sign_on| sign_on.needs_second_factor) else {
        return Ok(authorize::go_on(&asked.parameters.to_query()));
    };
    let code = SecretString::from(form.get("code").unwrap_or_default());
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
    let mut page = authorize::ask_for_second_factor(&asked, &sign_on, Some(&sentence(&error)), status);
    if let Some(seconds) = wait {
        page.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    Ok(page)
}
