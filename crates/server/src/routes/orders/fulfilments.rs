//! Fulfilments: goods that leave for a reserved order.

use actix_web::{HttpResponse, post, web};
use chrono::{DateTime, Utc};
use inventory::fulfilment::{self, Fulfilment, FulfilmentLine, NewFulfilment};
use inventory::{FulfilmentId, LocationId, OrderId, OrderLineId, Part};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use values::{ActorId, Currency, Positive, Quantity};

use crate::http::caller::may;
use crate::http::codes::Code;
use crate::http::etag::Tag;
use crate::http::extract::PathId;
use crate::http::money::with_currency;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::submission::{Answer, Key, RequiredKey, Submission};
use crate::routes::orders::customer_orders::OrderView;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FulfilOrder {
    /// Chosen by the client. The server recognises a repeated request by this id, even after its
    /// Idempotency-Key has expired. Defaults to a new id.
    id: Option<FulfilmentId>,
    /// The location that the goods leave. If it is not the location of the order, the goods that are reserved
    /// there are released. Defaults to the location of the order.
    location_id: Option<LocationId>,
    /// The quantities that leave. Defaults to everything that is open.
    lines: Option<Vec<FulfilLine>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FulfilLine {
    /// The line of the order.
    line_id: OrderLineId,
    /// The quantity that leaves, in sale units, greater than zero.
    quantity: Positive<Quantity>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FulfilmentView {
    id: FulfilmentId,
    /// The location that the goods left.
    location_id: LocationId,
    /// The quantities that left.
    lines: Vec<FulfilmentLineView>,
    /// The user or program that posted the fulfilment; null for the platform.
    actor: ActorId,
    fulfilled_at: DateTime<Utc>,
    /// The order after the fulfilment.
    order: OrderView,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FulfilmentLineView {
    /// The line of the order.
    line_id: OrderLineId,
    /// The quantity that left, in sale units.
    quantity: Quantity,
}

impl FulfilmentView {
    fn new(fulfilment: Fulfilment, currency: &Currency) -> Self {
        let line =
            |line: FulfilmentLine| FulfilmentLineView { line_id: line.line_id, quantity: line.quantity };
        Self {
            id: fulfilment.id,
            location_id: fulfilment.location_id,
            lines: fulfilment.lines.into_iter().map(line).collect(),
            actor: fulfilment.actor_id,
            fulfilled_at: fulfilment.fulfilled_at,
            order: OrderView::new(fulfilment.order, currency),
        }
    }
}

/// Fulfil an order
///
/// Fulfils everything that is open, or a part of it. An order can be fulfilled in several parts. Requires an
/// Idempotency-Key header.
#[utoipa::path(tag = "orders", operation_id = "fulfilOrder", request_body = FulfilOrder,
    responses((status = 201, body = FulfilmentView)), params(RequiredKey, ("id" = OrderId, Path,)))]
#[post("/orders/{id}/fulfil")]
pub async fn fulfil(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::OrdersPlace, FulfilOrder>,
    PathId(order_id): PathId<OrderId>,
) -> Result<HttpResponse, Problem> {
    let FulfilOrder { id, location_id, lines } = body;
    if lines.as_ref().is_some_and(Vec::is_empty) {
        let message = "at least one line is required; leave lines out to fulfil everything that is open";
        return Err(Problem::invalid("/lines", Code::InvalidLineCount, message));
    }
    let part = |line: FulfilLine| Part { line_id: line.line_id, quantity: line.quantity };
    let new = NewFulfilment {
        request: once.requested(id, FulfilmentId::new),
        order_id,
        location_id,
        lines: lines.unwrap_or_default().into_iter().map(part).collect(),
    };
    once.run(&state.database, Key::Required, async |tx| {
        let (currency, outcome) = with_currency(tx, fulfilment::post(tx, &new, once.actor())).await?;
        Answer::to(outcome, |posted| {
            let tag = Tag::of_version(posted.order.version);
            let location = format!("/api/v1/orders/{order_id}");
            Answer::created(location, tag, &FulfilmentView::new(posted, &currency))
        })
    })
    .await
}
