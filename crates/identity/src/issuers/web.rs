//! Requests to issuers: short, small, and to the addresses that the issuer names.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use serde::de::DeserializeOwned;
use url::{Host, Url};

/// An issuer that answers no faster is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// The largest answer that is read.
const MOST_BYTES: usize = 512 * 1024;

/// An issuer did not answer, or not as the standard says.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// The issuer cannot be reached, or its answer cannot be read.
    #[error("the issuer cannot be reached")]
    Http(#[from] reqwest::Error),
    /// The issuer answered with another status than 200.
    #[error("the issuer answered {0}")]
    Status(reqwest::StatusCode),
    /// The answer is too long.
    #[error("the answer is longer than {MOST_BYTES} bytes")]
    TooLong,
    /// The answer is not the JSON that the standard describes.
    #[error("the answer cannot be read")]
    Json(#[from] serde_json::Error),
    /// The discovery document belongs to another issuer.
    #[error("the discovery document is that of {0}")]
    OtherIssuer(String),
    /// An address in the discovery document is not https.
    #[error("the address {0} is not https")]
    Address(String),
}

/// Whether `address` is https, or http on this machine, for development.
pub fn is_allowed(address: &Url) -> bool {
    match (address.scheme(), address.host()) {
        ("https", Some(_)) => true,
        ("http", Some(Host::Domain(name))) => is_loopback(name),
        ("http", Some(Host::Ipv4(address))) => address.is_loopback(),
        ("http", Some(Host::Ipv6(address))) => address.is_loopback(),
        _ => false,
    }
}

/// An address that an issuer names. One with https names no address without.
pub(super) fn checked(address: &str, issuer: &str) -> Result<Url, WebError> {
    let is_safe = |url: &Url| url.scheme() == "https" || !issuer.starts_with("https:");
    let url = Url::parse(address).ok().filter(|url| is_allowed(url) && is_safe(url));
    url.ok_or_else(|| WebError::Address(address.to_owned()))
}

fn is_loopback(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

/// Resolves `localhost` and the names below it to this machine (RFC 6761), which not every system does.
struct WithLoopback;

impl Resolve for WithLoopback {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            if is_loopback(name.as_str()) {
                let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                return Ok(Box::new(std::iter::once(address)) as Addrs);
            }
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// A client for requests to issuers.
///
/// # Errors
/// [`reqwest::Error`] if the system has no TLS.
pub(super) fn client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .timeout(PATIENCE)
        .redirect(Policy::none())
        .dns_resolver(Arc::new(WithLoopback))
        .build()
}

/// Reads JSON from an address.
pub(super) async fn read<T: DeserializeOwned>(http: &reqwest::Client, address: &str) -> Result<T, WebError> {
    read_answer(http.get(address).send().await?).await
}

/// Reads the JSON of an answer.
pub(super) async fn read_answer<T: DeserializeOwned>(mut answer: reqwest::Response) -> Result<T, WebError> {
    if answer.status() != reqwest::StatusCode::OK {
        return Err(WebError::Status(answer.status()));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if bytes.len() + chunk.len() > MOST_BYTES {
            return Err(WebError::TooLong);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(serde_json::from_slice(&bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_elsewhere_has_https() {
        for address in ["https://accounts.example.com", "http://id.localhost:8080", "http://127.0.0.1:1"] {
            assert!(is_allowed(&Url::parse(address).unwrap()), "{address}");
        }
        for address in ["http://accounts.example.com", "http://localhost.evil.test", "file:///etc/passwd"] {
            assert!(!is_allowed(&Url::parse(address).unwrap()), "{address}");
        }
        assert!(checked("http://127.0.0.1:1/keys", "http://localhost:1").is_ok());
        assert!(checked("http://127.0.0.1:1/keys", "https://accounts.example.com").is_err());
    }
}
