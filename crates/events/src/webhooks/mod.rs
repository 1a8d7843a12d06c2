//! Webhooks after Standard Webhooks 1.0: endpoints of a business, and the delivery of events to them. An
//! endpoint gets the events of its business in their order; one that fails is tried again, and nothing is
//! left out behind its back.

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
