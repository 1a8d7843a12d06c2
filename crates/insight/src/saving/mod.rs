//! Reports that a business keeps under a name.

pub mod choice;
pub mod saved_report;
