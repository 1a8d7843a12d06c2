//! Password hashes: bcrypt over a keyed hash, computed off the request threads, a limited number at the same
//! time.

use std::sync::Arc;

use aws_lc_rs::digest;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use secrecy::{ExposeSecret, SecretString};

use crate::mail::link::LinkKey;
use crate::people::user::PasswordHash;
use crate::signing_in::hash_turns::{Applicant, HashTurns, TooBusy};
use crate::signing_in::password::{MAX_BYTES, Password, PasswordError, PasswordPolicy, normalised};
use crate::signing_in::signing_key::Sealer;

/// A key of the hash that runs before bcrypt. Without this key nobody can guess passwords from a stolen table
/// of hashes.
#[derive(Clone)]
pub struct PasswordKey {
    key: hmac::Key,
    /// Names the key in the table of hashes, and says nothing about it.
    id: String,
}

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
        let key = hmac::Key::new(hmac::HMAC_SHA256, bytes);
        let named = digest::digest(&digest::SHA256, hmac::sign(&key, b"tenantry password key").as_ref());
        let id = STANDARD_NO_PAD.encode(&named.as_ref()[..6]);
        Ok(Self { key, id })
    }
}

/// The keys of an installation.
#[derive(Clone)]
pub struct PasswordKeys {
    /// The key of new hashes.
    pub current: PasswordKey,
    /// The keys of older hashes, newest first. A hash is renewed when its user signs in.
    pub former: Vec<PasswordKey>,
}

impl PasswordKeys {
    /// The key from which the tokens of mailed links are made.
    pub fn link_key(&self) -> LinkKey {
        LinkKey(hmac::Key::new(hmac::HMAC_SHA256, &derived(&self.current, b"tenantry mailed links")))
    }

    /// Encrypts the keys that sign tokens, with secrets that are made from these keys.
    pub fn sealer(&self) -> Sealer {
        self.sealer_of(b"tenantry signing keys")
    }

    /// Encrypts the secrets of authenticator apps.
    pub fn authenticator_sealer(&self) -> Sealer {
        self.sealer_of(b"tenantry authenticators")
    }

    /// Encrypts the notes that browsers keep.
    pub fn note_sealer(&self) -> Sealer {
        self.sealer_of(b"tenantry notes of browsers")
    }

    /// Encrypts the secrets of webhooks.
    pub fn webhook_sealer(&self) -> Sealer {
        self.sealer_of(b"tenantry webhooks")
    }

    /// Encrypts with secrets of their own for this purpose, the present one first.
    fn sealer_of(&self, purpose: &[u8]) -> Sealer {
        let all = std::iter::once(&self.current).chain(&self.former);
        Sealer::new(all.map(|key| (key.id.clone(), derived(key, purpose))).collect())
    }

    /// The key of a stored hash. A hash from before keys had names has the oldest key.
    fn find(&self, id: Option<&str>) -> Option<&PasswordKey> {
        match id {
            Some(id) => std::iter::once(&self.current).chain(&self.former).find(|key| key.id == id),
            None => self.former.last().or(Some(&self.current)),
        }
    }
}

fn cost_of(stored: &PasswordHash) -> Option<u32> {
    stored.hash.get(4..6)?.parse().ok()
}

/// The outcome of comparing a password with a hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The password is wrong, or there is none.
    Wrong,
    /// The password is right. The hash is to be replaced by the new one, if there is one, because the cost or
    /// the key has changed.
    Right(Option<PasswordHash>),
}

/// Hashes and verifies passwords.
#[derive(Clone)]
pub struct Hasher {
    keys: PasswordKeys,
    cost: u32,
    turns: Arc<HashTurns>,
}

impl Hasher {
    /// `cost` is the cost of bcrypt: each step doubles the work. `concurrency` is the largest number of
    /// hashes at the same time.
    pub fn new(keys: PasswordKeys, cost: u32, concurrency: usize) -> Self {
        Self { keys, cost, turns: HashTurns::new(concurrency) }
    }

    /// The key from which the tokens of mailed links are made.
    pub fn link_key(&self) -> LinkKey {
        self.keys.link_key()
    }

    /// Checks a new password, and hashes it. The estimate of its strength takes time, so both are done in one
    /// turn.
    ///
    /// # Errors
    /// [`TooBusy`].
    pub async fn hash_new(
        &self,
        policy: &PasswordPolicy,
        text: &SecretString,
        personal: Vec<String>,
        applicant: &Applicant,
    ) -> Result<Result<PasswordHash, PasswordError>, TooBusy> {
        let (hasher, policy, text) = (self.clone(), policy.clone(), text.clone());
        let work = move || {
            let personal: Vec<&str> = personal.iter().map(String::as_str).collect();
            match policy.check(&text, &personal) {
                Ok(password) => hasher.hash_now(&password).map(Ok),
                Err(refusal) => Ok(Err(refusal)),
            }
        };
        self.in_turn(applicant, work).await?
    }

    /// A salted hash of `password`, to be stored.
    ///
    /// # Errors
    /// [`TooBusy`].
    pub async fn hash(&self, password: &Password, applicant: &Applicant) -> Result<PasswordHash, TooBusy> {
        let (hasher, password) = (self.clone(), password.clone());
        self.in_turn(applicant, move || hasher.hash_now(&password)).await?
    }

    /// A salted hash of another secret than a password.
    pub(super) async fn hash_secret(
        &self,
        secret: &SecretString,
        applicant: &Applicant,
    ) -> Result<PasswordHash, TooBusy> {
        let (hasher, secret) = (self.clone(), secret.clone());
        self.in_turn(applicant, move || hasher.hash_text(&secret)).await?
    }

    fn hash_now(&self, password: &Password) -> Result<PasswordHash, TooBusy> {
        self.hash_text(password.secret())
    }

    fn hash_text(&self, text: &SecretString) -> Result<PasswordHash, TooBusy> {
        let PasswordKey { id, .. } = &self.keys.current;
        let hash = bcrypt::hash(keyed(&self.keys.current, text), self.cost);
        Ok(PasswordHash { hash: hash.map_err(|_| TooBusy)?, key: Some(id.clone()) })
    }

    /// Compares `password` with the stored hash. `None` stands for an unknown user.
    ///
    /// A wrong password takes as long as a hash of the highest cost, whatever the cost of the stored hash is,
    /// and whether or not there is one. `highest_cost` is the highest one that is stored.
    ///
    /// # Errors
    /// [`TooBusy`].
    pub async fn verify(
        &self,
        password: &SecretString,
        stored: Option<PasswordHash>,
        highest_cost: Option<u32>,
        applicant: &Applicant,
    ) -> Result<Verdict, TooBusy> {
        if password.expose_secret().len() > MAX_BYTES {
            return Ok(Verdict::Wrong);
        }
        // A password that nobody can have is compared with nothing, which takes as long.
        let written = normalised(password);
        let known = stored.zip(written.as_ref()).and_then(|(stored, written)| {
            let key = self.keys.find(stored.key.as_deref())?;
            Some((keyed(key, written), stored))
        });
        let renewed_input = written.as_ref().map(|written| keyed(&self.keys.current, written));
        let (current_key, cost) = (self.keys.current.id.clone(), self.cost);
        let highest = highest_cost.unwrap_or(cost).max(cost);
        let work = move || {
            let stored_cost = known.as_ref().and_then(|(_, stored)| cost_of(stored));
            let matches = known
                .as_ref()
                .is_some_and(|(input, stored)| bcrypt::verify(input, &stored.hash).unwrap_or(false));
            if !matches {
                waste(stored_cost, highest);
                return Verdict::Wrong;
            }
            let is_current = stored_cost == Some(cost)
                && known.as_ref().is_some_and(|(_, stored)| stored.key.as_deref() == Some(&current_key));
            let renewed = renewed_input.filter(|_| !is_current);
            let renewed = renewed.and_then(|input| bcrypt::hash(input, cost).ok());
            Verdict::Right(renewed.map(|hash| PasswordHash { hash, key: Some(current_key) }))
        };
        self.in_turn(applicant, work).await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        applicant: &Applicant,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, TooBusy> {
        let turn = self.turns.clone().take(applicant).await?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        done.await.map_err(|_| TooBusy)
    }
}

/// A secret for another purpose.
fn derived(key: &PasswordKey, purpose: &[u8]) -> [u8; 32] {
    let mut secret = [0; 32];
    secret.copy_from_slice(hmac::sign(&key.key, purpose).as_ref());
    secret
}

/// Does the work that is missing to a hash of cost `highest`, after a hash of cost `done`. The work doubles
/// with each step, so hashes of the costs `done` to `highest - 1` are exactly what is missing.
fn waste(done: Option<u32>, highest: u32) {
    let costs = match done {
        Some(done) => done..highest,
        None => highest..highest + 1,
    };
    for cost in costs {
        // A well-formed hash that no password has.
        let stand_in = format!("$2b${cost:02}${}", ".".repeat(53));
        let _ = std::hint::black_box(bcrypt::verify("x", &stand_in));
    }
}

/// bcrypt reads at most 72 bytes and stops at a zero byte. The 43 letters of a keyed hash avoid both.
fn keyed(key: &PasswordKey, password: &SecretString) -> String {
    STANDARD_NO_PAD.encode(hmac::sign(&key.key, password.expose_secret().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing_in::password::PasswordPolicy;

    fn key(letter: &str) -> PasswordKey {
        PasswordKey::new(&SecretString::from(letter.repeat(32))).map_err(|_| ()).unwrap()
    }

    fn hasher(current: &str, former: &[&str], cost: u32) -> Hasher {
        let former = former.iter().map(|letter| key(letter)).collect();
        Hasher::new(PasswordKeys { current: key(current), former }, cost, 2)
    }

    async fn hashed(hasher: &Hasher, text: &str) -> PasswordHash {
        let password = PasswordPolicy::for_demo().check(&SecretString::from(text), &[]).unwrap();
        hasher.hash(&password, &Applicant::operator()).await.unwrap()
    }

    async fn verify(hasher: &Hasher, text: &str, stored: Option<&PasswordHash>) -> Verdict {
        let (text, stored) = (SecretString::from(text), stored.cloned());
        hasher.verify(&text, stored, None, &Applicant::operator()).await.unwrap()
    }

    #[tokio::test]
    async fn nothing_past_72_bytes_is_cut_off() {
        let (hasher, long) = (hasher("k", &[], 4), "x".repeat(100));
        let hash = hashed(&hasher, &format!("{long}a")).await;
        assert!(hash.hash.starts_with("$2b$04$"));
        assert_eq!(verify(&hasher, &format!("{long}a"), Some(&hash)).await, Verdict::Right(None));
        assert_eq!(verify(&hasher, &format!("{long}b"), Some(&hash)).await, Verdict::Wrong);
    }

    #[tokio::test]
    async fn a_hash_is_renewed_when_the_cost_or_the_key_changes() {
        let hash = hashed(&hasher("a", &[], 4), "secret").await;
        assert_eq!(verify(&hasher("a", &[], 4), "secret", Some(&hash)).await, Verdict::Right(None));
        for later in [hasher("a", &[], 5), hasher("b", &["a"], 4), hasher("c", &["b", "a"], 5)] {
            let Verdict::Right(Some(renewed)) = verify(&later, "secret", Some(&hash)).await else {
                panic!("the hash was not renewed")
            };
            assert_ne!(renewed, hash);
            assert_eq!(verify(&later, "secret", Some(&renewed)).await, Verdict::Right(None));
            assert_eq!(verify(&later, "wrong", Some(&hash)).await, Verdict::Wrong);
        }
        // Without its key, nobody has the password.
        assert_eq!(verify(&hasher("b", &[], 4), "secret", Some(&hash)).await, Verdict::Wrong);
        // A hash from before keys had names has the oldest key.
        let nameless = PasswordHash { key: None, ..hash };
        let renewed = verify(&hasher("c", &["b", "a"], 4), "secret", Some(&nameless)).await;
        assert!(matches!(renewed, Verdict::Right(Some(_))));
        assert!(matches!(
            verify(&hasher("a", &[], 4), "secret", Some(&nameless)).await,
            Verdict::Right(Some(_))
        ));
    }

    #[tokio::test]
    async fn an_unknown_user_and_a_password_that_nobody_can_have_never_match() {
        let hasher = hasher("k", &[], 4);
        let hash = hashed(&hasher, "secret").await;
        assert_eq!(verify(&hasher, "", None).await, Verdict::Wrong);
        assert_eq!(verify(&hasher, "secret\u{7}", Some(&hash)).await, Verdict::Wrong);
        // The stand-in hash is well-formed: checking it does the work of a real one.
        assert!(bcrypt::verify("x", &format!("$2b$04${}", ".".repeat(53))).is_ok());
    }
}
