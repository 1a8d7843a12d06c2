//! Figures from the books of a business: the dashboard, and reports over a period of days.
//!
//! Every figure is read from the tables of `inventory` at one moment. Nothing here writes.

pub mod adjustment_report;
pub mod dashboard;
pub mod report;
pub mod sales_report;
pub mod stock_report;
