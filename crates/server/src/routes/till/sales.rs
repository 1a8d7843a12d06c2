//! Sales at the registers: completed, listed, read.

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use identity::Permission;
use inventory::{CustomerId, VariantId, settings};
use serde::Deserialize;
use tenancy::{TenantTx, all};
use till::asked_line::AskedLine;
use till::sale::SaleStatus;
use till::sale_list::{self, SaleFilter};
use till::sale_method::SaleMethod;
use till::sale_payment::NewSalePayment;
use till::selling::{self, Back, NewSale};
use till::voucher_code::VoucherCode;
use till::{MobilePaymentId, RegisterId, SaleId, SaleLineId, ShiftId};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use values::{
    ActorId, AnyId, Barcode, Day, Moment, Money, NonNegative, Note, Positive, Quantity, Reason, ShortText,
    Sku,
};

use crate::http::article::article;
use crate::http::caller::{Caller, may};
use crate::http::codes::Code;
use crate::http::etag;
use crate::http::extract::PathId;
use crate::http::lists::{List, PageView, Paging};
use crate::http::money::with_currency;
use crate::http::prices::{DiscountText, agreed_price};
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::submission::{Answer, Key, Once, RequiredKey, Submission};
use crate::routes::till::receipts;
use crate::routes::till::sale_view::{self, SaleView};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "registerId": "01920000-0000-7000-8000-000000000000",
    "lines": [{"variantId": "01920000-0000-7000-8000-000000000000", "quantity": "2"}],
    "payments": [{"method": "cash", "amount": "20"}],
}))]
pub struct Sell {
    /// Chosen by the client. The server recognises a repeated request by this id, even after its
    /// Idempotency-Key has expired. Defaults to a new id.
    id: Option<SaleId>,
    /// The register. It must have an open shift.
    register_id: RegisterId,
    /// The customer. Required for payments by store_credit or on_account. Defaults to none.
    customer_id: Option<CustomerId>,
    /// The articles that the customer buys. Defaults to none: then returns, a payment into a voucher or
    /// store credit, or the payment of a debt is required.
    #[serde(default)]
    #[schema(max_items = 200)]
    lines: Vec<SellLine>,
    /// A discount on the whole sale, after the discounts on the lines. Fees have no part in it. Defaults to
    /// no discount.
    discount: Option<DiscountText>,
    /// The articles that come back from earlier sales, and amounts that are given back for their lines.
    /// Requires a reason, and the permission till.approve or an approval. Defaults to none.
    #[serde(default)]
    #[schema(max_items = 200)]
    returns: Vec<TakeBack>,
    /// The reason of the returns. Required with returns.
    reason: Option<Reason>,
    /// A note on the receipt. Defaults to none.
    note: Option<Note>,
    /// The payments. They must add up to the total, with cash rounded; only cash has change. Money other
    /// than credit is paid back up to the amount of the returns. Defaults to none.
    #[serde(default)]
    #[schema(max_items = 20)]
    payments: Vec<Pay>,
}

#[derive(Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"barcode": "4006381333931", "quantity": "2", "discount": "10%"}))]
pub struct SellLine {
    /// The variant. Exactly one of variantId, sku and barcode is required.
    variant_id: Option<VariantId>,
    /// The SKU of the variant.
    sku: Option<Sku>,
    /// A barcode of the variant, or of a label that a scale has printed.
    barcode: Option<Barcode>,
    /// The quantity in sale units, greater than zero. Required, except for the barcode of a scale's label.
    /// Not allowed with a label, because the label has the quantity or the amount.
    quantity: Option<Positive<Quantity>>,
    /// The price of one unit, instead of the list price. Requires a priceReason, and till.approve,
    /// catalogue.write or an approval. Not allowed with a label that has an amount. Defaults to the list
    /// price.
    price: Option<NonNegative<Money>>,
    /// The reason for another price. Required with price.
    price_reason: Option<Reason>,
    /// A discount on the line. Defaults to no discount.
    discount: Option<DiscountText>,
    /// A note on the line, which is printed. Defaults to none.
    note: Option<Note>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"lineId": "01920000-0000-7000-8000-000000000000", "quantity": "1"}))]
pub struct TakeBack {
    /// The line of an earlier sale.
    line_id: SaleLineId,
    /// The quantity that comes back, in sale units. Exactly one of quantity and amount is required.
    quantity: Option<Positive<Quantity>>,
    /// The amount to give back for the line, including taxes; the customer keeps the goods.
    amount: Option<Money>,
    /// true: the goods can be sold again and are added to the stock. false: the goods are scrapped. No
    /// effect for services and fees. Not allowed with amount. Defaults to true.
    restock: Option<bool>,
}

#[derive(Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"method": "cash", "amount": "20"}))]
pub struct Pay {
    /// The method.
    method: SaleMethod,
    /// The amount. For cash, the amount that the customer hands over; the server computes the change.
    /// Negative: paid back, or put into credit. One payment may have no amount: this payment pays or pays
    /// back the rest.
    amount: Option<Money>,
    /// The number of the transaction at the bank, the card terminal or the provider. A payment by mobile
    /// money with this number that was reported, or is reported later, confirms this payment.
    reference: Option<ShortText>,
    /// The reported payment by mobile money with which the customer pays. Not allowed with reference.
    mobile_payment_id: Option<MobilePaymentId>,
    /// The code of the voucher. Required if the voucher pays. A negative amount is added to the voucher
    /// with this code; if there is no such voucher, it is issued. Defaults, for a negative amount, to a new
    /// code.
    #[schema(example = "7KQP-2M9X-TA4V-HB3D")]
    voucher_code: Option<VoucherCode>,
    /// The last day on which a new voucher can be spent; ignored for other vouchers. Defaults to no expiry.
    expires_on: Option<Day>,
}

impl Pay {
    fn into_new(self) -> NewSalePayment {
        let Self { method, amount, reference, mobile_payment_id, voucher_code, expires_on } = self;
        let expires_on = expires_on.map(Day::date);
        NewSalePayment { method, amount, reference, mobile_payment_id, voucher_code, expires_on }
    }

    /// The payments of a receipt.
    pub(super) fn all(payments: Vec<Self>) -> Vec<NewSalePayment> {
        payments.into_iter().map(Self::into_new).collect()
    }
}

impl SellLine {
    pub(super) fn checked(self, index: usize) -> Result<AskedLine, Problem> {
        let at = format!("/lines/{index}");
        Ok(AskedLine {
            article: article(&at, self.variant_id, self.sku, self.barcode)?,
            quantity: self.quantity,
            price: agreed_price(&at, self.price, self.price_reason, None)?,
            discount: self.discount.map(|text| text.0),
            note: self.note,
        })
    }
}

impl TakeBack {
    pub(super) fn checked(self, index: usize) -> Result<Back, Problem> {
        let line_id = self.line_id;
        match (self.quantity, self.amount, self.restock) {
            (Some(quantity), None, restock) => {
                Ok(Back::Units { line_id, quantity, is_restocked: restock.unwrap_or(true) })
            }
            (None, Some(amount), None) => Ok(Back::Money { line_id, amount }),
            _ => {
                let message = "exactly one of quantity and amount is required; restock needs a quantity";
                Err(Problem::invalid(format!("/returns/{index}/quantity"), Code::MissingField, message))
            }
        }
    }
}

impl Sell {
    fn into_new<P>(self, once: &Once<P>) -> Result<NewSale, Problem> {
        let may_approve = once.caller.may(Permission::TillApprove);
        let may_set_prices = may_approve || once.caller.may(Permission::CatalogueWrite);
        let lines = self.lines.into_iter().enumerate().map(|(index, line)| line.checked(index));
        let back = self.returns.into_iter().enumerate().map(|(index, back)| back.checked(index));
        Ok(NewSale {
            request: once.requested(self.id, SaleId::new),
            register_id: self.register_id,
            customer_id: self.customer_id,
            lines: lines.collect::<Result<_, _>>()?,
            discount: self.discount.map(|text| text.0),
            may_set_prices,
            refunded: None,
            back: back.collect::<Result<_, _>>()?,
            may_take_back: may_approve,
            reason: self.reason,
            note: self.note,
            payments: Pay::all(self.payments),
            made_offline: None,
        })
    }
}

/// Completes a receipt once, and answers with it.
pub(super) async fn complete<P>(
    state: &State,
    once: &Once<P>,
    new: &NewSale,
) -> Result<HttpResponse, Problem> {
    let answer = once
        .run(&state.database, Key::Required, async |tx| {
            let (currency, outcome) = with_currency(tx, selling::complete(tx, new, once.actor())).await?;
            Answer::to(outcome, |sale| {
                let (location, tag) = (format!("/api/v1/sales/{}", sale.id), sale_view::tag(&sale));
                Answer::created(location, tag, &SaleView::new(sale, &currency))
            })
        })
        .await?;
    receipts::sign(state, &once.caller.scope(), new.request.id).await;
    Ok(answer)
}

/// Sell at a register
///
/// Takes the stock of all lines, or of none. If stock is missing, the answer is 409, and shortages lists
/// every short variant. Prices come from the catalogue. Another price, a discount above the limit in the
/// settings, and returns require the permission till.approve; for the first two, catalogue.write is enough.
/// Without it, the answer is 403 approval_required: a member approves with POST
/// /api/v1/sales/{id}/approval, and the cashier repeats the request. If the returns exceed the sold lines,
/// the total is negative and must be paid back.
///
/// To sell a voucher of 50.00, send two payments: 50.00 by cash and -50.00 by voucher. In the same way, a
/// negative payment by store_credit adds store credit, and one by on_account pays a debt. Requires an
/// Idempotency-Key header.
#[utoipa::path(tag = "till", operation_id = "sell", params(RequiredKey), request_body = Sell,
    responses((status = 201, body = SaleView)))]
#[post("/sales")]
pub async fn create(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::TillSell, Sell>,
) -> Result<HttpResponse, Problem> {
    let new = body.into_new(&once)?;
    complete(&state, &once, &new).await
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListSales {
    /// Returns only sales at this register. Defaults to all.
    register_id: Option<RegisterId>,
    /// Returns only sales of this shift. Defaults to all.
    shift_id: Option<ShiftId>,
    /// Returns only sales to this customer. Defaults to all.
    customer_id: Option<CustomerId>,
    /// Returns only sales of this user or program. Defaults to all.
    sold_by: Option<AnyId>,
    /// Returns only sales with a payment by this method. Defaults to all.
    method: Option<SaleMethod>,
    /// Returns only sales with this status. Defaults to all.
    status: Option<SaleStatus>,
    /// Returns only the receipt with this printed number. Defaults to all.
    #[param(max_length = 50, example = "R1-2026-000042")]
    reference: Option<String>,
    /// Returns only sales completed at this time or later.
    from: Option<Moment>,
    /// Returns only sales completed before this time.
    until: Option<Moment>,
}

/// The series and the number of a printed number, such as `R1-2026-000042`.
fn number_of(reference: &str) -> Option<(String, i64)> {
    let (series, number) = reference.trim().rsplit_once('-')?;
    let is_number = number.bytes().all(|digit| digit.is_ascii_digit());
    let is_series = series.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    Some((series.to_ascii_uppercase(), number.parse().ok().filter(|_| is_number && is_series)?))
}

/// List sales
///
/// Returns receipts with their lines and payments, newest first: sales, refunds, exchanges and deposits,
/// including voided ones.
#[utoipa::path(tag = "till", operation_id = "listSales", params(ListSales, Paging),
    responses((status = 200, body = PageView<SaleView>)))]
#[get("/sales")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::TillRead>,
    List { query, page }: List<ListSales>,
) -> Result<HttpResponse, Problem> {
    let number = match &query.reference {
        None => None,
        Some(reference) => Some(number_of(reference).ok_or_else(|| {
            Problem::invalid_parameter("reference", "it must be a printed number such as R1-2026-000042")
        })?),
    };
    let filter = SaleFilter {
        register_id: query.register_id,
        shift_id: query.shift_id,
        customer_id: query.customer_id,
        sold_by: query.sold_by.map(|id| ActorId::program(Uuid::from(id))),
        method: query.method,
        number,
        is_voided: query.status.map(|status| status == SaleStatus::Voided),
        from: query.from.map(Moment::time),
        until: query.until.map(Moment::time),
    };
    let page = page.request()?;
    let list = async |tx: &TenantTx| all((settings::currency(tx), sale_list::list(tx, &filter, &page))).await;
    let (currency, page) = state.database.read_snapshot(&caller.scope(), list).await?;
    let may_list = caller.may(Permission::TillApprove);
    let view = |sale| SaleView::new(sale, &currency).with_codes(may_list);
    Ok(HttpResponse::Ok().json(PageView::new(page, view)))
}

/// Read a sale
///
/// Returns a sale or refund with its lines and payments.
#[utoipa::path(tag = "till", operation_id = "readSale", responses((status = 200, body = SaleView)),
    params(("id" = SaleId, Path,)))]
#[get("/sales/{id}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::TillRead>,
    PathId(id): PathId<SaleId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let read = async |tx: &TenantTx| all((settings::currency(tx), sale_list::find(tx, id))).await;
    let (currency, sale) = state.database.read_snapshot(&caller.scope(), read).await?;
    let sale = sale.ok_or_else(Problem::not_found)?;
    let tag = sale_view::tag(&sale);
    let view = SaleView::new(sale, &currency).with_codes(caller.may(Permission::TillApprove));
    Ok(etag::respond(&request, tag, &view))
}
