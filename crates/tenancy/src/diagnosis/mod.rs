//! Checks of an installation: health, isolation, and the objects of each schema. Nothing in this module
//! repairs anything.

pub mod health;
pub mod isolation;
pub mod system_catalogue;
