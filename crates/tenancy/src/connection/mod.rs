//! Database connections: URLs, pools, turns, transactions and statements. Nothing here depends on the tables
//! of a tenant or on the registry.

pub(crate) mod all;
mod clock;
pub mod connect;
pub(crate) mod connector;
pub(crate) mod copy_stream;
pub(crate) mod error;
pub(crate) mod pool;
pub(crate) mod pool_settings;
pub(crate) mod probe;
pub(crate) mod row;
pub(crate) mod server_watch;
mod tls;
pub(crate) mod transaction;
pub(crate) mod turns;
