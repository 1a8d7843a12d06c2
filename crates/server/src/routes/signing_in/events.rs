//! Authentication events as clients see them: in JSON, and as rows of a table.

use std::net::IpAddr;

use actix_web::HttpResponse;
use actix_web::web::{self, Bytes};
use chrono::{DateTime, SecondsFormat, Utc};
use futures_util::stream;
use identity::auth_event::{AuthAction, AuthEventId};
use identity::auth_log::{self, EventFilter, LoggedEvent};
use identity::{Principal, SessionId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenancy::{SharedScope, SharedTx, TenantId};
use utoipa::{IntoParams, ToSchema};
use values::{Key as _, Moment, guard_formula};

use crate::http::client::ClientAddress;
use crate::http::csv::{self, Format};
use crate::http::lists::{List, PageView};
use crate::http::problem::Problem;
use crate::http::recent::require_recent;
use crate::http::state::State;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthEventView {
    id: AuthEventId,
    occurred_at: DateTime<Utc>,
    /// The name of the action.
    #[schema(example = "session.started")]
    #[schema(value_type = AuthAction)]
    action: String,
    /// The reason why it failed; null if it did not.
    #[schema(example = "wrong_password")]
    failure: Option<String>,
    /// The business, if there is one.
    tenant_id: Option<TenantId>,
    /// The app, if there is one.
    #[schema(example = "inventory")]
    app: Option<String>,
    /// The person who acted; null if it was nobody who is known, or the operator of the platform.
    actor_id: Option<UserId>,
    /// The name of that person; null if you cannot see the person, or if the account was deleted.
    actor_name: Option<String>,
    /// Who acted for the operator of the platform; null if it was not the operator.
    #[schema(example = "operator")]
    operator: Option<String>,
    /// The person whose account or access it is; null if it is not known.
    user_id: Option<UserId>,
    /// The name of that person; null if you cannot see the person, or if the account was deleted.
    user_name: Option<String>,
    /// The session, if there is one.
    session_id: Option<SessionId>,
    /// The address of the client.
    #[schema(value_type = Option<String>, example = "192.0.2.7")]
    address: Option<IpAddr>,
    /// The program of the client, as it names itself.
    #[schema(example = "Mozilla/5.0")]
    user_agent: Option<String>,
    /// The device, as its user named it.
    #[schema(example = "Till 1")]
    device: Option<String>,
    /// Further facts. The keys depend on the action.
    #[schema(value_type = Object, example = json!({"roles": ["STAFF"]}))]
    details: Value,
}

impl From<LoggedEvent> for AuthEventView {
    fn from(event: LoggedEvent) -> Self {
        Self {
            id: event.id,
            occurred_at: event.occurred_at,
            action: event.action,
            failure: event.failure,
            tenant_id: event.tenant_id,
            app: event.app,
            actor_id: event.actor_id,
            actor_name: event.actor_name,
            operator: event.operator,
            user_id: event.user_id,
            user_name: event.user_name,
            session_id: event.session_id,
            address: event.address,
            user_agent: event.user_agent,
            device: event.device,
            details: event.details,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListEvents {
    /// The business. Defaults to all businesses that the host shows.
    tenant_id: Option<TenantId>,
    /// The person who acted, or whose account or access it is. Defaults to everybody.
    user_id: Option<UserId>,
    /// The action. Defaults to all actions.
    action: Option<AuthAction>,
    /// true: only what failed. false: only what did not. Defaults to both.
    failed: Option<bool>,
    /// The address of the client. Defaults to all addresses.
    address: Option<ClientAddress>,
    /// Events of this time and later. Defaults to the oldest event.
    from: Option<Moment>,
    /// Events before this time. Defaults to the newest event.
    until: Option<Moment>,
    /// The format of the response. Defaults to json. csv returns all events, without pages.
    format: Option<Format>,
}

/// The answer to a list of events that this scope shows: a page, or a table of all. `person` asks, if it is
/// no program.
pub(crate) async fn respond(
    state: web::Data<State>,
    scope: SharedScope,
    person: Option<&Principal>,
    List { query, page }: List<ListEvents>,
) -> Result<HttpResponse, Problem> {
    let own = match scope {
        SharedScope::Tenant(tenant) => Some(tenant),
        SharedScope::Public | SharedScope::User(_) | SharedScope::Platform => None,
    };
    let filter = EventFilter {
        tenant: query.tenant_id.or(own),
        user: query.user_id,
        action: query.action,
        has_failed: query.failed,
        address: query.address.map(|address| address.0),
        from: query.from.map(Moment::time),
        until: query.until.map(Moment::time),
        is_platform: scope == SharedScope::Platform,
    };
    if query.format == Some(Format::Csv) {
        person.map_or(Ok(()), require_recent)?;
        return table(state, scope, filter).await;
    }
    let page = page.request()?;
    let list = async |tx: &SharedTx| auth_log::list(tx, &filter, &page).await;
    let page = state.database.read_shared(scope, list).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, |event| AuthEventView::from(seen_from(scope, event)))))
}

/// Outside the platform, nobody learns which of its staff acted.
fn seen_from(scope: SharedScope, event: LoggedEvent) -> LoggedEvent {
    match scope {
        SharedScope::Platform => event,
        _ => event.for_outsiders(),
    }
}

/// A row of a table, with the names of the JSON document.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Row {
    id: Option<String>,
    occurred_at: Option<String>,
    action: Option<String>,
    failure: Option<String>,
    tenant_id: Option<String>,
    app: Option<String>,
    actor_id: Option<String>,
    actor_name: Option<String>,
    operator: Option<String>,
    user_id: Option<String>,
    user_name: Option<String>,
    session_id: Option<String>,
    address: Option<String>,
    user_agent: Option<String>,
    device: Option<String>,
    details: Option<String>,
}

impl From<LoggedEvent> for Row {
    fn from(event: LoggedEvent) -> Self {
        let mut row = Self {
            id: Some(event.id.to_string()),
            occurred_at: Some(event.occurred_at.to_rfc3339_opts(SecondsFormat::Micros, true)),
            action: Some(event.action),
            failure: event.failure,
            tenant_id: event.tenant_id.map(|id| id.to_string()),
            app: event.app,
            actor_id: event.actor_id.map(|id| id.to_string()),
            actor_name: event.actor_name,
            operator: event.operator,
            user_id: event.user_id.map(|id| id.to_string()),
            user_name: event.user_name,
            session_id: event.session_id.map(|id| id.to_string()),
            address: event.address.map(|address| address.to_string()),
            user_agent: event.user_agent,
            device: event.device,
            details: Some(event.details.to_string()),
        };
        let written = [&mut row.actor_name, &mut row.user_name, &mut row.user_agent, &mut row.device];
        written.into_iter().filter_map(Option::as_mut).for_each(guard_formula);
        row
    }
}

/// Events that are read at once for a table.
const CHUNK: i64 = 1000;

/// A table of all events. They are read while they are sent, so a long log takes no memory.
async fn table(
    state: web::Data<State>,
    scope: SharedScope,
    filter: EventFilter,
) -> Result<HttpResponse, Problem> {
    let first = chunk(&state, scope, &filter, AuthEventId::highest(), true).await?;
    let rows = stream::try_unfold(Some(first), move |chunk_before| {
        let (state, filter) = (state.clone(), filter.clone());
        async move {
            let Some((bytes, last)) = chunk_before else { return Ok(None) };
            let next = match last {
                Some(last) => Some(chunk(&state, scope, &filter, last, false).await?),
                None => None,
            };
            Ok::<_, Problem>(Some((Bytes::from(bytes), next)))
        }
    });
    Ok(csv::response("authentication-events").streaming(rows))
}

/// The next rows as bytes, and the last event if there may be more.
async fn chunk(
    state: &State,
    scope: SharedScope,
    filter: &EventFilter,
    before: AuthEventId,
    is_first: bool,
) -> Result<(Vec<u8>, Option<AuthEventId>), Problem> {
    let read = async |tx: &SharedTx| auth_log::up_to(tx, filter, before, CHUNK).await;
    let events = state.database.read_shared(scope, read).await?;
    let last = events.last().filter(|_| events.len() as i64 == CHUNK).map(|event| event.id);
    let rows: Vec<Row> = events.into_iter().map(|event| Row::from(seen_from(scope, event))).collect();
    let is_empty = rows.is_empty() && is_first;
    Ok((if is_empty { csv::names(&Row::default())? } else { csv::table(&rows, is_first)? }, last))
}
