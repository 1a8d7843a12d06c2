//! The log of authentication events, to which every change of accounts and access writes.

pub mod auth_event;
pub mod auth_log;
