//! How amounts are rounded to a currency.

use rust_decimal::{Decimal, RoundingStrategy};

crate::words! {
    /// How amounts are rounded to the currency. The examples are for a currency with two decimals.
    pub enum Rounding {
        /// 0.125 becomes 0.13, and -0.125 becomes -0.13.
        HalfAwayFromZero = "half_away_from_zero",
        /// 0.125 becomes 0.12, and 0.135 becomes 0.14 (bankers' rounding).
        HalfEven = "half_even",
    }
}

impl Rounding {
    /// The amount, rounded to `decimals` decimals.
    pub fn round(self, amount: Decimal, decimals: u32) -> Decimal {
        let strategy = match self {
            Self::HalfAwayFromZero => RoundingStrategy::MidpointAwayFromZero,
            Self::HalfEven => RoundingStrategy::MidpointNearestEven,
        };
        amount.round_dp_with_strategy(decimals, strategy)
    }
}
