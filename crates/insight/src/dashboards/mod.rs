//! The figures of the moment.

pub mod dashboard;
pub mod today;
