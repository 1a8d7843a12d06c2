//! What other programs need in order to trust our tokens.

use actix_web::http::header;
use actix_web::{HttpResponse, get, web};
use serde_json::json;

use crate::http::state::State;

/// Public keys
///
/// The keys that sign access tokens (RFC 7517).
#[utoipa::path(tag = "auth", responses((status = 200, description = "A JSON Web Key Set")), security(()))]
#[get("/.well-known/jwks.json")]
pub async fn jwks(state: web::Data<State>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "public, max-age=300"))
        .json(json!({"keys": [state.tokens.public_key()]}))
}
