//! The days of a business, in SQL: in its time zone, from the time at which they begin. `settings` is the
//! name of the table of settings in the statement.

/// The day of a moment, a `date`.
#[macro_export]
macro_rules! day_of {
    ($moment:literal, $settings:literal) => {
        concat!("(", $crate::clock_of_day!($moment, $settings), ")::date")
    };
}

/// A moment by the clock of the business's day, a `timestamp`: its date is the day, and its time is the time
/// since the day began.
#[macro_export]
macro_rules! clock_of_day {
    ($moment:literal, $settings:literal) => {
        concat!($moment, " AT TIME ZONE ", $settings, ".time_zone - ", $settings, ".day_starts_at")
    };
}

/// The moment at which a day begins. Clocks may show that time twice or not at all, so it can be an hour off.
#[macro_export]
macro_rules! start_of_day {
    ($day:literal, $settings:literal) => {
        concat!("(", $day, " + ", $settings, ".day_starts_at) AT TIME ZONE ", $settings, ".time_zone")
    };
}
