//! The sessions of the signed-in user: on which devices they are signed in, and where.

use actix_web::{HttpResponse, delete, get, web};
use chrono::{DateTime, Utc};
use identity::auth_event::By;
use identity::session::{self, Session, Which};
use identity::{AppSlug, SessionId};
use serde::{Deserialize, Serialize};
use tenancy::{SharedScope, SharedTx};
use utoipa::{IntoParams, ToSchema};

use crate::http::caller::SignedIn;
use crate::http::client;
use crate::http::extract::{PathId, Query};
use crate::http::lists::{NoParameters, PageView};
use crate::http::problem::Problem;
use crate::http::state::State;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionView {
    id: SessionId,
    /// Whether this is the session of the request.
    is_current: bool,
    /// The app to which the user signed in.
    #[schema(example = "inventory")]
    app: AppSlug,
    /// The name of the business; null for a session of an app without businesses.
    #[schema(example = "Acme Ltd")]
    business: Option<String>,
    /// The program that got the session, if it did so by single sign-on; otherwise null.
    #[schema(example = json!(null))]
    program: Option<String>,
    /// The name of the device, as its user gave it at sign-in; null without a name.
    #[schema(example = "Till 1")]
    device: Option<String>,
    /// The program, as it names itself; null if it does not.
    #[schema(example = "Mozilla/5.0")]
    user_agent: Option<String>,
    /// The address from which the session was last refreshed.
    #[schema(value_type = Option<String>, example = "192.0.2.7")]
    address: Option<std::net::IpAddr>,
    /// The time of the sign-in.
    first_seen_at: DateTime<Utc>,
    /// The time of the sign-in or of the last refresh.
    last_seen_at: DateTime<Utc>,
    /// The time at which the session ends, if it is not refreshed.
    expires_at: DateTime<Utc>,
    /// Whether the staff of the platform act as you in this session.
    is_impersonation: bool,
}

impl SessionView {
    pub(crate) fn new(session: Session, current: SessionId) -> Self {
        Self {
            is_current: session.id == current,
            id: session.id,
            app: session.app,
            business: session.business,
            program: session.program,
            device: session.device,
            user_agent: session.user_agent,
            address: session.address,
            first_seen_at: session.created_at,
            last_seen_at: session.last_seen_at,
            expires_at: session.idle_expires_at,
            is_impersonation: session.is_impersonation,
        }
    }
}

/// List sessions
///
/// Returns all sessions of the signed-in user, at every business, the last used first.
#[utoipa::path(tag = "auth", operation_id = "listSessions",
    responses((status = 200, body = PageView<SessionView>)))]
#[get("/auth/sessions")]
pub async fn list(
    state: web::Data<State>,
    caller: SignedIn,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let (user, current) = (caller.principal.user, caller.principal.session);
    let list = async |tx: &SharedTx| session::list(tx, user).await;
    let sessions = state.database.read_shared(SharedScope::User(user.into()), list).await?;
    Ok(HttpResponse::Ok().json(PageView::whole(sessions, |session| SessionView::new(session, current))))
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct EndSessions {
    /// true: the session of this request goes on. Defaults to false: it ends, too.
    #[serde(default)]
    keep_current: bool,
}

/// End all sessions
///
/// Ends all sessions of the signed-in user, at every business.
#[utoipa::path(tag = "auth", operation_id = "endSessions", params(EndSessions),
    responses((status = 204, description = "Ended")))]
#[delete("/auth/sessions")]
pub async fn end_all(
    state: web::Data<State>,
    caller: SignedIn,
    client::From(origin): client::From,
    Query(query): Query<EndSessions>,
) -> Result<HttpResponse, Problem> {
    let (user, current) = (caller.principal.user, caller.principal.session);
    let which = if query.keep_current { Which::AllBut(current) } else { Which::All };
    let revoke =
        async |tx: &SharedTx| session::revoke(tx, user, which, "revoked", By::person(user, &origin)).await;
    state.database.write_shared(SharedScope::User(user.into()), revoke).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// End a session
///
/// Ends one session of the signed-in user, for example on a lost device. If it began with a single sign-on,
/// that ends too, with all other sessions that began with it.
#[utoipa::path(tag = "auth", operation_id = "endSession", responses((status = 204, description = "Ended")),
    params(("id" = SessionId, Path,)))]
#[delete("/auth/sessions/{id}")]
pub async fn end(
    state: web::Data<State>,
    caller: SignedIn,
    client::From(origin): client::From,
    PathId(id): PathId<SessionId>,
) -> Result<HttpResponse, Problem> {
    let (user, which) = (caller.principal.user, Which::Device(id));
    let revoke =
        async |tx: &SharedTx| session::revoke(tx, user, which, "revoked", By::person(user, &origin)).await;
    match state.database.write_shared(SharedScope::User(user.into()), revoke).await? {
        0 => Err(Problem::not_found()),
        _ => Ok(HttpResponse::NoContent().finish()),
    }
}
