//! The actions of the operator on the API keys of a business. Each action and its entry in the audit log are
//! written in one transaction.

use identity::KeySecret;
use identity::api_key::{self, ApiKey, ApiKeyError, ApiKeyId, NewApiKey, Rotation};
use serde_json::json;
use tenancy::{DbError, SharedTx, Tenant};

use crate::operator::lifecycle::Operator;
use crate::records::platform_audit;

impl Operator {
    /// Makes a key of a business, which has all its permissions whoever is a member. Returns its secret, too.
    ///
    /// # Errors
    /// [`ApiKeyError`].
    pub async fn create_api_key(
        &self,
        tenant: &Tenant,
        new: &NewApiKey,
    ) -> Result<(ApiKey, KeySecret), ApiKeyError> {
        self.owner_database
            .write_shared(async |tx| {
                let made = api_key::create(tx, tenant.id, new, self.actor.by()).await?;
                self.record_of_api_key(tx, "api_key.created", tenant, &made.0).await?;
                Ok::<_, ApiKeyError>(made)
            })
            .await
    }

    /// Gives a key another secret. From now on, it has all its permissions whoever is a member.
    ///
    /// # Errors
    /// [`ApiKeyError`].
    pub async fn rotate_api_key(
        &self,
        tenant: &Tenant,
        id: ApiKeyId,
        rotation: Rotation,
    ) -> Result<(ApiKey, KeySecret), ApiKeyError> {
        self.owner_database
            .write_shared(async |tx| {
                let made = api_key::rotate(tx, tenant.id, id, rotation, self.actor.by()).await?;
                self.record_of_api_key(tx, "api_key.rotated", tenant, &made.0).await?;
                Ok::<_, ApiKeyError>(made)
            })
            .await
    }

    /// Revokes a key. Every server refuses it within a second.
    ///
    /// # Errors
    /// [`ApiKeyError`].
    pub async fn revoke_api_key(&self, tenant: &Tenant, id: ApiKeyId) -> Result<ApiKey, ApiKeyError> {
        self.owner_database
            .write_shared(async |tx| {
                let key = api_key::revoke(tx, tenant.id, id, self.actor.by()).await?;
                self.record_of_api_key(tx, "api_key.revoked", tenant, &key).await?;
                Ok::<_, ApiKeyError>(key)
            })
            .await
    }

    async fn record_of_api_key(
        &self,
        tx: &SharedTx,
        action: &str,
        tenant: &Tenant,
        key: &ApiKey,
    ) -> Result<(), DbError> {
        let details = json!({"apiKey": key.id, "name": key.name, "permissions": key.permissions});
        platform_audit::record(tx, &self.actor, action, Some(tenant), &details).await
    }
}
