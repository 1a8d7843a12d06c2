//! The tokens of mailed links. They are made from a key of the server, so no table holds them.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::names::digest::sha256;

/// The key from which the tokens of links are made.
#[derive(Clone)]
pub struct LinkKey(pub(crate) hmac::Key);

impl LinkKey {
    /// The hash of a token, which a table holds.
    pub fn hash_of(token: &str) -> Vec<u8> {
        sha256(token)
    }

    /// The token of the link that `name` names. The same name gives the same token.
    pub(crate) fn token(&self, name: &str) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, name.as_bytes()).as_ref())
    }
}
