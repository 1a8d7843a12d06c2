//! What commands have in common: the configuration, and the development database of the checkout they run in.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use server::settings::{Settings, Sources};
use tenancy::Database;

/// The folder in a checkout that belongs to `tenantry dev`.
pub const DEV_FOLDER: &str = ".tenantry";

/// Where the configuration comes from, with the development database of this checkout while `tenantry dev` runs in it.
pub fn sources() -> Sources {
    let mut sources = Sources::from_environment();
    if std::env::var_os("TENANTRY__DATABASE__URL").is_some() {
        return sources;
    }
    let here = std::env::current_dir().unwrap_or_default();
    if let Some(file) = here.ancestors().map(dev_settings).find(|file| file.exists()) {
        eprintln!("using the development database of {}", file.display());
        if std::env::var_os("TENANTRY_ENV").is_none() {
            sources.environment = "development".to_owned();
        }
        if std::env::var_os("TENANTRY_CONFIG_DIR").is_none()
            && let Some(checkout) = file.parent().and_then(Path::parent)
        {
            sources.folder = checkout.join("config");
        }
        sources.more.push(file);
    }
    sources
}

/// The settings that `tenantry dev` leaves in a checkout for as long as it runs.
pub fn dev_settings(checkout: &Path) -> PathBuf {
    checkout.join(DEV_FOLDER).join("dev.toml")
}

/// The checked configuration, with logging started.
pub fn settings() -> anyhow::Result<Settings> {
    let settings = sources().load().context("the configuration is refused")?;
    server::logging::start(&settings.log)?;
    Ok(settings)
}

/// The database as the server's login sees it.
pub fn database(settings: &Settings) -> anyhow::Result<Database> {
    Ok(Database::new(&settings.database_url()?, &settings.pool())?)
}
