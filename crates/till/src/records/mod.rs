//! What the documents of the till have in common: their events.

pub mod event;
