//! The roles for which a business requires a second factor.

use serde::Serialize;
use serde_json::json;
use tenancy::{DbError, SharedTx, TenantId};

use crate::names::keys::{AppSlug, RoleKey};
use crate::people::authority::{self, NotAllowed};
use crate::people::role;
use crate::records::auth_event::{self, AuthAction, AuthEvent, By};

/// A role of one app, by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RoleName {
    /// The app in which the role applies.
    pub app: AppSlug,
    /// The key of the role.
    pub role: RoleKey,
}

tenancy::from_row!(RoleName { app, role });

/// The most roles that need a second factor at one business.
const MOST: usize = 200;

/// The requirement was not changed.
#[derive(Debug, thiserror::Error)]
pub enum RequirementError {
    /// The business has no such role.
    #[error("members have no role {1} in the app {0}")]
    Unknown(AppSlug, RoleKey),
    /// The list is longer than any business needs.
    #[error("at most {MOST} roles can need a second factor")]
    TooMany,
    /// The actor has less than the role.
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
    /// PostgreSQL refused a query, or the connection failed.
    #[error("a query about roles failed")]
    Db(#[from] DbError),
}

/// The roles that need a second factor at a business.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &SharedTx, tenant: TenantId) -> Result<Vec<RoleName>, DbError> {
    const LIST: &str = "
        SELECT app, role FROM shared.second_factor_roles WHERE tenant_id = $1 ORDER BY app, role";
    tx.rows(LIST, &[&tenant]).await
}

/// Sets all roles that need a second factor at a business. Returns them.
///
/// # Errors
/// [`RequirementError`].
pub async fn set(
    tx: &SharedTx,
    tenant: TenantId,
    wanted: &[RoleName],
    by: By<'_>,
) -> Result<Vec<RoleName>, RequirementError> {
    const ADD: &str = "
        INSERT INTO shared.second_factor_roles (tenant_id, app, role) VALUES ($1, $2, $3)
            ON CONFLICT (tenant_id, app, role) DO NOTHING";
    const REMOVE: &str = "
        DELETE FROM shared.second_factor_roles WHERE tenant_id = $1 AND app = $2 AND role = $3";
    let mut wanted = wanted.to_vec();
    wanted.sort();
    wanted.dedup();
    if wanted.len() > MOST {
        return Err(RequirementError::TooMany);
    }
    let mut names = Vec::new();
    for name in &wanted {
        let unknown = || RequirementError::Unknown(name.app.clone(), name.role.clone());
        let role = role::find(tx, tenant, &name.app, &name.role).await?.ok_or_else(unknown)?;
        names.push(RoleName { app: role.app, role: role.key });
    }
    names.sort();
    names.dedup();
    let present = list(tx, tenant).await?;
    // Roles that stay are not touched, so that nobody must refresh a session for them.
    let added = names.iter().filter(|name| !present.contains(name)).map(|name| (ADD, name));
    let removed = present.iter().filter(|name| !names.contains(name)).map(|name| (REMOVE, name));
    let mut changes: Vec<(&'static str, &RoleName)> = added.chain(removed).collect();
    changes.sort_by_key(|(_, name)| *name);
    for (_, name) in &changes {
        // A member with less than the role neither hinders those who have it, nor weakens how they sign in.
        authority::refuse_roles_above(tx, tenant, &name.app, &[name.role.to_string()], by).await?;
    }
    for (sql, name) in &changes {
        tx.execute(sql, &[&tenant, &name.app, &name.role]).await?;
    }
    if !changes.is_empty() {
        let details = json!({"roles": names});
        let event = AuthEvent {
            tenant: Some(tenant),
            details,
            ..AuthEvent::new(AuthAction::SecondFactorRequired).by(by)
        };
        auth_event::record(tx, &event).await?;
    }
    Ok(names)
}
