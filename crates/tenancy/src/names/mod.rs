//! Names of tenants: slugs and hosts that people choose, and the schema and role names that the database uses.
//! No query lives here; every other room may use it.

pub mod host;
pub mod tenant_names;
