//! The actions of the operator on programs: API keys, clients and service accounts. Each action and its entry
//! in the audit log are written in one transaction.

use chrono::TimeDelta;
use identity::api_key::{self, ApiKey, ApiKeyError, ApiKeyId, NewApiKey, Rotation};
use identity::client::{self, Client, ClientDetails, ClientError, NewClient};
use identity::service_account::{self, ServiceAccount, ServiceAccountError};
use identity::{ClientId, PermissionKey, ProgramSecret};
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
    ) -> Result<(ApiKey, ProgramSecret), ApiKeyError> {
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
    ) -> Result<(ApiKey, ProgramSecret), ApiKeyError> {
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

    /// Registers a program. Returns its secret, too, if it has one.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn register_client(
        &self,
        new: &NewClient,
    ) -> Result<(Client, Option<ProgramSecret>), ClientError> {
        self.owner_database
            .write_shared(async |tx| {
                let made = client::register(tx, new).await?;
                self.record_of_client(tx, "client.registered", &new.id).await?;
                Ok::<_, ClientError>(made)
            })
            .await
    }

    /// Changes a program. `edit` gets what can be changed.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn change_client(
        &self,
        id: &ClientId,
        edit: impl Fn(&mut ClientDetails),
    ) -> Result<Client, ClientError> {
        self.owner_database
            .write_shared(async |tx| {
                let present = client::find(tx, id).await?;
                let mut details = present.ok_or_else(|| ClientError::Unknown(id.clone()))?.into();
                edit(&mut details);
                let changed = client::change(tx, id, &details).await?;
                self.record_of_client(tx, "client.changed", id).await?;
                Ok::<_, ClientError>(changed)
            })
            .await
    }

    /// Gives a program another secret.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn rotate_client(
        &self,
        id: &ClientId,
        overlap: TimeDelta,
    ) -> Result<(Client, ProgramSecret), ClientError> {
        self.owner_database
            .write_shared(async |tx| {
                let made = client::rotate(tx, id, overlap).await?;
                self.record_of_client(tx, "client.rotated", id).await?;
                Ok::<_, ClientError>(made)
            })
            .await
    }

    /// Removes a program with its service accounts.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn remove_client(&self, id: &ClientId) -> Result<(), ClientError> {
        self.owner_database
            .write_shared(async |tx| {
                client::remove(tx, id, self.actor.by()).await?;
                self.record_of_client(tx, "client.removed", id).await?;
                Ok::<_, ClientError>(())
            })
            .await
    }

    /// Allows a program these permissions at a business.
    ///
    /// # Errors
    /// [`ServiceAccountError`].
    pub async fn put_service_account(
        &self,
        tenant: &Tenant,
        client: &ClientId,
        permissions: &[PermissionKey],
    ) -> Result<ServiceAccount, ServiceAccountError> {
        self.owner_database
            .write_shared(async |tx| {
                let by = self.actor.by();
                let (account, _) = service_account::put(tx, tenant.id, client, permissions, by).await?;
                let details = json!({"client": client, "permissions": account.permissions});
                let action = "service_account.changed";
                platform_audit::record(tx, &self.actor, action, Some(tenant), &details).await?;
                Ok::<_, ServiceAccountError>(account)
            })
            .await
    }

    /// Removes the account of a program at a business.
    ///
    /// # Errors
    /// [`ServiceAccountError`].
    pub async fn remove_service_account(
        &self,
        tenant: &Tenant,
        client: &ClientId,
    ) -> Result<(), ServiceAccountError> {
        self.owner_database
            .write_shared(async |tx| {
                service_account::remove(tx, tenant.id, client, self.actor.by()).await?;
                let details = json!({"client": client});
                let action = "service_account.removed";
                platform_audit::record(tx, &self.actor, action, Some(tenant), &details).await?;
                Ok::<_, ServiceAccountError>(())
            })
            .await
    }

    async fn record_of_client(&self, tx: &SharedTx, action: &str, id: &ClientId) -> Result<(), DbError> {
        platform_audit::record(tx, &self.actor, action, None, &json!({"client": id})).await
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
