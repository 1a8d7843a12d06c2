//! Apps: the programs to which people sign in here, with their permissions and the presets of their roles.

use std::collections::BTreeSet;

use postgres_types::Json;
use serde::{Deserialize, Serialize};
use tenancy::{DbError, SharedTx};
use utoipa::ToSchema;
use values::{IfVersion, Name, Note};

use crate::names::keys::{AppSlug, PermissionKey, RoleKey};

/// An app as the operator defines it. What is left out is removed from the app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AppDefinition {
    /// The name of the app, as people see it.
    #[schema(example = "Payroll")]
    pub name: Name,
    /// The purpose of the app.
    #[schema(example = "Wages and payslips")]
    #[serde(default)]
    pub description: Option<Note>,
    /// true: a membership of the app belongs to one business. false: it belongs to the user alone. Defaults
    /// to true.
    #[schema(example = true)]
    #[serde(default = "has_businesses")]
    pub has_businesses: bool,
    /// The permissions of the app.
    #[serde(default)]
    #[schema(example = json!([{"key": "payslips.read", "description": "Read payslips"}]))]
    pub permissions: Vec<PermissionDefinition>,
    /// Permissions of other apps that the roles of this app may contain.
    #[serde(default)]
    #[schema(example = json!([{"app": "inventory", "key": "reports.read"}]))]
    pub borrowed_permissions: Vec<BorrowedPermission>,
    /// The roles of the app.
    #[serde(default)]
    #[schema(example = json!([{
        "key": "Viewer", "name": "Viewer", "description": "Reads payslips and reports",
        "permissions": ["payslips.read", "reports.read"],
    }]))]
    pub roles: Vec<RoleDefinition>,
}

fn has_businesses() -> bool {
    true
}

/// A permission of an app.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PermissionDefinition {
    /// The key, which tokens carry.
    pub key: PermissionKey,
    /// The actions that the permission allows.
    #[serde(default)]
    pub description: Option<Note>,
}

/// A permission of another app.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BorrowedPermission {
    /// The app that has the permission.
    pub app: AppSlug,
    /// The key of the permission.
    pub key: PermissionKey,
}

/// A role of an app: a preset, which every business may give to its members.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoleDefinition {
    /// The key, which tokens carry.
    pub key: RoleKey,
    /// The name, as people see it. Defaults to the key.
    #[serde(default)]
    pub name: Option<Name>,
    /// The purpose of the role.
    #[serde(default)]
    pub description: Option<Note>,
    /// The keys of its permissions: own ones of the app, and borrowed ones.
    #[serde(default)]
    pub permissions: Vec<PermissionKey>,
}

/// A registered app.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct App {
    /// The short name.
    pub slug: AppSlug,
    /// Whether the app comes with the program. Such an app cannot be changed.
    pub is_built_in: bool,
    /// Counts the changes.
    pub version: i32,
    /// The name, the permissions and the roles.
    #[serde(flatten)]
    pub definition: AppDefinition,
}

/// An app was not registered or changed.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A built-in app was to be changed or removed.
    #[error("the app {0} comes with the program and cannot be changed")]
    BuiltIn(AppSlug),
    /// There is an app with this short name already.
    #[error("the app {0} is registered already, with another definition; `tenantry app apply` changes it")]
    Exists(AppSlug),
    /// There is no such app.
    #[error("there is no app {0}")]
    Unknown(AppSlug),
    /// A role names a permission that is neither the app's own nor borrowed.
    #[error("the role {role} has the permission {permission}, which the app neither has nor borrows")]
    UnknownPermission {
        /// The role.
        role: RoleKey,
        /// The permission.
        permission: PermissionKey,
    },
    /// No other app has a permission that is to be borrowed.
    #[error("the permission {1} cannot be borrowed: the app {0} has no such permission")]
    NotBorrowable(AppSlug, PermissionKey),
    /// A permission or a role is named twice.
    #[error("{0} is named twice")]
    Twice(String),
    /// A role that is to be removed still belongs to members, or is taken by a business.
    #[error("the role {0} cannot be removed, because members have it; give them other roles first")]
    RoleInUse(RoleKey),
    /// A business has a role of its own with the key of a new preset.
    #[error("a business already has a role of its own with the key {0}; choose another key")]
    RoleTaken(RoleKey),
    /// The kind of memberships was to be changed, or the app to be removed, although there are memberships.
    #[error("the app {0} has members; remove them first")]
    HasMembers(AppSlug),
    /// The app was changed since its version was read.
    #[error("the app was changed in the meantime; read it again")]
    Stale,
    /// PostgreSQL refused a query, or the connection failed.
    #[error("an app query failed")]
    Db(#[from] DbError),
}

/// The outcome of [`apply`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// The app is new.
    Registered,
    /// The app had another definition.
    Changed,
    /// The app had this definition already.
    Unchanged,
}

impl AppDefinition {
    /// Sorts the lists, so that equal definitions compare equal.
    fn sorted(mut self) -> Self {
        self.permissions.sort();
        self.borrowed_permissions.sort();
        for role in &mut self.roles {
            role.permissions.sort();
            role.name.get_or_insert_with(|| role_name(&role.key));
        }
        self.roles.sort();
        self
    }

    /// Whether the definitions mean the same.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.clone().sorted() == other.clone().sorted()
    }

    /// Checks what the definition itself shows.
    fn check(&self, slug: &AppSlug) -> Result<(), AppError> {
        let mut keys = BTreeSet::new();
        let own = self.permissions.iter().map(|permission| &permission.key);
        for key in own.chain(self.borrowed_permissions.iter().map(|borrowed| &borrowed.key)) {
            if !keys.insert(key) {
                return Err(AppError::Twice(format!("the permission {key}")));
            }
        }
        if let Some(own) = self.borrowed_permissions.iter().find(|borrowed| borrowed.app == *slug) {
            return Err(AppError::NotBorrowable(own.app.clone(), own.key.clone()));
        }
        let mut roles = BTreeSet::new();
        for role in &self.roles {
            if !roles.insert(role.key.as_str().to_lowercase()) {
                return Err(AppError::Twice(format!("the role {}", role.key)));
            }
            let mut own = BTreeSet::new();
            for permission in &role.permissions {
                if !keys.contains(permission) {
                    let (role, permission) = (role.key.clone(), permission.clone());
                    return Err(AppError::UnknownPermission { role, permission });
                }
                if !own.insert(permission) {
                    return Err(AppError::Twice(format!(
                        "the permission {permission} of the role {}",
                        role.key
                    )));
                }
            }
        }
        Ok(())
    }
}

/// A key is a name, too: it is shorter and has fewer kinds of characters.
fn role_name(key: &RoleKey) -> Name {
    #[expect(clippy::expect_used, reason = "every key of a role is a name")]
    Name::parse(key.as_str()).expect("a key is a name")
}

/// All apps, sorted by their short names.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &SharedTx) -> Result<Vec<App>, DbError> {
    const LIST: &str = "SELECT slug FROM shared.apps ORDER BY slug";
    let mut apps = Vec::new();
    for slug in tx.values::<AppSlug>(LIST, &[]).await? {
        apps.extend(find(tx, &slug).await?);
    }
    Ok(apps)
}

struct Row {
    name: Name,
    description: String,
    has_businesses: bool,
    is_built_in: bool,
    version: i32,
    permissions: Json<Vec<PermissionDefinition>>,
    borrowed_permissions: Json<Vec<BorrowedPermission>>,
    roles: Json<Vec<RoleDefinition>>,
}

tenancy::from_row!(Row {
    name,
    description,
    has_businesses,
    is_built_in,
    version,
    permissions,
    borrowed_permissions,
    roles,
});

/// The app with this short name.
///
/// # Errors
/// [`DbError`]; an unknown app is `None`.
pub async fn find(tx: &SharedTx, slug: &AppSlug) -> Result<Option<App>, DbError> {
    const FIND: &str = include_str!("app/find.sql");
    let Some(row) = tx.row_opt::<Row>(FIND, &[slug]).await? else { return Ok(None) };
    let definition = AppDefinition {
        name: row.name,
        description: Note::parse(&row.description).ok(),
        has_businesses: row.has_businesses,
        permissions: row.permissions.0,
        borrowed_permissions: row.borrowed_permissions.0,
        roles: row.roles.0,
    };
    Ok(Some(App {
        slug: slug.clone(),
        is_built_in: row.is_built_in,
        version: row.version,
        definition: definition.sorted(),
    }))
}

/// Registers an app, or gives a registered app this definition. The same definition twice changes nothing.
/// A permission that is left out also disappears from the roles of businesses.
///
/// # Errors
/// [`AppError`].
pub async fn apply(
    tx: &SharedTx,
    slug: &AppSlug,
    wanted: &AppDefinition,
    if_version: IfVersion,
) -> Result<Applied, AppError> {
    let wanted = wanted.clone().sorted();
    wanted.check(slug)?;
    lock(tx).await?;
    let present = find(tx, slug).await?;
    if !if_version.allows_present(present.as_ref().map(|app| app.version)) {
        return Err(AppError::Stale);
    }
    match &present {
        Some(app) if app.is_built_in => return Err(AppError::BuiltIn(slug.clone())),
        Some(app) if app.definition == wanted => return Ok(Applied::Unchanged),
        Some(app) if app.definition.has_businesses != wanted.has_businesses => {
            refuse_members(tx, slug).await?;
        }
        _ => {}
    }
    let description = wanted.description.as_ref().map_or("", Note::as_str);
    if present.is_some() {
        tx.execute(CHANGE, &[slug, &wanted.name, &description, &wanted.has_businesses]).await?;
    } else {
        tx.execute(REGISTER, &[slug, &wanted.name, &description, &wanted.has_businesses]).await?;
    }
    remove_what_is_left_out(tx, slug, &wanted).await?;
    store(tx, slug, &wanted).await?;
    Ok(if present.is_some() { Applied::Changed } else { Applied::Registered })
}

const REGISTER: &str =
    "INSERT INTO shared.apps (slug, name, description, has_businesses) VALUES ($1, $2, $3, $4)";
const CHANGE: &str = "
    UPDATE shared.apps SET name = $2, description = $3, has_businesses = $4, version = version + 1
     WHERE slug = $1";

/// Removes an app that has no members.
///
/// # Errors
/// [`AppError`].
pub async fn remove(tx: &SharedTx, slug: &AppSlug) -> Result<(), AppError> {
    const REMOVE: &str = "DELETE FROM shared.apps WHERE slug = $1";
    const REMOVE_ROLES: &str = "DELETE FROM shared.roles WHERE app = $1";
    const REMOVE_BORROWED: &str = "DELETE FROM shared.borrowed_permissions WHERE app = $1 OR owner_app = $1";
    const REMOVE_PERMISSIONS: &str = "DELETE FROM shared.permissions WHERE app = $1";
    lock(tx).await?;
    let app = find(tx, slug).await?.ok_or_else(|| AppError::Unknown(slug.clone()))?;
    if app.is_built_in {
        return Err(AppError::BuiltIn(slug.clone()));
    }
    refuse_members(tx, slug).await?;
    let none: [PermissionKey; 0] = [];
    tx.execute(REMOVE_ROLES, &[slug]).await?;
    tx.execute(LEAVE_OUT_PERMISSIONS, &[slug, &none.as_slice()]).await?;
    tx.execute(REMOVE_BORROWED, &[slug]).await?;
    tx.execute(REMOVE_PERMISSIONS, &[slug]).await?;
    tx.execute(REMOVE, &[slug]).await?;
    Ok(())
}

/// Lets one definition be applied at a time: apps borrow from each other.
async fn lock(tx: &SharedTx) -> Result<(), DbError> {
    const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('tenantry apps', 0))";
    tx.execute(LOCK, &[]).await.map(drop)
}

async fn refuse_members(tx: &SharedTx, slug: &AppSlug) -> Result<(), AppError> {
    const HAS_MEMBERS: &str = "SELECT EXISTS (SELECT FROM shared.memberships WHERE app = $1)";
    if tx.value(HAS_MEMBERS, &[slug]).await? { Err(AppError::HasMembers(slug.clone())) } else { Ok(()) }
}

/// Takes permissions that are not in `$2` out of all roles, of every app and business.
const LEAVE_OUT_PERMISSIONS: &str =
    "DELETE FROM shared.role_permissions WHERE permission_app = $1 AND permission <> ALL ($2)";

async fn remove_what_is_left_out(
    tx: &SharedTx,
    slug: &AppSlug,
    wanted: &AppDefinition,
) -> Result<(), AppError> {
    const ROLE_IN_USE: &str = "
        SELECT r.key FROM shared.roles r
         WHERE r.app = $1 AND r.tenant_id IS NULL AND r.key <> ALL ($2)
           AND EXISTS (SELECT FROM shared.membership_roles m
                        WHERE m.app = r.app AND m.role_scope = r.scope AND m.role = r.key)
         LIMIT 1";
    const REMOVE_ROLES: &str =
        "DELETE FROM shared.roles WHERE app = $1 AND tenant_id IS NULL AND key <> ALL ($2)";
    const RETURN_PERMISSIONS: &str = "
        DELETE FROM shared.role_permissions
         WHERE app = $1 AND borrowed_from IS NOT NULL AND (borrowed_from || ' ' || permission) <> ALL ($2)";
    const RETURN: &str = "
        DELETE FROM shared.borrowed_permissions
         WHERE app = $1 AND (owner_app || ' ' || permission) <> ALL ($2)";
    const STOP_LENDING: &str =
        "DELETE FROM shared.borrowed_permissions WHERE owner_app = $1 AND permission <> ALL ($2)";
    const REMOVE_PERMISSIONS: &str = "DELETE FROM shared.permissions WHERE app = $1 AND key <> ALL ($2)";
    let roles: Vec<&RoleKey> = wanted.roles.iter().map(|role| &role.key).collect();
    if let Some(role) = tx.value_opt(ROLE_IN_USE, &[slug, &roles]).await? {
        return Err(AppError::RoleInUse(role));
    }
    tx.execute(REMOVE_ROLES, &[slug, &roles]).await?;
    let keys: Vec<&PermissionKey> = wanted.permissions.iter().map(|permission| &permission.key).collect();
    let borrowed: Vec<String> = wanted.borrowed_permissions.iter().map(BorrowedPermission::joined).collect();
    tx.execute(RETURN_PERMISSIONS, &[slug, &borrowed]).await?;
    tx.execute(RETURN, &[slug, &borrowed]).await?;
    tx.execute(LEAVE_OUT_PERMISSIONS, &[slug, &keys]).await?;
    tx.execute(STOP_LENDING, &[slug, &keys]).await?;
    tx.execute(REMOVE_PERMISSIONS, &[slug, &keys]).await?;
    Ok(())
}

impl BorrowedPermission {
    fn joined(&self) -> String {
        format!("{} {}", self.app, self.key)
    }
}

async fn store(tx: &SharedTx, slug: &AppSlug, wanted: &AppDefinition) -> Result<(), AppError> {
    const STORE_PERMISSION: &str = "
        INSERT INTO shared.permissions (app, key, description) VALUES ($1, $2, $3)
            ON CONFLICT (app, key) DO UPDATE SET description = EXCLUDED.description";
    const BORROW: &str = "
        INSERT INTO shared.borrowed_permissions (app, owner_app, permission) VALUES ($1, $2, $3)
            ON CONFLICT (app, permission) DO NOTHING";
    const CHANGE_ROLE: &str = "
        UPDATE shared.roles
           SET name = $3, description = $4, updated_at = $5,
               version = version + CASE WHEN (name, description) = ($3, $4) THEN 0 ELSE 1 END
         WHERE app = $1 AND key = $2 AND tenant_id IS NULL";
    const ADD_ROLE: &str = "
        INSERT INTO shared.roles (app, key, name, description, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $5)";
    const TAKE: &str = "
        DELETE FROM shared.role_permissions
         WHERE app = $1 AND role = $2 AND role_scope = '00000000-0000-0000-0000-000000000000'
           AND permission <> ALL ($3)";
    const GIVE: &str = "
        INSERT INTO shared.role_permissions (app, role, permission_app, permission)
        SELECT $1, $2, coalesce(b.owner_app, $1), wanted.key
          FROM unnest($3::text[]) AS wanted (key)
          LEFT JOIN shared.borrowed_permissions b ON b.app = $1 AND b.permission = wanted.key
            ON CONFLICT (app, role_scope, role, permission) DO NOTHING";
    for permission in &wanted.permissions {
        let description = permission.description.as_ref().map_or("", Note::as_str);
        tx.execute(STORE_PERMISSION, &[slug, &permission.key, &description]).await?;
    }
    for BorrowedPermission { app, key } in &wanted.borrowed_permissions {
        let borrowed = tx.execute(BORROW, &[slug, app, key]).await;
        borrowed.map_err(|error| match error.constraint() {
            Some("borrowed_permissions_permission_fkey") => AppError::NotBorrowable(app.clone(), key.clone()),
            _ => error.into(),
        })?;
    }
    for role in &wanted.roles {
        let name = role.name.clone().unwrap_or_else(|| role_name(&role.key));
        let description = role.description.as_ref().map_or("", Note::as_str);
        if tx.execute(CHANGE_ROLE, &[slug, &role.key, &name, &description, &tx.now()]).await? == 0 {
            let added = tx.execute(ADD_ROLE, &[slug, &role.key, &name, &description, &tx.now()]).await;
            added.map_err(|error| match error.constraint() {
                Some("roles_key_taken") => AppError::RoleTaken(role.key.clone()),
                _ => error.into(),
            })?;
        }
        tx.execute(TAKE, &[slug, &role.key, &role.permissions]).await?;
        tx.execute(GIVE, &[slug, &role.key, &role.permissions]).await?;
    }
    Ok(())
}
