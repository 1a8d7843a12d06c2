//! Who a transaction acts as, and the only ways to open one: [`Database::read`](database::Database::read) and
//! [`Database::write`](database::Database::write). The registry's queries live in the registry room.

pub mod database;
pub mod scope;
