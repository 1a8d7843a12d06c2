//! Events from the past, for clients that catch up.

use actix_web::{HttpResponse, get, web};
use events::{Extent, stored};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenancy::{SharedScope, SharedTx};
use utoipa::{IntoParams, ToSchema};
use values::Limit;

use crate::http::caller::{Caller, may};
use crate::http::codes::Code;
use crate::http::extract::Query;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::routes::events::live::EventView;
use crate::routes::events::position::{Position, ResetReason};
use crate::routes::events::topics::Chosen;

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListEvents {
    /// The position of the last event that you have seen. Defaults to the beginning of what is kept.
    #[param(max_length = 40, example = "4f2a91c0.1207")]
    after: Option<String>,
    /// Only these topics, separated by commas: names such as order.placed, or groups such as order.*.
    /// Defaults to all topics that you may see.
    #[param(max_length = 1000, example = "order.*,stock.adjusted")]
    topics: Option<String>,
    /// The number of events that are looked at, 1 to 100. Defaults to 50.
    limit: Option<Limit>,
}

/// A page of events, oldest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventsView {
    /// The events of the chosen topics that you may see. There may be fewer than limit, and more may follow.
    #[schema(value_type = Vec<EventView<'static>>)]
    data: Vec<Value>,
    /// The position after which the next page, or the stream of live events, goes on.
    #[schema(example = "4f2a91c0.1257")]
    next: String,
    /// Whether more events follow at the moment.
    more: bool,
}

/// List past events
///
/// Returns the events after a position, oldest first. Events are kept for seven days. If events after the
/// position were deleted, or the position belongs to another database, the answer is 410 events_gone: read
/// again what you show.
#[utoipa::path(tag = "events", operation_id = "listEvents", params(ListEvents),
    responses((status = 200, body = EventsView)))]
#[get("/events/history")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::CatalogueRead>,
    Query(query): Query<ListEvents>,
) -> Result<HttpResponse, Problem> {
    let chosen = Chosen::parse(query.topics.as_deref())?;
    let asked = query.after.as_deref().map(|text| Position::parse(text).ok_or_else(no_position));
    let asked = asked.transpose()?;
    let limit = query.limit.unwrap_or_default();
    let tenant = caller.scope().tenant().id;
    let read = async |tx: &SharedTx| {
        let extent = stored::extent(tx, tenant).await?;
        let after = asked.as_ref().map_or(extent.before_first, |position| position.last);
        let events = stored::after(tx, tenant, after, limit.rows()).await?;
        Ok::<_, tenancy::DbError>((extent, after, events))
    };
    let (extent, after, events) = state.database.read_shared(SharedScope::Tenant(tenant), read).await?;
    if let Some(position) = &asked {
        position.check(&extent).map_err(|reason| gone(reason, &extent))?;
    }
    let last = events.last().map_or(after, |event| event.position);
    let shown = events.iter().filter(|event| chosen.includes(&event.topic, &caller));
    let view = EventsView {
        data: shown
            .map(|event| serde_json::to_value(EventView::new(event, &extent.epoch)))
            .collect::<Result<_, _>>()
            .map_err(Problem::internal)?,
        more: last < extent.last,
        next: Position { epoch: extent.epoch, last }.to_string(),
    };
    Ok(HttpResponse::Ok().json(view))
}

fn no_position() -> Problem {
    Problem::invalid_parameter("after", "it must be the position of an event, or the field next of a page")
}

fn gone(reason: ResetReason, extent: &Extent) -> Problem {
    let detail = match reason {
        ResetReason::TooOld => "Events after this position were deleted, because they are too old.",
        _ => "The position belongs to another database, or to a time before a restore.",
    };
    Problem::new(Code::EventsGone, detail).with("next", Position::end(extent).to_string().into())
}
