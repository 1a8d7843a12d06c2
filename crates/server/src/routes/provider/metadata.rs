//! What programs need to know before they ask for access tokens (RFC 8414).

use actix_web::http::header;
use actix_web::{HttpResponse, get, web};
use serde_json::json;

use crate::http::state::State;

/// Describe the authorization server
///
/// Returns the addresses and the abilities of the authorization server (RFC 8414).
#[utoipa::path(tag = "provider", operation_id = "describeAuthorizationServer",
    responses((status = 200, description = "The metadata of the authorization server")), security(()))]
#[get("/.well-known/oauth-authorization-server")]
pub async fn show(state: web::Data<State>) -> HttpResponse {
    let issuer = state.tokens.issuer();
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "public, max-age=300")).json(json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}/oauth/token"),
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "response_types_supported": [],
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "service_documentation": format!("{issuer}/docs"),
    }))
}
