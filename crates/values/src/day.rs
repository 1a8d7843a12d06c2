//! Which days a request may name.

use chrono::{Datelike, NaiveDate};

/// Whether the day lies in the years 2000 to 9999. A person may mean such a day, and PostgreSQL can store
/// it.
pub fn is_plain_day(day: NaiveDate) -> bool {
    (2000..=9999).contains(&day.year())
}
