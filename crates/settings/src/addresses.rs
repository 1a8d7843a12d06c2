//! The addresses at which businesses and the platform answer.

use tenancy::{BaseDomain, HostName, TenantSlug};

use crate::settings::{Settings, SettingsError, refuse};

impl Settings {
    /// The domain below which every business has a label of its own.
    ///
    /// # Errors
    /// [`SettingsError`] when the key holds no host name.
    pub fn base_domain(&self) -> Result<BaseDomain, SettingsError> {
        let host =
            HostName::parse(&self.server.base_domain).map_err(|error| refuse("server.base_domain", error))?;
        Ok(BaseDomain::new(host))
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
}
