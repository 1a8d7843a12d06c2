//! Whether an installation is as it should be: health, isolation, and what a schema consists of.
//! Nothing here repairs anything.

pub mod health;
pub mod isolation;
pub mod system_catalogue;
