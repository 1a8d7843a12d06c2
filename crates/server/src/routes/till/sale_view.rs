//! Receipts as clients see them.

use chrono::{DateTime, Utc};
use inventory::product_kind::ProductKind;
use inventory::{CustomerId, LocationId, VariantId};
use serde::Serialize;
use till::sale::{Sale, SaleKind, SaleLine, SaleReturn, SaleStatus};
use till::sale_method::SaleMethod;
use till::sale_payment::SalePayment;
use till::voucher_code::VoucherCode;
use till::{MobilePaymentId, RegisterId, SaleId, SaleLineId, ShiftId};
use utoipa::ToSchema;
use values::{ActorId, Amount, Currency, Money, Name, Note, Quantity, Reason, ShortText, Sku};

use crate::http::etag::Tag;
use crate::http::prices::{BundleView, ChargedTaxView};

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SaleView {
    id: SaleId,
    kind: SaleKind,
    status: SaleStatus,
    /// The number as it is printed. Numbers have no gaps within a register and a fiscal year.
    #[schema(example = "R1-2026-000042")]
    reference: String,
    /// The series of the register and the year in which the fiscal year begins.
    #[schema(example = "R1-2026")]
    series: String,
    /// The number in the series.
    number: i64,
    /// The register.
    register_id: RegisterId,
    /// The shift of the register. Its Z report includes the receipt.
    shift_id: ShiftId,
    /// The location that the goods left, and to which goods came back.
    location_id: LocationId,
    customer_id: Option<CustomerId>,
    /// The currency of all amounts.
    #[schema(example = "EUR")]
    currency: Currency,
    /// The sum of the sold lines before discounts: quantity times price, or the amount on a scale's label.
    #[schema(example = "19.00")]
    subtotal: Amount,
    /// The sum of all discounts on the sold lines.
    #[schema(example = "1.90")]
    discount: Amount,
    /// The amount of the returns, including taxes.
    #[schema(example = "0.00")]
    returned: Amount,
    /// The taxes of the sold lines less those of the returns.
    #[schema(example = "2.73")]
    tax: Amount,
    /// The amount of the sold lines minus the returns, including taxes. If negative, it was paid back.
    #[schema(example = "17.10")]
    total: Amount,
    /// The amount that rounding of cash added; negative if cash was rounded down. The payments add up to
    /// the total plus this amount.
    #[schema(example = "0.00")]
    rounding: Amount,
    /// The cash that the customer got back as change.
    #[schema(example = "2.90")]
    change: Amount,
    /// The sold lines.
    lines: Vec<SaleLineView>,
    /// The articles that came back from earlier receipts, and the amounts that were given back for them.
    returns: Vec<SaleReturnView>,
    payments: Vec<SalePaymentView>,
    /// The reason of the returns. null if there are no returns.
    reason: Option<Reason>,
    note: Option<Note>,
    /// The number that the till printed when it made the sale without a connection. null for other sales.
    #[schema(example = "R1-OFF-000017")]
    offline_reference: Option<ShortText>,
    /// The member who approved a discount or returns. null if no approval was necessary.
    approved_by: Option<ActorId>,
    /// The user or program that completed the sale; null for the platform.
    sold_by: ActorId,
    sold_at: DateTime<Utc>,
    /// The user or program that voided the sale. null if the sale is not voided.
    voided_by: Option<ActorId>,
    /// The time at which the sale was voided. null if it is not voided.
    voided_at: Option<DateTime<Utc>>,
    /// The reason of the void. null if the sale is not voided.
    void_reason: Option<Reason>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SaleLineView {
    id: SaleLineId,
    variant_id: VariantId,
    /// The kind of the product: whether the line has goods that leave the stock.
    kind: ProductKind,
    /// The SKU at the time of the sale.
    sku: Sku,
    /// The name of the product at the time of the sale.
    name: Name,
    /// The quantity, in sale units.
    quantity: Quantity,
    /// The price of one unit, before discounts. Without taxes if the customer is tax-exempt.
    #[schema(example = "9.50")]
    price: Amount,
    /// The list price of one unit at the time of the sale. Without taxes if the customer is tax-exempt.
    #[schema(example = "9.50")]
    list_price: Amount,
    /// The reason for a price other than the list price. null if the list price applies.
    price_reason: Option<Reason>,
    /// The discount on the line plus the line's share of the discount on the sale.
    #[schema(example = "1.90")]
    discount: Amount,
    /// The taxes of the line, one entry for each rate.
    taxes: Vec<ChargedTaxView>,
    /// The sum of the taxes of the line.
    #[schema(example = "2.73")]
    tax: Amount,
    /// The amount of the line, including discounts and taxes.
    #[schema(example = "17.10")]
    total: Amount,
    note: Option<Note>,
    /// The quantity that came back later, in sale units.
    returned: Quantity,
    /// The part of the total that was given back later.
    #[schema(example = "0.00")]
    refunded: Amount,
    /// The bundle to which the line belongs. The line's price is then a share of the bundle's price. null
    /// if the article was sold on its own.
    bundle: Option<BundleView>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SaleReturnView {
    /// The earlier receipt.
    sale_id: SaleId,
    /// The line of the earlier receipt.
    line_id: SaleLineId,
    variant_id: VariantId,
    /// The SKU when it was sold.
    sku: Sku,
    /// The name of the product when it was sold.
    name: Name,
    /// The quantity that came back, in sale units. "0" if the customer kept the goods.
    quantity: Quantity,
    /// true if goods were added to the stock again. false if they were scrapped or kept, and for services
    /// and fees.
    restocked: bool,
    /// The amount that was given back, including taxes.
    #[schema(example = "9.50")]
    amount: Amount,
    /// The taxes in the amount, one entry for each rate.
    taxes: Vec<ChargedTaxView>,
    /// The sum of the taxes in the amount.
    #[schema(example = "1.52")]
    tax: Amount,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SalePaymentView {
    method: SaleMethod,
    /// The amount without change. Negative if it was paid back, or put into credit.
    #[schema(example = "17.10")]
    amount: Amount,
    /// The cash that the customer handed over. null for other methods, and for cash that was paid back.
    #[schema(example = "20.00")]
    tendered: Option<Amount>,
    /// The number of the transaction at the bank, the card terminal or the provider. null if none was sent.
    reference: Option<ShortText>,
    /// The reported payment by mobile money that confirms this payment. null for other methods, and while no
    /// reported payment confirms this payment.
    mobile_payment_id: Option<MobilePaymentId>,
    /// The code of the voucher. null for other methods. Without the permission till.approve, only the
    /// answer to the sale has it.
    #[schema(example = "7KQP-2M9X-TA4V-HB3D")]
    voucher_code: Option<VoucherCode>,
    /// The balance of the voucher, the store credit or the debt after the payment. null for other methods.
    #[schema(example = "35.00")]
    credit_balance: Option<Amount>,
}

/// The present state of a sale. A payment may be confirmed later, without a change of the sale.
pub(super) fn tag(sale: &Sale) -> Tag {
    let confirmed = sale.payments.iter().filter(|payment| payment.mobile_payment_id.is_some()).count();
    match i64::try_from(confirmed) {
        Ok(0) | Err(_) => Tag::of_version(sale.version),
        Ok(confirmed) => Tag::with_shown(sale.version, confirmed),
    }
}

impl SaleView {
    pub(super) fn new(sale: Sale, currency: &Currency) -> Self {
        let money = |amount: Money| currency.format(amount);
        Self {
            id: sale.id,
            kind: sale.kind,
            status: sale.status(),
            reference: sale.reference(),
            number: sale.number,
            register_id: sale.register_id,
            shift_id: sale.shift_id,
            location_id: sale.location_id,
            customer_id: sale.customer_id,
            currency: currency.clone(),
            subtotal: money(sale.subtotal),
            discount: money(sale.discount),
            returned: money(sale.returned),
            tax: money(sale.tax),
            total: money(sale.total),
            rounding: money(sale.rounding),
            change: money(sale.change()),
            series: sale.series,
            lines: sale.lines.into_iter().map(|line| SaleLineView::new(line, currency)).collect(),
            returns: sale.returns.into_iter().map(|back| SaleReturnView::new(back, currency)).collect(),
            payments: sale.payments.into_iter().map(|paid| SalePaymentView::new(paid, currency)).collect(),
            reason: sale.reason,
            note: sale.note,
            offline_reference: sale.offline_reference,
            approved_by: sale.approved_by,
            sold_by: sale.sold_by,
            sold_at: sale.sold_at,
            voided_by: sale.voided_by,
            voided_at: sale.voided_at,
            void_reason: sale.void_reason,
        }
    }
}

impl SaleView {
    /// Leaves the codes of vouchers out for callers who may not list vouchers.
    pub(super) fn with_codes(mut self, may_list: bool) -> Self {
        if !may_list {
            self.payments.iter_mut().for_each(|payment| payment.voucher_code = None);
        }
        self
    }
}

impl SaleLineView {
    fn new(line: SaleLine, currency: &Currency) -> Self {
        Self {
            id: line.id,
            variant_id: line.variant_id,
            kind: line.kind,
            sku: line.sku,
            name: line.name,
            quantity: line.quantity,
            price: currency.format(line.price),
            list_price: currency.format(line.list_price),
            price_reason: line.price_reason,
            discount: currency.format(line.discount),
            taxes: ChargedTaxView::all(line.taxes.0, currency),
            tax: currency.format(line.tax),
            total: currency.format(line.total),
            note: line.note,
            returned: line.returned,
            refunded: currency.format(line.refunded),
            bundle: line.bundle.map(|bundle| bundle.0.into()),
        }
    }
}

impl SaleReturnView {
    fn new(back: SaleReturn, currency: &Currency) -> Self {
        Self {
            sale_id: back.of_sale_id,
            line_id: back.line_id,
            variant_id: back.variant_id,
            sku: back.sku,
            name: back.name,
            quantity: back.quantity,
            restocked: back.is_restocked,
            amount: currency.format(back.amount),
            taxes: ChargedTaxView::all(back.taxes.0, currency),
            tax: currency.format(back.tax),
        }
    }
}

impl SalePaymentView {
    fn new(payment: SalePayment, currency: &Currency) -> Self {
        Self {
            method: payment.method,
            amount: currency.format(payment.amount),
            tendered: payment.tendered.map(|tendered| currency.format(tendered)),
            reference: payment.reference,
            mobile_payment_id: payment.mobile_payment_id,
            voucher_code: payment.voucher_code,
            credit_balance: payment.credit_balance.map(|balance| currency.format(balance)),
        }
    }
}
