//! Receipts as clients see them.

use chrono::{DateTime, Utc};
use inventory::product_kind::ProductKind;
use inventory::{CustomerId, LocationId, VariantId};
use serde::Serialize;
use till::sale::{Sale, SaleKind, SaleLine, SaleReturn, SaleStatus};
use till::sale_method::SaleMethod;
use till::sale_payment::SalePayment;
use till::voucher_code::VoucherCode;
use till::{RegisterId, SaleId, SaleLineId, ShiftId};
use utoipa::ToSchema;
use values::{ActorId, Currency, Money, Name, Note, Quantity, Reason, ShortText, Sku};

use crate::http::prices::ChargedTaxView;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SaleView {
    id: SaleId,
    kind: SaleKind,
    status: SaleStatus,
    /// The number as it is printed on the receipt. It has no gaps in each register and fiscal year.
    #[schema(example = "R1-2026-000042")]
    reference: String,
    /// The register and the fiscal year.
    #[schema(example = "R1-2026")]
    series: String,
    /// The number in the series.
    number: i64,
    /// The register.
    register_id: RegisterId,
    /// The shift in whose Z report the receipt is.
    shift_id: ShiftId,
    /// The location that the goods left, and to which goods came back.
    location_id: LocationId,
    customer_id: Option<CustomerId>,
    /// The currency of all amounts.
    #[schema(example = "EUR")]
    currency: String,
    /// The sum of quantity times price over the sold lines, before discounts.
    #[schema(example = "19.00")]
    subtotal: String,
    /// The sum of all discounts on the sold lines.
    #[schema(example = "1.90")]
    discount: String,
    /// The amount of the returns, including taxes.
    #[schema(example = "0.00")]
    returned: String,
    /// The taxes of the sold lines less those of the returns.
    #[schema(example = "2.73")]
    tax: String,
    /// The amount of the sold lines less the returns, including taxes. Negative if it is paid back.
    #[schema(example = "17.10")]
    total: String,
    /// The amount by which cash was rounded. The payments add up to the total and this amount.
    #[schema(example = "0.00")]
    rounding: String,
    /// The cash that the customer got back as change.
    #[schema(example = "2.90")]
    change: String,
    /// The sold lines.
    lines: Vec<SaleLineView>,
    /// The articles and the money that came back of earlier receipts.
    returns: Vec<SaleReturnView>,
    payments: Vec<SalePaymentView>,
    /// The reason of the returns.
    reason: Option<Reason>,
    note: Option<Note>,
    /// The member who approved a discount or returns at the till of the cashier. null if nobody had to.
    approved_by: Option<ActorId>,
    /// The user or program that completed the sale; null for the platform.
    sold_by: ActorId,
    sold_at: DateTime<Utc>,
    /// The user or program that voided the sale. null if it counts.
    voided_by: Option<ActorId>,
    /// When the sale was voided. null if it counts.
    voided_at: Option<DateTime<Utc>>,
    /// The reason why the sale was voided.
    void_reason: Option<Reason>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SaleLineView {
    id: SaleLineId,
    variant_id: VariantId,
    /// The kind of the product: whether the line has goods that leave the stock.
    kind: ProductKind,
    /// The SKU when it was sold.
    sku: Sku,
    /// The name of the product when it was sold.
    name: Name,
    /// The quantity, in sale units.
    quantity: Quantity,
    /// The price of one unit.
    #[schema(example = "9.50")]
    price: String,
    /// The list price of one unit when it was sold.
    #[schema(example = "9.50")]
    list_price: String,
    /// The reason for a price other than the list price.
    price_reason: Option<Reason>,
    /// The discount on the line plus the line's share of the discount on the sale.
    #[schema(example = "1.90")]
    discount: String,
    /// The taxes of the line, one entry for each rate.
    taxes: Vec<ChargedTaxView>,
    /// The sum of the taxes of the line.
    #[schema(example = "2.73")]
    tax: String,
    /// The amount of the line, including discounts and taxes.
    #[schema(example = "17.10")]
    total: String,
    note: Option<Note>,
    /// The quantity that came back later, in sale units.
    returned: Quantity,
    /// The part of the total that was given back later.
    #[schema(example = "0.00")]
    refunded: String,
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
    /// Whether the goods were added to the stock again. false for services and fees, and for scrapped goods.
    restocked: bool,
    /// The amount that was given back, including taxes.
    #[schema(example = "9.50")]
    amount: String,
    /// The taxes in the amount, one entry for each rate.
    taxes: Vec<ChargedTaxView>,
    /// The sum of these taxes.
    #[schema(example = "1.52")]
    tax: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SalePaymentView {
    method: SaleMethod,
    /// The amount without change. Negative if it was paid back.
    #[schema(example = "17.10")]
    amount: String,
    /// The cash that the customer handed over. null for other methods, and for cash that was paid back.
    #[schema(example = "20.00")]
    tendered: Option<String>,
    /// The number of the transaction at the bank, the card terminal or the provider.
    reference: Option<ShortText>,
    /// The code of the voucher.
    #[schema(example = "7KQP-2M9X-TA4V-HB3D")]
    voucher_code: Option<VoucherCode>,
    /// The balance of the voucher, the store credit or the debt after the payment. null for other methods.
    #[schema(example = "35.00")]
    credit_balance: Option<String>,
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
            currency: currency.code().to_owned(),
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
            approved_by: sale.approved_by,
            sold_by: sale.sold_by,
            sold_at: sale.sold_at,
            voided_by: sale.voided_by,
            voided_at: sale.voided_at,
            void_reason: sale.void_reason,
        }
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
            voucher_code: payment.voucher_code,
            credit_balance: payment.credit_balance.map(|balance| currency.format(balance)),
        }
    }
}
