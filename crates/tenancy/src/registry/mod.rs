//! The registry in schema `shared`: which tenants, schemas and domains exist, and which tenant a host names.
//! Code that makes or drops schemas lives in the owner room.

pub mod domain;
pub mod resolver;
pub mod schema;
pub mod tenant;
