//! Locations, stock levels, the ledger of movements, and the documents that move stock by hand.
//! Every change of stock in the whole crate goes through [`posting`]; prices and customers do not belong here.

pub mod adjustment;
pub mod alert;
pub mod count;
pub mod ledger;
pub mod location;
pub mod movement;
pub mod posting;
pub mod transfer;

pub use posting::*;
