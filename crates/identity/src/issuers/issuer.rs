//! The issuers of this installation, and what their ID tokens say about people.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;
use values::Email;

use crate::issuers::id_token::{self, Expected, IdTokenError};
use crate::issuers::published::Published;
use crate::issuers::web;
use crate::names::keys::IssuerName;

/// An issuer, as the settings describe it.
#[derive(Debug, Clone)]
pub struct IssuerSettings {
    /// The name by which requests choose the issuer, such as `google`.
    pub name: IssuerName,
    /// The name that people see, such as `Google`.
    pub label: String,
    /// The `iss` of its tokens, below which its discovery document is.
    pub issuer: String,
    /// The client ids of the programs whose ID tokens are accepted.
    pub audiences: Vec<String>,
    /// Whether an email that the issuer has verified links the account with that email.
    pub links_by_email: bool,
    /// The client with which the pages of this installation sign people in there. `None`: they do not.
    pub client: Option<ClientOfIssuer>,
}

/// This installation, as the issuer knows it.
#[derive(Debug, Clone)]
pub struct ClientOfIssuer {
    /// The client id, which is an audience, too.
    pub id: String,
    /// The secret. `None` for a public client.
    pub secret: Option<SecretString>,
}

/// Whether `issuer` can be one: an https URL without a query (OpenID Connect Discovery section 3).
pub fn is_issuer(issuer: &str) -> bool {
    Url::parse(issuer).is_ok_and(|url| {
        let is_plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        is_plain && url.password().is_none() && web::is_allowed(&url)
    })
}

/// No request can be sent to issuers.
#[derive(Debug, thiserror::Error)]
#[error("no request can be sent to issuers: {0}")]
pub struct IssuerError(#[from] reqwest::Error);

pub(super) struct KnownIssuer {
    pub(super) settings: IssuerSettings,
    pub(super) published: Published,
    pub(super) http: reqwest::Client,
}

/// The issuers of this installation.
#[derive(Clone)]
pub struct ExternalIssuers(Arc<[KnownIssuer]>);

/// A person, as a valid ID token describes them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Vouched {
    /// The URL of the issuer.
    pub issuer: String,
    /// The name of the issuer, as people see it.
    pub label: String,
    /// The name of the person at the issuer, which never changes.
    pub subject: String,
    /// The email that the issuer states, verified or not.
    pub email: Option<Email>,
    /// Whether this email links the account with the same email.
    pub(crate) is_linked_by_email: bool,
    /// When the person proved there who they are, if the issuer says so.
    pub authenticated_at: Option<DateTime<Utc>>,
    pub(super) nonce: Option<String>,
    pub(crate) token_hash: Vec<u8>,
    pub(crate) token_expires_at: DateTime<Utc>,
}

impl ExternalIssuers {
    /// Prepares the issuers. Asks none of them yet.
    ///
    /// # Errors
    /// [`IssuerError`] if the system has no TLS.
    pub fn new(settings: Vec<IssuerSettings>) -> Result<Self, IssuerError> {
        if settings.is_empty() {
            return Ok(Self(Arc::new([])));
        }
        let http = web::client()?;
        let known = |settings: IssuerSettings| KnownIssuer {
            published: Published::new(settings.issuer.clone(), http.clone()),
            http: http.clone(),
            settings,
        };
        Ok(Self(settings.into_iter().map(known).collect()))
    }

    /// The issuers, by name.
    pub fn list(&self) -> impl Iterator<Item = &IssuerSettings> {
        self.0.iter().map(|known| &known.settings)
    }

    /// Verifies an ID token of the issuer with this name: signature, issuer, audience and times.
    ///
    /// # Errors
    /// [`IdTokenError`].
    pub async fn verify(&self, name: &IssuerName, token: &SecretString) -> Result<Vouched, IdTokenError> {
        self.find(name)?.verify(token.expose_secret().trim()).await
    }

    pub(super) fn find(&self, name: &IssuerName) -> Result<&KnownIssuer, IdTokenError> {
        self.0.iter().find(|known| known.settings.name == *name).ok_or(IdTokenError::UnknownIssuer)
    }
}

impl KnownIssuer {
    pub(super) async fn verify(&self, token: &str) -> Result<Vouched, IdTokenError> {
        let Self { settings, published, .. } = self;
        let header = id_token::header(token)?;
        let found = published.key(header.kid.as_deref(), header.alg).await;
        let found = found.map_err(|_| IdTokenError::Unavailable)?.ok_or(IdTokenError::Invalid)?;
        let expected = Expected { issuer: &settings.issuer, audiences: &settings.audiences };
        let read = id_token::read(token, &header, &found.key, &expected)?;
        Ok(Vouched {
            issuer: settings.issuer.clone(),
            label: settings.label.clone(),
            subject: read.subject,
            is_linked_by_email: read.has_verified_email && settings.links_by_email,
            email: read.email,
            nonce: read.nonce,
            authenticated_at: read.authenticated_at,
            token_hash: read.hash,
            token_expires_at: read.expires_at,
        })
    }
}
