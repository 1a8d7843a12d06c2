//! Whether the process lives, and whether it can work.

use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::{HttpResponse, get, web};
use serde_json::json;

use crate::http::problem::Problem;
use crate::http::state::State;

/// Alive?
///
/// 200 as long as the process answers at all.
#[utoipa::path(tag = "health", responses((status = 200, description = "It is")), security(()))]
#[get("/livez")]
pub async fn livez() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok"}))
}

/// Ready for work?
///
/// 503 while the database does not answer or the server is shutting down.
#[utoipa::path(tag = "health", responses((status = 200, description = "It is")), security(()))]
#[get("/readyz")]
pub async fn readyz(state: web::Data<State>) -> Result<HttpResponse, Problem> {
    if state.draining.load(Ordering::Relaxed) {
        return Err(Problem::unavailable("shutting_down", "This server is shutting down.", 5));
    }
    match tokio::time::timeout(Duration::from_secs(2), state.database.ping()).await {
        Ok(Ok(())) => Ok(HttpResponse::Ok().json(json!({"status": "ok"}))),
        Ok(Err(error)) => {
            Err(Problem::unavailable("database_unavailable", "The database does not answer.", 2)
                .caused_by(error))
        }
        Err(_) => {
            Err(Problem::unavailable("database_unavailable", "The database does not answer in time.", 2))
        }
    }
}
