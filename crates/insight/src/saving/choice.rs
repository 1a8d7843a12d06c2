//! The choice of a report: its rows, and days that are relative to the day on which it is read.

use chrono::{Datelike as _, Days, Months, NaiveDate};
use inventory::settings;
use tenancy::{DbError, TenantTx, all};
use values::Currency;

use crate::reports::adjustment_report::{self, AdjustedBy};
use crate::reports::dead_stock_report;
use crate::reports::payment_report::{self, PaymentsBy};
use crate::reports::report::{MaxRows, Report, Span};
use crate::reports::rounding::Exact;
use crate::reports::sales_report::{self, SalesBy};
use crate::reports::stock_report::{self, StockBy};
use crate::reports::table::{Table, TableRow};
use crate::reports::tax_report;

values::words! {
    /// The report.
    pub enum ReportName {
        /// Sales and returns.
        Sales = "sales",
        /// Payments.
        Payments = "payments",
        /// Taxes by rate.
        Taxes = "taxes",
        /// Adjustments, stock counts and revaluations.
        Adjustments = "adjustments",
        /// The value of the stock now.
        Stock = "stock",
        /// Variants on hand of which nothing was sold for a while.
        DeadStock = "dead_stock",
    }

    /// The days that a report covers, relative to the day on which it is read.
    pub enum Period {
        /// Today.
        Today = "today",
        /// Yesterday.
        Yesterday = "yesterday",
        /// The last 7 days, today included.
        Last7Days = "last_7_days",
        /// The last 30 days, today included.
        Last30Days = "last_30_days",
        /// The days from Monday until today.
        ThisWeek = "this_week",
        /// The week before, from Monday to Sunday.
        LastWeek = "last_week",
        /// The days from the first of the month until today.
        ThisMonth = "this_month",
        /// The month before.
        LastMonth = "last_month",
        /// The days from 1 January until today.
        ThisYear = "this_year",
        /// The year before.
        LastYear = "last_year",
    }
}

impl Period {
    /// The days of the period, seen from `today`.
    pub fn span(self, today: NaiveDate) -> Span {
        let back = |days: u64| today.checked_sub_days(Days::new(days)).unwrap_or(today);
        let monday = back(today.weekday().num_days_from_monday().into());
        let first = today.with_day(1).unwrap_or(today);
        let new_year = first.with_month(1).unwrap_or(first);
        let before = |day: NaiveDate| day.pred_opt().unwrap_or(day);
        let (first, last) = match self {
            Self::Today => (today, today),
            Self::Yesterday => (back(1), back(1)),
            Self::Last7Days => (back(6), today),
            Self::Last30Days => (back(29), today),
            Self::ThisWeek => (monday, today),
            Self::LastWeek => (monday.checked_sub_days(Days::new(7)).unwrap_or(monday), before(monday)),
            Self::ThisMonth => (first, today),
            Self::LastMonth => (first.checked_sub_months(Months::new(1)).unwrap_or(first), before(first)),
            Self::ThisYear => (new_year, today),
            Self::LastYear => {
                (new_year.checked_sub_months(Months::new(12)).unwrap_or(new_year), before(new_year))
            }
        };
        Span { first, last }
    }
}

/// The choice of a report: its rows, and the days that it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Sales and returns.
    Sales(SalesBy, Period),
    /// Payments.
    Payments(PaymentsBy, Period),
    /// Taxes by rate.
    Taxes(Period),
    /// Adjustments, stock counts and revaluations.
    Adjustments(AdjustedBy, Period),
    /// The value of the stock now.
    Stock(StockBy),
    /// Variants on hand of which nothing was sold for so many days.
    DeadStock(u16),
}

/// A choice of a report is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// The rows cannot be grouped so.
    #[error("{0}")]
    By(String),
    /// The report is about the present and covers no days.
    #[error("the report covers no days; leave period out")]
    Period,
    /// Days without a sale are not of this report.
    #[error(
        "days must be from 1 to {MAX_DEAD_DAYS} for the report dead_stock, and left out for other reports"
    )]
    Days,
}

/// The most days without a sale after which stock is dead.
pub const MAX_DEAD_DAYS: i16 = 1000;
/// The days without a sale after which stock is dead, if none are chosen.
pub const DEAD_DAYS: i16 = 90;

impl Choice {
    /// Reads the parts of a choice. What is left out has the default of the report.
    ///
    /// # Errors
    /// [`ChoiceError`].
    pub fn of(
        report: ReportName,
        by: Option<&str>,
        period: Option<Period>,
        days: Option<i16>,
    ) -> Result<Self, ChoiceError> {
        fn grouping<T: std::str::FromStr<Err: ToString>>(
            by: Option<&str>,
            default: T,
        ) -> Result<T, ChoiceError> {
            by.map_or(Ok(default), |text| {
                text.parse().map_err(|error: T::Err| ChoiceError::By(error.to_string()))
            })
        }
        if days.is_some_and(|days| report != ReportName::DeadStock || !(1..=MAX_DEAD_DAYS).contains(&days)) {
            return Err(ChoiceError::Days);
        }
        let covers_days = !matches!(report, ReportName::Stock | ReportName::DeadStock);
        if period.is_some() && !covers_days {
            return Err(ChoiceError::Period);
        }
        let is_grouped = !matches!(report, ReportName::Taxes | ReportName::DeadStock);
        if by.is_some() && !is_grouped {
            return Err(ChoiceError::By(
                "the rows of this report cannot be grouped; leave by out".to_owned(),
            ));
        }
        let period = period.unwrap_or(Period::Last30Days);
        Ok(match report {
            ReportName::Sales => Self::Sales(grouping(by, SalesBy::Day)?, period),
            ReportName::Payments => Self::Payments(grouping(by, PaymentsBy::Method)?, period),
            ReportName::Taxes => Self::Taxes(period),
            ReportName::Adjustments => Self::Adjustments(grouping(by, AdjustedBy::Reason)?, period),
            ReportName::Stock => Self::Stock(grouping(by, StockBy::Category)?),
            ReportName::DeadStock => Self::DeadStock(days.unwrap_or(DEAD_DAYS).unsigned_abs()),
        })
    }

    /// The report.
    pub fn report(self) -> ReportName {
        match self {
            Self::Sales(..) => ReportName::Sales,
            Self::Payments(..) => ReportName::Payments,
            Self::Taxes(_) => ReportName::Taxes,
            Self::Adjustments(..) => ReportName::Adjustments,
            Self::Stock(_) => ReportName::Stock,
            Self::DeadStock(_) => ReportName::DeadStock,
        }
    }

    /// What each row stands for.
    pub fn by(self) -> Option<&'static str> {
        match self {
            Self::Sales(by, _) => Some(by.as_str()),
            Self::Payments(by, _) => Some(by.as_str()),
            Self::Adjustments(by, _) => Some(by.as_str()),
            Self::Stock(by) => Some(by.as_str()),
            Self::Taxes(_) | Self::DeadStock(_) => None,
        }
    }

    /// The days that the report covers.
    pub fn period(self) -> Option<Period> {
        match self {
            Self::Sales(_, period)
            | Self::Payments(_, period)
            | Self::Taxes(period)
            | Self::Adjustments(_, period) => Some(period),
            Self::Stock(_) | Self::DeadStock(_) => None,
        }
    }

    /// The days without a sale after which stock is dead.
    pub fn days(self) -> Option<i16> {
        match self {
            Self::DeadStock(days) => i16::try_from(days).ok(),
            _ => None,
        }
    }

    /// Reads the report.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn read(self, tx: &TenantTx, max: MaxRows) -> Result<ReadReport, DbError> {
        let (currency, today) = all((settings::currency(tx), settings::today(tx))).await?;
        let span = self.period().map(|period| period.span(today));
        let days = span.unwrap_or(Span { first: today, last: today });
        let table = match self {
            Self::Sales(by, _) => table(sales_report::read(tx, days, by, max).await?, &currency),
            Self::Payments(by, _) => table(payment_report::read(tx, days, by, max).await?, &currency),
            Self::Taxes(_) => table(tax_report::read(tx, days, max).await?, &currency),
            Self::Adjustments(by, _) => table(adjustment_report::read(tx, days, by, max).await?, &currency),
            Self::Stock(by) => table(stock_report::read(tx, by, max).await?, &currency),
            Self::DeadStock(days) => table(dead_stock_report::read(tx, days, max).await?, &currency),
        };
        Ok(ReadReport { span, currency, table })
    }
}

fn table<T: Exact + TableRow>(report: Report<T>, currency: &Currency) -> Table {
    Table::of(&report.rounded(currency.decimals()), currency)
}

/// A report that was read.
#[derive(Debug, Clone)]
pub struct ReadReport {
    /// The days that it covers; `None` for a report on the present.
    pub span: Option<Span>,
    /// The currency of all amounts.
    pub currency: Currency,
    /// The rows and the total.
    pub table: Table,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_seen_from_today() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        // A Thursday in a leap year.
        let today = day("2024-02-29");
        for (period, first, last) in [
            (Period::Today, "2024-02-29", "2024-02-29"),
            (Period::Yesterday, "2024-02-28", "2024-02-28"),
            (Period::Last7Days, "2024-02-23", "2024-02-29"),
            (Period::Last30Days, "2024-01-31", "2024-02-29"),
            (Period::ThisWeek, "2024-02-26", "2024-02-29"),
            (Period::LastWeek, "2024-02-19", "2024-02-25"),
            (Period::ThisMonth, "2024-02-01", "2024-02-29"),
            (Period::LastMonth, "2024-01-01", "2024-01-31"),
            (Period::ThisYear, "2024-01-01", "2024-02-29"),
            (Period::LastYear, "2023-01-01", "2023-12-31"),
        ] {
            assert_eq!(period.span(today), Span { first: day(first), last: day(last) }, "{period}");
        }
    }

    #[test]
    fn a_choice_has_the_parts_of_its_report() {
        let of = Choice::of;
        assert_eq!(of(ReportName::Stock, None, None, None), Ok(Choice::Stock(StockBy::Category)));
        assert_eq!(of(ReportName::DeadStock, None, None, Some(30)), Ok(Choice::DeadStock(30)));
        for (report, by, period, days) in [
            (ReportName::Stock, None, Some(Period::Today), None),
            (ReportName::Stock, Some("day"), None, None),
            (ReportName::Taxes, Some("day"), None, None),
            (ReportName::Sales, None, None, Some(30)),
            (ReportName::DeadStock, None, None, Some(0)),
            (ReportName::Sales, Some("colour"), None, None),
        ] {
            assert!(of(report, by, period, days).is_err(), "{report} {by:?}");
        }
    }
}
