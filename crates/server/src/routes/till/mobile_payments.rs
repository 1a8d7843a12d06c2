//! The payments that the provider of mobile money reported: listed, assigned and dismissed by hand.

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use inventory::OrderId;
use serde::{Deserialize, Serialize};
use tenancy::TenantTx;
use till::mobile_payment::{self, MobilePayment, MobilePaymentFilter, MobilePaymentStatus, PaymentUse};
use till::payment_matching::{self, Assigned, UnconfirmedPayment};
use till::register::receipt_reference;
use till::{MobilePaymentId, PaymentRequestId, RegisterId, SaleId, SalePaymentId};
use utoipa::{IntoParams, ToSchema};
use values::{ActorId, Amount, Currency, Money, Reason, ShortText};

use crate::http::caller::{Caller, may};
use crate::http::codes::Code;
use crate::http::etag::{self, Tag};
use crate::http::extract::PathId;
use crate::http::lists::{List, NoParameters, PageView, Paging};
use crate::http::money::with_currency;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::submission::{Answer, Key, Once, RequiredKey, Submission};

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MobilePaymentView {
    id: MobilePaymentId,
    status: MobilePaymentStatus,
    /// The provider.
    #[schema(example = "mpesa")]
    provider: String,
    /// The number of the transaction at the provider. The customer has it, too.
    #[schema(example = "SKU7Q2M9XT")]
    transaction_id: String,
    /// The till number that was paid.
    #[schema(example = "522533")]
    till_number: String,
    /// The amount.
    #[schema(example = "450.00")]
    amount: Amount,
    /// The part of the amount that confirms no sale and no order.
    #[schema(example = "0.00")]
    left: Amount,
    /// The currency of both amounts.
    #[schema(example = "KES")]
    #[schema(value_type = Currency)]
    currency: String,
    /// The telephone of the customer, possibly with hidden digits. null if the provider does not report it.
    #[schema(example = "2547*****126")]
    payer: Option<String>,
    /// The name of the customer. null if the provider does not report it.
    #[schema(example = "AMINA")]
    payer_name: Option<String>,
    /// The text that the customer entered. null without one.
    #[schema(example = "table 4")]
    account: Option<String>,
    /// The request that the customer answered. null if the customer paid without a request.
    payment_request_id: Option<PaymentRequestId>,
    /// The time of the payment, by the clock of the provider.
    paid_at: DateTime<Utc>,
    /// The time at which the provider reported the payment.
    received_at: DateTime<Utc>,
    /// The documents that the payment confirms.
    uses: Vec<PaymentUseView>,
    /// The member who dismissed the payment. null if it is not dismissed.
    dismissed_by: Option<ActorId>,
    /// The time at which the payment was dismissed. null if it is not dismissed.
    dismissed_at: Option<DateTime<Utc>>,
    /// The reason for which the payment was dismissed. null if it is not dismissed.
    dismiss_reason: Option<Reason>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentUseView {
    /// The sale. null if the payment confirms an order.
    sale_id: Option<SaleId>,
    /// The order. null if the payment confirms a sale.
    order_id: Option<OrderId>,
    /// The amount.
    #[schema(example = "450.00")]
    amount: Amount,
    /// The user or program that assigned the payment, or completed the sale after the report. null if the
    /// number was entered before the report.
    used_by: ActorId,
    used_at: DateTime<Utc>,
}

impl MobilePaymentView {
    /// The payment may be in another currency than the business: amounts have at least its decimals.
    fn new(payment: MobilePayment, currency: &Currency) -> Self {
        let money = |amount: Money| currency.format(amount);
        let used = |one: PaymentUse| PaymentUseView {
            sale_id: one.sale_id,
            order_id: one.order_id,
            amount: money(one.amount),
            used_by: one.used_by,
            used_at: one.used_at,
        };
        Self {
            id: payment.id,
            status: payment.status(),
            left: money(payment.left()),
            amount: money(payment.amount),
            provider: payment.provider,
            transaction_id: payment.transaction_id,
            till_number: payment.till_number,
            currency: payment.currency,
            payer: payment.payer,
            payer_name: payment.payer_name,
            account: payment.account,
            payment_request_id: payment.request_id,
            paid_at: payment.paid_at,
            received_at: payment.received_at,
            uses: payment.uses.into_iter().map(used).collect(),
            dismissed_by: payment.dismissed_by,
            dismissed_at: payment.dismissed_at,
            dismiss_reason: payment.dismiss_reason,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnconfirmedPaymentView {
    /// The sale.
    sale_id: SaleId,
    /// The printed number of the sale.
    #[schema(example = "R1-2026-000042")]
    sale_reference: String,
    /// The register.
    register_id: RegisterId,
    /// The amount of the payment.
    #[schema(example = "450.00")]
    amount: Amount,
    /// The currency of the amount.
    #[schema(example = "KES")]
    currency: Currency,
    /// The number that the cashier entered. null without one.
    #[schema(example = "SKU7Q2M9XT")]
    reference: Option<ShortText>,
    /// The user or program that completed the sale; null for the platform.
    sold_by: ActorId,
    sold_at: DateTime<Utc>,
}

impl UnconfirmedPaymentView {
    fn new(payment: UnconfirmedPayment, currency: &Currency) -> Self {
        Self {
            sale_id: payment.sale_id,
            sale_reference: receipt_reference(&payment.series, payment.number),
            register_id: payment.register_id,
            amount: currency.format(payment.amount),
            currency: currency.clone(),
            reference: payment.reference,
            sold_by: payment.sold_by,
            sold_at: payment.sold_at,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct PaymentFilter {
    /// Only payments with this status.
    status: Option<MobilePaymentStatus>,
    /// Only the payment with this number of the transaction, in any letter case.
    #[param(example = "SKU7Q2M9XT")]
    transaction_id: Option<ShortText>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"saleId": "01920000-0000-7000-8000-000000000000"}))]
pub struct AssignPayment {
    /// The sale whose payments by mobile money are confirmed. Exactly one of saleId and orderId is required.
    sale_id: Option<SaleId>,
    /// The order. A payment of the order with the same number is confirmed; without one, the payment is
    /// posted to the order.
    order_id: Option<OrderId>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"reason": "paid by mistake, sent back"}))]
pub struct DismissPayment {
    /// The reason.
    reason: Reason,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReopenPayment {}

/// List payments by mobile money
///
/// Returns the payments to the till number of the business that the provider reported, newest first. A
/// payment with the status open has an unused rest. Complete a sale with the id of the payment, or assign or
/// dismiss the payment.
#[utoipa::path(tag = "till", operation_id = "listMobilePayments", params(PaymentFilter, Paging),
    responses((status = 200, body = PageView<MobilePaymentView>)))]
#[get("/mobile-payments")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::TillRead>,
    List { query: filter, page }: List<PaymentFilter>,
) -> Result<HttpResponse, Problem> {
    let page = page.request()?;
    let wanted = MobilePaymentFilter {
        status: filter.status,
        transaction_id: filter.transaction_id.map(|text| text.as_str().to_uppercase()),
    };
    let list = async |tx: &TenantTx| with_currency(tx, mobile_payment::list(tx, &wanted, &page)).await;
    let (currency, page) = state.database.read(&caller.scope(), list).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, |payment| MobilePaymentView::new(payment, &currency))))
}

/// Read a payment by mobile money
///
/// Returns a payment that the provider of mobile money reported, with the sales and orders that it confirms.
#[utoipa::path(tag = "till", operation_id = "readMobilePayment",
    responses((status = 200, body = MobilePaymentView)), params(("id" = MobilePaymentId, Path,)))]
#[get("/mobile-payments/{id}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::TillRead>,
    PathId(id): PathId<MobilePaymentId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let find = async |tx: &TenantTx| with_currency(tx, mobile_payment::find(tx, id)).await;
    let (currency, payment) = state.database.read(&caller.scope(), find).await?;
    let payment = payment.ok_or_else(Problem::not_found)?;
    let tag = Tag::of_version(payment.version);
    Ok(etag::respond(&request, tag, &MobilePaymentView::new(payment, &currency)))
}

/// Assign a payment by mobile money
///
/// Assigns an open payment to a sale or an order by hand, for example after a cashier
/// entered a wrong number. Requires an Idempotency-Key header.
#[utoipa::path(tag = "till", operation_id = "assignMobilePayment", request_body = AssignPayment,
    responses((status = 200, body = MobilePaymentView)), params(("id" = MobilePaymentId, Path,)))]
#[post("/mobile-payments/{id}/assign")]
pub async fn assign(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::TillApprove, AssignPayment>,
    PathId(id): PathId<MobilePaymentId>,
) -> Result<HttpResponse, Problem> {
    let to = match (body.sale_id, body.order_id) {
        (Some(sale), None) => Assigned::Sale(sale),
        (None, Some(order)) => Assigned::Order(order),
        _ => {
            let message = "exactly one of saleId and orderId is required";
            return Err(Problem::invalid("/saleId", Code::MissingField, message));
        }
    };
    change(&state, &once, id, async |tx| Ok(payment_matching::assign(tx, id, to, once.actor()).await?)).await
}

/// Dismiss a payment by mobile money
///
/// Closes an open payment that belongs to no sale and no order, for example because it was paid by mistake
/// and sent back. A dismissed payment confirms nothing. Requires an Idempotency-Key header.
#[utoipa::path(tag = "till", operation_id = "dismissMobilePayment", request_body = DismissPayment,
    responses((status = 200, body = MobilePaymentView)),
    params(RequiredKey, ("id" = MobilePaymentId, Path,)))]
#[post("/mobile-payments/{id}/dismiss")]
pub async fn dismiss(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::TillApprove, DismissPayment>,
    PathId(id): PathId<MobilePaymentId>,
) -> Result<HttpResponse, Problem> {
    change(&state, &once, id, async |tx| {
        Ok(mobile_payment::dismiss(tx, id, &body.reason, once.actor()).await?)
    })
    .await
}

/// Reopen a payment by mobile money
///
/// Opens a dismissed payment again. Requires an Idempotency-Key header.
#[utoipa::path(tag = "till", operation_id = "reopenMobilePayment",
    request_body = ReopenPayment,
    responses((status = 200, body = MobilePaymentView)),
    params(RequiredKey, ("id" = MobilePaymentId, Path,)))]
#[post("/mobile-payments/{id}/reopen")]
pub async fn reopen(
    state: web::Data<State>,
    Submission { once, .. }: Submission<may::TillApprove, ReopenPayment>,
    PathId(id): PathId<MobilePaymentId>,
) -> Result<HttpResponse, Problem> {
    change(&state, &once, id, async |tx| Ok(mobile_payment::reopen(tx, id, once.actor()).await?)).await
}

/// Changes a payment once, and answers with it.
async fn change<P>(
    state: &State,
    once: &Once<P>,
    id: MobilePaymentId,
    change: impl AsyncFn(&TenantTx) -> Result<(), Problem>,
) -> Result<HttpResponse, Problem> {
    once.run(&state.database, Key::Required, async |tx| {
        change(tx).await?;
        let (currency, payment) = with_currency(tx, mobile_payment::find(tx, id)).await?;
        let payment = payment.ok_or_else(Problem::not_found)?;
        Answer::ok(Tag::of_version(payment.version), &MobilePaymentView::new(payment, &currency))
    })
    .await
}

/// List unconfirmed payments by mobile money
///
/// Returns the payments of sales in the last 90 days by mobile money that no reported payment confirms,
/// newest first. The number may be wrong, the customer may have paid less, or the money may not have come.
#[utoipa::path(tag = "till", operation_id = "listUnconfirmedPayments", params(Paging),
    responses((status = 200, body = PageView<UnconfirmedPaymentView>)))]
#[get("/unconfirmed-payments")]
pub async fn list_unconfirmed(
    state: web::Data<State>,
    caller: Caller<may::TillRead>,
    List { page, .. }: List<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let page = page.request::<SalePaymentId>()?;
    let read = async |tx: &TenantTx| with_currency(tx, payment_matching::unconfirmed(tx, &page)).await;
    let (currency, page) = state.database.read(&caller.scope(), read).await?;
    let view = |payment| UnconfirmedPaymentView::new(payment, &currency);
    Ok(HttpResponse::Ok().json(PageView::new(page, view)))
}
