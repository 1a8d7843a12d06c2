//! Checks of an installation: health, isolation, roles, and what each schema consists of. The only repair is
//! that of rights.

pub mod drift;
pub mod health;
pub mod isolation;
pub mod roles;
pub mod system_catalogue;
