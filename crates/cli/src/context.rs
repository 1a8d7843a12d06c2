//! Parts that all commands share: the configuration, and the development database of the current checkout.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::Context as _;
use platform::{Actor, Onboarding, Operator, platform_audit};
use serde_json::json;
use settings::wiring;
use settings::{LogFormat, LogSettings, Settings, Sources};
use tenancy::{
    Database, DatabaseUrl, DbError, OwnerDatabase, SharedScope, SharedTx, Tenant, TenantId, TenantSlug,
    health, tenant,
};
use values::{Key, Limit, Page, PageRequest};

use crate::failure::NotFound;
use crate::output::note;

/// The folder of `tenantry dev` in a checkout.
pub const DEV_FOLDER: &str = ".tenantry";

/// How much more than warnings the commands log.
static VERBOSITY: AtomicU8 = AtomicU8::new(0);

/// Sets how much more than warnings the commands log: 0 is nothing more.
pub fn log_more(verbosity: u8) {
    VERBOSITY.store(verbosity, Ordering::Relaxed);
}

/// The settings of the log of a server, with what `--verbose` adds.
pub fn log_settings(settings: &Settings) -> LogSettings {
    let mut log = settings.log.clone();
    if VERBOSITY.load(Ordering::Relaxed) > 0 {
        // The last level without a target counts.
        log.filter.push_str(",debug");
    }
    log
}

/// The sources of the configuration. While `tenantry dev` runs in this checkout, they include its development
/// database.
pub fn sources() -> Sources {
    let mut sources = Sources::from_environment();
    // A user who names a database or another environment does not want the development database.
    let elsewhere = std::env::var("TENANTRY_ENV").is_ok_and(|environment| environment != "development");
    if std::env::var_os("TENANTRY__DATABASE__URL").is_some() || elsewhere {
        return sources;
    }
    let here = std::env::current_dir().unwrap_or_default();
    if let Some(file) = here.ancestors().map(dev_settings).find(|file| file.exists()) {
        if std::io::stderr().is_terminal() {
            note!("using the development database of {}", file.display());
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

/// The settings file that `tenantry dev` keeps in a checkout while it runs.
pub fn dev_settings(checkout: &Path) -> PathBuf {
    checkout.join(DEV_FOLDER).join("dev.toml")
}

/// Loads and checks the configuration.
pub fn load(sources: &Sources) -> anyhow::Result<Settings> {
    sources.load().context("the configuration is invalid")
}

/// Loads the configuration of a command that prints its own messages. Only warnings are logged.
pub fn settings() -> anyhow::Result<Settings> {
    settings_from(&sources())
}

/// Like [`settings()`], from sources that the command has already read.
pub fn settings_from(sources: &Sources) -> anyhow::Result<Settings> {
    let settings = load(sources)?;
    let filter = match VERBOSITY.load(Ordering::Relaxed) {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    settings::logging::start(&LogSettings { format: LogFormat::Pretty, filter: filter.to_owned() })?;
    Ok(settings)
}

/// Opens the database with the server's login. Tries the login first, so that a failure names its remedy.
pub async fn database(settings: &Settings) -> anyhow::Result<Database> {
    let url = settings.database_url()?;
    tenancy::probe(&url).await?;
    Ok(Database::new(&url, &settings.pool())?)
}

/// Refuses a login that reaches PostgreSQL through a pooler on which transactions, locks or announcements of
/// changes would go wrong. For commands that stay connected.
pub async fn refuse_pooler(key: &str, url: &DatabaseUrl) -> anyhow::Result<()> {
    let pooling = health::pooling(url).await.with_context(|| {
        format!(
            "{key}: it could not be tested whether a pooler is in between, which takes three connections at \
             the same time; a login may have a connection limit"
        )
    })?;
    match pooling.problem() {
        None => Ok(()),
        Some((problem, cure)) => anyhow::bail!("{key}: {problem}; {cure}"),
    }
}

/// Reads a list of the platform page by page, until it ends or has `most` rows.
pub async fn all_pages<K: Key, T>(
    settings: &Settings,
    tenant: Option<TenantId>,
    most: i64,
    read: impl AsyncFn(&SharedTx, &PageRequest<K>) -> Result<Page<T>, DbError>,
) -> anyhow::Result<Vec<T>> {
    let database = database(settings).await?;
    record_read(&database, tenant).await?;
    let most = usize::try_from(most)?;
    let limit = Limit::of(u32::try_from(most).unwrap_or(Limit::MAX).clamp(1, Limit::MAX));
    let mut page = PageRequest { limit, ..PageRequest::default() };
    let mut rows = Vec::new();
    while rows.len() < most {
        let next = database.read_shared(SharedScope::Platform, async |tx| read(tx, &page).await).await?;
        rows.extend(next.data);
        let Some(cursor) = next.next else { break };
        page.after = Some(cursor.key(page.list)?);
    }
    rows.truncate(most);
    Ok(rows)
}

/// Writes to the audit log of the platform that this command reads data of one business or of all. The entry
/// names no person: nothing deletes it when a person is deleted.
pub async fn record_read(database: &Database, tenant: Option<TenantId>) -> anyhow::Result<()> {
    let words = std::env::args().skip(1).filter(|text| !text.starts_with('-'));
    let command: Vec<String> = words.take(2).collect();
    let details = json!({"command": command.join(" ")});
    let actor = Actor::command_line();
    let record = async |tx: &SharedTx| platform_audit::record_read(tx, &actor, tenant, &details).await;
    Ok(database.write_shared(SharedScope::Platform, record).await?)
}

/// Builds onboarding with the owner's login. Tries the login first, so that a failure names its remedy.
pub async fn onboarding(settings: &Settings) -> anyhow::Result<Onboarding> {
    tenancy::probe(&settings.owner_url()?).await?;
    Ok(wiring::onboarding(settings)?)
}

/// Opens the database with the owner's login and at most `connections` connections. Tries the login first, so
/// that a failure names its remedy.
pub async fn owner_database(settings: &Settings, connections: usize) -> anyhow::Result<OwnerDatabase> {
    tenancy::probe(&settings.owner_url()?).await?;
    Ok(wiring::owner_database(settings, connections)?)
}

/// The operator of the command line, with the owner's login.
pub async fn operator(settings: &Settings) -> anyhow::Result<Operator> {
    let owner_database = Arc::new(owner_database(settings, 3).await?);
    Ok(Operator { owner_database, actor: Actor::command_line() })
}

/// Finds the business of an option such as `--tenant`, if it was given. Otherwise like [`find_tenant()`].
pub async fn find_tenant_if(
    settings: &Settings,
    slug: Option<&TenantSlug>,
) -> anyhow::Result<Option<Arc<Tenant>>> {
    match slug {
        Some(slug) => Ok(Some(find_tenant(settings, slug).await?)),
        None => Ok(None),
    }
}

/// Finds the business with this slug. For a former slug, the error names the new slug.
pub async fn find_tenant(settings: &Settings, slug: &TenantSlug) -> anyhow::Result<Arc<Tenant>> {
    let database = database(settings).await?;
    let (found, renamed) = database
        .read_shared(SharedScope::Platform, async |tx| {
            Ok::<_, DbError>((tenant::find(tx, slug).await?, tenant::find_renamed(tx, slug).await?))
        })
        .await?;
    if let Some(found) = found {
        return Ok(Arc::new(found));
    }
    if let Some(renamed) = renamed {
        return Err(NotFound(format!("{slug} was renamed to {}", renamed.slug)).into());
    }
    let hint = match similar(slug, &all_tenants(&database).await?) {
        Some(similar) => format!("did you mean {similar}?"),
        None => "`tenantry tenant list` lists all businesses".to_owned(),
    };
    Err(NotFound(format!("there is no business {slug}; {hint}")).into())
}

/// The slug that the user may have meant.
fn similar(slug: &TenantSlug, tenants: &[Arc<Tenant>]) -> Option<String> {
    let likeness = |tenant: &Tenant| strsim::jaro_winkler(slug.as_str(), tenant.slug.as_str());
    let likely = tenants.iter().filter(|tenant| likeness(tenant) > 0.8);
    let best = likely.max_by(|one, other| likeness(one).total_cmp(&likeness(other)))?;
    Some(best.slug.to_string())
}

/// All businesses.
pub async fn all_tenants(database: &Database) -> Result<Vec<Arc<Tenant>>, DbError> {
    database.read_shared(SharedScope::Platform, async |tx| tenant::all(tx).await).await
}
