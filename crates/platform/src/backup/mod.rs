//! Creates, verifies, restores and prunes backups of businesses and of the installation.

mod cloning;
mod create;
mod error;
mod fleet_restore;
mod installation;
pub(crate) mod new_schema;
mod registry;
mod restore;
mod retention;
mod verify;

pub use cloning::clone_tenant;
pub use create::{Progress, create, create_all, create_installation};
pub use error::BackupError;
pub use fleet_restore::{
    Collection, FleetPlan, FleetProgress, Newest, ToRestore, collect, has_restored_registry, plan,
    restore_all,
};
pub use installation::restore_installation;
pub use registry::{Backup, BackupId, list, newest_verified, page};
pub use restore::{Restored, Target, find_subject, restore};
pub use retention::{Retention, remove};
pub use verify::{inspect, verify};
