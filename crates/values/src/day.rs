//! Days that a person may mean.

use chrono::{Datelike, NaiveDate};

/// Whether the day lies in the years 2000 to 9999: a person may mean it, and PostgreSQL can store it.
pub fn is_plain_day(day: NaiveDate) -> bool {
    (2000..=9999).contains(&day.year())
}
