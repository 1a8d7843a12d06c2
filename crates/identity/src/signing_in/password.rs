//! Passwords: bcrypt over a keyed hash, computed off the request threads, a limited number at the same time.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::{hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

/// The rule for new passwords.
#[derive(Debug, Clone)]
pub struct PasswordPolicy {
    /// The smallest number of characters.
    pub min_length: usize,
}

/// The largest number of bytes. Longer passwords are refused, so that nobody makes the server hash megabytes.
const MAX_BYTES: usize = 1024;

/// The password is refused. The message says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Shorter than [`PasswordPolicy::min_length`], which the variant contains.
    #[error("a password must have at least {0} characters")]
    TooShort(usize),
    /// Longer than the server is willing to hash.
    #[error("a password must have at most {MAX_BYTES} bytes; a letter outside a-z and A-Z takes two or more")]
    TooLong,
    /// On the list of well-known passwords, in any letter case.
    #[error("this password is too easy to guess; choose another password")]
    TooCommon,
}

/// A new password that meets the policy. It may have any Unicode characters in any composition (NIST SP
/// 800-63B).
#[derive(Debug, Clone)]
pub struct Password(SecretString);

/// Passwords that are long enough for the default policy and easy to guess.
const COMMON: [&str; 8] = [
    "123456789012",
    "1234567890123",
    "password1234",
    "passwordpassword",
    "qwertyuiop12",
    "qwertyqwerty",
    "adminadminadmin",
    "letmeinletmein",
];

impl Password {
    /// Checks a new password against the policy.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub fn parse(text: SecretString, policy: &PasswordPolicy) -> Result<Self, PasswordError> {
        let plain = text.expose_secret();
        if plain.chars().count() < policy.min_length {
            return Err(PasswordError::TooShort(policy.min_length));
        }
        if plain.len() > MAX_BYTES {
            return Err(PasswordError::TooLong);
        }
        if COMMON.contains(&plain.to_lowercase().as_str()) {
            return Err(PasswordError::TooCommon);
        }
        Ok(Self(text))
    }

    /// A password of 20 random letters and digits (about 115 bits), without letters that look alike.
    pub fn generate() -> Self {
        const ALPHABET: &[u8; 54] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ234567";
        let mut password = String::with_capacity(20);
        let mut bytes = [0; 64];
        while password.len() < 20 {
            #[expect(clippy::expect_used, reason = "nothing may go on without random numbers")]
            rand::fill(&mut bytes).expect("the operating system gives random numbers");
            // 216 is 4 x 54. Bytes from 216 on would make some letters more likely.
            let letters =
                bytes.iter().filter(|byte| **byte < 216).map(|byte| ALPHABET[usize::from(*byte) % 54]);
            password.extend(letters.map(char::from).take(20 - password.len()));
        }
        Self(SecretString::from(password))
    }

    /// The password in plain text, for hashing or for showing it once.
    pub fn secret(&self) -> &SecretString {
        &self.0
    }
}

/// The key of the hash that runs before bcrypt. Without this key nobody can guess passwords from a stolen
/// table of hashes.
#[derive(Clone)]
pub struct PasswordKey(hmac::Key);

impl PasswordKey {
    /// Makes the key from a secret text.
    ///
    /// # Errors
    /// The smallest number of bytes, when `secret` is shorter.
    pub fn new(secret: &SecretString) -> Result<Self, usize> {
        const MIN_BYTES: usize = 32;
        let bytes = secret.expose_secret().as_bytes();
        if bytes.len() < MIN_BYTES {
            return Err(MIN_BYTES);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, bytes)))
    }
}

/// The hash did not get its turn within five seconds, or could not be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked at the same time; try again later")]
pub struct TooBusy;

/// Hashes and verifies passwords.
#[derive(Clone)]
pub struct Hasher {
    key: PasswordKey,
    cost: u32,
    turns: Arc<Semaphore>,
}

const WAIT: Duration = Duration::from_secs(5);

impl Hasher {
    /// `cost` is the cost of bcrypt: each step doubles the work. `concurrency` is the largest number of
    /// hashes at the same time.
    pub fn new(key: PasswordKey, cost: u32, concurrency: usize) -> Self {
        Self { key, cost, turns: Arc::new(Semaphore::new(concurrency)) }
    }

    /// A salted hash of `password`, to be stored.
    ///
    /// # Errors
    /// [`TooBusy`].
    pub async fn hash(&self, password: &Password) -> Result<String, TooBusy> {
        let input = self.keyed(password.secret());
        let cost = self.cost;
        self.in_turn(move || bcrypt::hash(input, cost)).await?.map_err(|_| TooBusy)
    }

    /// Whether `password` belongs to `stored`. `None`, for an unknown user, takes the same time and returns
    /// false. A password of more than 1024 bytes returns false at once.
    ///
    /// # Errors
    /// [`TooBusy`].
    pub async fn verify(&self, password: &SecretString, stored: Option<String>) -> Result<bool, TooBusy> {
        if password.expose_secret().len() > MAX_BYTES {
            return Ok(false);
        }
        let input = self.keyed(password);
        let known = stored.is_some();
        // A well-formed hash that no password has, at the same cost.
        let stored = stored.unwrap_or_else(|| format!("$2b${:02}${}", self.cost, ".".repeat(53)));
        let matches = self.in_turn(move || bcrypt::verify(input, &stored).unwrap_or(false)).await?;
        Ok(matches && known)
    }

    /// bcrypt reads at most 72 bytes and stops at a zero byte. The 43 letters of a keyed hash avoid both.
    fn keyed(&self, password: &SecretString) -> String {
        STANDARD_NO_PAD.encode(hmac::sign(&self.key.0, password.expose_secret().as_bytes()))
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, TooBusy> {
        let turn = tokio::time::timeout(WAIT, self.turns.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(TooBusy) };
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        done.await.map_err(|_| TooBusy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher() -> Hasher {
        let key = PasswordKey::new(&SecretString::from("k".repeat(32))).map_err(|_| ()).unwrap();
        Hasher::new(key, 4, 2)
    }

    fn password(text: &str) -> Password {
        Password::parse(SecretString::from(text), &PasswordPolicy { min_length: 8 }).unwrap()
    }

    #[tokio::test]
    async fn nothing_past_72_bytes_is_cut_off() {
        let long = "x".repeat(100);
        let hash = hasher().hash(&password(&format!("{long}a"))).await.unwrap();
        assert!(hash.starts_with("$2b$04$"));
        let verify = |text: String| {
            let hash = hash.clone();
            async move { hasher().verify(&SecretString::from(text), Some(hash)).await.unwrap() }
        };
        assert!(verify(format!("{long}a")).await);
        assert!(!verify(format!("{long}b")).await);
    }

    #[tokio::test]
    async fn an_unknown_user_never_matches() {
        assert!(!hasher().verify(&SecretString::from(""), None).await.unwrap());
        // The stand-in hash is well-formed: checking it does the work of a real one.
        let stand_in = format!("$2b$04${}", ".".repeat(53));
        assert!(bcrypt::verify("x", &stand_in).is_ok());
    }

    #[test]
    fn a_generated_password_meets_the_policy_and_is_new_each_time() {
        let (one, two) = (Password::generate(), Password::generate());
        assert_eq!(one.secret().expose_secret().len(), 20);
        assert_ne!(one.secret().expose_secret(), two.secret().expose_secret());
    }

    #[test]
    fn a_short_or_common_password_is_refused() {
        let policy = PasswordPolicy { min_length: 12 };
        let parse = |text: &str| Password::parse(SecretString::from(text), &policy).map(drop);
        assert_eq!(parse("short"), Err(PasswordError::TooShort(12)));
        assert_eq!(parse("Password1234"), Err(PasswordError::TooCommon));
        assert_eq!(parse(&"x".repeat(2000)), Err(PasswordError::TooLong));
        assert_eq!(parse("pässwörter sind schön"), Ok(()));
    }
}
