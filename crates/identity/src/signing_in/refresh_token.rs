//! Refresh tokens: random texts, each of which can be exchanged once for the next one.

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};

use crate::names::digest::sha256;

/// A refresh token: 256 random bits. Only its hash is stored.
#[derive(Debug, Clone)]
pub struct RefreshToken(SecretString);

/// Marks the text, so that programs which look for leaked secrets know it.
const PREFIX: &str = "trt_";

impl RefreshToken {
    /// A new token.
    pub(super) fn generate() -> Self {
        let mut bytes = [0; 32];
        #[expect(clippy::expect_used, reason = "nothing may go on without random numbers")]
        rand::fill(&mut bytes).expect("the operating system gives random numbers");
        Self(SecretString::from(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// A token as a client presents it. Any text is one: whether it is known shows in the database.
    pub fn presented(text: SecretString) -> Self {
        Self(text)
    }

    /// The text, for the client.
    pub fn secret(&self) -> &SecretString {
        &self.0
    }

    /// SHA-256 of the text. The text has more randomness than anybody can guess, so it needs no salt.
    pub(super) fn hash(&self) -> Vec<u8> {
        sha256(self.0.expose_secret())
    }
}
