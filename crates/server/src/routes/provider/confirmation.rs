//! The form with which a person confirms that a program on their own machine asks who they are.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::http::host_owner::AtIdentity;
use crate::http::problem::Problem;
use crate::http::sign_on_cookie::SignOnCookie;
use crate::http::state::State;
use crate::pages::error::PageError;
use crate::routes::provider::authorization_request::AuthorizationRequest;
use crate::routes::provider::authorize;
use crate::routes::provider::sign_in::refuse_other_pages;

/// Goes on. The query is that of the authorization endpoint.
pub async fn submit(
    _at: AtIdentity,
    state: web::Data<State>,
    request: HttpRequest,
    cookie: Result<SignOnCookie, Problem>,
) -> Result<HttpResponse, PageError> {
    let cookie = cookie?;
    refuse_other_pages(&cookie)?;
    match AuthorizationRequest::read(&state, request.query_string()).await {
        Ok(asked) => authorize::go_on_after_confirmation(&state, &asked, &cookie).await,
        Err(refusal) => Ok(refusal.into_response()),
    }
}
