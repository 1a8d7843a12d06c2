//! Figures from the books of a business: the dashboard, reports over a period of days, the present value of
//! the stock, and the reports that a business saves.
//!
//! Every figure is read from the tables of `inventory` and `till`. A report is one statement, so its rows and
//! its total agree. Only saved reports are written. A room imports only from rooms that stand before it:
//! reports, dashboards, saving.

mod dashboards;
mod reports;
mod saving;

pub use dashboards::{dashboard, today};
pub use reports::{
    adjustment_report, dead_stock_report, payment_report, report, rounding, sales_report, stock_report,
    table, tax_report,
};
pub use saving::{choice, saved_report};
