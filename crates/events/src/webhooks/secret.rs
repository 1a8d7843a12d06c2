//! The secret of an endpoint, with which messages are signed.

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use identity::{Sealer, Unreadable};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use tenancy::{DbError, SharedTx};

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

/// The endpoints whose secrets are encrypted anew at once.
const AT_ONCE: i64 = 500;

/// Encrypts secrets anew that are encrypted with a former password key. One that cannot be read stays as it
/// is, so that its key can come back. Returns the number of endpoints.
///
/// # Errors
/// [`DbError`].
pub async fn seal_anew(tx: &SharedTx, sealer: &Sealer) -> Result<usize, DbError> {
    const FIND: &str = "
        SELECT id, sealed_secret AS bytes, sealed_with FROM shared.webhook_endpoints
         WHERE sealed_with <> $1 ORDER BY id LIMIT $2 FOR NO KEY UPDATE";
    const SEAL: &str =
        "UPDATE shared.webhook_endpoints SET sealed_secret = $2, sealed_with = $3 WHERE id = $1";
    struct Row {
        id: EndpointId,
        bytes: Vec<u8>,
        sealed_with: String,
    }
    tenancy::from_row!(Row { id, bytes, sealed_with });
    let Some(current) = sealer.current() else { return Ok(0) };
    let rows: Vec<Row> = tx.rows(FIND, &[&current, &AT_ONCE]).await?;
    let mut sealed = 0;
    for Row { id, bytes, sealed_with } in rows {
        let Ok(secret) = WebhookSecret::open(id, &SealedSecret { bytes, sealed_with }, sealer) else {
            continue;
        };
        let Ok(anew) = secret.seal(id, sealer) else { continue };
        tx.execute(SEAL, &[&id, &anew.bytes, &anew.sealed_with]).await?;
        sealed += 1;
    }
    Ok(sealed)
}
