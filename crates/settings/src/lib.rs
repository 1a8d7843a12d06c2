//! The configuration of a program, and how a program is put together from it.
//!
//! The server and the command line use the same settings and the same wiring, so a command opens the database without
//! the web crate.

mod addresses;
pub mod logging;
mod parts;
mod settings;
mod sources;
pub mod wiring;

pub use settings::{
    BackupSettings, DatabaseSettings, DomainSettings, IdentitySettings, JobSettings, LogFormat, LogSettings,
    ProvisioningSettings, ServerSettings, Settings, SettingsError, TenancySettings,
};
pub use sources::{ShownValue, Sources};
