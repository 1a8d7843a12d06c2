//! What reports have in common: a span of days, as the business counts its days, and a sum of all above the rows.

use chrono::{Days, NaiveDate};
use tenancy::DbError;
use tokio_postgres::Row;
use values::is_plain_day;

/// Some days in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub first: NaiveDate,
    /// Included.
    pub last: NaiveDate,
}

/// These are no days that a report can be of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a report is of 1 to {MAX_DAYS} days of the years 2000 to 9999, from the first one to the last")]
pub struct SpanError;

/// A year, and a day more where it leaps.
pub const MAX_DAYS: u64 = 366;

/// So many days are reported on unless somebody says from which.
const DEFAULT_DAYS: u64 = 30;

impl Span {
    /// The days from the one to the other: up to today, and thirty of them, where nothing is said.
    ///
    /// # Errors
    /// [`SpanError`].
    pub fn of(
        first: Option<NaiveDate>,
        last: Option<NaiveDate>,
        today: NaiveDate,
    ) -> Result<Self, SpanError> {
        let last = Some(last.unwrap_or(today)).filter(|day| is_plain_day(*day)).ok_or(SpanError)?;
        let first = first.or_else(|| last.checked_sub_days(Days::new(DEFAULT_DAYS - 1))).ok_or(SpanError)?;
        let days = last.signed_duration_since(first).num_days();
        let is_allowed = is_plain_day(first) && (0..MAX_DAYS as i64).contains(&days);
        if is_allowed { Ok(Self { first, last }) } else { Err(SpanError) }
    }

    /// The day after the last one.
    pub(crate) fn end(self) -> NaiveDate {
        self.last.succ_opt().unwrap_or(self.last)
    }
}

/// A sum and the rows that it is of.
#[derive(Debug, Clone)]
pub struct Report<T> {
    pub total: T,
    pub rows: Vec<T>,
    /// Whether there are more rows than were to be told.
    pub has_more: bool,
}

/// How many rows are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxRows(usize);

impl MaxRows {
    /// For somebody who looks at it.
    pub const PAGE: Self = Self(1000);
    /// For a table that is to hold all.
    pub const TABLE: Self = Self(100_000);

    /// How many are asked for: the sum, which comes first, and one more than is told.
    pub(crate) fn and_two(self) -> i64 {
        self.0 as i64 + 2
    }
}

impl<T: Default> Report<T> {
    /// # Errors
    /// [`DbError`] when a row cannot be read.
    pub(crate) fn of(
        rows: &[Row],
        max: MaxRows,
        read: impl FnMut(&Row) -> Result<T, DbError>,
    ) -> Result<Self, DbError> {
        let mut rows = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?.into_iter();
        let total = rows.next().unwrap_or_default();
        let mut rows: Vec<T> = rows.collect();
        let has_more = rows.len() > max.0;
        rows.truncate(max.0);
        Ok(Self { total, rows, has_more })
    }
}

/// Whether movement `m` was made from day `$1` on and before day `$2`, by the clock of `settings s`. The index goes by moments,
/// bounded on both sides as a plan that knows no values needs, and wide enough for a midnight that a clock shows twice.
macro_rules! in_span {
    () => {
        "m.occurred_at >= $1::date::timestamp AT TIME ZONE s.time_zone - interval '2 hours'
         AND m.occurred_at < $2::date::timestamp AT TIME ZONE s.time_zone + interval '2 hours'
         AND (m.occurred_at AT TIME ZONE s.time_zone)::date >= $1
         AND (m.occurred_at AT TIME ZONE s.time_zone)::date < $2"
    };
}
pub(crate) use in_span;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_ends_today_and_has_thirty_days_unless_said_otherwise() {
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
