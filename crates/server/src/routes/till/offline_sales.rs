//! Sales that tills made without a connection, and sent later.

use crate::http::codes::Code;
use std::cell::Cell;

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use identity::Permission;
use inventory::till_settings::{self, NegativeSales};
use inventory::{CustomerId, Requested, document};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenancy::TenantTx;
use till::offline_sale::{self, MadeOffline, OfflineSale, OfflineSaleStatus, SentSale};
use till::sale_error::SaleError;
use till::selling::{self, NewSale};
use till::{RegisterId, SaleId};
use utoipa::{IntoParams, ToSchema};
use values::{ActorId, Moment, Money, Note, Reason, ShortText};

use crate::http::body;
use crate::http::caller::{Caller, may};
use crate::http::etag::{self, Tag};
use crate::http::extract::PathId;
use crate::http::lists::{List, PageView, Paging};
use crate::http::prices::DiscountText;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::submission::{Answer, Key, Once, RequiredKey, Submission};
use crate::routes::till::receipts;
use crate::routes::till::sales::{Pay, SellLine};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "id": "01920000-0000-7000-8000-000000000000",
    "registerId": "01920000-0000-7000-8000-000000000000",
    "reference": "R1-OFF-000017", "soldAt": "2026-11-25T14:05:00Z",
    "lines": [{"variantId": "01920000-0000-7000-8000-000000000000", "quantity": "2"}],
    "payments": [{"method": "cash", "amount": "20"}], "total": "20",
}))]
pub struct SendOfflineSale {
    /// Chosen by the till when it made the sale. The server recognises a repeated request by this id.
    id: SaleId,
    /// The register. It must have an open shift now: the sale belongs to this shift.
    register_id: RegisterId,
    /// The number that the till printed. No other sale of the register has it.
    reference: ShortText,
    /// The time of the sale, within the last 31 days. Prices, reports and the licence go by this time. If the
    /// sale was made more than 48 hours ago, prices that have risen since need an approval, and so does any
    /// sale if the licence is over now.
    #[schema(value_type = DateTime<Utc>)]
    sold_at: Moment,
    /// The total of the sale, before cash is rounded. The server must compute the same total.
    total: Money,
    /// The customer. Defaults to none.
    customer_id: Option<CustomerId>,
    /// The articles that the customer bought. A price that was the list price at the time of the sale needs
    /// no approval.
    #[schema(min_items = 1, max_items = 200)]
    lines: Vec<SellLine>,
    /// A discount on the whole sale, after the discounts on the lines. Defaults to no discount.
    discount: Option<DiscountText>,
    /// A note on the receipt. Defaults to none.
    note: Option<Note>,
    /// The payments. They must add up to the total, with cash rounded.
    #[serde(default)]
    #[schema(max_items = 20)]
    payments: Vec<Pay>,
}

/// The corrections of a member. A field that is left out stays as the till sent it. The total stays what the
/// customer paid.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({}))]
pub struct CompleteOfflineSale {
    /// The customer. null removes the customer.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    customer_id: Option<Option<CustomerId>>,
    /// The articles that the customer bought. Send prices if the total would differ.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false, max_items = 200)]
    lines: Option<Vec<SellLine>>,
    /// The discount on the whole sale. null removes the discount.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    #[schema(value_type = Option<String>)]
    discount: Option<Option<DiscountText>>,
    /// The payments.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false, max_items = 20)]
    payments: Option<Vec<Pay>>,
}

impl CompleteOfflineSale {
    fn correct(self, sent: &mut SendOfflineSale) {
        let Self { customer_id, lines, discount, payments } = self;
        sent.customer_id = customer_id.unwrap_or(sent.customer_id);
        if let Some(lines) = lines {
            sent.lines = lines;
        }
        if let Some(discount) = discount {
            sent.discount = discount;
        }
        if let Some(payments) = payments {
            sent.payments = payments;
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"reason": "sent twice by hand"}))]
pub struct DiscardOfflineSale {
    /// The reason.
    reason: Reason,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OfflineSaleView {
    /// The id. The sale has it, too, once it is completed.
    id: SaleId,
    status: OfflineSaleStatus,
    register_id: RegisterId,
    /// The number that the till printed.
    #[schema(example = "R1-OFF-000017")]
    reference: ShortText,
    /// The time of the sale.
    sold_at: DateTime<Utc>,
    /// The time at which the till sent the sale.
    received_at: DateTime<Utc>,
    /// The reason why the sale was held. null if it was not.
    problem: Option<OfflineProblemView>,
    /// The request of the till. The codes of vouchers are left out for callers without till.approve.
    #[schema(value_type = Object)]
    request: Value,
    /// The user or program that sent the sale.
    sent_by: ActorId,
    /// The member who completed or discarded the sale. null if nobody had to.
    resolved_by: Option<ActorId>,
    /// The time at which the sale was completed or discarded by hand. null if nobody had to.
    resolved_at: Option<DateTime<Utc>>,
    /// The reason for which the sale was discarded. null if it was not.
    discard_reason: Option<Reason>,
}

/// The reason why a sale was held.
#[derive(Serialize, ToSchema)]
pub struct OfflineProblemView {
    /// The code of the problem, as in the answers to other requests.
    #[schema(example = "insufficient_stock")]
    #[schema(value_type = Code)]
    code: String,
    /// The explanation.
    detail: Option<String>,
}

impl OfflineSaleView {
    fn new(mut sale: OfflineSale, may_see_codes: bool) -> Self {
        if !may_see_codes {
            hide_voucher_codes(&mut sale);
        }
        let detail = sale.problem_detail;
        Self {
            id: sale.id,
            status: sale.status,
            register_id: sale.register_id,
            reference: sale.reference,
            sold_at: sale.sold_at,
            received_at: sale.received_at,
            problem: sale.problem_code.map(|code| OfflineProblemView { code, detail }),
            request: sale.request.0,
            sent_by: sale.sent_by,
            resolved_by: sale.resolved_by,
            resolved_at: sale.resolved_at,
            discard_reason: sale.discard_reason,
        }
    }
}

/// A voucher is worth money to everybody who knows its code.
fn hide_voucher_codes(sale: &mut OfflineSale) {
    let payments = sale.request.0.get_mut("payments").and_then(Value::as_array_mut);
    for payment in payments.into_iter().flatten().filter_map(Value::as_object_mut) {
        if payment.remove("voucherCode").is_some() {
            sale.problem_detail = None;
        }
    }
}

/// The sale that a till made. `request` has its id, and the fingerprint of the till's request.
fn read(
    request: Requested<SaleId>,
    body: SendOfflineSale,
    may_approve: bool,
    was_held: bool,
) -> Result<NewSale, Problem> {
    let lines = body.lines.into_iter().enumerate().map(|(index, line)| line.checked(index));
    Ok(NewSale {
        request,
        register_id: body.register_id,
        customer_id: body.customer_id,
        lines: lines.collect::<Result<_, _>>()?,
        discount: body.discount.map(|text| text.0),
        may_set_prices: may_approve,
        refunded: None,
        back: Vec::new(),
        may_take_back: false,
        reason: None,
        note: body.note,
        payments: Pay::all(body.payments),
        made_offline: Some(MadeOffline {
            sold_at: body.sold_at.time(),
            reference: body.reference,
            total: body.total,
            was_held,
        }),
    })
}

fn sees_codes<P>(caller: &Caller<P>) -> bool {
    caller.may(Permission::TillApprove)
}

/// Stores a sale once, whichever of its requests comes first, and answers with it.
async fn store_once<P>(
    tx: &TenantTx,
    once: &Once<P>,
    request: &Requested<SaleId>,
    store: impl Future<Output = Result<(), Problem>>,
) -> Result<Answer, Problem> {
    let find = async { Ok(offline_sale::find_repeated(tx, request).await?.map(drop)) };
    let outcome = document::once(tx, request, find, store).await?;
    let id = request.id;
    let sale = offline_sale::find(tx, id).await?.ok_or_else(Problem::not_found)?;
    Answer::to(outcome, |()| {
        let (location, tag) = (
            format!("/api/v1/offline-sales/{id}"),
            Tag::with_shown(sale.version, i64::from(sees_codes(&once.caller))),
        );
        Answer::created(location, tag, &OfflineSaleView::new(sale, sees_codes(&once.caller)))
    })
}

/// Send a sale that was made offline
///
/// Completes a sale that a till made without a connection. The sale counts at soldAt, and gets the next
/// number of the register's series for offline sales. Send the sales of a till in their order. A repeated
/// request changes nothing. Some sales need a decision of a member, for example because stock would become
/// negative. Such a sale is refused by default, and held with the setting negativeSales: review. A mistake of
/// the till, such as a wrong soldAt, is always refused. Requires an Idempotency-Key header.
#[utoipa::path(tag = "till", operation_id = "sendOfflineSale",
    params(RequiredKey), request_body = SendOfflineSale,
    responses((status = 201, body = OfflineSaleView)))]
#[post("/offline-sales")]
pub async fn create(
    state: web::Data<State>,
    Submission { once, body: sent }: Submission<may::TillSell, Value>,
) -> Result<HttpResponse, Problem> {
    let body: SendOfflineSale = body::read(&serde_json::to_vec(&sent).map_err(Problem::internal)?)?;
    let request = once.requested(Some(body.id), SaleId::new);
    let may_approve = once.caller.may(Permission::TillApprove) || once.caller.may(Permission::CatalogueWrite);
    let new = read(request, body, may_approve, false)?;
    let is_for_review = Cell::new(false);
    let completed = once
        .run(&state.database, Key::Required, async |tx| {
            is_for_review.set(false);
            complete(tx, &once, &new, &sent, &is_for_review).await
        })
        .await;
    let answered = match completed {
        Err(problem) if is_for_review.get() && problem.status().is_client_error() => {
            hold(&state, &once, &new, &sent, problem).await?
        }
        completed => completed?,
    };
    receipts::sign(&state, &once.caller.scope(), new.request.id).await;
    Ok(answered)
}

async fn complete<P>(
    tx: &TenantTx,
    once: &Once<P>,
    new: &NewSale,
    body: &Value,
    is_for_review: &Cell<bool>,
) -> Result<Answer, Problem> {
    let store = async {
        let completed = selling::complete(tx, new, once.actor()).await;
        is_for_review.set(completed.as_ref().is_err_and(SaleError::is_for_review));
        completed?;
        Ok(offline_sale::insert(tx, &sent(new, body)?, once.actor()).await?)
    };
    store_once(tx, once, &new.request, store).await
}

/// Holds a sale if the business allows it. Otherwise, it is refused with its problem.
async fn hold<P>(
    state: &State,
    once: &Once<P>,
    new: &NewSale,
    body: &Value,
    problem: Problem,
) -> Result<HttpResponse, Problem> {
    let policy = async |tx: &TenantTx| till_settings::read(tx).await.map(|settings| settings.negative_sales);
    if state.database.read(&once.caller.scope(), policy).await? == NegativeSales::Refuse {
        return Err(problem);
    }
    let reason = (problem.code().as_str(), problem.reason());
    once.run(&state.database, Key::Required, async |tx| {
        let hold = async { Ok(offline_sale::hold(tx, &sent(new, body)?, reason, once.actor()).await?) };
        store_once(tx, once, &new.request, hold).await
    })
    .await
}

fn sent<'a>(new: &'a NewSale, body: &'a Value) -> Result<SentSale<'a>, Problem> {
    let made = new.made_offline.as_ref();
    let made = made.ok_or_else(|| Problem::internal("a sale of a till has no time"))?;
    Ok(SentSale { request: &new.request, register_id: new.register_id, made, body })
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct OfflineFilter {
    /// Only sales with this status. Defaults to all.
    status: Option<OfflineSaleStatus>,
}

/// List offline sales
///
/// Returns the sales that tills made without a connection, newest first. Those with the status held wait
/// for a member.
#[utoipa::path(tag = "till", operation_id = "listOfflineSales", params(OfflineFilter, Paging),
    responses((status = 200, body = PageView<OfflineSaleView>)))]
#[get("/offline-sales")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::TillRead>,
    List { query: filter, page }: List<OfflineFilter>,
) -> Result<HttpResponse, Problem> {
    let page = page.request()?;
    let list = async |tx: &TenantTx| offline_sale::list(tx, filter.status, &page).await;
    let page = state.database.read(&caller.scope(), list).await?;
    let may_see_codes = sees_codes(&caller);
    Ok(HttpResponse::Ok().json(PageView::new(page, |sale| OfflineSaleView::new(sale, may_see_codes))))
}

/// Read an offline sale
///
/// Returns a sale that a till made without a connection, with the problem that holds it, if there is one.
#[utoipa::path(tag = "till", operation_id = "readOfflineSale",
    responses((status = 200, body = OfflineSaleView)), params(("id" = SaleId, Path,)))]
#[get("/offline-sales/{id}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::TillRead>,
    PathId(id): PathId<SaleId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let sale = state.database.read(&caller.scope(), async |tx| offline_sale::find(tx, id).await).await?;
    let sale = sale.ok_or_else(Problem::not_found)?;
    let tag = Tag::with_shown(sale.version, i64::from(sees_codes(&caller)));
    Ok(etag::respond(&request, tag, &OfflineSaleView::new(sale, sees_codes(&caller))))
}

/// Complete a held sale
///
/// Completes a held sale, for example after the stock was counted. The body may correct what cannot be
/// completed as the till sent it, such as an unknown article. This call approves the prices and the discounts
/// of the sale. Requires an Idempotency-Key header.
#[utoipa::path(tag = "till", operation_id = "completeOfflineSale", request_body = CompleteOfflineSale,
    responses((status = 200, body = OfflineSaleView)), params(("id" = SaleId, Path,)))]
#[post("/offline-sales/{id}/complete")]
pub async fn complete_held(
    state: web::Data<State>,
    Submission { once, body: corrections }: Submission<may::TillApprove, CompleteOfflineSale>,
    PathId(id): PathId<SaleId>,
) -> Result<HttpResponse, Problem> {
    let answered = resolve(&state, &once, id, async |tx| {
        let held = offline_sale::lock_held(tx, id).await?;
        let mut body: SendOfflineSale =
            body::read(&serde_json::to_vec(&held.request.0).map_err(Problem::internal)?)?;
        corrections.clone().correct(&mut body);
        let request = Requested { id, is_chosen: true, fingerprint: held.request_hash };
        // The sale is that of the cashier who made it.
        selling::complete(tx, &read(request, body, true, true)?, held.sent_by).await?;
        Ok(offline_sale::resolve(tx, id, None, once.actor()).await?)
    })
    .await?;
    receipts::sign(&state, &once.caller.scope(), id).await;
    Ok(answered)
}

/// Discard a held sale
///
/// Closes a held sale without a receipt, for example because a cashier entered it by hand. The list keeps
/// discarded sales. Requires an Idempotency-Key header.
#[utoipa::path(tag = "till", operation_id = "discardOfflineSale", request_body = DiscardOfflineSale,
    responses((status = 200, body = OfflineSaleView)), params(RequiredKey, ("id" = SaleId, Path,)))]
#[post("/offline-sales/{id}/discard")]
pub async fn discard(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::TillApprove, DiscardOfflineSale>,
    PathId(id): PathId<SaleId>,
) -> Result<HttpResponse, Problem> {
    resolve(&state, &once, id, async |tx| {
        offline_sale::lock_held(tx, id).await?;
        Ok(offline_sale::resolve(tx, id, Some(&body.reason), once.actor()).await?)
    })
    .await
}

/// Resolves a held sale once, and answers with it.
async fn resolve<P>(
    state: &State,
    once: &Once<P>,
    id: SaleId,
    resolve: impl AsyncFn(&TenantTx) -> Result<(), Problem>,
) -> Result<HttpResponse, Problem> {
    once.run(&state.database, Key::Required, async |tx| {
        resolve(tx).await?;
        let sale = offline_sale::find(tx, id).await?.ok_or_else(Problem::not_found)?;
        let tag = Tag::with_shown(sale.version, 1);
        Answer::ok(tag, &OfflineSaleView::new(sale, true))
    })
    .await
}
