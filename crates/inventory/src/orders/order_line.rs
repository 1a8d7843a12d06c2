//! Lines of an order, and the money that belongs to a part of a line.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use tokio_postgres::types::Json;
use values::{Money, Name, Quantity, Reason, Sku};

use crate::business::settings::Terms;
use crate::catalogue::tax_class::Rate;
use crate::ids::{OrderId, OrderLineId, VariantId};

/// A line of a stored order.
#[derive(Debug, Clone)]
pub struct OrderLine {
    /// The id of the line, by which fulfilments and returns name it.
    pub id: OrderLineId,
    pub(crate) order_id: OrderId,
    /// The variant that is sold.
    pub variant_id: VariantId,
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
    /// The average cost of one unit of the goods that were fulfilled and not returned. `None` before the
    /// first fulfilment, and if no cost is known.
    pub unit_cost: Option<Money>,
}

tenancy::from_row!(OrderLine {
    id,
    order_id,
    variant_id,
    sku,
    name,
    quantity,
    price,
    list_price,
    price_reason,
    discount,
    taxes,
    tax,
    total,
    fulfilled,
    cancelled,
    returned,
    credited,
    unit_cost,
});

/// A tax rate with its amount on a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargedTax {
    /// The rate when the order was placed; later changes of the tax class leave it unchanged.
    #[serde(flatten)]
    pub rate: Rate,
    /// The tax on the line at this rate, rounded to the currency of the business.
    pub amount: Decimal,
}

/// The money that belongs to a part of a line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LineShare {
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

    /// The part of the line's total, tax and discount for the next `quantity` units that are fulfilled. It is
    /// the rounded amount of all unfulfilled units, minus the rounded amount of those that remain. So the
    /// parts add up, and cancelling the remaining units credits exactly what is left.
    pub(crate) fn share_of(&self, quantity: Quantity, terms: &Terms) -> LineShare {
        let left = self.quantity - self.fulfilled;
        let after = left - quantity;
        let share = |amount: Money| self.part_of(amount, left, terms) - self.part_of(amount, after, terms);
        LineShare { total: share(self.total), tax: share(self.tax), discount: share(self.discount) }
    }

    /// The tax in the credit for `quantity` units that are cancelled or returned next.
    pub(crate) fn tax_credit_for(&self, quantity: Quantity, terms: &Terms) -> Money {
        let gone = self.cancelled + self.returned;
        self.part_of(self.tax, gone + quantity, terms) - self.part_of(self.tax, gone, terms)
    }

    /// The credit for `quantity` units that are cancelled or returned next: the share of everything that is
    /// cancelled or returned then, less what was credited before. So the number of parts makes no difference.
    pub(crate) fn credit_for(&self, quantity: Quantity, terms: &Terms) -> Money {
        let worth = self.part_of(self.total, self.cancelled + self.returned + quantity, terms);
        (worth.min(self.total) - self.credited).max(Money::ZERO)
    }

    /// The part of one of the line's amounts that belongs to `quantity` units, rounded.
    fn part_of(&self, amount: Money, quantity: Quantity, terms: &Terms) -> Money {
        let part = amount.as_decimal() * quantity.as_decimal() / self.quantity.as_decimal();
        Money::from_decimal(terms.round(part))
    }
}
