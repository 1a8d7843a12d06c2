//! API keys of a business: made, listed, rotated and revoked.

use chrono::{DateTime, TimeDelta, Utc};
use const_format::concatcp;
use serde::Serialize;
use serde_json::json;
use tenancy::{DbError, SharedTx, TenantId};
use values::{IfVersion, Name, Page, PageRequest};

use crate::INVENTORY_APP;
use crate::access::granting::{self, GrantError};
use crate::access::secret::{self, OverlapError, ProgramSecret};
use crate::names::ids::UserId;
use crate::names::keys::{AppSlug, PermissionKey};
use crate::records::auth_event::{self, AuthAction, AuthEvent, By};

values::ids! {
    /// The id of an API key.
    ApiKeyId,
}

values::words! {
    /// The status of an API key. Only an active key is valid.
    pub enum KeyStatus {
        /// The key is valid.
        Active = "active",
        /// The member of the key may not sign in at the business any more. Another member can rotate the key.
        Suspended = "suspended",
        /// The key has expired.
        Expired = "expired",
        /// The key was revoked.
        Revoked = "revoked",
    }
}

/// An API key, without its secret.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// The id, by which the books of the business name the key.
    pub id: ApiKeyId,
    /// The business.
    pub tenant_id: TenantId,
    /// The name, which no other key of the business has that is not revoked.
    pub name: String,
    /// The permissions of the key. It never has more than its member has.
    pub permissions: Vec<String>,
    /// Whether the key is valid.
    pub status: KeyStatus,
    /// The member of the key, who made it or rotated it last. `None` if the operator did.
    pub user_id: Option<UserId>,
    /// The beginning of the secret.
    pub prefix: String,
    /// When the secret was used last, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// The beginning of the former secret, as long as it is valid after a rotation.
    pub previous_prefix: Option<String>,
    /// When the former secret expires.
    pub previous_expires_at: Option<DateTime<Utc>>,
    /// When the former secret was used last.
    pub previous_last_used_at: Option<DateTime<Utc>>,
    /// When the key was made.
    pub created_at: DateTime<Utc>,
    /// When the key expires.
    pub expires_at: DateTime<Utc>,
    /// When the key got its present secret, if not when it was made.
    pub rotated_at: Option<DateTime<Utc>>,
    /// When the key was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// Counts the rotations.
    pub version: i32,
}

tenancy::from_row!(ApiKey {
    id,
    tenant_id,
    name,
    permissions,
    status,
    user_id,
    prefix,
    last_used_at,
    previous_prefix,
    previous_expires_at,
    previous_last_used_at,
    created_at,
    expires_at,
    rotated_at,
    revoked_at,
    version,
});

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// The name.
    pub name: Name,
    /// One or more permissions.
    pub permissions: Vec<PermissionKey>,
    /// When the key expires. Defaults to a year from now.
    pub expires_at: Option<DateTime<Utc>>,
}

/// How a key gets another secret.
#[derive(Debug, Clone, Copy)]
pub struct Rotation {
    /// How long the former secret stays valid: at most seven days.
    pub overlap: TimeDelta,
    /// Rotate the key only if it has this version.
    pub if_version: IfVersion,
    /// When the key expires. Defaults to the present expiry.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A key was not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum ApiKeyError {
    /// The business has no such key.
    #[error("there is no such API key")]
    Unknown,
    /// Another key has the name.
    #[error("the business has an API key {0} already; rotate or revoke it, or choose another name")]
    NameTaken(Name),
    /// The key may not have the permissions.
    #[error(transparent)]
    NotGranted(#[from] GrantError),
    /// The time of expiry has passed, or is too far away.
    #[error("an API key must expire in the future, and within {} years", LONGEST.num_days() / 365)]
    Expiry,
    /// The former secret would stay valid for too long.
    #[error(transparent)]
    Overlap(#[from] OverlapError),
    /// The key was revoked.
    #[error("the API key was revoked; make another one")]
    Revoked,
    /// The key has expired, and the request does not say until when it should be valid now.
    #[error("the API key has expired; send expiresAt, or make another one")]
    Expired,
    /// The key was rotated since its version was read.
    #[error("the API key was rotated in the meantime; read it again")]
    Stale,
    /// The business has as many keys as it may have.
    #[error("a business may have {MOST_KEYS} API keys that are not revoked; revoke one first")]
    TooMany,
    /// PostgreSQL refused a query, or the connection failed.
    #[error("an API key query failed")]
    Db(#[from] DbError),
}

/// The lifetime of a key whose maker names none.
const LIFETIME: TimeDelta = TimeDelta::days(365);
/// The longest lifetime of a key.
const LONGEST: TimeDelta = TimeDelta::days(5 * 365 + 2);
/// The most keys of a business that are not revoked.
const MOST_KEYS: i64 = 100;

// $1 is the present moment.
const SELECT: &str = "
    SELECT k.id, k.tenant_id, k.name, k.permissions, k.user_id, k.prefix, k.last_used_at,
           CASE WHEN k.previous_expires_at > $1 THEN k.previous_prefix END AS previous_prefix,
           CASE WHEN k.previous_expires_at > $1 THEN k.previous_expires_at END AS previous_expires_at,
           CASE WHEN k.previous_expires_at > $1 THEN k.previous_last_used_at END AS previous_last_used_at,
           k.created_at, k.expires_at, k.rotated_at, k.revoked_at, k.version,
           CASE WHEN k.revoked_at IS NOT NULL THEN 'revoked' WHEN k.expires_at <= $1 THEN 'expired'
                WHEN k.member_left
                  OR k.user_id IS NOT NULL AND NOT shared.is_active_member(k.user_id, k.tenant_id)
                THEN 'suspended' ELSE 'active' END AS status
      FROM shared.api_keys k ";

/// Makes a key of a business. Returns it with its secret, which is stored nowhere.
///
/// # Errors
/// [`ApiKeyError`]; nobody gives a key a permission that they do not have.
pub async fn create(
    tx: &SharedTx,
    tenant: TenantId,
    new: &NewApiKey,
    by: By<'_>,
) -> Result<(ApiKey, ProgramSecret), ApiKeyError> {
    const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('api keys ' || $1::text, 0))::text";
    const COUNT: &str = "SELECT count(*) FROM shared.api_keys WHERE tenant_id = $1 AND revoked_at IS NULL";
    const INSERT: &str = "
        INSERT INTO shared.api_keys (id, tenant_id, name, permissions, user_id, prefix, hash, created_at,
                                     expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let app = AppSlug::known(INVENTORY_APP);
    let permissions = granting::check(tx, tenant, &app, &new.permissions, by).await?;
    let expires_at = new.expires_at.unwrap_or(tx.now() + LIFETIME);
    refuse_expiry(tx, expires_at)?;
    // Two at the same moment do not both make the last key.
    tx.execute(LOCK, &[&tenant.to_string()]).await?;
    if tx.value::<i64>(COUNT, &[&tenant]).await? >= MOST_KEYS {
        return Err(ApiKeyError::TooMany);
    }
    let (id, secret) = (ApiKeyId::new(), ProgramSecret::of_key());
    let (user, prefix, hash) = (granting::member(by), secret.prefix(), secret.hash());
    let inserted = tx
        .execute(
            INSERT,
            &[&id, &tenant, &new.name, &permissions, &user, &prefix, &hash, &tx.now(), &expires_at],
        )
        .await;
    inserted.map_err(|error| match error.constraint() {
        Some("api_keys_name_key") => ApiKeyError::NameTaken(new.name.clone()),
        _ => error.into(),
    })?;
    let key = find(tx, tenant, id).await?.ok_or(ApiKeyError::Unknown)?;
    record(tx, &key, AuthAction::ApiKeyCreated, by).await?;
    Ok((key, secret))
}

/// Gives a key another secret. The former one stays valid for a while, and does no more than the former
/// member may; one that is older ends now. From now on, the key may do no more than this actor. Returns the
/// key with its secret.
///
/// # Errors
/// [`ApiKeyError`].
pub async fn rotate(
    tx: &SharedTx,
    tenant: TenantId,
    id: ApiKeyId,
    rotation: Rotation,
    by: By<'_>,
) -> Result<(ApiKey, ProgramSecret), ApiKeyError> {
    const ROTATE: &str = "
        UPDATE shared.api_keys
           SET previous_prefix = prefix, previous_hash = hash, previous_user_id = user_id,
               previous_expires_at = $2, previous_last_used_at = last_used_at,
               prefix = $3, hash = $4, last_used_at = NULL, user_id = $5, member_left = false,
               expires_at = $6, rotated_at = $7, version = version + 1
         WHERE id = $1";
    secret::check_overlap(rotation.overlap)?;
    granting::lock_member(tx, tenant, by).await?;
    let present = lock(tx, tenant, id).await?;
    if !rotation.if_version.allows(present.version) {
        return Err(ApiKeyError::Stale);
    }
    let is_expired = present.status == KeyStatus::Expired;
    let expires_at = match rotation.expires_at {
        Some(expires_at) => expires_at,
        None if is_expired => return Err(ApiKeyError::Expired),
        None => present.expires_at,
    };
    refuse_expiry(tx, expires_at)?;
    let app = AppSlug::known(INVENTORY_APP);
    granting::refuse_above(tx, tenant, &app, &present.permissions, by).await.map_err(GrantError::from)?;
    // A former secret that was of no use does not become valid again.
    let overlap = if present.status == KeyStatus::Active { rotation.overlap } else { TimeDelta::zero() };
    let (secret, previous_expires_at) = (ProgramSecret::of_key(), tx.now() + overlap);
    let (user, prefix, hash) = (granting::member(by), secret.prefix(), secret.hash());
    tx.execute(ROTATE, &[&id, &previous_expires_at, &prefix, &hash, &user, &expires_at, &tx.now()]).await?;
    let key = find(tx, tenant, id).await?.ok_or(ApiKeyError::Unknown)?;
    record(tx, &key, AuthAction::ApiKeyRotated, by).await?;
    Ok((key, secret))
}

/// Revokes a key. Every server refuses it within a second. Revoking it again changes nothing. Whoever may
/// manage keys may revoke any of them.
///
/// # Errors
/// [`ApiKeyError`].
pub async fn revoke(
    tx: &SharedTx,
    tenant: TenantId,
    id: ApiKeyId,
    by: By<'_>,
) -> Result<ApiKey, ApiKeyError> {
    const REVOKE: &str = "UPDATE shared.api_keys SET revoked_at = $2 WHERE id = $1";
    match lock(tx, tenant, id).await {
        Err(ApiKeyError::Revoked) => {}
        Err(error) => return Err(error),
        Ok(present) => {
            tx.execute(REVOKE, &[&id, &tx.now()]).await?;
            record(tx, &present, AuthAction::ApiKeyRevoked, by).await?;
        }
    }
    find(tx, tenant, id).await?.ok_or(ApiKeyError::Unknown)
}

/// One key of a business.
///
/// # Errors
/// [`DbError`]; an unknown key is `None`.
pub async fn find(tx: &SharedTx, tenant: TenantId, id: ApiKeyId) -> Result<Option<ApiKey>, DbError> {
    const FIND: &str = concatcp!(SELECT, "WHERE k.id = $2 AND k.tenant_id = $3");
    tx.row_opt(FIND, &[&tx.now(), &id, &tenant]).await
}

/// A page of keys, newest first: all that the scope shows, or those of `tenant`, with a status.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &SharedTx,
    tenant: Option<TenantId>,
    status: Option<KeyStatus>,
    page: &PageRequest<ApiKeyId>,
) -> Result<Page<ApiKey>, DbError> {
    const LIST: &str = concatcp!(
        "SELECT * FROM (",
        SELECT,
        "WHERE k.id < $2 AND ($3::uuid IS NULL OR k.tenant_id = $3)) k
         WHERE $4::text IS NULL OR k.status = $4
         ORDER BY k.id DESC LIMIT $5"
    );
    let keys = tx.rows(LIST, &[&tx.now(), &page.below(), &tenant, &status, &page.limit.and_one()]).await?;
    Ok(page.page(keys, |key: &ApiKey| key.id))
}

/// Deletes keys that were revoked, or expired, before so many days. Returns their number.
///
/// # Errors
/// [`DbError`].
pub async fn prune(tx: &SharedTx, days: u32) -> Result<u64, DbError> {
    const PRUNE: &str = "DELETE FROM shared.api_keys WHERE coalesce(revoked_at, expires_at) < $1";
    tx.execute(PRUNE, &[&(tx.now() - TimeDelta::days(days.into()))]).await
}

/// A key that was not revoked, and that nobody else changes meanwhile.
async fn lock(tx: &SharedTx, tenant: TenantId, id: ApiKeyId) -> Result<ApiKey, ApiKeyError> {
    const LOCK: &str = "SELECT id FROM shared.api_keys WHERE id = $1 AND tenant_id = $2 FOR NO KEY UPDATE";
    tx.value_opt::<ApiKeyId>(LOCK, &[&id, &tenant]).await?;
    let present = find(tx, tenant, id).await?.ok_or(ApiKeyError::Unknown)?;
    if present.status == KeyStatus::Revoked { Err(ApiKeyError::Revoked) } else { Ok(present) }
}

fn refuse_expiry(tx: &SharedTx, expires_at: DateTime<Utc>) -> Result<(), ApiKeyError> {
    let is_allowed = expires_at > tx.now() && expires_at <= tx.now() + LONGEST;
    if is_allowed { Ok(()) } else { Err(ApiKeyError::Expiry) }
}

async fn record(tx: &SharedTx, key: &ApiKey, action: AuthAction, by: By<'_>) -> Result<(), DbError> {
    let details = json!({
        "apiKey": key.id, "name": key.name, "prefix": key.prefix, "permissions": key.permissions,
        "expiresAt": key.expires_at});
    let event = AuthEvent { tenant: Some(key.tenant_id), details, ..AuthEvent::new(action).by(by) };
    auth_event::record(tx, &event).await
}
