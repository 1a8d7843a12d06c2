//! What the documents of the till have in common: their events, and the methods by which they are paid.

pub mod event;
pub mod sale_method;
