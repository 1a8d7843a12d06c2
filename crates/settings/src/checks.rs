//! The checks that the settings must pass before a program starts.

use values::Name;

use crate::settings::{Settings, SettingsError, refuse};

/// Whether the text is a URL of the web. A path may follow, but no white space.
pub(crate) fn is_web_address(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| !host.is_empty() && !host.contains(char::is_whitespace))
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
        if self.metrics_listen()?.is_some_and(|metrics| metrics.port() != 0 && metrics == server.listen) {
            return Err(refuse("server.metrics_listen", "must differ from server.listen"));
        }
        if self.database.url.is_some() {
            self.database_url()?;
        }
        if self.database.owner_url.is_some() {
            self.owner_url()?;
        }
        if self.identity.password_key.is_some() {
            self.password_keys()?;
        }
        self.mail_transport()?;
        self.mail_sender()?;
        if Name::parse(&self.mail.installation).is_err() {
            return Err(refuse("mail.installation", "must be a name on one line"));
        }
        if self.identity.issuer.as_ref().is_some_and(|issuer| !is_web_address(issuer)) {
            return Err(refuse("identity.issuer", "must be a URL, like https://id.example.com"));
        }
        self.external_issuers()?;
        self.mobile_money()?;
        if self.backup.folder.as_os_str().is_empty() {
            return Err(refuse("backup.folder", "must be the path of a folder"));
        }
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
        range("events.max_streams_per_business", self.events.max_streams_per_business, 1, 100_000)?;
        range("events.max_streams_per_user", self.events.max_streams_per_user, 1, 100_000)?;
        range("events.keep_days", self.events.keep_days, 1, 365)?;
        range("webhooks.give_up_after_hours", self.webhooks.give_up_after_hours, 1, 720)?;
        range("sign_up.most_a_day", self.sign_up.most_a_day, 1, 100_000)?;
        range("domains.claim_days", self.domains.claim_days, 1, 365)?;
        range("domains.missing_days", self.domains.missing_days, 1, 365)?;
        range("jobs.keep_days", self.jobs.keep_days, 1, 3650)?;
        let identity = &self.identity;
        range("identity.access_token_ttl_s", identity.access_token_ttl_s, 60, 3600)?;
        self.signing_algorithm()?;
        range("identity.key_rotation_days", identity.key_rotation_days, 0, 3650)?;
        range("identity.session_idle_days", identity.session_idle_days, 1, 365)?;
        range("identity.session_max_days", identity.session_max_days, 1, 3650)?;
        range("identity.auth_event_days", identity.auth_event_days, 1, 3650)?;
        range("identity.password_min_length", identity.password_min_length, 8, 64)?;
        range("identity.failures_per_account", identity.failures_per_account, 0, 10_000)?;
        range("identity.failures_per_network", identity.failures_per_network, 0, 100_000)?;
        range("identity.bcrypt_cost", identity.bcrypt_cost, 4, 16)?;
        range("identity.concurrent_hashes", identity.concurrent_hashes, 1, 64)
    }
}
