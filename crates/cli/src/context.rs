//! What commands have in common: the configuration, and the development database of the checkout they run in.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use platform::{Actor, Onboarding, Operator};
use settings::wiring;
use settings::{LogFormat, LogSettings, Settings, Sources};
use tenancy::{Database, DbError, Provisioner, SharedScope, Tenant, TenantSlug, tenant};

use crate::failure::NotFound;

/// The folder in a checkout that belongs to `tenantry dev`.
pub const DEV_FOLDER: &str = ".tenantry";

/// Where the configuration comes from, with the development database of this checkout while `tenantry dev` runs in it.
pub fn sources() -> Sources {
    let mut sources = Sources::from_environment();
    // Whoever names a database or another environment does not mean the one for development.
    let elsewhere = std::env::var("TENANTRY_ENV").is_ok_and(|environment| environment != "development");
    if std::env::var_os("TENANTRY__DATABASE__URL").is_some() || elsewhere {
        return sources;
    }
    let here = std::env::current_dir().unwrap_or_default();
    if let Some(file) = here.ancestors().map(dev_settings).find(|file| file.exists()) {
        if std::io::stderr().is_terminal() {
            eprintln!("using the development database of {}", file.display());
        }
        sources.environment = "development".to_owned();
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

/// The checked configuration.
pub fn load(sources: &Sources) -> anyhow::Result<Settings> {
    sources.load().context("the configuration is refused")
}

/// The checked configuration, for a command that says itself what it does: only warnings are logged beside it.
pub fn settings() -> anyhow::Result<Settings> {
    settings_from(&sources())
}

/// The same, for a command that has looked at the sources before.
pub fn settings_from(sources: &Sources) -> anyhow::Result<Settings> {
    let settings = load(sources)?;
    settings::logging::start(&LogSettings { format: LogFormat::Pretty, filter: "warn".to_owned() })?;
    Ok(settings)
}

/// The database as the server's login sees it; one that cannot be reached is explained here.
pub async fn database(settings: &Settings) -> anyhow::Result<Database> {
    let url = settings.database_url()?;
    tenancy::probe(&url).await?;
    Ok(Database::new(&url, &settings.pool())?)
}

/// Onboarding with the owner's login; one that cannot sign in is explained here.
pub async fn onboarding(settings: &Settings) -> anyhow::Result<Onboarding> {
    tenancy::probe(&settings.owner_url()?).await?;
    Ok(wiring::onboarding(settings)?)
}

/// The owner's side of the database, with so many connections; a login that cannot sign in is explained here.
pub async fn provisioner(settings: &Settings, connections: usize) -> anyhow::Result<Provisioner> {
    tenancy::probe(&settings.owner_url()?).await?;
    Ok(wiring::provisioner(settings, connections)?)
}

/// The operator at work, with the owner's login.
pub async fn operator(settings: &Settings) -> anyhow::Result<Operator> {
    let provisioner = Arc::new(provisioner(settings, 3).await?);
    Ok(Operator { provisioner, actor: Actor::command_line() })
}

/// The business with this slug; one that does not exist is explained here.
pub async fn find_tenant(settings: &Settings, slug: &TenantSlug) -> anyhow::Result<Arc<Tenant>> {
    let (found, renamed) = database(settings)
        .await?
        .read_shared(SharedScope::Platform, async |tx| {
            Ok::<_, DbError>((tenant::find(tx, slug).await?, tenant::find_renamed(tx, slug).await?))
        })
        .await?;
    let unknown = || match &renamed {
        Some(tenant) => NotFound(format!("{slug} is called {} now", tenant.slug)),
        None => NotFound(format!("there is no business {slug}; `tenantry tenant list` shows all")),
    };
    Ok(Arc::new(found.ok_or_else(unknown)?))
}

/// All businesses.
pub async fn all_tenants(database: &Database) -> Result<Vec<Arc<Tenant>>, DbError> {
    database.read_shared(SharedScope::Platform, async |tx| tenant::all(tx).await).await
}
