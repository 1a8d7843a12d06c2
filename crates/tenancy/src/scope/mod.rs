//! Scopes of transactions, and the only two ways to open a scoped transaction:
//! [`Database::read`](database::Database::read) and [`Database::write`](database::Database::write). The
//! queries of the registry are in the `registry` module.

pub(crate) mod database;
pub(crate) mod opening;
pub(crate) mod tenant;
pub(crate) mod transactions;
