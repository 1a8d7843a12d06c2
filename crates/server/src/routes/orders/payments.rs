//! Payments of orders.

use actix_web::{HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use inventory::payment::{self, NewPayment, Payment, PaymentMethod};
use inventory::{OrderId, PaymentId, order, settings};
use serde::{Deserialize, Serialize};
use tenancy::{TenantTx, all};
use utoipa::ToSchema;
use values::{ActorId, Amount, Currency, Money, ShortText};

use crate::http::caller::{Caller, may};
use crate::http::etag::Tag;
use crate::http::extract::{PathId, Query};
use crate::http::lists::{NoParameters, PageView};
use crate::http::money::with_currency;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::submission::{Answer, Key, RequiredKey, Submission};
use crate::routes::orders::customer_orders::OrderView;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PayOrder {
    /// Chosen by the client. The server recognises a repeated request by this id, even after its
    /// Idempotency-Key has expired. Defaults to a new id.
    id: Option<PaymentId>,
    method: PaymentMethod,
    /// The amount, not zero: at most the balance of the order. Negative if it is paid back to the customer:
    /// at most what was paid.
    #[schema(example = "1.00")]
    amount: Money,
    /// The number of the transaction at the bank or of the voucher. Defaults to none.
    reference: Option<ShortText>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentView {
    id: PaymentId,
    method: PaymentMethod,
    /// The amount. Negative if it was paid back.
    #[schema(example = "1.00")]
    amount: Amount,
    /// The number of the transaction at the bank or of the voucher.
    reference: Option<ShortText>,
    /// The user or program that posted the payment; null for the platform.
    actor: ActorId,
    paid_at: DateTime<Utc>,
    /// The order after the payment. Left out in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<OrderView>,
}

impl PaymentView {
    fn new(payment: Payment, currency: &Currency, order: Option<OrderView>) -> Self {
        Self {
            id: payment.id,
            method: payment.method,
            amount: currency.format(payment.amount),
            reference: payment.reference,
            actor: payment.actor_id,
            paid_at: payment.paid_at,
            order,
        }
    }
}

/// Pay an order
///
/// Books what the customer paid for the order, or what was paid back. An order can be paid in several parts.
/// Requires an Idempotency-Key header.
#[utoipa::path(tag = "orders", operation_id = "payOrder", request_body = PayOrder,
    responses((status = 201, body = PaymentView)), params(RequiredKey, ("id" = OrderId, Path,)))]
#[post("/orders/{id}/payments")]
pub async fn pay(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::OrdersPlace, PayOrder>,
    PathId(order_id): PathId<OrderId>,
) -> Result<HttpResponse, Problem> {
    let PayOrder { id, method, amount, reference } = body;
    let request = once.requested(id, PaymentId::new);
    let new = NewPayment { request, order_id, method, amount, reference };
    once.run(&state.database, Key::Required, async |tx| {
        let (currency, outcome) = with_currency(tx, payment::post(tx, &new, once.actor())).await?;
        Answer::to(outcome, |(payment, order)| {
            let location = format!("/api/v1/orders/{order_id}/payments");
            let tag = Tag::of_version(order.version);
            let order = OrderView::new(order, &currency);
            Answer::created(location, tag, &PaymentView::new(payment, &currency, Some(order)))
        })
    })
    .await
}

/// List the payments of an order
///
/// Returns all payments on one page, oldest first.
#[utoipa::path(tag = "orders", operation_id = "listPayments",
    responses((status = 200, body = PageView<PaymentView>)), params(("id" = OrderId, Path,)))]
#[get("/orders/{id}/payments")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::OrdersRead>,
    PathId(id): PathId<OrderId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let read = async |tx: &TenantTx| {
        all((settings::currency(tx), order::find(tx, id), payment::of_order(tx, id))).await
    };
    let (currency, order, payments) = state.database.read_snapshot(&caller.scope(), read).await?;
    order.ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().json(PageView::whole(payments, |of| PaymentView::new(of, &currency, None))))
}
