//! The digest by which the database finds a secret or a name that it does not store.

use aws_lc_rs::digest;

/// SHA-256 of a text: 32 bytes. A secret must have more randomness than anybody can guess, because there is
/// no salt.
pub(crate) fn sha256(text: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, text.as_bytes()).as_ref().to_vec()
}
