//! From a database URL to one connection in one transaction: connecting, pooling, turns and statements.
//! Nothing here knows a tenant's tables or the registry.

pub mod connect;
pub mod error;
pub mod pool;
pub mod transaction;
