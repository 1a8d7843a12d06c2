//! What the owner's login does: installing, provisioning, migrating the fleet, lifecycle and copies.
//! The server's own login never runs code of this room.

pub mod bootstrap;
pub mod copy;
pub mod fleet;
pub mod lifecycle;
pub mod provisioning;
