//! Shifts at registers: opened with a float, and closed with what is counted.

pub mod cash_movement;
pub mod overdue;
pub mod shift;
pub mod shift_close;
mod shift_figures;
pub mod shift_report;
