//! Moments that people ask for.

use chrono::{DateTime, Datelike as _, Utc};
use serde::Deserialize;
use utoipa::openapi::{RefOr, Schema};

use crate::macros::TextForm;
use crate::word::from_text;

/// A moment of the years 1970 to 9999, as RFC 3339 writes it. PostgreSQL can store it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(DateTime<Utc>);

/// The text is no such moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a time must look like 2026-11-25T09:30:00Z")]
pub struct MomentError;

impl Moment {
    /// The time in UTC.
    pub fn time(self) -> DateTime<Utc> {
        self.0
    }
}

impl std::str::FromStr for Moment {
    type Err = MomentError;
    fn from_str(text: &str) -> Result<Self, MomentError> {
        let time = DateTime::parse_from_rfc3339(text).map_err(|_| MomentError)?.with_timezone(&Utc);
        if (1970..=9999).contains(&time.year()) { Ok(Self(time)) } else { Err(MomentError) }
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer, "a string")
    }
}

impl utoipa::PartialSchema for Moment {
    fn schema() -> RefOr<Schema> {
        TextForm::format("date-time").schema("A time in the years 1970 to 9999 (RFC 3339)")
    }
}

impl utoipa::ToSchema for Moment {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_one_that_postgresql_can_store() {
        assert!("2026-11-25T09:30:00Z".parse::<Moment>().is_ok());
        assert_eq!("2026-11-25T12:30:00+03:00".parse::<Moment>(), "2026-11-25T09:30:00Z".parse());
        for text in ["", "2026-11-25", "yesterday", "-4713-01-01T00:00:00Z", "+12026-01-01T00:00:00Z"] {
            assert_eq!(text.parse::<Moment>(), Err(MomentError), "{text}");
        }
    }
}
