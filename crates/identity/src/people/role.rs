//! Roles in one business: the presets of an app, and roles that the business defines itself.

use serde::Serialize;
use serde_json::json;
use tenancy::{DbError, SharedTx, TenantId};
use values::{IfVersion, Name, Note};

pub use crate::names::keys::OWNER_ROLE;
use crate::names::keys::{AppSlug, PermissionKey, RoleKey};
use crate::people::authority::{self, NotAllowed};
use crate::people::invitation;
use crate::records::auth_event::{self, AuthAction, AuthEvent, By};

/// A role that members of a business may have.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Role {
    /// The app in which the role applies.
    pub app: AppSlug,
    /// The key, which is unique in the app and the business.
    pub key: RoleKey,
    /// The name, as people see it.
    pub name: String,
    /// The purpose. Empty if there is none.
    pub description: String,
    /// Whether the role is a preset of the app. Only the operator can change a preset.
    pub is_preset: bool,
    /// The keys of its permissions, sorted.
    pub permissions: Vec<String>,
    /// Counts the changes.
    pub version: i32,
}

tenancy::from_row!(Role { app, key, name, description, is_preset, permissions, version });

/// A role of a business, to be made or changed.
#[derive(Debug, Clone)]
pub struct NewRole {
    /// The app in which the role applies.
    pub app: AppSlug,
    /// The key. It must differ from the keys of the app's presets.
    pub key: RoleKey,
    /// The name, as people see it.
    pub name: Name,
    /// The purpose.
    pub description: Option<Note>,
    /// The keys of its permissions.
    pub permissions: Vec<PermissionKey>,
}

/// A role was not stored or removed.
#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    /// The app has a preset with this key.
    #[error("{0} is a role of the app, which cannot be changed or removed here; choose another key")]
    Preset(RoleKey),
    /// The business has a role whose key differs in the letter case alone, or somebody made it just now.
    #[error("the business has a role {0} already, in this or another letter case")]
    Taken(RoleKey),
    /// There is no such app, or it has no memberships in businesses.
    #[error("no members of a business can have roles in an app {0}")]
    UnknownApp(AppSlug),
    /// The business has no such role.
    #[error("there is no role {0}")]
    Unknown(RoleKey),
    /// The app has no such permission, or the maker does not have it.
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
    /// Members have the role, or somebody is invited to it.
    #[error("members have the role {0}, or somebody is invited to it; give them other roles first")]
    InUse(RoleKey),
    /// The business has as many roles as it may have.
    #[error("a business may define {MOST_ROLES} roles; remove one first")]
    TooMany,
    /// The role was changed since its version was read.
    #[error("the role was changed in the meantime; read it again")]
    Stale,
    /// PostgreSQL refused a query, or the connection failed.
    #[error("a role query failed")]
    Db(#[from] DbError),
}

/// The most roles that a business defines. A list of roles has no pages.
const MOST_ROLES: i64 = 100;

const SELECT: &str = "
    SELECT r.app, r.key, r.name, r.description, r.tenant_id IS NULL AS is_preset, r.version,
           ARRAY(SELECT p.permission FROM shared.role_permissions p
                  WHERE p.app = r.app AND p.role_scope = r.scope AND p.role = r.key
                  ORDER BY p.permission) AS permissions
      FROM shared.roles r
      JOIN shared.apps a ON a.slug = r.app AND a.has_businesses
     WHERE (r.tenant_id IS NULL OR r.tenant_id = $1)";

/// All roles that members of a business may have: presets first, then those of the business.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &SharedTx, tenant: TenantId) -> Result<Vec<Role>, DbError> {
    const LIST: &str = const_format::concatcp!(SELECT, " ORDER BY r.app, r.tenant_id IS NOT NULL, r.key");
    tx.rows(LIST, &[&tenant]).await
}

/// One role that members of a business may have.
///
/// # Errors
/// [`DbError`]; an unknown role is `None`.
pub async fn find(
    tx: &SharedTx,
    tenant: TenantId,
    app: &AppSlug,
    key: &RoleKey,
) -> Result<Option<Role>, DbError> {
    const FIND: &str = const_format::concatcp!(SELECT, " AND r.app = $2 AND lower(r.key) = lower($3)");
    tx.row_opt(FIND, &[&tenant, app, key]).await
}

/// Makes a role of a business, or changes it. Returns whether the role is new. Members who have the role get
/// its new permissions at once.
///
/// # Errors
/// [`RoleError`]; nobody can put a permission into a role, or take one out, that they do not have themselves.
pub async fn put(
    tx: &SharedTx,
    tenant: TenantId,
    wanted: &NewRole,
    by: By<'_>,
    if_version: IfVersion,
) -> Result<bool, RoleError> {
    const IS_FOR_BUSINESSES: &str =
        "SELECT EXISTS (SELECT FROM shared.apps WHERE slug = $1 AND has_businesses)";
    const COUNT: &str = "SELECT count(*) FROM shared.roles WHERE tenant_id = $1";
    const INSERT: &str = "
        INSERT INTO shared.roles (app, tenant_id, key, name, description, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $6)";
    const UPDATE: &str = "
        UPDATE shared.roles SET name = $4, description = $5, version = version + 1, updated_at = $6
         WHERE app = $1 AND tenant_id = $2 AND key = $3";
    const TAKE: &str = "
        DELETE FROM shared.role_permissions
         WHERE app = $1 AND role_scope = $2 AND role = $3 AND permission <> ALL ($4)";
    const GIVE: &str = "
        INSERT INTO shared.role_permissions (app, role_scope, role, permission_app, permission)
        SELECT $1, $2, $3, a.owner_app, a.permission
          FROM shared.app_permissions a WHERE a.app = $1 AND a.permission = ANY ($4)
            ON CONFLICT (app, role_scope, role, permission) DO NOTHING";
    lock(tx, tenant, &wanted.app, &wanted.key).await?;
    let mut permissions = wanted.permissions.clone();
    permissions.sort();
    permissions.dedup();
    let present = find(tx, tenant, &wanted.app, &wanted.key).await?;
    match &present {
        Some(role) if role.is_preset => return Err(RoleError::Preset(role.key.clone())),
        Some(role) if role.key != wanted.key => return Err(RoleError::Taken(role.key.clone())),
        _ => {}
    }
    if !tx.value::<bool>(IS_FOR_BUSINESSES, &[&wanted.app]).await? {
        return Err(RoleError::UnknownApp(wanted.app.clone()));
    }
    if !if_version.allows_present(present.as_ref().map(|role| role.version)) {
        return Err(RoleError::Stale);
    }
    let description = wanted.description.as_ref().map_or("", Note::as_str);
    let had = present.as_ref().map(|role| role.permissions.as_slice()).unwrap_or_default();
    let gets: Vec<&str> = permissions.iter().map(PermissionKey::as_str).collect();
    let given = gets.iter().copied().filter(|key| !had.iter().any(|other| other == key));
    let taken = had.iter().map(String::as_str).filter(|key| !gets.contains(key));
    let changed: Vec<&str> = given.chain(taken).collect();
    // A request that is repeated changes nothing.
    let is_same = |role: &Role| role.name == wanted.name.as_str() && role.description == description;
    if changed.is_empty() && present.as_ref().is_some_and(is_same) {
        return Ok(false);
    }
    authority::refuse_above(tx, tenant, &wanted.app, &changed, by).await?;
    if present.is_none() && tx.value::<i64>(COUNT, &[&tenant]).await? >= MOST_ROLES {
        return Err(RoleError::TooMany);
    }

    let sql = if present.is_some() { UPDATE } else { INSERT };
    let stored =
        tx.execute(sql, &[&wanted.app, &tenant, &wanted.key, &wanted.name, &description, &tx.now()]).await;
    stored.map_err(|error| match error.constraint() {
        Some("roles_key_taken") => RoleError::Taken(wanted.key.clone()),
        _ => error.into(),
    })?;
    tx.execute(TAKE, &[&wanted.app, &tenant, &wanted.key, &permissions]).await?;
    tx.execute(GIVE, &[&wanted.app, &tenant, &wanted.key, &permissions]).await?;
    let details = json!({"role": wanted.key, "permissions": permissions});
    let event = AuthEvent { details, ..of(AuthAction::RoleChanged, tenant, &wanted.app, by) };
    auth_event::record(tx, &event).await?;
    Ok(present.is_none())
}

/// Removes a role of a business that no member has.
///
/// # Errors
/// [`RoleError`].
pub async fn remove(
    tx: &SharedTx,
    tenant: TenantId,
    app: &AppSlug,
    key: &RoleKey,
    by: By<'_>,
    if_version: IfVersion,
) -> Result<(), RoleError> {
    const REMOVE: &str = "DELETE FROM shared.roles WHERE app = $1 AND tenant_id = $2 AND key = $3";
    lock(tx, tenant, app, key).await?;
    let role = find(tx, tenant, app, key).await?.ok_or_else(|| RoleError::Unknown(key.clone()))?;
    if role.is_preset {
        return Err(RoleError::Preset(role.key));
    }
    if !if_version.allows(role.version) {
        return Err(RoleError::Stale);
    }
    if invitation::names_role(tx, tenant, app, &role.key).await? {
        return Err(RoleError::InUse(role.key));
    }
    let held: Vec<&str> = role.permissions.iter().map(String::as_str).collect();
    authority::refuse_above(tx, tenant, app, &held, by).await?;
    let removed = tx.execute(REMOVE, &[app, &tenant, &role.key]).await;
    removed.map_err(|error| match error.constraint() {
        Some("membership_roles_role_fkey") => RoleError::InUse(role.key.clone()),
        _ => error.into(),
    })?;
    let details = json!({"role": role.key});
    let event = AuthEvent { details, ..of(AuthAction::RoleRemoved, tenant, app, by) };
    auth_event::record(tx, &event).await?;
    Ok(())
}

/// Those who make, change or remove a role of a business do so one after another.
async fn lock(tx: &SharedTx, tenant: TenantId, app: &AppSlug, key: &RoleKey) -> Result<(), DbError> {
    const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
    let name = format!("role of {tenant} {app} {}", key.as_str().to_lowercase());
    tx.execute(LOCK, &[&name]).await.map(drop)
}

fn of<'a>(action: AuthAction, tenant: TenantId, app: &'a AppSlug, by: By<'a>) -> AuthEvent<'a> {
    AuthEvent { tenant: Some(tenant), app: Some(app), ..AuthEvent::new(action).by(by) }
}
