//! The time at which a business's day begins.

use std::fmt;
use std::str::FromStr;

use chrono::{NaiveTime, Timelike as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::column_as;
use crate::macros::TextForm;
use crate::word::from_text;

/// The time at which a business's day begins, in whole minutes from 00:00 to 11:59. With 04:00, a sale at
/// 02:30 belongs to the day before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayStart(NaiveTime);

column_as!(DayStart, NaiveTime);

/// The text is no such time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the start of the day must be a time from 00:00 to 11:59, such as 04:00")]
pub struct DayStartError;

impl FromStr for DayStart {
    type Err = DayStartError;
    fn from_str(text: &str) -> Result<Self, DayStartError> {
        let time = NaiveTime::parse_from_str(text, "%H:%M").map_err(|_| DayStartError)?;
        if text.len() == 5 && time.hour() < 12 { Ok(Self(time)) } else { Err(DayStartError) }
    }
}

impl fmt::Display for DayStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%H:%M"))
    }
}

impl Serialize for DayStart {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DayStart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer, "a string")
    }
}

impl utoipa::PartialSchema for DayStart {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        TextForm::pattern("^(0[0-9]|1[01]):[0-5][0-9]$")
            .such_as("04:00")
            .schema("A time from 00:00 to 11:59 in hours and minutes, such as 04:00")
    }
}

impl utoipa::ToSchema for DayStart {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_before_noon_in_whole_minutes() {
        for text in ["00:00", "04:00", "11:59"] {
            assert_eq!(text.parse::<DayStart>().unwrap().to_string(), text);
        }
        for text in ["", "4:00", "12:00", "24:00", "04:60", "04:00:00", "4 am", "-1:00", "04:0"] {
            assert_eq!(text.parse::<DayStart>(), Err(DayStartError), "{text}");
        }
    }
}
