//! Shared parts of the documents of the till: their events, and the methods of payment.

pub mod event;
pub mod sale_method;
