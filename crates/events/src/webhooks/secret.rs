//! The secret of an endpoint, with which messages are signed.

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use identity::{Sealer, Unreadable};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};

use crate::webhooks::endpoint::EndpointId;

/// A secret: 32 random bytes. People see it as `whsec_` and Base64.
pub struct WebhookSecret(SecretSlice<u8>);

/// A secret as the database has it.
#[derive(Debug, Clone)]
pub(super) struct SealedSecret {
    pub(super) bytes: Vec<u8>,
    pub(super) sealed_with: String,
}

const LENGTH: usize = 32;

impl WebhookSecret {
    /// A new secret.
    pub(super) fn generate() -> Self {
        let mut bytes = vec![0; LENGTH];
        #[expect(clippy::expect_used, reason = "nothing may go on without random numbers")]
        rand::fill(&mut bytes).expect("the operating system gives random numbers");
        Self(bytes.into())
    }

    /// The secret as its receiver needs it.
    pub fn text(&self) -> SecretString {
        format!("whsec_{}", BASE64_STANDARD.encode(self.0.expose_secret())).into()
    }

    /// The bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.expose_secret()
    }

    pub(super) fn seal(&self, endpoint: EndpointId, sealer: &Sealer) -> Result<SealedSecret, Unreadable> {
        let (bytes, sealed_with) = sealer.seal_bytes(&endpoint.to_string(), self.bytes())?;
        Ok(SealedSecret { bytes, sealed_with })
    }

    pub(super) fn open(
        endpoint: EndpointId,
        sealed: &SealedSecret,
        sealer: &Sealer,
    ) -> Result<Self, Unreadable> {
        let bytes = sealer.open_bytes(&endpoint.to_string(), &sealed.bytes, &sealed.sealed_with)?;
        Ok(Self(bytes.into()))
    }
}
