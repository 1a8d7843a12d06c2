//! Receipts of the till: each sells articles, takes articles back, or does both, and is paid at once.

use chrono::{DateTime, Utc};
use inventory::basket::BasketLine;
use inventory::order::ChargedTax;
use inventory::product_kind::ProductKind;
use inventory::sold_bundle::SoldBundle;
use inventory::sold_part::SoldPart;
use inventory::stock::movement::Kind;
use inventory::stock::{Cost, Posting};
use inventory::{CustomerId, LocationId, VariantId};
use tokio_postgres::types::Json;
use values::{ActorId, Money, Name, Note, Quantity, Reason, ShortText, Sku, StockValue};

use crate::ids::{RegisterId, SaleId, SaleLineId, SaleReturnId, ShiftId};
use crate::registers::register::receipt_reference;
use crate::sales::sale_payment::SalePayment;

values::words! {
    /// The kind of a receipt.
    pub enum SaleKind {
        /// Sells articles.
        Sale = "sale",
        /// Takes articles back, or gives money back.
        Refund = "refund",
        /// Takes articles back and sells others.
        Exchange = "exchange",
        /// Sells nothing: puts money into a voucher or store credit, or pays a debt.
        Deposit = "deposit",
    }

    /// The status of a receipt.
    pub enum SaleStatus {
        /// The receipt is valid and in the sums of its shift.
        Completed = "completed",
        /// The receipt was voided in its shift and is in no sum. It keeps its number.
        Voided = "voided",
    }
}

/// A receipt.
#[derive(Debug, Clone)]
pub struct Sale {
    /// The id, chosen by the client or by the server.
    pub id: SaleId,
    /// The register.
    pub register_id: RegisterId,
    /// The shift of the register, in whose Z report the receipt is.
    pub shift_id: ShiftId,
    /// The location that the goods left, and to which goods came back.
    pub location_id: LocationId,
    /// The customer; `None` if nobody was named.
    pub customer_id: Option<CustomerId>,
    /// The register and the fiscal year, such as `R1-2026`.
    pub series: String,
    /// Consecutive in the series.
    pub number: i64,
    /// The kind of the receipt.
    pub kind: SaleKind,
    /// The sum of the sold lines before discounts: quantity times price, or the amount on a scale's label.
    pub subtotal: Money,
    /// The sum of all discounts on the sold lines.
    pub discount: Money,
    /// The amount of the returns, including taxes.
    pub returned: Money,
    /// The taxes of the sold lines minus those of the returns.
    pub tax: Money,
    /// The amount of the sold lines minus the returns, including taxes. Negative if it is paid back.
    pub total: Money,
    /// The amount by which cash was rounded: the payments add up to the total and this amount.
    pub rounding: Money,
    /// The reason of the returns; `None` without returns.
    pub reason: Option<Reason>,
    /// A note about the receipt.
    pub note: Option<Note>,
    /// The number that the till printed while it had no connection.
    pub offline_reference: Option<ShortText>,
    /// The member who approved a discount or a return at the till of the cashier.
    pub approved_by: Option<ActorId>,
    /// The user or program that completed it.
    pub sold_by: ActorId,
    /// The time at which it was completed.
    pub sold_at: DateTime<Utc>,
    /// The actor who voided it.
    pub voided_by: Option<ActorId>,
    /// The time of the void.
    pub voided_at: Option<DateTime<Utc>>,
    /// The reason of the void.
    pub void_reason: Option<Reason>,
    /// Counts the changes of the row; clients see it as the ETag.
    pub version: i32,
    /// The hash in the chain of receipts; `None` for a receipt of an earlier release, and for one that was
    /// completed just now.
    pub(crate) chain_hash: Option<Vec<u8>>,
    /// The hash of the void.
    pub(super) void_hash: Option<Vec<u8>>,
    /// The lines that were sold.
    pub lines: Vec<SaleLine>,
    /// The returns of earlier receipts.
    pub returns: Vec<SaleReturn>,
    /// The payments.
    pub payments: Vec<SalePayment>,
}

tenancy::from_row!(Sale {
    id, register_id, shift_id, location_id, customer_id, series, number, kind, subtotal, discount, returned,
    tax, total, rounding, reason, note, offline_reference, approved_by, sold_by, sold_at,
    voided_by, voided_at,
    void_reason,
    version, chain_hash, void_hash,
} with { lines: Vec::new(), returns: Vec::new(), payments: Vec::new() });

impl SaleKind {
    /// The kind of a receipt with these lines and returns.
    pub(super) fn of(lines: &[SaleLine], returns: &[SaleReturn]) -> Self {
        match (lines.is_empty(), returns.is_empty()) {
            (false, false) => Self::Exchange,
            (true, false) => Self::Refund,
            (false, true) => Self::Sale,
            (true, true) => Self::Deposit,
        }
    }
}

impl Sale {
    /// The number as it is printed, such as `R1-2026-000042`.
    pub fn reference(&self) -> String {
        receipt_reference(&self.series, self.number)
    }

    /// Whether the receipt counts.
    pub fn status(&self) -> SaleStatus {
        if self.voided_at.is_some() { SaleStatus::Voided } else { SaleStatus::Completed }
    }

    /// The cash that the customer got back as change.
    pub fn change(&self) -> Money {
        let back = |payment: &SalePayment| Some(payment.tendered? - payment.amount);
        self.payments.iter().filter_map(back).sum()
    }
}

/// A line of a receipt that sells an article.
#[derive(Debug, Clone)]
pub struct SaleLine {
    /// The id, by which later receipts name the line.
    pub id: SaleLineId,
    pub(super) sale_id: SaleId,
    /// The variant that was sold.
    pub variant_id: VariantId,
    /// The kind of its product: whether it has stock.
    pub kind: ProductKind,
    /// The SKU when it was sold.
    pub sku: Sku,
    /// The name of the product when it was sold.
    pub name: Name,
    /// The quantity, in sale units.
    pub quantity: Quantity,
    /// The price of one unit, before discounts.
    pub price: Money,
    /// The list price of one unit when it was sold.
    pub list_price: Money,
    /// The reason for a price that replaced the list price.
    pub price_reason: Option<Reason>,
    /// The line's own discount and its share of the discount on the receipt.
    pub discount: Money,
    /// Each tax rate with its amount.
    pub taxes: Json<Vec<ChargedTax>>,
    /// Whether the price includes the taxes; `None` if there are none.
    pub includes_tax: Option<bool>,
    /// The sum of the amounts in `taxes`.
    pub tax: Money,
    /// The amount of the line, including discounts and taxes.
    pub total: Money,
    /// A note about the line.
    pub note: Option<Note>,
    /// The cost of the goods that have not come back, if known.
    pub(super) cost: Option<StockValue>,
    /// The quantity that came back later, in sale units.
    pub returned: Quantity,
    /// The part of the total that was given back later.
    pub refunded: Money,
    /// The tax in it.
    pub(super) refunded_tax: Money,
    /// The bundle to which the line belongs; `None` if it was sold on its own.
    pub bundle: Option<Json<SoldBundle>>,
}

tenancy::from_row!(SaleLine {
    id,
    sale_id,
    variant_id,
    kind,
    sku,
    name,
    quantity,
    price,
    list_price,
    price_reason,
    discount,
    taxes,
    includes_tax,
    tax,
    total,
    note,
    cost,
    returned,
    refunded,
    refunded_tax,
    bundle,
});

impl SaleLine {
    /// A line of a basket that is sold.
    pub(super) fn new(sale_id: SaleId, line: BasketLine) -> Self {
        Self {
            id: SaleLineId::new(),
            sale_id,
            variant_id: line.variant_id,
            kind: line.kind,
            sku: line.sku,
            name: line.name,
            quantity: line.quantity,
            price: line.price,
            list_price: line.list_price,
            price_reason: line.price_reason,
            discount: line.discount,
            taxes: Json(line.taxes),
            includes_tax: line.includes_tax,
            tax: line.tax,
            total: line.total,
            note: line.note,
            cost: None,
            returned: Quantity::ZERO,
            refunded: Money::ZERO,
            refunded_tax: Money::ZERO,
            bundle: line.bundle.map(Json),
        }
    }

    /// The goods of the line leave a location.
    pub(super) fn leaves(&self, location_id: LocationId) -> Posting {
        Posting {
            kind: Kind::Sale,
            variant_id: self.variant_id,
            has_stock: self.kind.has_stock(),
            location_id,
            quantity: -self.quantity,
            reserved: Quantity::ZERO,
            cost: Cost::Average,
            reason: None,
            line_id: self.id.into(),
        }
    }

    /// The part of the line that has not come back.
    pub(super) fn sold_part(&self) -> SoldPart {
        SoldPart {
            quantity: self.quantity - self.returned,
            total: self.total - self.refunded,
            tax: self.tax - self.refunded_tax,
            cost: self.cost,
        }
    }

    /// Leaves this part of the line with the customer.
    pub(super) fn leave(&mut self, part: SoldPart) {
        self.returned = self.quantity - part.quantity;
        self.refunded = self.total - part.total;
        self.refunded_tax = self.tax - part.tax;
        self.cost = part.cost;
    }
}

/// The return of a part of a line of an earlier receipt.
#[derive(Debug, Clone)]
pub struct SaleReturn {
    /// The id.
    pub id: SaleReturnId,
    pub(super) sale_id: SaleId,
    /// The line of the earlier receipt.
    pub line_id: SaleLineId,
    /// The earlier receipt.
    pub of_sale_id: SaleId,
    /// The variant of the line.
    pub variant_id: VariantId,
    /// The SKU when it was sold.
    pub sku: Sku,
    /// The name of the product when it was sold.
    pub name: Name,
    /// The quantity that came back, in sale units; zero if money was given back, and no goods came back.
    pub quantity: Quantity,
    /// Whether the goods are on hand again. Otherwise they were scrapped, or there are none.
    pub is_restocked: bool,
    /// The amount that was given back, including taxes.
    pub amount: Money,
    /// The tax in it.
    pub tax: Money,
    /// The tax by rate.
    pub taxes: Json<Vec<ChargedTax>>,
}

tenancy::from_row!(SaleReturn {
    id,
    sale_id,
    line_id,
    of_sale_id,
    variant_id,
    sku,
    name,
    quantity,
    is_restocked,
    amount,
    tax,
    taxes,
});
