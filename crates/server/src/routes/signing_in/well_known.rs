//! The public keys with which other programs verify access tokens.

use actix_web::http::header;
use actix_web::{HttpResponse, get, web};
use identity::key_ring;
use serde_json::json;

use crate::http::state::State;

/// List public keys
///
/// Returns the keys that verify access tokens (RFC 7517): the present one, the next one, and former ones
/// whose tokens are still valid. They may be kept for five minutes. A key is published before it signs.
#[utoipa::path(tag = "auth", operation_id = "listPublicKeys",
    responses((status = 200, description = "A JSON Web Key Set")), security(()))]
#[get("/.well-known/jwks.json")]
pub async fn jwks(state: web::Data<State>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, format!("public, max-age={}", key_ring::PUBLISHED_FOR_S)))
        .json(json!({"keys": state.keys.public_keys()}))
}
