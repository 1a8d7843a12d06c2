//! Reports over days or of the present, and their form as tables. No report knows who reads it.

pub mod adjustment_report;
pub mod dead_stock_report;
pub mod payment_report;
pub mod report;
pub mod rounding;
pub mod sales_report;
pub mod stock_report;
pub mod table;
pub mod tax_report;
