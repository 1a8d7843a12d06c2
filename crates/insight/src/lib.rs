//! What the books of a business say: the dashboard, and reports of a span of days.
//!
//! Every figure is read from the tables of `inventory` at one moment. Nothing here writes.

pub mod adjustment_report;
pub mod dashboard;
pub mod report;
pub mod sales_report;
pub mod stock_report;
