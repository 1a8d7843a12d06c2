//! What programs need to know before they ask for access tokens (RFC 8414).

use actix_web::http::{Uri, header};
use actix_web::{HttpResponse, get, web};
use serde_json::json;
use tenancy::{HostName, HostTarget};

use crate::http::codes::Code;
use crate::http::problem::Problem;
use crate::http::state::State;

/// Describe the authorization server
///
/// Returns the addresses and the abilities of the authorization server (RFC 8414), if `identity.issuer` in
/// the configuration is the address of the host id.
#[utoipa::path(tag = "provider", operation_id = "describeAuthorizationServer",
    responses((status = 200, description = "The metadata of the authorization server")), security(()))]
#[get("/.well-known/oauth-authorization-server")]
pub async fn show(state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let issuer = state.tokens.issuer();
    let host = issuer.parse::<Uri>().ok().and_then(|uri| HostName::parse(uri.authority()?.as_str()).ok());
    if host.is_none_or(|host| state.resolver.target(&host, "/") != HostTarget::Identity) {
        let detail = "The setting identity.issuer is not the address of the host id, such as \
                      https://id.example.com, so programs cannot discover the token endpoint.";
        return Err(Problem::new(Code::NotFound, detail));
    }
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "public, max-age=300")).json(json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}/oauth/token"),
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "response_types_supported": [],
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "service_documentation": format!("{issuer}/docs"),
    })))
}
