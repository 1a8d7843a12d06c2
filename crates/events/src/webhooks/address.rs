//! The address of an endpoint, as far as its text alone shows whether it may be used.

use std::str::FromStr;

use url::{Host, Url};

use crate::webhooks::guard;

/// Whether endpoints may have addresses of a local network, and addresses without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The internet alone, with https.
    Internet,
    /// Any network, also with http: for development and tests.
    AnyNetwork,
}

/// The address of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookAddress(Url);

/// The text is no address of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The text is no URL.
    #[error("url must be a URL such as https://example.com/hooks")]
    NoUrl,
    /// The address is too long.
    #[error("url must have at most {MOST_BYTES} bytes")]
    TooLong,
    /// The scheme is not https.
    #[error("url must begin with https://")]
    Scheme,
    /// The address has a user name, a password or a fragment.
    #[error("url must have no user name, no password and no fragment")]
    Parts,
    /// The address is that of this computer or of a local network.
    #[error("url must be a public address on the internet")]
    Local,
}

const MOST_BYTES: usize = 500;

impl WebhookAddress {
    /// Reads an address.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn parse(text: &str, reach: Reach) -> Result<Self, AddressError> {
        if text.len() > MOST_BYTES {
            return Err(AddressError::TooLong);
        }
        let url = Url::from_str(text).map_err(|_| AddressError::NoUrl)?;
        match (url.scheme(), reach) {
            ("https", _) | ("http", Reach::AnyNetwork) => {}
            _ => return Err(AddressError::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(AddressError::Parts);
        }
        let is_local = match url.host() {
            None => return Err(AddressError::NoUrl),
            Some(Host::Ipv4(address)) => !guard::is_public(address.into()),
            Some(Host::Ipv6(address)) => !guard::is_public(address.into()),
            // A name without a dot is one of a local network.
            Some(Host::Domain(name)) => {
                let name = name.trim_end_matches('.');
                !name.contains('.')
                    || [".localhost", ".local", ".internal"].iter().any(|end| name.ends_with(end))
            }
        };
        if is_local && reach == Reach::Internet {
            return Err(AddressError::Local);
        }
        if url.as_str().len() > MOST_BYTES {
            return Err(AddressError::TooLong);
        }
        Ok(Self(url))
    }

    /// The URL.
    pub fn url(&self) -> &Url {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_of_the_internet_with_https() {
        let parse = |text: &str| WebhookAddress::parse(text, Reach::Internet);
        for text in
            ["https://example.com/hooks?a=b", "https://93.184.216.34:8443/", "https://[2606:2800::1]/"]
        {
            assert!(parse(text).is_ok(), "{text}");
        }
        for (text, error) in [
            ("example.com/hooks", AddressError::NoUrl),
            ("", AddressError::NoUrl),
            ("http://example.com", AddressError::Scheme),
            ("file:///etc/passwd", AddressError::Scheme),
            ("https://user@example.com", AddressError::Parts),
            ("https://:secret@example.com", AddressError::Parts),
            ("https://example.com/#part", AddressError::Parts),
            ("https://localhost/", AddressError::Local),
            ("https://db/", AddressError::Local),
            ("https://metadata.google.internal/", AddressError::Local),
            ("https://127.0.0.1/", AddressError::Local),
            ("https://2130706433/", AddressError::Local),
            ("https://0x7f.1/", AddressError::Local),
            ("https://[::1]/", AddressError::Local),
            ("https://[::ffff:10.0.0.1]/", AddressError::Local),
            ("https://169.254.169.254/latest/meta-data", AddressError::Local),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
        assert_eq!(parse(&format!("https://example.com/{}", "a".repeat(500))), Err(AddressError::TooLong));
        assert!(WebhookAddress::parse("http://127.0.0.1:9/hooks", Reach::AnyNetwork).is_ok());
    }
}
