//! Refresh tokens: random texts, each of which can be exchanged once for the next one.

use secrecy::{ExposeSecret, SecretString};

use crate::names::digest::sha256;
use crate::names::secret;

/// A refresh token: 256 random bits. Only its hash is stored.
#[derive(Debug, Clone)]
pub struct RefreshToken(SecretString);

/// The beginning of the text.
const MARK: &str = "trt_";

impl RefreshToken {
    /// A new token.
    pub(crate) fn generate() -> Self {
        Self(secret::generate(MARK))
    }

    /// A token as a client presents it. Any text is one: whether it is known shows in the database.
    pub fn presented(text: SecretString) -> Self {
        Self(text)
    }

    /// Whether a token is meant as a refresh token, rather than as an access token.
    pub fn has_mark(text: &str) -> bool {
        text.starts_with(MARK)
    }

    /// The text, for the client.
    pub fn secret(&self) -> &SecretString {
        &self.0
    }

    /// SHA-256 of the text. The text has more randomness than anybody can guess, so it needs no salt.
    pub(crate) fn hash(&self) -> Vec<u8> {
        sha256(self.0.expose_secret())
    }
}
