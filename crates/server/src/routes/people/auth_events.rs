//! Events of the accounts and the access of the members of a business.

use actix_web::{HttpResponse, get, web};
use tenancy::SharedScope;

use crate::http::caller::{Caller, may};
use crate::http::lists::{List, PageView, Paging};
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::routes::signing_in::events::{AuthEventView, ListEvents, respond};

/// List authentication events
///
/// Returns the events of this business, newest first: sign-ins, also failed ones, sessions that ended, and
/// changes of members and roles. With format=csv, the response is a table of all events, which
/// needs a sign-in of the last 15 minutes.
#[utoipa::path(tag = "team", operation_id = "listAuthEvents", params(ListEvents, Paging),
    responses((status = 200, body = PageView<AuthEventView>)))]
#[get("/auth-events")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::AuditRead>,
    query: List<ListEvents>,
) -> Result<HttpResponse, Problem> {
    respond(state, SharedScope::Tenant(caller.tenant.id), caller.person(), query).await
}
