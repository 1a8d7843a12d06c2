//! The secrets of programs: random texts, of which only hashes are stored.

use chrono::TimeDelta;
use secrecy::{ExposeSecret, SecretString};

use crate::names::digest::sha256;
use crate::names::secret::{self, LETTERS};

/// The secret of an API key, which a program sends as a bearer token, or of a program with a client id, which
/// it exchanges for access tokens: 256 random bits, as a text.
#[derive(Debug, Clone)]
pub struct ProgramSecret(SecretString);

/// The longest time for which a former secret stays valid after a rotation.
pub const LONGEST_OVERLAP: TimeDelta = TimeDelta::days(7);
/// The time for which a former secret stays valid after a rotation that names none, in hours.
pub const OVERLAP_HOURS: u32 = 24;

/// A former secret would stay valid for too long, or for less than no time.
#[derive(Debug, thiserror::Error)]
#[error("a former secret stays valid for 0 to {} hours", LONGEST_OVERLAP.num_hours())]
pub struct OverlapError;

/// Checks how long a former secret stays valid.
///
/// # Errors
/// [`OverlapError`] if it is negative or longer than a week.
pub fn check_overlap(overlap: TimeDelta) -> Result<(), OverlapError> {
    let is_allowed = overlap >= TimeDelta::zero() && overlap <= LONGEST_OVERLAP;
    is_allowed.then_some(()).ok_or(OverlapError)
}

/// Marks the secret of an API key, so that programs which look for leaked secrets know it.
const OF_KEY: &str = "tky_";
/// Marks the secret of a program with a client id.
const OF_CLIENT: &str = "tcs_";
/// The characters of a secret that are shown, the mark included. Enough randomness stays hidden.
const SHOWN: usize = OF_KEY.len() + 8;

impl ProgramSecret {
    /// A new secret of an API key.
    pub(super) fn of_key() -> Self {
        Self(secret::generate(OF_KEY))
    }

    /// A new secret of a program with a client id.
    pub(super) fn of_client() -> Self {
        Self(secret::generate(OF_CLIENT))
    }

    /// Whether a bearer token is meant as the secret of an API key, rather than as an access token.
    pub fn is_api_key(token: &str) -> bool {
        token.starts_with(OF_KEY)
    }

    /// Whether the text can be the secret of an API key. Anything else costs no query.
    pub(super) fn has_form_of_key(text: &str) -> bool {
        let random = text.strip_prefix(OF_KEY).unwrap_or_default();
        random.len() == LETTERS
            && random.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    }

    /// The text, for the program.
    pub fn secret(&self) -> &SecretString {
        &self.0
    }

    /// The beginning, by which people recognise the secret.
    pub(super) fn prefix(&self) -> &str {
        &self.0.expose_secret()[..SHOWN]
    }

    /// SHA-256 of the text.
    pub(super) fn hash(&self) -> Vec<u8> {
        sha256(self.0.expose_secret())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_recognised_by_its_beginning() {
        let (one, other) = (ProgramSecret::of_key(), ProgramSecret::of_key());
        let text = one.secret().expose_secret();
        assert!(ProgramSecret::is_api_key(text) && ProgramSecret::has_form_of_key(text));
        for text in ["tky_", "tky_x", &text[1..], &format!("{text}x"), &text.replace('_', "!")] {
            assert!(!ProgramSecret::has_form_of_key(text), "{text}");
        }
        assert_ne!(one.hash(), other.hash());
        assert_eq!((one.prefix().len(), one.secret().expose_secret().len()), (12, 47));
        for token in ["", "tky", "trt_x", "tcs_x", "a.b.c"] {
            assert!(!ProgramSecret::is_api_key(token), "{token}");
        }
    }
}
