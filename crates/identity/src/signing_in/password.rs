//! New passwords: how they are written, and which ones are refused.

use std::collections::HashSet;
use std::sync::Arc;

use aws_lc_rs::rand;
use precis_profiles::OpaqueString;
use precis_profiles::precis_core::profile::PrecisFastInvocation as _;
use secrecy::{ExposeSecret, SecretString};
use zxcvbn::Score;

/// The rule for new passwords.
#[derive(Debug, Clone)]
pub struct PasswordPolicy {
    min_length: usize,
    /// The estimated strength that a password must have. `None` for demo data.
    min_strength: Option<Score>,
    blocklist: Arc<HashSet<String>>,
}

/// The largest number of bytes. Longer passwords are refused, so that nobody makes the server hash megabytes.
pub(super) const MAX_BYTES: usize = 1024;
/// The estimate of a longer password would take too long, and says no more.
const ESTIMATED_CHARACTERS: usize = 40;

/// A password must have so many letters and digits that are not the name or the address of its user.
const LEFT_WITHOUT_PERSONAL: usize = 8;

/// The password is refused. The message says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Shorter than the policy allows.
    #[error("a password must have at least {0} characters")]
    TooShort(usize),
    /// Longer than the server is willing to hash.
    #[error("a password must have at most {MAX_BYTES} bytes; a letter outside a-z and A-Z takes two or more")]
    TooLong,
    /// Control characters, or characters that Unicode does not define.
    #[error("a password must not contain control characters or characters that Unicode does not define")]
    Forbidden,
    /// A well-known password, or one that can be guessed. Contains the reason, if there is a special one.
    #[error("this password is too easy to guess; choose a longer one, such as four words at random{0}")]
    TooEasy(String),
}

impl PasswordPolicy {
    /// `blocklist` contains passwords that are refused in any letter case, however strong they seem.
    pub fn new(min_length: usize, blocklist: impl IntoIterator<Item = String>) -> Self {
        Self {
            min_length,
            min_strength: Some(Score::Three),
            blocklist: Arc::new(blocklist.into_iter().map(|text| text.to_lowercase()).collect()),
        }
    }

    /// The rule for demo data, whose passwords everybody knows.
    pub fn for_demo() -> Self {
        Self { min_length: 1, min_strength: None, blocklist: Arc::default() }
    }

    /// Checks a new password. `personal` are words that others may guess first, such as the name of the user.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub fn check(&self, text: &SecretString, personal: &[&str]) -> Result<Password, PasswordError> {
        if text.expose_secret().len() > MAX_BYTES {
            return Err(PasswordError::TooLong);
        }
        let written = normalised(text).ok_or(PasswordError::Forbidden)?;
        let plain = written.expose_secret();
        if plain.chars().count() < self.min_length {
            return Err(PasswordError::TooShort(self.min_length));
        }
        let Some(min_strength) = self.min_strength else { return Ok(Password(written)) };
        if self.blocklist.contains(&plain.to_lowercase()) {
            return Err(PasswordError::TooEasy(String::new()));
        }
        let start: String = plain.chars().take(ESTIMATED_CHARACTERS).collect();
        let words: Vec<&str> =
            personal.iter().flat_map(|text| text.split([' ', '@', '.', '-', '_'])).collect();
        if without(plain, &words) < LEFT_WITHOUT_PERSONAL {
            return Err(PasswordError::TooEasy(". Leave out names and addresses".to_owned()));
        }
        let estimate = zxcvbn::zxcvbn(&start, &words);
        if estimate.score() < min_strength {
            let warning = estimate.feedback().and_then(|feedback| feedback.warning());
            let reason = warning.map(|warning| format!(". {}", warning.to_string().trim_end_matches('.')));
            return Err(PasswordError::TooEasy(reason.unwrap_or_default()));
        }
        Ok(Password(written))
    }
}

/// The number of letters and digits that are left of a password without these words.
fn without(plain: &str, words: &[&str]) -> usize {
    let words = words.iter().filter(|word| word.chars().count() >= 3);
    let left = words.fold(plain.to_lowercase(), |left, word| left.replace(&word.to_lowercase(), " "));
    left.chars().filter(|letter| letter.is_alphanumeric()).count()
}

/// The password as RFC 8265 (OpaqueString) writes it: the same letters are the same bytes on every keyboard.
/// `None` if it has characters that no password may have.
pub(super) fn normalised(text: &SecretString) -> Option<SecretString> {
    let plain = text.expose_secret();
    OpaqueString::enforce(plain).ok().map(|written| SecretString::from(written.as_ref()))
}

/// A new password that meets the policy. It may have any Unicode characters in any composition (NIST SP
/// 800-63B).
#[derive(Debug, Clone)]
pub struct Password(SecretString);

impl Password {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Password, PasswordError> {
        let policy = PasswordPolicy::new(12, ["Blue Umbrella Of Kisumu".to_owned()]);
        policy.check(&SecretString::from(text), &["ann.smith@acme.example", "Acme Hardware"])
    }

    #[test]
    fn a_generated_password_meets_the_policy_and_is_new_each_time() {
        let (one, two) = (Password::generate(), Password::generate());
        assert_eq!(one.secret().expose_secret().len(), 20);
        assert_ne!(one.secret().expose_secret(), two.secret().expose_secret());
        assert!(check(one.secret().expose_secret()).is_ok());
    }

    #[test]
    fn a_password_that_can_be_guessed_is_refused() {
        assert_eq!(check("short").unwrap_err(), PasswordError::TooShort(12));
        assert_eq!(check(&"x".repeat(2000)).unwrap_err(), PasswordError::TooLong);
        assert_eq!(check("a password\u{7} with a bell").unwrap_err(), PasswordError::Forbidden);
        for text in [
            "Password1234",
            "123456789012",
            "passwordpassword",
            "qwertyuiop12",
            "qwertyqwerty",
            "adminadminadmin",
            "letmeinletmein",
            "aaaaaaaaaaaaaaaa",
            "ann.smith.acme",
            "Acme Hardware 1",
            "blue umbrella of kisumu",
        ] {
            assert!(matches!(check(text), Err(PasswordError::TooEasy(_))), "{text}: {:?}", check(text));
        }
        for text in [
            "correct horse battery",
            "pässwörter sind schön",
            "kijani mlima nyota saba",
            "비밀번호는 길어야 한다",
        ] {
            assert!(check(text).is_ok(), "{text}: {:?}", check(text));
        }
        assert!(check(&"four words at random ".repeat(48)).is_ok(), "a long password takes no longer");
    }

    #[test]
    fn the_same_letters_are_the_same_password() {
        let written = |text: &str| normalised(&SecretString::from(text)).unwrap().expose_secret().to_owned();
        assert_eq!(written("pa\u{308}sswo\u{308}rter"), written("pässwörter"));
        assert_eq!(written("two\u{3000}words"), "two words");
        assert_ne!(written("Password"), written("password"));
    }
}
