//! What the platform's staff and commands did: an append-only log, written in the transaction of the deed.

use chrono::{DateTime, Utc};
use identity::{UserId, user};
use serde::Serialize;
use serde_json::Value;
use tenancy::{DbError, SharedTx, Tenant, TenantId, TenantSlug};
use uuid::Uuid;

/// Who does something.
#[derive(Debug, Clone)]
pub enum Actor {
    /// One of the platform's staff, signed in.
    User(UserId),
    /// A command, or the program itself.
    Named(String),
}

impl Actor {
    pub fn named(name: &str) -> Self {
        Self::Named(name.to_owned())
    }

    /// The account that runs a command on this machine.
    pub fn command_line() -> Self {
        let variables = ["SUDO_USER", "USER", "LOGNAME"];
        let named =
            variables.iter().filter_map(|name| std::env::var(name).ok()).find(|name| !name.is_empty());
        Self::Named(format!("command line ({})", named.unwrap_or_else(own_account)))
    }
}

/// The account that this process runs as: timers and containers often set no variable.
fn own_account() -> String {
    use std::os::unix::fs::MetadataExt;
    let Ok(own) = std::fs::metadata("/proc/self") else { return "unknown account".to_owned() };
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let of_us = |line: &&str| line.split(':').nth(2).and_then(|uid| uid.parse().ok()) == Some(own.uid());
    let name = accounts.lines().find(of_us).and_then(|line| line.split(':').next());
    name.map_or_else(|| format!("uid {}", own.uid()), ToOwned::to_owned)
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(id) => write!(f, "user {id}"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

/// One entry of the log.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    pub id: Uuid,
    pub occurred_at: DateTime<Utc>,
    pub actor: String,
    pub actor_id: Option<Uuid>,
    /// Such as `tenant.suspended`.
    pub action: String,
    pub tenant_id: Option<Uuid>,
    pub tenant_slug: Option<String>,
    pub details: Value,
}

/// Writes an entry.
///
/// # Errors
/// [`DbError`].
pub async fn record(
    tx: &SharedTx,
    actor: &Actor,
    action: &str,
    tenant: Option<&Tenant>,
    details: &Value,
) -> Result<(), DbError> {
    const INSERT: &str = "
        INSERT INTO shared.platform_audit (id, occurred_at, actor, actor_id, action, tenant_id, tenant_slug, details)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let (name, id) = match actor {
        Actor::User(id) => {
            (user::email(tx, *id).await?.unwrap_or_else(|| actor.to_string()), Some(id.as_uuid()))
        }
        Actor::Named(name) => (name.clone(), None),
    };
    let tenant_id = tenant.map(|tenant| tenant.id.as_uuid());
    let tenant_slug = tenant.map(|tenant| tenant.slug.as_str());
    tx.execute(INSERT, &[&Uuid::now_v7(), &tx.now(), &name, &id, &action, &tenant_id, &tenant_slug, &details])
        .await
        .map(drop)
}

/// The business that had this slug last, as far as the log knows.
///
/// # Errors
/// [`DbError`].
pub async fn last_with_slug(tx: &SharedTx, slug: &TenantSlug) -> Result<Option<TenantId>, DbError> {
    const LAST: &str = "
        SELECT tenant_id FROM shared.platform_audit
         WHERE tenant_slug = $1 AND tenant_id IS NOT NULL
         ORDER BY id DESC LIMIT 1";
    let row = tx.query_opt(LAST, &[&slug.as_str()]).await?;
    row.map(|row| row.try_get("tenant_id").map(TenantId::from_uuid).map_err(DbError::from)).transpose()
}

/// Up to `limit` entries, the newest first, from the one before `before` on, of one business or of all.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &SharedTx,
    tenant: Option<TenantId>,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Entry>, DbError> {
    const OF_ALL: &str = "
        SELECT id, occurred_at, actor, actor_id, action, tenant_id, tenant_slug, details
          FROM shared.platform_audit
         WHERE id < $1
         ORDER BY id DESC
         LIMIT $2";
    const OF_ONE: &str = "
        SELECT id, occurred_at, actor, actor_id, action, tenant_id, tenant_slug, details
          FROM shared.platform_audit
         WHERE id < $1 AND tenant_id = $3
         ORDER BY id DESC
         LIMIT $2";
    let before = before.unwrap_or(Uuid::max());
    let rows = match tenant {
        None => tx.query(OF_ALL, &[&before, &limit]).await?,
        Some(tenant) => tx.query(OF_ONE, &[&before, &limit, &tenant.as_uuid()]).await?,
    };
    rows.iter()
        .map(|row| {
            Ok(Entry {
                id: row.try_get("id")?,
                occurred_at: row.try_get("occurred_at")?,
                actor: row.try_get("actor")?,
                actor_id: row.try_get("actor_id")?,
                action: row.try_get("action")?,
                tenant_id: row.try_get("tenant_id")?,
                tenant_slug: row.try_get("tenant_slug")?,
                details: row.try_get("details")?,
            })
        })
        .collect()
}
