//! Lines of an order, and the money that belongs to a part of a line.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use tokio_postgres::types::Json;
use values::{Money, Name, NonNegative, Quantity, Reason, Sku, StockValue};

use crate::business::settings::Terms;
use crate::catalogue::product_kind::ProductKind;
use crate::catalogue::tax_class::Rate;
use crate::ids::{OrderId, OrderLineId, VariantId};
use crate::orders::basket::BasketLine;
use crate::orders::sold_bundle::SoldBundle;
use crate::orders::sold_part::{SoldPart, TakenBack, Units};
use crate::stock::posting::StockError;

/// A line of a stored order.
#[derive(Debug, Clone)]
pub struct OrderLine {
    /// The id of the line, by which fulfilments and returns name it.
    pub id: OrderLineId,
    pub(crate) order_id: OrderId,
    /// The variant that is sold.
    pub variant_id: VariantId,
    /// The kind of its product: whether it has stock.
    pub kind: ProductKind,
    /// The SKU when the order was placed.
    pub sku: Sku,
    /// The name of the product when the order was placed.
    pub name: Name,
    /// The ordered quantity, in sale units; never changes.
    pub quantity: Quantity,
    /// The price of one unit, before discounts.
    pub price: Money,
    /// The list price of one unit when the order was placed.
    pub list_price: Money,
    /// The reason for a price that replaces the list price; `None` if the list price applies.
    pub price_reason: Option<Reason>,
    /// The line's own discount and its share of the order's discount.
    pub discount: Money,
    /// Each tax rate of the product when the order was placed, with its amount; empty for an untaxed line.
    pub taxes: Json<Vec<ChargedTax>>,
    /// Whether the price includes the taxes. `None` if there are none, and in lines of earlier releases.
    pub(crate) includes_tax: Option<bool>,
    /// The sum of the amounts in `taxes`.
    pub tax: Money,
    /// The amount due for the line, including discounts and taxes.
    pub total: Money,
    /// The quantity that has left, in sale units, including goods that were returned later.
    pub fulfilled: Quantity,
    /// The quantity that was cancelled before it left, in sale units.
    pub cancelled: Quantity,
    /// The part of `fulfilled` that came back, in sale units, restocked or scrapped.
    pub returned: Quantity,
    /// The part of `total` that was cancelled or refunded.
    pub credited: Money,
    /// The cost of the goods that were fulfilled and not returned. `None` before the first fulfilment, and if
    /// no cost is known.
    pub cost: Option<StockValue>,
    /// The part of total, tax and discount that is neither fulfilled nor cancelled.
    pub(crate) open_total: Money,
    pub(crate) open_tax: Money,
    pub(crate) open_discount: Money,
    /// The part of total and tax that is fulfilled and not returned.
    pub(crate) out_total: Money,
    pub(crate) out_tax: Money,
    /// The bundle to which the line belongs; `None` if it was ordered on its own.
    pub bundle: Option<Json<SoldBundle>>,
}

tenancy::from_row!(OrderLine {
    id,
    order_id,
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
    fulfilled,
    cancelled,
    returned,
    credited,
    cost,
    open_total,
    open_tax,
    open_discount,
    out_total,
    out_tax,
    bundle,
});

impl OrderLine {
    /// A line of a basket that is ordered, and perhaps fulfilled at once.
    pub(super) fn new(order_id: OrderId, line: BasketLine, is_at_once: bool) -> Self {
        let now_or_later = |amount: Money| match is_at_once {
            true => (amount, Money::ZERO),
            false => (Money::ZERO, amount),
        };
        let (out_total, open_total) = now_or_later(line.total);
        let (out_tax, open_tax) = now_or_later(line.tax);
        let (_, open_discount) = now_or_later(line.discount);
        Self {
            id: OrderLineId::new(),
            order_id,
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
            fulfilled: if is_at_once { line.quantity } else { Quantity::ZERO },
            cancelled: Quantity::ZERO,
            returned: Quantity::ZERO,
            credited: Money::ZERO,
            cost: None,
            open_total,
            open_tax,
            open_discount,
            out_total,
            out_tax,
            bundle: line.bundle.map(Json),
        }
    }

    /// The agreed price of one unit, or of one bundle to which the line belongs, with its reason, if it
    /// replaces the list price.
    pub(super) fn agreed_price(&self) -> Option<(NonNegative<Money>, Reason)> {
        let price = self.bundle.as_ref().map_or(self.price, |bundle| Money::from_decimal(bundle.0.price));
        Some((NonNegative::new(price).ok()?, self.price_reason.clone()?))
    }

    /// The ordered variant: the bundle if the line belongs to one, or else the variant of the line.
    pub(super) fn ordered(&self) -> VariantId {
        self.bundle.as_ref().map_or(self.variant_id, |bundle| bundle.0.variant_id)
    }

    /// The number of the bundle to which the line belongs; `None` if the line has no bundle.
    pub(super) fn bundle_number(&self) -> Option<i16> {
        self.bundle.as_ref().map(|bundle| bundle.0.number)
    }

    /// Whether the price of the line includes its taxes: then the total has no tax on top. `None` if a line
    /// of an earlier release does not tell, because its tax came to nothing.
    pub(super) fn includes_tax(&self) -> Option<bool> {
        let net = self.quantity.as_decimal() * self.price.as_decimal() - self.discount.as_decimal();
        let (total, tax) = (self.total.as_decimal(), self.tax.as_decimal());
        let told = (!tax.is_zero()).then(|| (total - net).abs() <= (total - tax - net).abs());
        self.includes_tax.or(told)
    }
}

/// A tax rate with its amount on a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargedTax {
    /// The rate when the order was placed; later changes of the tax class leave it unchanged.
    #[serde(flatten)]
    pub rate: Rate,
    /// The tax on the line at this rate, rounded to the currency of the business.
    pub amount: Decimal,
}

/// The money of a part of a line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amounts {
    pub total: Money,
    pub tax: Money,
    pub discount: Money,
}

impl OrderLine {
    /// The quantity that is neither fulfilled nor cancelled.
    pub fn open(&self) -> Quantity {
        self.quantity - self.fulfilled - self.cancelled
    }

    /// The quantity that was fulfilled and not returned.
    pub fn returnable(&self) -> Quantity {
        self.fulfilled - self.returned
    }

    /// Fulfils `quantity` units, which cost `cost`. Returns their amounts.
    ///
    /// # Errors
    /// [`StockError::TooValuable`].
    pub(crate) fn fulfil(
        &mut self,
        quantity: Quantity,
        cost: Option<StockValue>,
        terms: &Terms,
    ) -> Result<Amounts, StockError> {
        let amounts = self.take_open(quantity, terms);
        self.fulfilled += quantity;
        self.out_total += amounts.total;
        self.out_tax += amounts.tax;
        if let Some(cost) = cost {
            self.cost = Some(self.cost.unwrap_or_default() + cost);
        }
        if self.cost > Some(StockValue::MAX) {
            return Err(StockError::TooValuable);
        }
        Ok(amounts)
    }

    /// Cancels `quantity` open units. Returns their amounts, of which the total is credited.
    pub(crate) fn cancel(&mut self, quantity: Quantity, terms: &Terms) -> Amounts {
        let amounts = self.take_open(quantity, terms);
        self.cancelled += quantity;
        self.credited += amounts.total;
        amounts
    }

    fn take_open(&mut self, quantity: Quantity, terms: &Terms) -> Amounts {
        let units = Units { part: quantity, whole: self.open(), terms };
        Amounts {
            total: units.take_from(&mut self.open_total),
            tax: units.take_from(&mut self.open_tax),
            discount: units.take_from(&mut self.open_discount),
        }
    }

    /// The part of the line that is out.
    fn out(&self) -> SoldPart {
        SoldPart { quantity: self.returnable(), total: self.out_total, tax: self.out_tax, cost: self.cost }
    }

    /// Gives an amount of what is out of the line back, without goods. Returns the tax in it.
    pub(crate) fn refund(&mut self, amount: Money, terms: &Terms) -> Money {
        let mut out = self.out();
        let tax = out.refund(amount, terms);
        (self.out_total, self.out_tax) = (out.total, out.tax);
        self.credited += amount;
        tax
    }

    /// Takes `quantity` fulfilled units back.
    pub(crate) fn take_back(&mut self, quantity: Quantity, terms: &Terms) -> TakenBack {
        let mut out = self.out();
        let taken = out.take_back(quantity, terms);
        (self.out_total, self.out_tax, self.cost) = (out.total, out.tax, out.cost);
        self.returned += quantity;
        self.credited += taken.refund;
        taken
    }
}
