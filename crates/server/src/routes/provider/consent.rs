//! The form in which a person decides whether somebody else's program learns who they are.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use identity::place::{self, Place};
use identity::{consent, sign_on};
use tenancy::{DbError, SharedScope, SharedTx};

use crate::http::client;
use crate::http::extract::Body;
use crate::http::host_owner::AtIdentity;
use crate::http::oauth_error::{Kind, OAuthError};
use crate::http::problem::Problem;
use crate::http::sign_on_cookie::SignOnCookie;
use crate::http::state::State;
use crate::pages::error::PageError;
use crate::routes::provider::authorize;
use crate::routes::provider::page_form::PageForm;

/// Keeps the decision. The query is that of the authorization endpoint.
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
    let PageForm { cookie, fields, asked } = form;
    match fields.get("decision") {
        Some("allow") => {}
        Some("deny") => {
            let error = OAuthError::new(Kind::AccessDenied, "The user did not allow it.");
            return Ok(asked.back.refuse(&error));
        }
        _ => {
            let text = "Choose whether to allow it.";
            return Err(PageError::new(StatusCode::BAD_REQUEST, "This does not work", text));
        }
    }
    state
        .database
        .write_shared(SharedScope::Public, async |tx: &SharedTx| {
            let Some(secret) = cookie.secret() else { return Ok(()) };
            let opened = sign_on::open(tx, secret, &state.sign_in.terms).await?;
            let Some(sign_on) = opened.filter(|sign_on| !sign_on.needs_second_factor) else { return Ok(()) };
            let client = &asked.client;
            let tenant = asked.business.as_ref().map(|tenant| tenant.id);
            let places = place::list(tx, sign_on.user_id, &client.app).await?;
            // Whoever was signed out meanwhile signs in, and is asked again.
            let is_here = |place: &&Place| {
                place.tenant_id == tenant
                    && place.sign_in_again_since.is_none_or(|since| sign_on.authenticated_at >= since)
            };
            let Some(place) = places.iter().find(is_here) else { return Ok(()) };
            let (who, program) = ((sign_on.user_id, place), (&client.id, &client.app));
            consent::give(tx, who, program, &asked.scopes, &origin).await?;
            Ok::<_, DbError>(())
        })
        .await?;
    // The question was answered, and login was asked for before.
    Ok(authorize::go_on(&asked.parameters.with("prompt", None).to_query()))
}
