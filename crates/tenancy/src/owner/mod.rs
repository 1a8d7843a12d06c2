//! Work that needs the owner's login: bootstrap, provisioning, migration of the fleet, lifecycle and copies.
//! The server's own login never runs the code of this module.

pub mod bootstrap;
pub mod copy;
pub mod dropping;
pub mod fleet;
mod fleet_run;
pub mod lifecycle;
pub mod provisioning;
