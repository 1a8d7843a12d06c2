//! Returns: goods of an order that come back.

use actix_web::{HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use inventory::counter::Counter;
use inventory::order_return::{self, NewReturn, NewReturnLine, Return, ReturnLine};
use inventory::{LocationId, OrderId, OrderLineId, Part, ReturnId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use values::{ActorId, Amount, Currency, Positive, Quantity, Reason};

use crate::http::caller::{Caller, may};
use crate::http::etag::Tag;
use crate::http::extract::{PathId, Query};
use crate::http::lists::{NoParameters, PageView};
use crate::http::money::with_currency;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::submission::{Answer, Key, Once, RequiredKey, Submission};
use crate::routes::orders::customer_orders::OrderView;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReturnGoods {
    /// Chosen by the client. The server recognises a repeated request by this id, even after its
    /// Idempotency-Key has expired. Defaults to a new id.
    id: Option<ReturnId>,
    /// The location that takes the goods back. Defaults to the location of the order.
    location_id: Option<LocationId>,
    /// The reason of the return.
    reason: Reason,
    /// The goods that come back.
    #[schema(min_items = 1, max_items = 200)]
    lines: Vec<ReturnPart>,
}

impl ReturnGoods {
    pub(super) fn into_new<P>(self, once: &Once<P>, order_id: OrderId) -> NewReturn {
        let line = |line: ReturnPart| NewReturnLine {
            part: Part { line_id: line.line_id, quantity: line.quantity },
            is_restocked: line.restock.unwrap_or(true),
        };
        NewReturn {
            request: once.requested(self.id, ReturnId::new),
            order_id,
            location_id: self.location_id,
            reason: self.reason,
            lines: self.lines.into_iter().map(line).collect(),
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReturnPart {
    /// The line of the order.
    line_id: OrderLineId,
    /// The quantity that comes back, in sale units, greater than zero.
    quantity: Positive<Quantity>,
    /// true: the goods can be sold again and are added to the stock. false: the goods are scrapped. It makes
    /// no difference for services and fees. Defaults to true.
    restock: Option<bool>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReturnView {
    id: ReturnId,
    /// The sequential number: it starts at 1 and has no gaps.
    number: i64,
    /// The number as it is printed on documents.
    #[schema(example = "RT-000007")]
    reference: String,
    /// The location that took the goods back.
    location_id: LocationId,
    /// The reason of the return.
    reason: Reason,
    /// The amount that the customer gets back, including taxes.
    refund: Amount,
    /// The goods that came back.
    lines: Vec<ReturnLineView>,
    /// The user or program that posted the return; null for the platform.
    actor: ActorId,
    returned_at: DateTime<Utc>,
    /// The order after the return.
    order: OrderView,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReturnLineView {
    /// The line of the order.
    line_id: OrderLineId,
    /// The quantity that came back, in sale units.
    quantity: Quantity,
    /// Whether the goods were added to the stock again. false for services and fees.
    restocked: bool,
    /// The amount that the customer gets back for this line, including taxes.
    refund: Amount,
}

impl ReturnView {
    pub(super) fn new(posted: Return, currency: &Currency) -> Self {
        let line = |line: ReturnLine| ReturnLineView {
            line_id: line.line_id,
            quantity: line.quantity,
            restocked: line.is_restocked,
            refund: currency.format(line.refund),
        };
        Self {
            id: posted.id,
            number: posted.number,
            reference: Counter::Return.reference(posted.number),
            location_id: posted.location_id,
            reason: posted.reason,
            refund: currency.format(posted.refund),
            lines: posted.lines.into_iter().map(line).collect(),
            actor: posted.actor_id,
            returned_at: posted.returned_at,
            order: OrderView::new(posted.order, currency),
        }
    }
}

/// Return goods
///
/// Takes back goods of an order: at most the quantity that was fulfilled and has not been returned. Requires
/// an Idempotency-Key header.
#[utoipa::path(tag = "orders", operation_id = "returnGoods", request_body = ReturnGoods,
    responses((status = 201, body = ReturnView)), params(RequiredKey, ("id" = OrderId, Path,)))]
#[post("/orders/{id}/returns")]
pub async fn take_back(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::OrdersReturn, ReturnGoods>,
    PathId(order_id): PathId<OrderId>,
) -> Result<HttpResponse, Problem> {
    let new = body.into_new(&once, order_id);
    once.run(&state.database, Key::Required, async |tx| {
        let (currency, outcome) = with_currency(tx, order_return::post(tx, &new, once.actor())).await?;
        Answer::to(outcome, |posted| {
            let tag = Tag::of_version(posted.order.version);
            let location = format!("/api/v1/orders/{order_id}/returns");
            Answer::created(location, tag, &ReturnView::new(posted, &currency))
        })
    })
    .await
}

/// List the returns of an order
///
/// Returns all returns on one page, oldest first.
#[utoipa::path(tag = "orders", operation_id = "listReturns",
    responses((status = 200, body = PageView<ReturnView>)), params(("id" = OrderId, Path,)))]
#[get("/orders/{id}/returns")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::OrdersRead>,
    PathId(id): PathId<OrderId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let (currency, returns) = state
        .database
        .read_snapshot(&caller.scope(), async |tx| with_currency(tx, order_return::of_order(tx, id)).await)
        .await?;
    Ok(HttpResponse::Ok().json(PageView::whole(returns, |posted| ReturnView::new(posted, &currency))))
}
