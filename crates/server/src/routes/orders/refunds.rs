//! Refunds without goods, and exchanges.

use actix_web::{HttpResponse, post, web};
use chrono::{DateTime, Utc};
use identity::Permission;
use inventory::exchange::NewExchange;
use inventory::refund::{self, NewRefund, Refund, What};
use inventory::{OrderId, OrderLineId, RefundId, basket};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use values::{ActorId, Amount, Currency, Money, Reason};

use crate::http::caller::may;
use crate::http::codes::Code;
use crate::http::etag::Tag;
use crate::http::extract::PathId;
use crate::http::money::with_currency;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::submission::{Answer, Key, RequiredKey, Submission};
use crate::routes::orders::customer_orders::{OrderView, PlaceOrder};
use crate::routes::orders::returns::{ReturnGoods, ReturnView};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"reason": "scratched", "amount": "0.50"}))]
pub struct RefundOrder {
    /// Chosen by the client. The server recognises a repeated request by this id, even after its
    /// Idempotency-Key has expired. Defaults to a new id.
    id: Option<RefundId>,
    /// The reason of the refund.
    reason: Reason,
    /// The amount, including taxes. It is divided among the lines by what was sold of them. Exactly one of
    /// amount and lines is required.
    amount: Option<Money>,
    /// The amounts of lines.
    #[schema(min_items = 1, max_items = 200)]
    lines: Option<Vec<RefundLine>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RefundLine {
    /// The line of the order.
    line_id: OrderLineId,
    /// The amount, including taxes, greater than zero: at most what was sold of the line and not refunded.
    amount: Money,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefundView {
    id: RefundId,
    /// The reason of the refund.
    reason: Reason,
    /// The amount, including taxes.
    #[schema(example = "0.50")]
    amount: Amount,
    /// The user or program that posted the refund; null for the platform.
    actor: ActorId,
    refunded_at: DateTime<Utc>,
    /// The order after the refund.
    order: OrderView,
}

impl RefundView {
    fn new(refund: Refund, currency: &Currency) -> Self {
        Self {
            id: refund.id,
            reason: refund.reason,
            amount: currency.format(refund.amount),
            actor: refund.actor_id,
            refunded_at: refund.refunded_at,
            order: OrderView::new(refund.order, currency),
        }
    }
}

/// Refund a part of an order without goods
///
/// Gives back a part of what was sold, and the customer keeps the goods. At most what was sold and not
/// refunded can be given back. It counts as a refund in the report on sales. Requires an Idempotency-Key
/// header.
#[utoipa::path(tag = "orders", operation_id = "refundOrder", request_body = RefundOrder,
    responses((status = 201, body = RefundView)), params(RequiredKey, ("id" = OrderId, Path,)))]
#[post("/orders/{id}/refunds")]
pub async fn give_back(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::OrdersReturn, RefundOrder>,
    PathId(order_id): PathId<OrderId>,
) -> Result<HttpResponse, Problem> {
    let RefundOrder { id, reason, amount, lines } = body;
    let what = match (amount, lines) {
        (Some(amount), None) => What::Amount(amount),
        (None, Some(lines)) if !lines.is_empty() && lines.len() <= basket::MAX_LINES => {
            What::Lines(lines.into_iter().map(|line| (line.line_id, line.amount)).collect())
        }
        _ => {
            let message = "exactly one of amount and lines is required; lines must have 1 to 200 lines";
            return Err(Problem::invalid("/lines", Code::InvalidLineCount, message));
        }
    };
    let new = NewRefund { request: once.requested(id, RefundId::new), order_id, reason, what };
    once.run(&state.database, Key::Required, async |tx| {
        let (currency, outcome) = with_currency(tx, refund::post(tx, &new, once.actor())).await?;
        Answer::to(outcome, |posted| {
            let (location, tag) =
                (format!("/api/v1/orders/{order_id}"), Tag::of_version(posted.order.version));
            Answer::created(location, tag, &RefundView::new(posted, &currency))
        })
    })
    .await
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExchangeGoods {
    /// The goods that come back.
    r#return: ReturnGoods,
    /// The order of the goods that the customer gets instead.
    order: PlaceOrder,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExchangeView {
    /// The goods that came back, with their order.
    r#return: ReturnView,
    /// The new order.
    order: OrderView,
    /// The amount due of the new order minus the refund of the return. Negative if it is to be paid back.
    #[schema(example = "1.20")]
    difference: Amount,
}

/// Exchange goods
///
/// Takes goods of an order back and places a new order, both or neither. The goods that come back can be sold
/// again in the new order. The client chooses the ids of both documents, or neither. Requires an
/// Idempotency-Key header.
#[utoipa::path(tag = "orders", operation_id = "exchangeGoods", request_body = ExchangeGoods,
    responses((status = 201, body = ExchangeView)), params(RequiredKey, ("id" = OrderId, Path,)))]
#[post("/orders/{id}/exchanges")]
pub async fn exchange(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::OrdersReturn, ExchangeGoods>,
    PathId(order_id): PathId<OrderId>,
) -> Result<HttpResponse, Problem> {
    if !once.caller.may(Permission::OrdersPlace) {
        let detail = "To exchange goods, your role must include the permission orders.place.";
        return Err(Problem::new(Code::PermissionDenied, detail));
    }
    let may_set_prices = once.caller.may(Permission::CatalogueWrite);
    let back = body.r#return.into_new(&once, order_id);
    let order = body.order.into_new(&once, may_set_prices).map_err(|problem| problem.below("/order"))?;
    let new = NewExchange { back, order };
    once.run(&state.database, Key::Required, async |tx| {
        let (currency, outcome) =
            with_currency(tx, inventory::exchange::post(tx, &new, once.actor())).await?;
        Answer::to(outcome, |(back, order)| {
            let difference = currency.format(order.total - order.credited - back.refund);
            let (location, tag) = (format!("/api/v1/orders/{}", order.id), Tag::of_version(order.version));
            let view = ExchangeView {
                r#return: ReturnView::new(back, &currency),
                order: OrderView::new(order, &currency),
                difference,
            };
            Answer::created(location, tag, &view)
        })
    })
    .await
}
