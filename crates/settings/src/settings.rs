//! The configuration: one typed struct that is read once, checked, and passed down.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use ipnet::IpNet;
use secrecy::SecretString;
use serde::Deserialize;
use tenancy::Installation;

/// All settings. `config/default.toml` documents each key.
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

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Json,
    Pretty,
}

/// The configuration is invalid. The text names the key.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("{key}: {problem}")]
    Value { key: String, problem: String },
    #[error("{key} is missing: {cure}")]
    Missing { key: &'static str, cure: &'static str },
    #[error("the folder {0} does not exist; TENANTRY_CONFIG_DIR must name the configuration folder")]
    Folder(PathBuf),
    #[error("the configuration cannot be read: {0}")]
    Read(#[from] config::ConfigError),
}

pub(crate) fn refuse(key: &str, problem: impl ToString) -> SettingsError {
    SettingsError::Value { key: key.to_owned(), problem: problem.to_string() }
}

impl Settings {
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        fn range<T: PartialOrd + std::fmt::Display>(
            key: &str,
            value: T,
            low: T,
            high: T,
        ) -> Result<(), SettingsError> {
            if value >= low && value <= high {
                return Ok(());
            }
            Err(refuse(key, format!("{value} is out of range; must be {low} to {high}")))
        }
        let server = &self.server;
        self.base_domain()?;
        self.metrics_listen()?;
        self.dns()?;
        if !["http", "https"].contains(&server.public_scheme.as_str()) {
            return Err(refuse("server.public_scheme", "must be http or https"));
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
}
