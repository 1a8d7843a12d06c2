//! The audit log of actions by the platform's staff and by commands. The log is append-only. An entry is
//! written in the same transaction as its action.

use chrono::{DateTime, Utc};
use const_format::concatcp;
use identity::auth_event::{By, Origin, Who};
use identity::{UserId, user};
use serde::Serialize;
use serde_json::Value;
use tenancy::{DbError, SharedTx, Tenant, TenantId, TenantSlug, tenant};
use values::Key;

/// The user, command or program that performs an action.
#[derive(Debug, Clone)]
pub enum Actor {
    /// A signed-in member of the platform's staff, with the client of the request.
    User(UserId, Option<Origin>),
    /// The name of a command, or of the program itself.
    Named(String),
}

impl Actor {
    /// The actor, as the log of authentication events has it.
    pub fn by(&self) -> By<'_> {
        match self {
            Self::User(id, origin) => {
                By { who: Who::Operator(Some(*id), "operator"), origin: origin.as_ref() }
            }
            Self::Named(name) => By { who: Who::Operator(None, name), origin: None },
        }
    }

    /// The actor of a command, or of the program itself, by its name.
    pub fn named(name: &str) -> Self {
        Self::Named(name.to_owned())
    }

    /// The operating system account that runs a command on this machine.
    pub fn command_line() -> Self {
        let variables = ["SUDO_USER", "USER", "LOGNAME"];
        let named =
            variables.iter().filter_map(|name| std::env::var(name).ok()).find(|name| !name.is_empty());
        Self::Named(format!("command line ({})", named.unwrap_or_else(own_account)))
    }
}

/// The operating system account of this process. Timers and containers often set none of the variables.
fn own_account() -> String {
    match uzers::get_current_username() {
        Some(name) => name.to_string_lossy().into_owned(),
        None => format!("uid {}", uzers::get_current_uid()),
    }
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(id, _) => write!(f, "user {id}"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

values::ids! {
    /// The id of an entry in the audit log of the platform.
    PlatformEntryId,
}

/// One entry of the audit log.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The id of the entry. Later entries have higher ids.
    pub id: PlatformEntryId,
    /// When the action was performed.
    pub occurred_at: DateTime<Utc>,
    /// The email of the user, or the name of the command or program.
    pub actor: String,
    /// The user. `None` for a command or program.
    pub actor_id: Option<UserId>,
    /// The name of the action, such as `tenant.suspended`.
    pub action: String,
    /// The business that the action concerns. `None` when it concerns no business.
    pub tenant_id: Option<TenantId>,
    /// The slug of the business at the time of the action. `None` when `tenant_id` is `None`.
    pub tenant_slug: Option<String>,
    /// A JSON object with further facts. Its keys depend on the action.
    pub details: Value,
}

tenancy::from_row!(Entry { id, occurred_at, actor, actor_id, action, tenant_id, tenant_slug, details });

/// Writes an entry to the audit log.
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
        INSERT INTO shared.platform_audit
               (id, occurred_at, actor, actor_id, action, tenant_id, tenant_slug, details)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let (name, id) = match actor {
        Actor::User(id, _) => {
            let email = user::email(tx, *id).await?;
            (email.map_or_else(|| actor.to_string(), |email| email.to_string()), Some(*id))
        }
        Actor::Named(name) => (name.clone(), None),
    };
    let tenant_id = tenant.map(|tenant| tenant.id);
    let tenant_slug = tenant.map(|tenant| tenant.slug.as_str());
    tx.execute(
        INSERT,
        &[&PlatformEntryId::new(), &tx.now(), &name, &id, &action, &tenant_id, &tenant_slug, &details],
    )
    .await
    .map(drop)
}

/// Writes that somebody has read data of businesses or people: of one business, or of all.
///
/// # Errors
/// [`DbError`].
pub async fn record_read(
    tx: &SharedTx,
    actor: &Actor,
    tenant: Option<TenantId>,
    details: &Value,
) -> Result<(), DbError> {
    let tenant = match tenant {
        Some(id) => tenant::find_by_id(tx, id).await?,
        None => None,
    };
    record(tx, actor, "data.read", tenant.as_ref(), details).await
}

/// Those of these businesses that were dropped and did not come back, according to the audit log.
///
/// # Errors
/// [`DbError`].
pub async fn dropped_among(tx: &SharedTx, tenants: &[TenantId]) -> Result<Vec<TenantId>, DbError> {
    const DROPPED: &str = "
        SELECT tenant_id
          FROM (SELECT DISTINCT ON (tenant_id) tenant_id, action FROM shared.platform_audit
                 WHERE tenant_id = ANY ($1) AND action IN ('tenant.dropped', 'tenant.restored')
                 ORDER BY tenant_id, id DESC) last
         WHERE action = 'tenant.dropped'";
    tx.values(DROPPED, &[&tenants]).await
}

/// Whether the audit log has an entry of this action.
///
/// # Errors
/// [`DbError`].
pub async fn has_action(tx: &SharedTx, action: &str) -> Result<bool, DbError> {
    const HAS: &str = "SELECT EXISTS (SELECT FROM shared.platform_audit WHERE action = $1)";
    tx.value(HAS, &[&action]).await
}

/// The last business that had this slug, according to the audit log.
///
/// # Errors
/// [`DbError`].
pub async fn last_with_slug(tx: &SharedTx, slug: &TenantSlug) -> Result<Option<TenantId>, DbError> {
    const LAST: &str = "
        SELECT tenant_id FROM shared.platform_audit
         WHERE tenant_slug = $1 AND tenant_id IS NOT NULL
         ORDER BY id DESC LIMIT 1";
    tx.value_opt(LAST, &[slug]).await
}

/// Returns up to `limit` entries that are older than the entry `before`, newest first. Starts with the newest
/// entry when `before` is `None`. Returns entries of all businesses when `tenant` is `None`. Leaves out what
/// was only read, unless `with_reads` is set.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &SharedTx,
    tenant: Option<TenantId>,
    with_reads: bool,
    before: Option<PlatformEntryId>,
    limit: i64,
) -> Result<Vec<Entry>, DbError> {
    const SELECT: &str = "
        SELECT id, occurred_at, actor, actor_id, action, tenant_id, tenant_slug, details
          FROM shared.platform_audit ";
    const CHANGES: &str = "AND action <> 'data.read' ";
    const LAST: &str = "ORDER BY id DESC LIMIT $2";
    const OF_ALL: &str = concatcp!(SELECT, "WHERE id < $1 ", LAST);
    const OF_ONE: &str = concatcp!(SELECT, "WHERE id < $1 AND tenant_id = $3 ", LAST);
    const CHANGES_OF_ALL: &str = concatcp!(SELECT, "WHERE id < $1 ", CHANGES, LAST);
    const CHANGES_OF_ONE: &str = concatcp!(SELECT, "WHERE id < $1 AND tenant_id = $3 ", CHANGES, LAST);
    let before = before.unwrap_or_else(PlatformEntryId::highest);
    let (of_all, of_one) = if with_reads { (OF_ALL, OF_ONE) } else { (CHANGES_OF_ALL, CHANGES_OF_ONE) };
    match tenant {
        None => tx.rows(of_all, &[&before, &limit]).await,
        Some(tenant) => tx.rows(of_one, &[&before, &limit, &tenant]).await,
    }
}
