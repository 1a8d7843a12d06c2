//! Locations, stock levels, the ledger of movements, low-stock alerts, and the documents that move stock by
//! hand.
//! Every change of stock in the whole crate goes through [`posting`]; prices and customers do not belong
//! here.

pub mod adjustment;
pub mod alert;
pub(crate) mod alert_review;
pub mod article;
pub mod count;
mod count_posting;
pub mod decided;
pub mod ledger;
pub mod level;
pub mod level_value;
pub mod location;
pub(crate) mod locked_level;
pub mod movement;
pub mod posting;
pub mod reordering;
pub mod revaluation;
pub mod transfer;
pub mod transfer_step;
pub(crate) mod unstocked;

pub use decided::Decided;
pub use level::{LevelFilter, StockLevel, list};
pub use movement::Source;
pub use posting::{Cost, Posted, Posting, Shortage, StockError, decide};
