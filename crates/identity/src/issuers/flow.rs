//! Signing a browser in at an issuer: the authorization code flow with PKCE, of which this installation is
//! the client (OpenID Connect Core section 3.1).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tenancy::chain;
use url::Url;
use url::form_urlencoded::byte_serialize;

use crate::issuers::id_token::IdTokenError;
use crate::issuers::issuer::{ClientOfIssuer, ExternalIssuers, KnownIssuer, Vouched};
use crate::issuers::published::Endpoints;
use crate::issuers::web;
use crate::names::digest::sha256;
use crate::names::keys::IssuerName;
use crate::names::secret;

/// One sign-in of one browser, which keeps the secret. The issuer sees values that are made from it.
pub struct Flow(SecretString);

/// The answer that the issuer sends with the browser.
pub struct Answer<'a> {
    /// The code, which is exchanged for the ID token.
    pub code: &'a str,
    /// The issuer, if it names itself (RFC 9207).
    pub issuer: Option<&'a str>,
    /// The address to which the browser was sent.
    pub redirect_uri: &'a str,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

impl Flow {
    /// A new sign-in.
    pub fn begin() -> Self {
        Self(secret::generate("tex_"))
    }

    /// The sign-in of a browser that kept this secret.
    pub fn resumed(secret: &str) -> Self {
        Self(SecretString::from(secret))
    }

    /// The secret, for the browser.
    pub fn secret(&self) -> &SecretString {
        &self.0
    }

    fn derived(&self, purpose: &str) -> String {
        URL_SAFE_NO_PAD.encode(sha256(&format!("{purpose} {}", self.0.expose_secret())))
    }

    /// Whether the answer belongs to this browser.
    pub fn has_state(&self, state: &str) -> bool {
        verify_slices_are_equal(self.derived("state").as_bytes(), state.as_bytes()).is_ok()
    }

    fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(sha256(&self.derived("verifier")))
    }
}

impl ExternalIssuers {
    /// The address at which the browser signs in. `again`: the person must prove once more who they are.
    ///
    /// # Errors
    /// [`IdTokenError`]: the issuer is unknown, signs no browser in, or does not answer.
    pub async fn address(
        &self,
        name: &IssuerName,
        flow: &Flow,
        redirect_uri: &str,
        again: bool,
    ) -> Result<Url, IdTokenError> {
        let (_, client, endpoints) = self.find_for_browsers(name).await?;
        let mut address = endpoints.authorization;
        address.query_pairs_mut().extend_pairs([
            ("client_id", client.id.as_str()),
            ("redirect_uri", redirect_uri),
            ("response_type", "code"),
            ("scope", "openid email"),
            ("state", &flow.derived("state")),
            ("nonce", &flow.derived("nonce")),
            ("code_challenge", &flow.challenge()),
            ("code_challenge_method", "S256"),
        ]);
        if again {
            address.query_pairs_mut().extend_pairs([("prompt", "login"), ("max_age", "0")]);
        }
        Ok(address)
    }

    /// Exchanges the code of the answer for an ID token, and verifies it.
    ///
    /// # Errors
    /// [`IdTokenError`].
    pub async fn redeem(
        &self,
        name: &IssuerName,
        flow: &Flow,
        answer: &Answer<'_>,
    ) -> Result<Vouched, IdTokenError> {
        let (known, client, endpoints) = self.find_for_browsers(name).await?;
        let is_named = answer.issuer.is_some_and(|issuer| issuer == known.settings.issuer);
        if !is_named && (endpoints.names_itself || answer.issuer.is_some()) {
            tracing::warn!(issuer = known.settings.issuer, named = answer.issuer, "another issuer answered");
            return Err(IdTokenError::OtherIssuer);
        }
        let tokens = exchange(known, client, &endpoints, flow, answer).await?;
        let verified = known.verify(&tokens.id_token).await;
        let is_ours = |vouched: &Vouched| vouched.nonce == Some(flow.derived("nonce"));
        let verified = verified.and_then(|vouched| match is_ours(&vouched) {
            true => Ok(vouched),
            false => Err(IdTokenError::Invalid),
        });
        verified.inspect_err(|error| {
            tracing::warn!(issuer = known.settings.issuer, %error, "the ID token of an issuer was refused");
        })
    }

    async fn find_for_browsers(
        &self,
        name: &IssuerName,
    ) -> Result<(&KnownIssuer, &ClientOfIssuer, Endpoints), IdTokenError> {
        let known = self.find(name)?;
        let client = known.settings.client.as_ref().ok_or(IdTokenError::UnknownIssuer)?;
        let endpoints = known.published.endpoints().await.map_err(|_| IdTokenError::Unavailable)?;
        Ok((known, client, endpoints.ok_or(IdTokenError::UnknownIssuer)?))
    }
}

async fn exchange(
    known: &KnownIssuer,
    client: &ClientOfIssuer,
    endpoints: &Endpoints,
    flow: &Flow,
    answer: &Answer<'_>,
) -> Result<Tokens, IdTokenError> {
    let verifier = flow.derived("verifier");
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", answer.code),
        ("redirect_uri", answer.redirect_uri),
        ("code_verifier", &verifier),
    ];
    let mut request = known.http.post(endpoints.token.as_str());
    match &client.secret {
        Some(secret) if endpoints.takes_basic => {
            // RFC 6749 section 2.3.1.
            let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
            request = request.basic_auth(encoded(&client.id), Some(encoded(secret.expose_secret())));
        }
        Some(secret) => {
            form.extend([("client_id", client.id.as_str()), ("client_secret", secret.expose_secret())]);
        }
        None => form.push(("client_id", &client.id)),
    }
    let issuer = &known.settings.issuer;
    let sent = request.form(&form).send().await.map_err(|error| {
        tracing::warn!(issuer, error = %chain(&error), "an issuer was not asked for an ID token");
        IdTokenError::Unavailable
    })?;
    let is_their_fault = sent.status().is_server_error();
    web::read_answer(sent).await.map_err(|error| {
        tracing::warn!(issuer, error = %chain(&error), "an issuer gave no ID token");
        if is_their_fault { IdTokenError::Unavailable } else { IdTokenError::Invalid }
    })
}
