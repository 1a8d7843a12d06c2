//! The keys that sign access tokens: made, read, and encrypted for the database.

use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::{Jwk, KeyAlgorithm, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde::Serialize;

values::words! {
    /// How tokens are signed.
    pub enum SigningAlgorithm {
        /// Ed25519.
        EdDsa = "EdDSA",
        /// ECDSA with the curve P-256 and SHA-256, for programs that know no Ed25519.
        Es256 = "ES256",
    }
}

impl SigningAlgorithm {
    pub(super) fn in_tokens(self) -> Algorithm {
        match self {
            Self::EdDsa => Algorithm::EdDSA,
            Self::Es256 => Algorithm::ES256,
        }
    }
}

/// A key that signs tokens.
pub struct SigningKey {
    pub(super) algorithm: SigningAlgorithm,
    pub(super) encoding: EncodingKey,
    pub(super) decoding: DecodingKey,
    pub(super) public: Jwk,
    /// The thumbprint of the public key (RFC 7638).
    pub(super) id: String,
    /// The private key (PKCS #8).
    der: Vec<u8>,
}

/// The signing key cannot be used. The message says how to make one.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file is missing or cannot be read.
    #[error("cannot read the signing key {0}; create one with: openssl genpkey -algorithm ed25519 -out {0}")]
    Read(PathBuf, #[source] std::io::Error),
    /// The file contains another kind of key, or no key.
    #[error(
        "{0} does not contain an Ed25519 key in PKCS #8 PEM; create one with: \
         openssl genpkey -algorithm ed25519 -out {0}"
    )]
    Format(PathBuf),
}

/// A stored secret cannot be decrypted or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stored secret cannot be read with the present password keys")]
pub struct Unreadable;

impl SigningKey {
    /// Signs claims as a token of this type.
    pub(crate) fn sign(&self, typ: &str, claims: &impl Serialize) -> String {
        let header = Header {
            typ: Some(typ.to_owned()),
            kid: Some(self.id.clone()),
            ..Header::new(self.algorithm.in_tokens())
        };
        #[expect(clippy::expect_used, reason = "a loaded key signs any claims")]
        jsonwebtoken::encode(&header, claims, &self.encoding).expect("the key signs")
    }

    /// Reads an Ed25519 key from a PEM file.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        let pem = std::fs::read_to_string(path).map_err(|error| KeyError::Read(path.to_owned(), error))?;
        Self::from_pem(&pem).ok_or_else(|| KeyError::Format(path.to_owned()))
    }

    pub(super) fn from_pem(pem: &str) -> Option<Self> {
        let body: String = pem.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
        let is_private = pem.contains("-----BEGIN PRIVATE KEY-----");
        let der = STANDARD.decode(body).ok().filter(|_| is_private)?;
        Self::from_der(SigningAlgorithm::EdDsa, der).ok()
    }

    fn from_der(algorithm: SigningAlgorithm, der: Vec<u8>) -> Result<Self, Unreadable> {
        let encoding = match algorithm {
            SigningAlgorithm::EdDsa => {
                Ed25519KeyPair::from_pkcs8(&der).map_err(|_| Unreadable)?;
                EncodingKey::from_ed_der(&der)
            }
            SigningAlgorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).map_err(|_| Unreadable)?;
                EncodingKey::from_ec_der(&der)
            }
        };
        let mut public = Jwk::from_encoding_key(&encoding, algorithm.in_tokens()).map_err(|_| Unreadable)?;
        let id = public.thumbprint(ThumbprintHash::SHA256).map_err(|_| Unreadable)?;
        public.common.key_id = Some(id.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        public.common.key_algorithm = Some(match algorithm {
            SigningAlgorithm::EdDsa => KeyAlgorithm::EdDSA,
            SigningAlgorithm::Es256 => KeyAlgorithm::ES256,
        });
        let decoding = DecodingKey::from_jwk(&public).map_err(|_| Unreadable)?;
        Ok(Self { algorithm, encoding, decoding, public, id, der })
    }

    /// A new key.
    pub fn generate(algorithm: SigningAlgorithm) -> Self {
        let der = match algorithm {
            SigningAlgorithm::EdDsa => ed25519(),
            SigningAlgorithm::Es256 => {
                let made =
                    EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
                #[expect(clippy::expect_used, reason = "nothing may go on without random numbers")]
                made.expect("the operating system gives random numbers").as_ref().to_vec()
            }
        };
        #[expect(clippy::expect_used, reason = "a key that was just made can be read")]
        Self::from_der(algorithm, der).expect("a new key is well-formed")
    }

    /// A new Ed25519 key as PEM text, for a file that only its owner can read.
    pub fn generate_pem() -> String {
        let text = STANDARD.encode(ed25519());
        format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
    }
}

fn ed25519() -> Vec<u8> {
    let made = Ed25519KeyPair::generate()
        .and_then(|pair| pair.as_der().map(|der: aws_lc_rs::encoding::Pkcs8V1Der<'_>| der.as_ref().to_vec()));
    #[expect(clippy::expect_used, reason = "nothing may go on without random numbers")]
    made.expect("the operating system gives random numbers")
}

/// Encrypts secrets for the database, with AES-256-GCM and a secret that the database does not know.
#[derive(Clone)]
pub struct Sealer {
    /// The secrets by their names, the one for new keys first.
    secrets: Vec<(String, [u8; 32])>,
}

impl Sealer {
    /// `secrets` are the secrets by their names. The first one seals new keys.
    pub(super) fn new(secrets: Vec<(String, [u8; 32])>) -> Self {
        Self { secrets }
    }

    fn key(secret: &[u8; 32]) -> Result<RandomizedNonceKey, Unreadable> {
        RandomizedNonceKey::new(&AES_256_GCM, secret).map_err(|_| Unreadable)
    }

    /// Encrypts a key. Returns the bytes, and the name of the secret.
    pub(super) fn seal(&self, key: &SigningKey) -> Result<(Vec<u8>, String), Unreadable> {
        self.seal_bytes(&key.id, &key.der)
    }

    /// Encrypts bytes that belong to the row with this id. Returns the result, and the name of the secret.
    ///
    /// # Errors
    /// [`Unreadable`] without a secret.
    pub fn seal_bytes(&self, id: &str, bytes: &[u8]) -> Result<(Vec<u8>, String), Unreadable> {
        let (name, secret) = self.secrets.first().ok_or(Unreadable)?;
        let mut sealed = bytes.to_vec();
        // The id is part of what is sealed, so that nobody can exchange two rows.
        let nonce = Self::key(secret)?
            .seal_in_place_append_tag(Aad::from(id.as_bytes()), &mut sealed)
            .map_err(|_| Unreadable)?;
        let mut bytes = nonce.as_ref().to_vec();
        bytes.append(&mut sealed);
        Ok((bytes, name.clone()))
    }

    /// The name of the secret that encrypts from now on.
    pub fn current(&self) -> Option<&str> {
        self.secrets.first().map(|(name, _)| name.as_str())
    }

    /// Whether this is the name of the secret that encrypts new keys.
    pub(super) fn is_current(&self, name: &str) -> bool {
        self.current() == Some(name)
    }

    /// Decrypts a key.
    pub(super) fn open(
        &self,
        id: &str,
        algorithm: SigningAlgorithm,
        bytes: &[u8],
        sealed_with: &str,
    ) -> Result<SigningKey, Unreadable> {
        let key = SigningKey::from_der(algorithm, self.open_bytes(id, bytes, sealed_with)?)?;
        if key.id == id { Ok(key) } else { Err(Unreadable) }
    }

    /// Decrypts the bytes of the row with this id.
    ///
    /// # Errors
    /// [`Unreadable`] if the bytes, their row or the secrets are others.
    pub fn open_bytes(&self, id: &str, bytes: &[u8], sealed_with: &str) -> Result<Vec<u8>, Unreadable> {
        let (_, secret) = self.secrets.iter().find(|(name, _)| name == sealed_with).ok_or(Unreadable)?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN).ok_or(Unreadable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unreadable)?;
        let mut opened = sealed.to_vec();
        let bytes = Self::key(secret)?
            .open_in_place(nonce, Aad::from(id.as_bytes()), &mut opened)
            .map_err(|_| Unreadable)?;
        Ok(bytes.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_key_is_opened_by_its_secret_and_in_its_own_row_alone() {
        let (old, new) = (("old".to_owned(), [1; 32]), ("new".to_owned(), [2; 32]));
        for algorithm in SigningAlgorithm::ALL {
            let key = SigningKey::generate(*algorithm);
            let (bytes, name) = Sealer::new(vec![old.clone()]).seal(&key).unwrap();
            let later = Sealer::new(vec![new.clone(), old.clone()]);
            assert_eq!(later.open(&key.id, *algorithm, &bytes, &name).unwrap().id, key.id);
            assert!(!bytes.windows(8).any(|part| key.der.windows(8).any(|secret| part == secret)));
            for refused in [
                later.open("other", *algorithm, &bytes, &name),
                later.open(&key.id, *algorithm, &bytes, "new"),
                later.open(&key.id, *algorithm, &bytes[1..], &name),
                later.open(&key.id, *algorithm, b"", &name),
                Sealer::new(vec![new.clone()]).open(&key.id, *algorithm, &bytes, &name),
            ] {
                assert!(refused.is_err());
            }
        }
        assert!(SigningKey::from_pem(&SigningKey::generate_pem()).is_some());
        assert!(
            SigningKey::from_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----").is_none()
        );
    }
}
