//! What documents and other rows need: the audit log, events, document numbers, idempotency keys, changes of
//! a row, and ids that clients choose. No noun of the business lives here.

pub mod audit;
pub mod changes;
pub mod counter;
pub mod document;
pub mod edit;
pub mod event;
pub mod idempotency;
pub mod look_alike;
pub mod named;
pub mod own_keys;
