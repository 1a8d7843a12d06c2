//! Shared parts of the documents of the till: their events, the methods of payment, and statuses.

pub mod event;
pub mod payment_request_status;
pub mod sale_method;
