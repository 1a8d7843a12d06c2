//! The keys and the addresses that an issuer publishes, found by discovery and kept for minutes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use serde::Deserialize;
use serde_json::Value;
use tenancy::chain;
use url::Url;

use crate::issuers::web::{self, WebError};

/// They are read again after so long: a key that the issuer took away is trusted no longer.
const FRESH: Duration = Duration::from_secs(10 * 60);
/// They are used for so long while the issuer does not answer.
const STALE: Duration = Duration::from_secs(60 * 60);
/// The issuer is asked no more often, whatever keys tokens name.
const PAUSE: Duration = Duration::from_secs(5);
/// An issuer that did not answer, while its keys are known, is asked no more often.
const LONG_PAUSE: Duration = Duration::from_secs(60);

/// The issuer does not answer, and what it publishes is not known.
#[derive(Debug, thiserror::Error)]
#[error("the issuer does not answer")]
pub(super) struct Unavailable;

/// A key that signs ID tokens.
#[derive(Clone)]
pub(super) struct IssuerKey {
    id: Option<String>,
    /// The only algorithm of the key, if the issuer names one.
    algorithm: Option<Algorithm>,
    pub(super) key: DecodingKey,
}

impl IssuerKey {
    /// `None` for a key that signs nothing, or whose kind is not known here.
    fn parse(jwk: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(jwk).ok()?;
        if jwk.common.public_key_use.as_ref().is_some_and(|purpose| *purpose != PublicKeyUse::Signature) {
            return None;
        }
        let algorithm = match &jwk.common.key_algorithm {
            Some(named) => Some(named.to_string().parse().ok()?),
            None => None,
        };
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        if key.family() == AlgorithmFamily::Hmac {
            return None;
        }
        Some(Self { id: jwk.common.key_id, algorithm, key })
    }

    fn signs_with(&self, algorithm: Algorithm) -> bool {
        self.key.family().algorithms().contains(&algorithm)
            && self.algorithm.is_none_or(|only| only == algorithm)
    }
}

/// The parts of a discovery document that are of use. Some issuers, such as Firebase, have the keys alone.
#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    jwks_uri: String,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// The addresses at which a browser is signed in at the issuer.
#[derive(Debug, Clone)]
pub(super) struct Endpoints {
    pub(super) authorization: Url,
    pub(super) token: Url,
    /// Whether a program sends its secret in the header. The standard's default, unless the issuer says
    /// otherwise.
    pub(super) takes_basic: bool,
    /// Whether the issuer names itself in its answer (RFC 9207).
    pub(super) names_itself: bool,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

struct Read {
    keys: Vec<IssuerKey>,
    endpoints: Option<Endpoints>,
    at: Instant,
}

#[derive(Default, Clone)]
struct Known {
    read: Option<Arc<Read>>,
    asked_at: Option<Instant>,
    /// Whether the issuer answered the last time.
    has_answered: bool,
}

impl Known {
    /// Whether the issuer was asked a moment ago.
    fn is_new(&self) -> bool {
        let may_wait = self.younger_than(STALE).is_some() && !self.has_answered;
        let pause = if may_wait { LONG_PAUSE } else { PAUSE };
        self.asked_at.is_some_and(|moment| moment.elapsed() < pause)
    }

    fn younger_than(&self, age: Duration) -> Option<&Read> {
        self.read.as_deref().filter(|read| read.at.elapsed() < age)
    }
}

/// Keeps what one issuer publishes.
#[derive(Clone)]
pub(super) struct Published(Arc<Issuer>);

struct Issuer {
    issuer: String,
    http: reqwest::Client,
    known: Mutex<Known>,
    /// Held by the one who asks the issuer. The others wait for the answer.
    asking: tokio::sync::Mutex<()>,
}

impl Published {
    pub(super) fn new(issuer: String, http: reqwest::Client) -> Self {
        let (known, asking) = (Mutex::default(), tokio::sync::Mutex::default());
        Self(Arc::new(Issuer { issuer, http, known, asking }))
    }

    /// The addresses at which a browser is signed in. `None` if the issuer signs no browser in.
    pub(super) async fn endpoints(&self) -> Result<Option<Endpoints>, Unavailable> {
        if let Some(read) = self.0.known().younger_than(FRESH) {
            return Ok(read.endpoints.clone());
        }
        self.ask().await.younger_than(STALE).map(|read| read.endpoints.clone()).ok_or(Unavailable)
    }

    /// The key of a token. `None` if the issuer has no such key.
    pub(super) async fn key(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Option<IssuerKey>, Unavailable> {
        let chosen = |read: &Read| choose(&read.keys, id, algorithm);
        if let Some(key) = self.0.known().younger_than(FRESH).and_then(chosen) {
            return Ok(Some(key));
        }
        let known = self.ask().await;
        match known.younger_than(STALE) {
            None => Err(Unavailable),
            Some(read) => match chosen(read) {
                // The issuer may have a new key, and does not answer.
                None if !known.has_answered => Err(Unavailable),
                key => Ok(key),
            },
        }
    }

    /// Asks the issuer. A client that goes away does not stop the question.
    async fn ask(&self) -> Known {
        let issuer = self.0.clone();
        let asked = tokio::spawn(async move { issuer.ask().await });
        asked.await.unwrap_or_else(|_| self.0.known())
    }
}

impl Issuer {
    fn known(&self) -> Known {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks the issuer, unless somebody has just done so.
    async fn ask(&self) -> Known {
        let _asking = self.asking.lock().await;
        let mut known = self.known();
        if known.is_new() {
            return known;
        }
        let read = self.read().await;
        known.has_answered = read.is_ok();
        match read {
            Ok(read) => known.read = Some(Arc::new(read)),
            Err(error) => {
                let (issuer, error) = (&self.issuer, chain(&error));
                tracing::warn!(issuer, error, "an issuer was not read");
            }
        }
        known.asked_at = Some(Instant::now());
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = known.clone();
        known
    }

    async fn read(&self) -> Result<Read, WebError> {
        let base = self.issuer.trim_end_matches('/');
        let address = format!("{base}/.well-known/openid-configuration");
        let discovered: Discovered = web::read(&self.http, &address).await?;
        if discovered.issuer != self.issuer {
            return Err(WebError::OtherIssuer(discovered.issuer));
        }
        let checked = |address: &str| web::checked(address, &self.issuer);
        let set: KeySet = web::read(&self.http, checked(&discovered.jwks_uri)?.as_str()).await?;
        let methods = discovered.token_endpoint_auth_methods_supported;
        let endpoints = match (discovered.authorization_endpoint, discovered.token_endpoint) {
            (Some(authorization), Some(token)) => Some(Endpoints {
                authorization: checked(&authorization)?,
                token: checked(&token)?,
                takes_basic: methods
                    .is_none_or(|methods| methods.iter().any(|method| method == "client_secret_basic")),
                names_itself: discovered.authorization_response_iss_parameter_supported,
            }),
            _ => None,
        };
        let keys = set.keys.into_iter().filter_map(IssuerKey::parse).collect();
        Ok(Read { keys, endpoints, at: Instant::now() })
    }
}

/// A token that names no key has the only one that fits.
fn choose(keys: &[IssuerKey], id: Option<&str>, algorithm: Algorithm) -> Option<IssuerKey> {
    let mut fitting = keys.iter().filter(|key| key.signs_with(algorithm));
    match id {
        Some(id) => fitting.find(|key| key.id.as_deref() == Some(id)).cloned(),
        None => fitting.next().filter(|_| fitting.next().is_none()).cloned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The key of RFC 7517 appendix A.1, and the public key of RFC 8037 appendix A.2.
    fn keys() -> Vec<IssuerKey> {
        let curve = json!({
            "kty": "EC", "crv": "P-256", "kid": "ec",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
        });
        let edwards = json!({
            "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "ed",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        });
        let mut encrypts = edwards.clone();
        encrypts["use"] = json!("enc");
        let secret = json!({"kty": "oct", "kid": "secret", "k": "c2VjcmV0"});
        let unknown = json!({"kty": "EC", "crv": "secp256k1", "alg": "ES256K", "kid": "k", "x": "", "y": ""});
        [curve, edwards, encrypts, secret, unknown].into_iter().filter_map(IssuerKey::parse).collect()
    }

    #[test]
    fn a_key_is_chosen_by_its_name_and_its_kind() {
        let keys = keys();
        let is_there = |id: Option<&str>, algorithm| choose(&keys, id, algorithm).is_some();
        assert!(is_there(Some("ec"), Algorithm::ES256) && is_there(Some("ed"), Algorithm::EdDSA));
        assert!(is_there(None, Algorithm::ES256), "the only one of its kind");
        assert!(!is_there(Some("ec"), Algorithm::EdDSA) && !is_there(Some("ed"), Algorithm::RS256));
        assert!(!is_there(Some("other"), Algorithm::ES256) && !is_there(Some("k"), Algorithm::ES256));
        let twice = [keys.clone(), keys.clone()].concat();
        assert!(choose(&twice, None, Algorithm::ES256).is_none(), "one of two");
    }
}
