//! The actions of the operator on the keys that sign access tokens. Each action and its entry in the audit
//! log are written in one transaction.

use identity::key_ring::{self, RotationError};
use identity::{Sealer, SigningAlgorithm};
use serde_json::json;

use crate::operator::lifecycle::Operator;
use crate::records::platform_audit;

impl Operator {
    /// Lets the next key sign access tokens, and makes another next key.
    ///
    /// # Errors
    /// [`RotationError`].
    pub async fn rotate_keys(
        &self,
        sealer: &Sealer,
        algorithm: SigningAlgorithm,
        at_once: bool,
    ) -> Result<bool, RotationError> {
        self.owner_database
            .write_shared(async |tx| {
                let is_rotated = key_ring::rotate(tx, sealer, algorithm, at_once).await?;
                let details = json!({"atOnce": at_once, "isRotated": is_rotated});
                platform_audit::record(tx, &self.actor, "keys.rotated", None, &details).await?;
                Ok::<_, RotationError>(is_rotated)
            })
            .await
    }

    /// Revokes a key. Every server refuses its tokens within a second.
    ///
    /// # Errors
    /// [`RotationError`].
    pub async fn revoke_key(
        &self,
        sealer: &Sealer,
        algorithm: SigningAlgorithm,
        id: &str,
    ) -> Result<(), RotationError> {
        self.owner_database
            .write_shared(async |tx| {
                key_ring::revoke(tx, sealer, algorithm, id).await?;
                let details = json!({"key": id});
                platform_audit::record(tx, &self.actor, "key.revoked", None, &details).await?;
                Ok::<_, RotationError>(())
            })
            .await
    }
}
