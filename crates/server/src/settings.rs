//! The configuration: one typed struct, read once, checked, and passed down.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::{Config, Environment, File, FileFormat, Value, ValueKind};
use ipnet::IpNet;
use platform::dns::Dns;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tenancy::{BaseDomain, DatabaseUrl, HostName, Installation, PoolSettings, ResolverSettings, TenantSlug};

/// The documented defaults, in the binary too, so that it runs without its folder.
const DEFAULTS: &str = include_str!("../../../config/default.toml");

const DEFAULT_FOLDER: &str = "config";

/// Keys without a default.
const WITHOUT_DEFAULT: [&str; 6] = [
    "database.url",
    "database.owner_url",
    "database.installation",
    "identity.issuer",
    "identity.signing_key_file",
    "identity.password_key",
];

/// Everything that can be configured; `config/default.toml` documents each key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub server: ServerSettings,
    pub database: DatabaseSettings,
    pub tenancy: TenancySettings,
    pub identity: IdentitySettings,
    pub provisioning: ProvisioningSettings,
    pub backup: BackupSettings,
    pub jobs: JobSettings,
    pub domains: DomainSettings,
    pub log: LogSettings,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {
    pub listen: SocketAddr,
    pub metrics_listen: String,
    pub base_domain: String,
    pub public_scheme: String,
    pub public_port: u16,
    pub workers: usize,
    pub request_timeout_ms: u64,
    pub client_timeout_ms: u64,
    pub shutdown_timeout_s: u64,
    pub body_limit_bytes: usize,
    pub cors_origins: Vec<String>,
    pub trusted_proxies: Vec<IpNet>,
    pub requests_per_second: u32,
    pub request_burst: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSettings {
    pub url: Option<SecretString>,
    pub owner_url: Option<SecretString>,
    pub installation: Option<Installation>,
    pub max_connections: usize,
    pub pools: usize,
    pub max_transactions_per_business: usize,
    pub max_waiting_per_business: usize,
    pub business_wait_timeout_ms: u64,
    pub wait_timeout_ms: u64,
    pub max_lifetime_s: u64,
    pub max_businesses_per_connection: usize,
    pub max_statements_per_connection: NonZeroUsize,
    pub statement_timeout_ms: u64,
    pub lock_timeout_ms: u64,
    pub idle_in_transaction_timeout_ms: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenancySettings {
    pub former_slug_days: u32,
    pub cache_capacity: u64,
    pub cache_known_ms: u64,
    pub cache_unknown_ms: u64,
    pub cache_stale_s: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentitySettings {
    pub issuer: Option<String>,
    pub signing_key_file: Option<PathBuf>,
    pub password_key: Option<SecretString>,
    pub access_token_ttl_s: u64,
    pub password_min_length: usize,
    pub bcrypt_cost: u32,
    pub concurrent_hashes: usize,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvisioningSettings {
    pub in_server: bool,
    pub spare_schemas: usize,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupSettings {
    pub folder: PathBuf,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSettings {
    pub in_server: bool,
    pub keep_days: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DomainSettings {
    pub name_server: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    pub format: LogFormat,
    pub filter: String,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Json,
    Pretty,
}

/// The configuration is refused; the text names the key.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("{key}: {problem}")]
    Value { key: String, problem: String },
    #[error("{key} is missing: {cure}")]
    Missing { key: &'static str, cure: &'static str },
    #[error("there is no folder {0}; TENANTRY_CONFIG_DIR names the folder of the configuration files")]
    Folder(PathBuf),
    #[error("the configuration cannot be read: {0}")]
    Read(#[from] config::ConfigError),
}

fn refuse(key: &str, problem: impl ToString) -> SettingsError {
    SettingsError::Value { key: key.to_owned(), problem: problem.to_string() }
}

/// Where configuration comes from, the strongest last: defaults, the environment's file, more files, `TENANTRY__...`.
#[derive(Debug, Clone)]
pub struct Sources {
    /// `development`, `production` or another file of the folder.
    pub environment: String,
    pub folder: PathBuf,
    pub more: Vec<PathBuf>,
}

/// One configured value, for showing.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ShownValue {
    pub key: String,
    pub value: String,
    pub source: String,
}

impl Sources {
    /// `TENANTRY_ENV` names the environment, production unless said otherwise; `TENANTRY_CONFIG_DIR` the folder.
    pub fn from_environment() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            environment: variable("TENANTRY_ENV").unwrap_or_else(|| "production".to_owned()),
            folder: variable("TENANTRY_CONFIG_DIR").unwrap_or_else(|| DEFAULT_FOLDER.to_owned()).into(),
            more: Vec::new(),
        }
    }

    fn read(&self) -> Result<Config, SettingsError> {
        // The default folder may be absent: the defaults are in the binary.
        if self.folder != Path::new(DEFAULT_FOLDER) && !self.folder.is_dir() {
            return Err(SettingsError::Folder(self.folder.clone()));
        }
        let file = |path: &Path| File::from(path).format(FileFormat::Toml).required(false);
        let mut builder = Config::builder()
            .add_source(File::from_str(DEFAULTS, FileFormat::Toml))
            .add_source(file(&self.folder.join("default.toml")))
            .add_source(file(&self.folder.join(format!("{}.toml", self.environment))));
        for path in &self.more {
            builder = builder.add_source(file(path));
        }
        let environment = Environment::with_prefix("TENANTRY")
            .prefix_separator("__")
            .separator("__")
            .try_parsing(true)
            .list_separator(",")
            .with_list_parse_key("server.cors_origins")
            .with_list_parse_key("server.trusted_proxies");
        Ok(builder.add_source(environment).build()?)
    }

    /// Reads and checks the configuration.
    ///
    /// # Errors
    /// [`SettingsError`] with the key: unknown, malformed or out of range.
    pub fn load(&self) -> Result<Settings, SettingsError> {
        let settings: Settings = serde_path_to_error::deserialize(self.read()?)
            .map_err(|error| refuse(&error.path().to_string(), error.inner()))?;
        settings.check()?;
        Ok(settings)
    }

    /// Every value with its source; secrets masked. Works on a configuration that [`Sources::load`] would refuse.
    ///
    /// # Errors
    /// [`SettingsError::Read`].
    pub fn show(&self) -> Result<Vec<ShownValue>, SettingsError> {
        let mut shown = Vec::new();
        flatten("", &self.read()?.cache, &mut shown);
        for key in WITHOUT_DEFAULT {
            if !shown.iter().any(|value| value.key == key) {
                let (value, source) = ("(not set)".to_owned(), "no default".to_owned());
                shown.push(ShownValue { key: key.to_owned(), value, source });
            }
        }
        shown.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(shown)
    }
}

fn flatten(prefix: &str, value: &Value, shown: &mut Vec<ShownValue>) {
    match &value.kind {
        ValueKind::Table(table) => {
            for (name, value) in table {
                let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                flatten(&key, value, shown);
            }
        }
        _ => shown.push(ShownValue {
            key: prefix.to_owned(),
            value: masked(prefix, &value.to_string()),
            source: value.origin().unwrap_or("built-in default").to_owned(),
        }),
    }
}

/// A secret is shown as its presence alone; of a database URL everything but the password.
fn masked(key: &str, value: &str) -> String {
    match key {
        "identity.password_key" => "********".to_owned(),
        "database.url" | "database.owner_url" => match value.parse::<DatabaseUrl>() {
            Ok(_) => mask_password(value),
            Err(_) => "********".to_owned(),
        },
        _ => value.to_owned(),
    }
}

fn mask_password(url: &str) -> String {
    let (Some((scheme, rest)), true) = (url.split_once("://"), url.contains('@')) else {
        return "********".to_owned();
    };
    let (authority, path) = rest.rsplit_once('@').unwrap_or(("", rest));
    let user = authority.split(':').next().unwrap_or_default();
    // A password may stand among the parameters as well.
    let path = path.split('?').next().unwrap_or_default();
    format!("{scheme}://{user}:********@{path}")
}

impl Settings {
    fn check(&self) -> Result<(), SettingsError> {
        fn range<T: PartialOrd + std::fmt::Display>(
            key: &str,
            value: T,
            low: T,
            high: T,
        ) -> Result<(), SettingsError> {
            if value >= low && value <= high {
                return Ok(());
            }
            Err(refuse(key, format!("{value} is out of range; {low} to {high} is accepted")))
        }
        let server = &self.server;
        self.base_domain()?;
        self.metrics_listen()?;
        self.dns()?;
        if !["http", "https"].contains(&server.public_scheme.as_str()) {
            return Err(refuse("server.public_scheme", "http or https is accepted"));
        }
        range("server.public_port", server.public_port, 1, u16::MAX)?;
        range("server.workers", server.workers, 0, 64)?;
        range("server.request_timeout_ms", server.request_timeout_ms, 100, 600_000)?;
        range("server.client_timeout_ms", server.client_timeout_ms, 100, 600_000)?;
        range("server.shutdown_timeout_s", server.shutdown_timeout_s, 1, 600)?;
        range("server.body_limit_bytes", server.body_limit_bytes, 1024, 64 << 20)?;
        range("server.requests_per_second", server.requests_per_second, 0, 1_000_000)?;
        range("server.request_burst", server.request_burst, 1, 1_000_000)?;
        let database = &self.database;
        range("database.max_connections", database.max_connections, 1, 500)?;
        range("database.pools", database.pools, 1, 100)?;
        range("database.max_transactions_per_business", database.max_transactions_per_business, 1, 500)?;
        range("database.max_waiting_per_business", database.max_waiting_per_business, 0, 10_000)?;
        range("database.business_wait_timeout_ms", database.business_wait_timeout_ms, 1, 60_000)?;
        range("database.wait_timeout_ms", database.wait_timeout_ms, 10, 60_000)?;
        range("database.max_lifetime_s", database.max_lifetime_s, 10, 86_400)?;
        range("database.max_businesses_per_connection", database.max_businesses_per_connection, 1, 100_000)?;
        range(
            "database.max_statements_per_connection",
            database.max_statements_per_connection.get(),
            10,
            10_000,
        )?;
        range("database.statement_timeout_ms", database.statement_timeout_ms, 100, 600_000)?;
        range("database.lock_timeout_ms", database.lock_timeout_ms, 10, 60_000)?;
        range(
            "database.idle_in_transaction_timeout_ms",
            database.idle_in_transaction_timeout_ms,
            100,
            600_000,
        )?;
        let tenancy = &self.tenancy;
        range("tenancy.cache_capacity", tenancy.cache_capacity, 10, 1_000_000)?;
        range("tenancy.cache_known_ms", tenancy.cache_known_ms, 100, 600_000)?;
        range("tenancy.cache_unknown_ms", tenancy.cache_unknown_ms, 100, 600_000)?;
        range("tenancy.cache_stale_s", tenancy.cache_stale_s, 1, 86_400)?;
        range("tenancy.former_slug_days", tenancy.former_slug_days, 0, 3650)?;
        range("provisioning.spare_schemas", self.provisioning.spare_schemas, 0, 1000)?;
        range("jobs.keep_days", self.jobs.keep_days, 1, 3650)?;
        let identity = &self.identity;
        range("identity.access_token_ttl_s", identity.access_token_ttl_s, 60, 3600)?;
        range("identity.password_min_length", identity.password_min_length, 8, 64)?;
        range("identity.bcrypt_cost", identity.bcrypt_cost, 4, 16)?;
        range("identity.concurrent_hashes", identity.concurrent_hashes, 1, 64)
    }

    /// # Errors
    /// [`SettingsError`] when the key holds no host name.
    pub fn base_domain(&self) -> Result<BaseDomain, SettingsError> {
        let host =
            HostName::parse(&self.server.base_domain).map_err(|error| refuse("server.base_domain", error))?;
        Ok(BaseDomain::new(host))
    }

    /// Where `/metrics` listens, if anywhere.
    ///
    /// # Errors
    /// [`SettingsError`] when the key holds no address.
    pub fn metrics_listen(&self) -> Result<Option<SocketAddr>, SettingsError> {
        let text = &self.server.metrics_listen;
        if text.is_empty() {
            return Ok(None);
        }
        let address = text
            .parse()
            .map_err(|_| refuse("server.metrics_listen", "an address looks like 127.0.0.1:9090"))?;
        Ok(Some(address))
    }

    /// DNS, as hosts of businesses' own are verified by it.
    ///
    /// # Errors
    /// [`SettingsError`] when the key holds no address.
    pub fn dns(&self) -> Result<Dns, SettingsError> {
        let text = &self.domains.name_server;
        if text.is_empty() {
            return Ok(Dns::new(None));
        }
        let address =
            text.parse().map_err(|_| refuse("domains.name_server", "an address looks like 192.0.2.53:53"))?;
        Ok(Dns::new(Some(address)))
    }

    /// The URL at which a business answers.
    pub fn address_of(&self, slug: &TenantSlug) -> String {
        self.address(&format!("{slug}."))
    }

    /// The URL at which the platform's staff signs in.
    pub fn platform_address(&self) -> String {
        self.address("admin.")
    }

    /// The URL below which businesses answer at `/<slug>/`.
    pub fn app_address(&self) -> String {
        self.address("app.")
    }

    /// The URL of a business's own host.
    pub fn address_of_host(&self, host: &HostName) -> String {
        self.url_of(host.as_str())
    }

    fn address(&self, label: &str) -> String {
        self.url_of(&format!("{label}{}", self.server.base_domain))
    }

    fn url_of(&self, host: &str) -> String {
        let server = &self.server;
        let port = match (server.public_scheme.as_str(), server.public_port) {
            ("http", 80) | ("https", 443) => String::new(),
            (_, port) => format!(":{port}"),
        };
        format!("{}://{host}{port}", server.public_scheme)
    }

    /// The server's login.
    ///
    /// # Errors
    /// [`SettingsError`] when it is missing or malformed.
    pub fn database_url(&self) -> Result<DatabaseUrl, SettingsError> {
        let url = self.database.url.as_ref().ok_or(SettingsError::Missing {
            key: "database.url",
            cure: "set TENANTRY__DATABASE__URL=postgres://tenantry_server:PASSWORD@HOST:5432/tenantry (or start scripts/dev: \
                   commands in its checkout find its database while it runs)",
        })?;
        url.expose_secret().parse().map_err(|error| refuse("database.url", error))
    }

    /// The login that owns the schemas.
    ///
    /// # Errors
    /// [`SettingsError`] when it is missing or malformed.
    pub fn owner_url(&self) -> Result<DatabaseUrl, SettingsError> {
        let url = self.database.owner_url.as_ref().ok_or(SettingsError::Missing {
            key: "database.owner_url",
            cure: "set TENANTRY__DATABASE__OWNER_URL=postgres://tenantry_owner:PASSWORD@HOST:5432/tenantry",
        })?;
        url.expose_secret().parse().map_err(|error| refuse("database.owner_url", error))
    }

    /// The prefix of this installation's roles.
    ///
    /// # Errors
    /// [`SettingsError`] when it follows from a database whose name is no such prefix.
    pub fn installation(&self) -> Result<Installation, SettingsError> {
        match &self.database.installation {
            Some(installation) => Ok(installation.clone()),
            None => Installation::parse(self.database_url()?.database()).map_err(|error| {
                refuse("database.installation", format!("the database's name does not serve: {error}"))
            }),
        }
    }

    pub fn pool(&self) -> PoolSettings {
        let database = &self.database;
        PoolSettings {
            max_connections: database.max_connections,
            pools: database.pools,
            max_transactions_per_business: database.max_transactions_per_business,
            max_waiting_per_business: database.max_waiting_per_business,
            business_wait_timeout: Duration::from_millis(database.business_wait_timeout_ms),
            wait_timeout: Duration::from_millis(database.wait_timeout_ms),
            max_lifetime: Duration::from_secs(database.max_lifetime_s),
            max_businesses_per_connection: database.max_businesses_per_connection,
            max_statements_per_connection: database.max_statements_per_connection,
            statement_timeout: Duration::from_millis(database.statement_timeout_ms),
            lock_timeout: Duration::from_millis(database.lock_timeout_ms),
            idle_in_transaction_timeout: Duration::from_millis(database.idle_in_transaction_timeout_ms),
        }
    }

    /// What background work has to know.
    pub fn background(&self) -> platform::jobs::JobSettings {
        platform::jobs::JobSettings {
            spare_schemas: self.provisioning.spare_schemas,
            backup_folder: self.backup.folder.clone(),
            keep_days: self.jobs.keep_days,
        }
    }

    /// For how long a renamed business's former slug sends people on, and nobody else gets it.
    pub fn former_slugs_reserved_for(&self) -> Duration {
        Duration::from_secs(u64::from(self.tenancy.former_slug_days) * 86_400)
    }

    pub fn resolver(&self) -> ResolverSettings {
        ResolverSettings {
            capacity: self.tenancy.cache_capacity,
            known_for: Duration::from_millis(self.tenancy.cache_known_ms),
            unknown_for: Duration::from_millis(self.tenancy.cache_unknown_ms),
            stale_for: Duration::from_secs(self.tenancy.cache_stale_s),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(toml: &str) -> (Sources, PathBuf) {
        let path = std::env::temp_dir().join(format!("tenantry-settings-{}.toml", uuid::Uuid::now_v7()));
        std::fs::write(&path, toml).unwrap();
        let sources =
            Sources { environment: "none".into(), folder: DEFAULT_FOLDER.into(), more: vec![path.clone()] };
        (sources, path)
    }

    fn load(toml: &str) -> Result<Settings, String> {
        let (sources, path) = sources(toml);
        let loaded = sources.load().map_err(|error| error.to_string());
        std::fs::remove_file(path).unwrap();
        loaded
    }

    #[test]
    fn the_defaults_hold_no_secret_and_pass() {
        let settings = load("").unwrap();
        assert!(settings.database.url.is_none() && settings.identity.password_key.is_none());
        assert!(settings.database_url().unwrap_err().to_string().contains("TENANTRY__DATABASE__URL"));
    }

    #[test]
    fn a_refusal_names_the_key() {
        for (toml, key) in [
            ("[server]\nlisten = 5", "server.listen"),
            ("[server]\nbase_domain = \"a b\"", "server.base_domain"),
            ("[database]\nmax_connections = 0", "database.max_connections"),
            ("[database]\nmax_connections = 501", "database.max_connections"),
            ("[database]\nmax_conections = 5", "max_conections"),
            ("[identity]\nbcrypt_cost = 3", "identity.bcrypt_cost"),
            ("[log]\nformat = \"xml\"", "log.format"),
            ("[nonsense]\na = 1", "nonsense"),
        ] {
            let error = load(toml).unwrap_err();
            assert!(error.contains(key), "{toml:?}: {error}");
        }
    }

    #[test]
    fn shown_values_have_a_source_and_no_secret() {
        let (sources, path) = sources(
            "[database]\nurl = \"postgres://app:s3cret@db:5432/shop?sslmode=require\"\n[identity]\npassword_key = \"s3cret\"",
        );
        let shown = sources.show().unwrap();
        std::fs::remove_file(&path).unwrap();
        let value = |key: &str| shown.iter().find(|value| value.key == key).unwrap().clone();
        assert_eq!(value("database.url").value, "postgres://app:********@db:5432/shop");
        assert_eq!(value("identity.password_key").value, "********");
        assert!(value("database.url").source.contains(path.file_name().unwrap().to_str().unwrap()));
        assert_eq!(value("server.listen").source, "built-in default");
        assert!(!format!("{shown:?}").contains("s3cret"));
    }

    #[test]
    fn a_standard_port_is_left_out_of_addresses() {
        let settings = load("[server]\nbase_domain = \"example.com\"").unwrap();
        let slug = TenantSlug::parse("acme").unwrap();
        assert_eq!(settings.address_of(&slug), "https://acme.example.com");
        let settings = load("[server]\npublic_scheme = \"http\"\npublic_port = 8080").unwrap();
        assert_eq!(settings.address_of(&slug), "http://acme.localhost:8080");
    }
}
