//! Events of accounts and access on the whole platform, for its staff.

use actix_web::{HttpResponse, get, web};
use tenancy::SharedScope;

use crate::http::caller::{Staff, may};
use crate::http::lists::{List, PageView, Paging};
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::routes::signing_in::events::{AuthEventView, ListEvents, respond};

/// List all authentication events
///
/// Returns the events of all businesses and of the platform, newest first. With format=csv, the response is a
/// table of all events, which needs a sign-in of the last 15 minutes.
#[utoipa::path(tag = "platform", operation_id = "listAllAuthEvents", params(ListEvents, Paging),
    responses((status = 200, body = PageView<AuthEventView>)))]
#[get("/platform/auth-events")]
pub async fn list(
    state: web::Data<State>,
    staff: Staff<may::UsersRead>,
    query: List<ListEvents>,
) -> Result<HttpResponse, Problem> {
    respond(state, SharedScope::Platform, Some(&staff.principal), query).await
}
