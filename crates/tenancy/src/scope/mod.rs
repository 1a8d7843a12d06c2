//! Scopes of transactions, and the functions with which a server opens a scoped transaction:
//! [`Database::read`](database::Database::read), [`Database::write`](database::Database::write) and their
//! variants. The queries of the registry are in the `registry` module.

pub(crate) mod announcements;
pub(crate) mod database;
pub(crate) mod licence;
pub(crate) mod opening;
pub(crate) mod settled;
pub(crate) mod tenant;
pub(crate) mod transactions;
