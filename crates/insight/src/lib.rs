//! Figures from the books of a business: the dashboard, reports over a period of days, and the present value
//! of the stock.
//!
//! Every figure is read from the tables of `inventory`. A report is one statement, so its rows and its total
//! agree. Nothing here writes.

pub mod adjustment_report;
pub mod choice;
pub mod dashboard;
pub mod dead_stock_report;
pub mod payment_report;
pub mod report;
pub mod rounding;
pub mod sales_report;
pub mod saved_report;
pub mod stock_report;
pub mod table;
pub mod tax_report;
pub mod today;
