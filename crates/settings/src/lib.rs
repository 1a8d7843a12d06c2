//! The configuration of a program, and the parts that are built from the configuration.
//!
//! The server and the command line share the settings and the wiring, so a command can open the database
//! without the web crate.

mod addresses;
mod checks;
pub mod logging;
mod parts;
mod plain_words;
mod settings;
mod sources;
pub mod wiring;

pub use settings::{
    BackupSettings, DatabaseSettings, DomainSettings, ExternalIssuerSettings, IdentitySettings, JobSettings,
    LogFormat, LogSettings, MobileMoneySettings, ProvisioningSettings, ServerSettings, Settings,
    SettingsError, TenancySettings,
};
pub use sources::{ShownValue, Sources};
