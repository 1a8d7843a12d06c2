//! The part of a line that customers have and have paid for: its units with their money and their cost, which
//! leave the part when goods come back or an amount is refunded. Orders and sales have such lines.

use values::{Money, Quantity, StockValue};

use crate::business::settings::Terms;

/// The part of a line that was sold and has not come back.
#[derive(Debug, Clone, Copy)]
pub struct SoldPart {
    /// The units, in sale units.
    pub quantity: Quantity,
    /// The money of the units, including taxes, less what was refunded.
    pub total: Money,
    /// The tax in it.
    pub tax: Money,
    /// The cost of the units, if known.
    pub cost: Option<StockValue>,
}

/// The money and the cost of units that came back.
#[derive(Debug, Clone, Copy)]
pub struct TakenBack {
    /// The amount that the customer gets back.
    pub refund: Money,
    /// The tax in the refund.
    pub tax: Money,
    /// The cost of the units, if known.
    pub cost: Option<StockValue>,
}

impl SoldPart {
    /// Takes `quantity` units back, at most those of the part.
    pub fn take_back(&mut self, quantity: Quantity, terms: &Terms) -> TakenBack {
        let units = Units { part: quantity, whole: self.quantity, terms };
        let taken = TakenBack {
            refund: units.take_from(&mut self.total),
            tax: units.take_from(&mut self.tax),
            cost: self.cost.map(|cost| cost.part(quantity, self.quantity)),
        };
        self.cost = self.cost.zip(taken.cost).map(|(all, part)| all - part);
        self.quantity -= quantity;
        taken
    }

    /// Gives an amount back without goods, at most the total. Returns the tax in it.
    pub fn refund(&mut self, amount: Money, terms: &Terms) -> Money {
        let tax = match amount == self.total {
            true => self.tax,
            false => {
                let exact = self.tax.as_decimal() * amount.as_decimal() / self.total.as_decimal();
                Money::from_decimal(terms.round(exact))
            }
        };
        self.total -= amount;
        self.tax -= tax;
        tax
    }
}

/// Divides an amount among parts by their totals. Returns the positions of the parts that give something,
/// with their shares. No part gives more than its total, and `amount` is at most the sum of them.
pub fn divided(totals: &[Money], amount: Money, terms: &Terms) -> Vec<(usize, Money)> {
    let (mut rest, mut left) = (amount, totals.iter().copied().sum::<Money>());
    let mut amounts = Vec::new();
    for (at, total) in totals.iter().copied().enumerate().filter(|(_, total)| total.is_positive()) {
        let exact = rest.as_decimal() * total.as_decimal() / left.as_decimal();
        // This part must give back the amount that the later parts cannot.
        let least = rest - (left - total);
        let share = Money::from_decimal(terms.round(exact)).max(least).min(total).min(rest);
        (rest, left) = (rest - share, left - total);
        amounts.extend(share.is_positive().then_some((at, share)));
    }
    amounts
}

/// A part of the units of a line.
#[derive(Clone, Copy)]
pub(super) struct Units<'a> {
    pub part: Quantity,
    pub whole: Quantity,
    pub terms: &'a Terms,
}

impl Units<'_> {
    /// Takes the amount of the part out of the amount of the whole: rounded, or all that is left if all units
    /// go. So whatever the parts are, and however the rounding changes, they add up.
    pub(super) fn take_from(self, amount: &mut Money) -> Money {
        let taken = match self.part == self.whole {
            true => *amount,
            false => {
                let exact = amount.as_decimal() * self.part.as_decimal() / self.whole.as_decimal();
                Money::from_decimal(self.terms.round(exact))
            }
        };
        *amount -= taken;
        taken
    }
}
