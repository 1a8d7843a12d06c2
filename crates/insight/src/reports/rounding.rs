//! Rounding the figures of a report for display, so that its rows add up to its total.
//!
//! The books keep costs with up to eight decimals. Only what is shown is rounded.

use rust_decimal::{Decimal, RoundingStrategy};
use values::Money;

use crate::reports::report::Report;

/// A row with exact amounts.
pub trait Exact {
    /// The amounts of the row that may be finer than the currency.
    fn amounts(&mut self) -> Vec<&mut Money>;
}

impl<T: Exact> Report<T> {
    /// The report as it is shown: with amounts of so many decimals. If it has all rows, they add up to the
    /// total.
    #[must_use]
    pub fn rounded(mut self, decimals: u32) -> Self {
        for column in 0..self.total.amounts().len() {
            let total = self.total.amounts().swap_remove(column);
            *total = Money::from_decimal(round(total.as_decimal(), decimals));
            let total = total.as_decimal();
            let mut amounts: Vec<&mut Money> =
                self.rows.iter_mut().map(|row| row.amounts().swap_remove(column)).collect();
            match self.has_more {
                true => {
                    for amount in amounts {
                        *amount = Money::from_decimal(round(amount.as_decimal(), decimals));
                    }
                }
                false => add_up(&mut amounts, total, decimals),
            }
        }
        self
    }
}

/// Rounds an amount half away from zero.
pub fn round(amount: Decimal, decimals: u32) -> Decimal {
    amount.round_dp_with_strategy(decimals, RoundingStrategy::MidpointAwayFromZero)
}

/// Rounds amounts so that they add up to `total`: all of them down, and then those with the largest rests one
/// step up (the largest remainder method).
fn add_up(amounts: &mut [&mut Money], total: Decimal, decimals: u32) {
    let step = Decimal::new(1, decimals);
    let floor =
        |amount: Decimal| amount.round_dp_with_strategy(decimals, RoundingStrategy::ToNegativeInfinity);
    let rests: Vec<Decimal> =
        amounts.iter().map(|amount| amount.as_decimal() - floor(amount.as_decimal())).collect();
    let mut by_rest: Vec<usize> = (0..amounts.len()).collect();
    by_rest.sort_by_key(|index| std::cmp::Reverse(rests[*index]));
    for amount in amounts.iter_mut() {
        **amount = Money::from_decimal(floor(amount.as_decimal()));
    }
    let mut missing = total - amounts.iter().map(|amount| amount.as_decimal()).sum::<Decimal>();
    for index in by_rest {
        if missing < step {
            break;
        }
        *amounts[index] = Money::from_decimal(amounts[index].as_decimal() + step);
        missing -= step;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Row(Money);

    impl Exact for Row {
        fn amounts(&mut self) -> Vec<&mut Money> {
            vec![&mut self.0]
        }
    }

    fn rounded(total: &str, rows: &[&str]) -> String {
        let row = |text: &&str| Row(Money::from_decimal(text.parse().unwrap()));
        let report = Report { total: row(&total), rows: rows.iter().map(row).collect(), has_more: false };
        let report = report.rounded(2);
        let rows: Vec<String> = report.rows.iter().map(|row| row.0.plain().into()).collect();
        format!("{}: {}", report.total.0.plain(), rows.join(" "))
    }

    #[test]
    fn rows_add_up_to_the_total() {
        assert_eq!(rounded("100", &["33.33333333", "33.33333333", "33.33333334"]), "100: 33.33 33.33 33.34");
        assert_eq!(rounded("0.01", &["0.005", "0.005"]), "0.01: 0.01 0");
        assert_eq!(rounded("-0.02", &["-0.005", "-0.005", "-0.005"]), "-0.02: 0 -0.01 -0.01");
        assert_eq!(rounded("1.23", &["1.23"]), "1.23: 1.23");
    }
}
