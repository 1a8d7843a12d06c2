//! The public keys with which other programs verify access tokens.

use actix_web::http::header;
use actix_web::{HttpResponse, get, web};
use serde_json::json;

use crate::http::state::State;

/// List public keys
///
/// Returns the keys that verify access tokens (RFC 7517).
#[utoipa::path(tag = "auth", operation_id = "listPublicKeys",
    responses((status = 200, description = "A JSON Web Key Set")), security(()))]
#[get("/.well-known/jwks.json")]
pub async fn jwks(state: web::Data<State>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "public, max-age=300"))
        .json(json!({"keys": [state.tokens.public_key()]}))
}
