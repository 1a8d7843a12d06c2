//! Days that a request may name.

use chrono::{Datelike, NaiveDate};
use serde::Deserialize;
use utoipa::openapi::{RefOr, Schema};

use crate::macros::TextForm;
use crate::word::from_text;

/// A day of the years 2000 to 9999. A person may mean such a day, and PostgreSQL can store it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(NaiveDate);

/// The text is no such day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a day must be a date from 2000-01-01 to 9999-12-31, such as 2026-12-01")]
pub struct DayError;

impl Day {
    /// The day in the calendar.
    pub fn date(self) -> NaiveDate {
        self.0
    }
}

impl TryFrom<NaiveDate> for Day {
    type Error = DayError;
    fn try_from(date: NaiveDate) -> Result<Self, DayError> {
        if (2000..=9999).contains(&date.year()) { Ok(Self(date)) } else { Err(DayError) }
    }
}

impl std::str::FromStr for Day {
    type Err = DayError;
    fn from_str(text: &str) -> Result<Self, DayError> {
        const LENGTH: usize = 10;
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| text.len() == LENGTH);
        date.ok_or(DayError)?.try_into()
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer, "a string")
    }
}

impl utoipa::PartialSchema for Day {
    fn schema() -> RefOr<Schema> {
        TextForm::format("date").matching("^[2-9]").schema("A day of the years 2000 to 9999 (RFC 3339)")
    }
}

impl utoipa::ToSchema for Day {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_one_that_a_person_may_mean() {
        assert_eq!("2026-12-01".parse::<Day>().unwrap().date().to_string(), "2026-12-01");
        for text in ["", "2026-2-1", "2026-02-30", "01.12.2026", "1999-12-31", "10000-01-01", "2026-12-01T00"]
        {
            assert_eq!(text.parse::<Day>(), Err(DayError), "{text}");
        }
    }
}
