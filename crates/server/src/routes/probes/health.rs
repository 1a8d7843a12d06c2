//! Probes: whether the process runs, and whether it can serve requests.

use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::{HttpResponse, get, web};
use serde_json::json;
use tenancy::{DbError, ServerState};

use crate::http::codes::Code;
use crate::http::problem::Problem;
use crate::http::state::State;

/// Check that the process runs
///
/// Answers 200 while the process runs.
#[utoipa::path(tag = "health", operation_id = "checkAlive",
    responses((status = 200, description = "The process runs")), security(()))]
#[get("/livez")]
pub async fn livez() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok"}))
}

/// Check that the server can serve requests
///
/// Answers 503 while the database is not reachable or takes no changes, and while the server is shutting
/// down.
#[utoipa::path(tag = "health", operation_id = "checkReady",
    responses((status = 200, description = "The server can serve requests")), security(()))]
#[get("/readyz")]
pub async fn readyz(state: web::Data<State>) -> Result<HttpResponse, Problem> {
    if state.draining.load(Ordering::Relaxed) {
        return Err(Problem::unavailable(Code::ShuttingDown, "This server is shutting down.", 5));
    }
    let unavailable = |detail| Problem::unavailable(Code::DatabaseUnavailable, detail, 2);
    let is_watched = match state.database.server_state() {
        ServerState::Unreachable => return Err(unavailable("The database cannot be reached.")),
        ServerState::Silent => return Err(unavailable("The database does not answer.")),
        ServerState::ReadOnly => return Err(unavailable("The database is read-only at the moment.")),
        ServerState::Ready => true,
        ServerState::Unknown => false,
    };
    match tokio::time::timeout(Duration::from_secs(2), state.database.ping()).await {
        Ok(Ok(())) => {}
        // The database answers, and all connections are at work. That is no reason to send requests
        // elsewhere.
        Err(_) | Ok(Err(DbError::Exhausted(_))) if is_watched && !state.database.is_server_late() => {}
        Ok(Err(error)) => return Err(unavailable("The database cannot be reached.").caused_by(error)),
        Err(_) => return Err(unavailable("The database did not answer in time.")),
    }
    if !state.keys.is_ready() {
        return Err(Problem::unavailable(Code::Unavailable, "This server has not read its keys yet.", 1));
    }
    Ok(HttpResponse::Ok().json(json!({"status": "ok"})))
}
