//! The roles of a business's own as a backup stores them, and their way back.

use serde::{Deserialize, Serialize};
use tenancy::{DbError, SharedTx, TenantId};

use crate::names::keys::{AppSlug, RoleKey};

/// A role that a business has made itself, as a backup stores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedRole {
    /// The short name of the app, such as `inventory`.
    pub app: AppSlug,
    /// The key of the role.
    pub key: RoleKey,
    /// The name of the role, as people see it.
    pub name: String,
    /// The purpose. Empty if there is none.
    pub description: String,
    /// The keys of its permissions, sorted.
    pub permissions: Vec<String>,
}

tenancy::from_row!(SavedRole { app, key, name, description, permissions });

/// All roles of a business's own, in all its apps.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &SharedTx, tenant: TenantId) -> Result<Vec<SavedRole>, DbError> {
    const LIST: &str = "
        SELECT r.app, r.key, r.name, r.description,
               ARRAY(SELECT p.permission FROM shared.role_permissions p
                      WHERE p.app = r.app AND p.role_scope = r.scope AND p.role = r.key
                      ORDER BY p.permission) AS permissions
          FROM shared.roles r
         WHERE r.tenant_id = $1
         ORDER BY r.app, r.key";
    tx.rows(LIST, &[&tenant]).await
}

/// Gives `tenant` a role from a backup. Apps and permissions that no longer exist are left out. A role with
/// this key that exists stays unchanged.
///
/// # Errors
/// [`DbError`].
pub async fn restore(tx: &SharedTx, tenant: TenantId, role: &SavedRole) -> Result<(), DbError> {
    const INSERT: &str = "
        INSERT INTO shared.roles (app, tenant_id, key, name, description, created_at, updated_at)
        SELECT a.slug, $2, $3, $4, $5, $6, $6 FROM shared.apps a
         WHERE a.slug = $1 AND a.has_businesses
           AND NOT EXISTS (SELECT FROM shared.roles r
                            WHERE r.app = $1 AND lower(r.key) = lower($3)
                              AND (r.tenant_id IS NULL OR r.tenant_id = $2))";
    const GIVE: &str = "
        INSERT INTO shared.role_permissions (app, role_scope, role, permission_app, permission)
        SELECT $1, $2, $3, a.owner_app, a.permission
          FROM shared.app_permissions a WHERE a.app = $1 AND a.permission = ANY ($4)";
    let SavedRole { app, key, name, description, permissions } = role;
    if tx.execute(INSERT, &[app, &tenant, key, name, description, &tx.now()]).await? == 1 {
        tx.execute(GIVE, &[app, &tenant, key, permissions]).await?;
    }
    Ok(())
}
