//! Migration files: reading them, taking them apart into statements, and refusing dangerous ones.
//! Running them over all tenants is the owner room's work.

pub mod files;
pub mod guard;
pub mod script;
