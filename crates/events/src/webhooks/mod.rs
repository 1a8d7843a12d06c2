//! Webhooks according to Standard Webhooks 1.0: the endpoints of a business, and the delivery of events to
//! them. An endpoint gets new events in their order. Failed deliveries are retried. No event is skipped
//! silently.

pub mod address;
pub mod attempt;
pub mod change;
pub mod delivery;
pub mod endpoint;
mod failing;
mod guard;
mod lane;
pub mod message;
mod pause;
pub mod replay;
pub mod secret;
pub mod sender;
