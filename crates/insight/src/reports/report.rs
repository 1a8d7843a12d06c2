//! What reports have in common: a span of days in the business's time zone, and a total above the rows.

use chrono::{Days, NaiveDate};
use const_format::concatcp;
use inventory::{day_of, start_of_day};
use values::Day;

/// A span of days, in the time zone of the business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first day, which is included.
    pub first: NaiveDate,
    /// The last day, which is included.
    pub last: NaiveDate,
}

/// A report cannot cover this span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a report must cover 1 to {MAX_DAYS} days in the years 2000 to 9999, and from must not be after to")]
pub struct SpanError;

/// The largest number of days of a report: a leap year.
pub const MAX_DAYS: u64 = 366;

/// The number of days of a report without a first day.
const DEFAULT_DAYS: u64 = 30;

fn is_allowed(day: NaiveDate) -> bool {
    Day::try_from(day).is_ok()
}

impl Span {
    /// The days from `first` to `last`. `last` defaults to today, and `first` to 29 days before `last`.
    ///
    /// # Errors
    /// [`SpanError`] when `first` is after `last`, the span has more than [`MAX_DAYS`] days, or a day lies
    /// outside the years 2000 to 9999.
    pub fn of(
        first: Option<NaiveDate>,
        last: Option<NaiveDate>,
        today: NaiveDate,
    ) -> Result<Self, SpanError> {
        let last = Some(last.unwrap_or(today)).filter(|day| is_allowed(*day)).ok_or(SpanError)?;
        let first = first.or_else(|| last.checked_sub_days(Days::new(DEFAULT_DAYS - 1))).ok_or(SpanError)?;
        let days = last.signed_duration_since(first).num_days();
        let is_span = is_allowed(first) && (0..MAX_DAYS as i64).contains(&days);
        if is_span { Ok(Self { first, last }) } else { Err(SpanError) }
    }

    /// The same number of days, just before the first one.
    #[must_use]
    pub fn before(self) -> Self {
        let days = self.last.signed_duration_since(self.first).num_days().unsigned_abs();
        let last = self.first.pred_opt().unwrap_or(self.first);
        Self { first: last.checked_sub_days(Days::new(days)).unwrap_or(last), last }
    }

    /// The day after the last one.
    pub(crate) fn end(self) -> NaiveDate {
        self.last.succ_opt().unwrap_or(self.last)
    }
}

/// The rows of a report, and their total.
#[derive(Debug, Clone)]
pub struct Report<T> {
    /// The sums over all rows, including rows beyond the limit.
    pub total: T,
    /// The rows without the total, in the order of the report.
    pub rows: Vec<T>,
    /// Whether the report has more rows than `rows` holds.
    pub has_more: bool,
}

/// The largest number of rows that a report returns, without the total.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxRows(usize);

impl MaxRows {
    /// 1000 rows, for a person who reads the report.
    pub const PAGE: Self = Self(1000);
    /// 10,000 rows, for a file in a mail.
    pub const MAIL: Self = Self(10_000);
    /// 100,000 rows, for a table that should hold all rows.
    pub const TABLE: Self = Self(100_000);

    /// The number of rows to read: the total, which comes first, and one row more than the report holds.
    pub(crate) fn and_two(self) -> i64 {
        self.0 as i64 + 2
    }
}

impl<T: Default> Report<T> {
    /// The report with these rows, of which the first is the total.
    pub(crate) fn of(rows: Vec<T>, max: MaxRows) -> Self {
        let mut rows = rows.into_iter();
        let total = rows.next().unwrap_or_default();
        let mut rows: Vec<T> = rows.collect();
        let has_more = rows.len() > max.0;
        rows.truncate(max.0);
        Self { total, rows, has_more }
    }
}

/// The condition that movement `m` was made from day `$1` on and before day `$2`, in the time zone of
/// `settings s`. The index is searched by moments: bounded on both sides, because a plan that knows no values
/// needs that, and two hours wider, because clocks may show a midnight twice.
pub(crate) const IN_SPAN: &str = concatcp!(
    "m.occurred_at >= ",
    start_of_day!("$1::date", "s"),
    " - interval '2 hours'
         AND m.occurred_at < ",
    start_of_day!("$2::date", "s"),
    " + interval '2 hours'
         AND ",
    day_of!("m.occurred_at", "s"),
    " >= $1
         AND ",
    day_of!("m.occurred_at", "s"),
    " < $2"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_defaults_to_the_thirty_days_that_end_today() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let of = |first: &str, last: &str| {
            let read = |text: &str| (!text.is_empty()).then(|| day(text));
            Span::of(read(first), read(last), day("2026-03-01"))
        };
        let is = |first, last| Ok(Span { first: day(first), last: day(last) });
        assert_eq!(of("", ""), is("2026-01-31", "2026-03-01"));
        assert_eq!(of("", "2026-01-30"), is("2026-01-01", "2026-01-30"));
        assert_eq!(of("2026-03-01", ""), is("2026-03-01", "2026-03-01"));
        assert_eq!(of("2024-01-01", "2024-12-31"), is("2024-01-01", "2024-12-31"));
        for (first, last) in [
            ("2026-03-02", ""),
            ("2024-01-01", "2025-01-01"),
            ("1999-12-31", "2000-01-01"),
            ("+10000-01-01", "+10000-01-02"),
            ("", "-262143-01-01"),
            ("", "2000-01-05"),
        ] {
            assert_eq!(of(first, last), Err(SpanError), "{first} {last}");
        }
    }
}
