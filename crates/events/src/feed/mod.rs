//! The events of a business in their order, and the hub that passes new ones on. No webhooks.

pub mod event_hub;
pub mod stored_event;
