//! The cost of goods, as the books keep it.

use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Serialize, Serializer};

use crate::amount::Amount;
use crate::{ExchangeRate, Money, Quantity, column_as};

/// The cost of some goods: numeric(22, 8). It is finer than an amount of money, so that a quantity of three
/// decimals times a unit cost of four decimals is exact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct StockValue(Decimal);

column_as!(StockValue, Decimal);

/// The number of decimals of a value.
const DECIMALS: u32 = 8;

impl StockValue {
    /// No value.
    pub const ZERO: Self = Self(Decimal::ZERO);
    /// The largest value that the books can hold.
    pub const MAX: Self = Self(Decimal::from_parts(0xb23f_ffff, 0x19e0_c9ba, 0x021e, false, DECIMALS));

    /// The cost of `quantity` units at `unit_cost`, exactly.
    pub fn of(quantity: Quantity, unit_cost: Money) -> Self {
        Self(quantity.as_decimal() * unit_cost.as_decimal())
    }

    /// This value of another currency, at a rate to the currency of the business, rounded to 8 decimals.
    #[must_use]
    pub fn converted(self, rate: ExchangeRate) -> Self {
        if rate == ExchangeRate::ONE {
            return self;
        }
        let exact = self.0.saturating_mul(rate.as_decimal());
        Self(exact.round_dp_with_strategy(DECIMALS, RoundingStrategy::MidpointAwayFromZero))
    }

    /// What `part` units cost if `whole` units cost this value. It is rounded to 8 decimals, unless `part` is
    /// the whole. `whole` must not be zero.
    pub fn part(self, part: Quantity, whole: Quantity) -> Self {
        self.fraction(part.as_decimal(), whole.as_decimal())
    }

    /// As [`StockValue::part`], for any measure of the part and of the whole, such as what they cost.
    pub fn fraction(self, part: Decimal, whole: Decimal) -> Self {
        if part == whole {
            return self;
        }
        // A product beyond the range of decimals is far beyond any value that the books accept.
        let exact = match self.0.checked_mul(part) {
            Some(product) => product / whole,
            None => (self.0 / whole).saturating_mul(part),
        };
        Self(exact.round_dp_with_strategy(DECIMALS, RoundingStrategy::MidpointAwayFromZero))
    }

    /// An amount of the currency of the business.
    pub fn of_money(amount: Money) -> Self {
        Self(amount.as_decimal())
    }

    /// What one of `quantity` units costs, to be shown: rounded to 4 decimals. `quantity` must not be zero.
    pub fn per_unit(self, quantity: Quantity) -> Money {
        Money::rounded(self.0 / quantity.as_decimal())
    }

    /// The value with every decimal that it has, and no trailing zeros.
    pub fn plain(self) -> Amount {
        Amount::exact(self.0.normalize())
    }

    /// Whether the value is zero.
    pub const fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// Whether the value is less than zero.
    pub fn is_negative(self) -> bool {
        self.0 < Decimal::ZERO
    }

    /// The number, for exact arithmetic.
    pub const fn as_decimal(self) -> Decimal {
        self.0
    }
}

impl Add for StockValue {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for StockValue {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Neg for StockValue {
    type Output = Self;
    fn neg(self) -> Self {
        if self.0.is_zero() { self } else { Self(-self.0) }
    }
}

impl AddAssign for StockValue {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl SubAssign for StockValue {
    fn sub_assign(&mut self, other: Self) {
        self.0 -= other.0;
    }
}

impl Serialize for StockValue {
    /// As a decimal string without trailing zeros.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.plain().as_str())
    }
}

impl Sum for StockValue {
    fn sum<I: Iterator<Item = Self>>(values: I) -> Self {
        Self(values.map(|value| value.0).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(text: &str) -> Quantity {
        Quantity::parse(text).unwrap()
    }

    #[test]
    fn the_largest_value_is_the_column_s() {
        assert_eq!(StockValue::MAX.as_decimal().to_string(), "99999999999999.99999999");
    }

    #[test]
    fn a_quantity_times_a_cost_is_exact() {
        let value = StockValue::of(quantity("0.001"), Money::parse("0.0001").unwrap());
        assert_eq!(value.as_decimal().to_string(), "0.0000001");
        let largest = StockValue::of(Quantity::MAX, Money::MAX);
        assert!(largest > StockValue::MAX);
        assert_eq!(largest.as_decimal().to_string(), "999999999999980000000.0000001");
    }

    #[test]
    fn parts_are_never_more_than_the_whole() {
        let value = StockValue::of(quantity("3"), Money::parse("0.0001").unwrap());
        let third = value.part(quantity("0.001"), quantity("3"));
        assert_eq!(third.as_decimal().to_string(), "0.0000001");
        assert_eq!(value.part(quantity("3"), quantity("3")), value);
        assert!(StockValue::MAX.part(Quantity::MAX, quantity("99999999999.998")) >= StockValue::MAX);
    }
}
