//! What every change of accounts and access leaves behind: the log of authentication events.

pub mod auth_event;
