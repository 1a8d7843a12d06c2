//! Settings in the shape in which the parts of a program take them.

use std::net::SocketAddr;
use std::time::Duration;

use platform::dns::Dns;
use secrecy::ExposeSecret;
use tenancy::{DatabaseUrl, Installation, PoolSettings, ResolverSettings};

use crate::settings::{Settings, SettingsError, refuse};

impl Settings {
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
