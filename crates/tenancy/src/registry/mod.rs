//! The registry in the `shared` schema: tenants, schemas and custom domains, and the lookup of a tenant by
//! its host. Only the `owner` module creates and drops schemas.

pub mod domain;
pub(crate) mod locks;
pub(crate) mod maintenance;
pub(crate) mod resolver;
pub(crate) mod schema;
pub mod tenant;
