//! What the documents of the till have in common: their events, and approvals by PIN.

pub mod approval;
pub mod event;
