//! Host names, and the target of a request by its host and path. Nothing here reads the registry.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::names::tenant::TenantSlug;

/// A host name in the form in which DNS compares names: lower case, without port and without trailing dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName(String);

impl utoipa::PartialSchema for HostName {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        values::macros::TextForm::length(1, 253)
            .such_as("shop.acme.example")
            .schema("A host name; letters of any script become punycode")
    }
}

impl utoipa::ToSchema for HostName {}

values::column_as!(HostName, String);

/// The text is not a host name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not a valid host name")]
pub struct HostError;

impl HostName {
    /// Reads the value of a Host header: a DNS name (IDN as punycode) or an IP address, with an optional
    /// port.
    ///
    /// # Errors
    /// [`HostError`] for anything else, such as user information or an empty label.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        if let Some(rest) = text.strip_prefix('[') {
            let (address, port) = rest.split_once(']').ok_or(HostError)?;
            if !port.is_empty() {
                check_port(port.strip_prefix(':').ok_or(HostError)?)?;
            }
            let address: std::net::Ipv6Addr = address.parse().map_err(|_| HostError)?;
            return Ok(Self(format!("[{address}]")));
        }
        let name = match text.split_once(':') {
            Some((name, port)) => {
                check_port(port)?;
                name
            }
            None => text,
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        if name.is_empty() || name.len() > 253 || !name.split('.').all(is_label) {
            return Err(HostError);
        }
        Ok(Self(name.to_ascii_lowercase()))
    }

    /// Reads a host name as people write it. Letters of any script become punycode, the form that DNS uses.
    ///
    /// # Errors
    /// [`HostError`] if the text is not a host name, or if no domain registry would accept the name.
    pub fn from_people(text: &str) -> Result<Self, HostError> {
        let text = text.trim();
        let text = text.strip_suffix('.').unwrap_or(text);
        let ascii = idna::domain_to_ascii_strict(text).map_err(|_| HostError)?;
        Self::parse(&ascii)
    }

    /// The name in lower case and punycode. An IPv6 address is in square brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the host is `domain` or a subdomain of `domain`.
    pub fn is_at_or_below(&self, domain: &Self) -> bool {
        self.0.strip_suffix(&domain.0).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }

    /// Whether programs take the host for an IP address. Browsers do so if the last label is a number
    /// (WHATWG URL Standard, section 3.5), such as in `127.1` or `1.0x7f`.
    pub(crate) fn is_address(&self) -> bool {
        let last = self.0.rsplit('.').next().unwrap_or_default();
        let is_hex = last.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        self.0.starts_with('[') || is_hex || last.bytes().all(|b| b.is_ascii_digit())
    }

    /// Whether nobody can own the host alone: it has one label, such as `com`, or everybody may register
    /// names below it, such as below `co.uk` and `github.io` (Public Suffix List).
    pub(crate) fn is_public_suffix(&self) -> bool {
        !self.0.contains('.') || psl::suffix_str(&self.0) == Some(self.0.as_str())
    }
}

impl TryFrom<String> for HostName {
    type Error = HostError;
    fn try_from(text: String) -> Result<Self, HostError> {
        Self::from_people(&text)
    }
}

impl From<HostName> for String {
    fn from(host: HostName) -> Self {
        host.0
    }
}

impl std::str::FromStr for HostName {
    type Err = HostError;
    fn from_str(text: &str) -> Result<Self, HostError> {
        Self::from_people(text)
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn check_port(port: &str) -> Result<(), HostError> {
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    if digits && port.parse::<u16>().is_ok() { Ok(()) } else { Err(HostError) }
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// A key by which a business can be looked up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// The slug of the business, from a subdomain of the base domain or from the path at the app host.
    Slug(TenantSlug),
    /// A custom domain of the business, outside the base domain.
    Host(HostName),
}

/// The target of a request, by its host and path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostTarget {
    /// The platform itself: `admin.<base domain>`.
    Platform,
    /// The place where programs get access tokens: `id.<base domain>`.
    Identity,
    /// A business, which the registry may or may not know.
    Tenant {
        /// The key for the lookup of the business.
        address: Address,
        /// The number of bytes at the start of the path that only name the business, such as `/acme` at the
        /// app host. 0 at any other host.
        prefix: usize,
    },
    /// The host and path can never belong to a business, so that no lookup is needed.
    Nowhere,
}

/// The base domain of the installation, with a subdomain for every business.
#[derive(Debug, Clone)]
pub struct BaseDomain(HostName);

impl BaseDomain {
    /// Makes `host` the base domain, such as `example.com`.
    pub fn new(host: HostName) -> Self {
        Self(host)
    }

    /// The host name of the base domain itself, such as `example.com`.
    pub fn host(&self) -> &HostName {
        &self.0
    }

    /// Whether the host belongs to the platform: the base domain itself, `admin.` for staff, `app.` for
    /// businesses by path, and `id.` for access tokens.
    pub fn is_of_the_platform(&self, host: &HostName) -> bool {
        let below = host.as_str().strip_suffix(self.0.as_str());
        below.is_some_and(|label| ["", "admin.", "app.", "id."].contains(&label))
    }

    /// Returns the target of a request. Knows `<slug>.<base>`, `admin.<base>`, `id.<base>`,
    /// `app.<base>/<slug>/...` and custom domains.
    pub fn target(&self, host: &HostName, path: &str) -> HostTarget {
        let label = match host.as_str().strip_suffix(self.0.as_str()) {
            Some("") => return HostTarget::Nowhere,
            Some(below) => below.strip_suffix('.'),
            None => None,
        };
        match label {
            None if host.is_address() => HostTarget::Nowhere,
            None => HostTarget::Tenant { address: Address::Host(host.clone()), prefix: 0 },
            Some("admin") => HostTarget::Platform,
            Some("id") => HostTarget::Identity,
            Some("app") => {
                let first =
                    path.strip_prefix('/').and_then(|rest| rest.split('/').next()).unwrap_or_default();
                by_slug(first, 1 + first.len())
            }
            Some(label) => by_slug(label, 0),
        }
    }
}

fn by_slug(text: &str, prefix: usize) -> HostTarget {
    match TenantSlug::parse(text) {
        Ok(slug) => HostTarget::Tenant { address: Address::Slug(slug), prefix },
        Err(_) => HostTarget::Nowhere,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(host: &str, path: &str) -> HostTarget {
        BaseDomain::new(HostName::parse("example.com").unwrap()).target(&HostName::parse(host).unwrap(), path)
    }

    fn slug(text: &str, prefix: usize) -> HostTarget {
        HostTarget::Tenant { address: Address::Slug(TenantSlug::parse(text).unwrap()), prefix }
    }

    #[test]
    fn case_port_and_trailing_dot_do_not_matter() {
        for host in [
            "acme.example.com",
            "ACME.Example.COM",
            "acme.example.com:8080",
            "acme.example.com.",
            "acme.example.com.:80",
        ] {
            assert_eq!(target(host, "/"), slug("acme", 0), "{host}");
        }
    }

    #[test]
    fn names_of_any_script_become_punycode() {
        let host = |text| HostName::from_people(text).map(String::from);
        assert_eq!(host("Bücher.example"), Ok("xn--bcher-kva.example".to_owned()));
        assert_eq!(host("shop.例え.jp"), Ok("shop.xn--r8jz45g.jp".to_owned()));
        assert_eq!(host(" shop.acme.test "), Ok("shop.acme.test".to_owned()));
        for text in ["", "a b", "-a.test", "a_b.test", "xn--a.test", "a..b"] {
            assert_eq!(host(text), Err(HostError), "{text:?}");
        }
    }

    #[test]
    fn hostile_hosts_are_refused() {
        let long = format!("{}.example.com", "a".repeat(64));
        let longer = "a.".repeat(5000);
        for host in [
            "",
            ".",
            "a..b",
            "a b",
            "acme.example.com:",
            "acme.example.com:x",
            "acme.example.com:99999",
            "user@acme.example.com",
            "acme.example.com/x",
            "äcme.example.com",
            "[::1",
            "[::1]x",
            "[x]",
            "acme\0.example.com",
            "-a.example.com",
            "a_b.com",
            &long,
            &longer,
            "acme.example.com:80:80",
            "acme.example.com, other.example.com",
        ] {
            assert_eq!(HostName::parse(host), Err(HostError), "{host:?}");
        }
    }

    #[test]
    fn only_a_slug_below_the_base_domain_is_a_business() {
        assert_eq!(target("admin.example.com", "/"), HostTarget::Platform);
        for host in [
            "example.com",
            "www.example.com",
            "a.b.example.com",
            "ab.example.com",
            "127.0.0.1",
            "[::1]:80",
            "xn--a.example.com",
        ] {
            assert_eq!(target(host, "/"), HostTarget::Nowhere, "{host}");
        }
        let own = HostName::parse("shop.acme.test").unwrap();
        assert_eq!(
            target("shop.acme.test", "/"),
            HostTarget::Tenant { address: Address::Host(own), prefix: 0 }
        );
        // `evilexample.com` ends with the text `example.com`, but is not a subdomain of it.
        assert!(matches!(
            target("evilexample.com", "/"),
            HostTarget::Tenant { address: Address::Host(_), .. }
        ));
    }

    #[test]
    fn the_app_host_takes_the_slug_from_the_path() {
        assert_eq!(target("app.example.com", "/acme/api/v1/products"), slug("acme", 5));
        assert_eq!(target("app.example.com", "/acme"), slug("acme", 5));
        for path in ["/", "", "/AC/", "//acme", "/admin/x"] {
            assert_eq!(target("app.example.com", path), HostTarget::Nowhere, "{path}");
        }
    }
}
