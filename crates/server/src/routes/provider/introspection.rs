//! Whether a token is valid, for programs that do not verify it themselves (RFC 7662).

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, post, web};
use identity::token_claims::{self, LiveToken};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::http::extract::Body;
use crate::http::host_owner::AtIdentity;
use crate::http::oauth_error::{Kind, OAuthError};
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::routes::provider::client_authentication::Presented;
use crate::routes::provider::parameters::Parameters;
use crate::routes::provider::resource;

/// The parameters of a request, as the API document shows them.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "the parameters are read one by one, because none of them may be repeated")]
pub struct IntrospectionRequest {
    /// The access token.
    token: String,
    /// The client id, if the request has no header Authorization: Basic.
    client_id: Option<String>,
    /// The secret, if the request has no header Authorization: Basic.
    client_secret: Option<String>,
}

/// Check a token
///
/// Tells a program with a secret whether an access token of its app is valid at this moment, and what it
/// contains (RFC 7662). For every other token, active is false, and for one with which the staff of the
/// platform act as a member.
#[utoipa::path(tag = "provider", operation_id = "introspectToken",
    request_body(content = IntrospectionRequest, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "What the token contains", body = Value)), security(()))]
#[post("/oauth/introspect")]
pub async fn introspect(
    _at: AtIdentity,
    state: web::Data<State>,
    request: HttpRequest,
    body: Result<Body, Problem>,
) -> Result<HttpResponse, OAuthError> {
    let parameters = Parameters::of_form(request.headers(), body)?;
    let client = Presented::read(request.headers(), &parameters)?.authenticate(&state).await?;
    if client.is_public {
        let text = "A program without a secret cannot check tokens.";
        return Err(OAuthError::new(Kind::InvalidClient, text));
    }
    let token = parameters.require("token")?;
    state.tokens.check_ready()?;
    let read = LiveToken::read(&state.tokens, &state.revocations, token).await?;
    let answer = match read.ok().filter(|token| token.concerns(&client) && !token.is_of_staff()) {
        Some(token) if resource::is_open(&state, token.tenant()).await? => {
            token.introspection(state.tokens.issuer())
        }
        _ => token_claims::inactive(),
    };
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(answer))
}
