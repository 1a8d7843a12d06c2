//! The addresses of businesses and of the platform.

use tenancy::{BaseDomain, HostName, TenantSlug};

use crate::settings::{Settings, SettingsError, refuse};

impl Settings {
    /// The base domain. The slug of a business and this domain form the address of the business.
    ///
    /// # Errors
    /// [`SettingsError`] when `server.base_domain` is not a host name.
    pub fn base_domain(&self) -> Result<BaseDomain, SettingsError> {
        let host =
            HostName::parse(&self.server.base_domain).map_err(|error| refuse("server.base_domain", error))?;
        Ok(BaseDomain::new(host))
    }

    /// The URL of a business.
    pub fn address_of(&self, slug: &TenantSlug) -> String {
        self.address(&format!("{slug}."))
    }

    /// The URL where the platform's staff sign in.
    pub fn platform_address(&self) -> String {
        self.address("admin.")
    }

    /// The URL that serves every business at the path `/<slug>/`.
    pub fn app_address(&self) -> String {
        self.address("app.")
    }

    /// The URL of a custom domain.
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
