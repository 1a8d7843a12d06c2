//! Sales at the registers, and their returns.

pub mod approval;
pub mod asked_line;
pub mod books;
pub mod offline_sale;
pub mod parked_sale;
pub mod payment_matching;
pub(crate) mod receipt_chain;
pub mod sale;
pub mod sale_error;
pub mod sale_list;
pub mod sale_payment;
mod sale_return;
mod sale_store;
pub mod sale_void;
pub mod selling;
mod settling;
