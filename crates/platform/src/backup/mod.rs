//! Backups of businesses and of the installation: making, verifying, restoring and pruning them.

pub mod backup;

pub use backup::*;
