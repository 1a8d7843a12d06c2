//! Names of tenants: slugs and hosts that people choose, and the schema and role names in the database. The
//! module has no queries, and every other module of the crate may use it.

pub(crate) mod database;
pub(crate) mod host;
pub(crate) mod quoting;
pub(crate) mod tenant;
