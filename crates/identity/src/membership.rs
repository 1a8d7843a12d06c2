//! Memberships: a user's roles in one app of one business, or in the platform's own app.

use tenancy::{DbError, SharedTx, TenantId};
use uuid::Uuid;

use crate::user::UserId;
use crate::{INVENTORY_APP, PLATFORM_APP};

/// In what a membership gives roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The inventory app of one business.
    Business(TenantId),
    /// The platform's own app.
    Platform,
}

impl Place {
    pub fn app(self) -> &'static str {
        match self {
            Self::Business(_) => INVENTORY_APP,
            Self::Platform => PLATFORM_APP,
        }
    }

    fn roles_text(self) -> &'static str {
        match self {
            Self::Business(_) => "in a business; use OWNER, MANAGER or STAFF",
            Self::Platform => "on the platform; use super_admin or support",
        }
    }

    pub fn tenant(self) -> Option<TenantId> {
        match self {
            Self::Business(tenant) => Some(tenant),
            Self::Platform => None,
        }
    }
}

/// A membership was not stored.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    #[error("the user is already a member there, and roles cannot be changed yet")]
    AlreadyMember,
    #[error("there is no role \"{role}\" {}", place.roles_text())]
    UnknownRole { role: String, place: Place },
    #[error("a membership query failed")]
    Db(#[from] DbError),
}

/// Makes `user` an active member with one role.
///
/// # Errors
/// [`MembershipError`]; the foreign keys refuse a role of another app.
pub async fn insert(tx: &SharedTx, user: UserId, place: Place, role: &str) -> Result<(), MembershipError> {
    const INSERT: &str = "
        INSERT INTO shared.memberships (id, user_id, app, tenant_id, status, created_at, updated_at)
        VALUES ($1, $2, $3, $4, 'active', $5, $5)";
    const INSERT_ROLE: &str =
        "INSERT INTO shared.membership_roles (membership_id, app, role) VALUES ($1, $2, $3)";
    let id = Uuid::now_v7();
    let tenant = place.tenant().map(TenantId::as_uuid);
    tx.execute(INSERT, &[&id, &user.as_uuid(), &place.app(), &tenant, &tx.now()]).await.map_err(|error| {
        match error.constraint() {
            Some("memberships_user_id_app_tenant_id_key") => MembershipError::AlreadyMember,
            _ => error.into(),
        }
    })?;
    tx.execute(INSERT_ROLE, &[&id, &place.app(), &role]).await.map_err(|error| match error.constraint() {
        Some("membership_roles_role_fkey") => MembershipError::UnknownRole { role: role.to_owned(), place },
        _ => error.into(),
    })?;
    Ok(())
}

/// The roles of `user` there, sorted; `None` without an active membership.
///
/// # Errors
/// [`DbError`].
pub async fn roles(tx: &SharedTx, user: UserId, place: Place) -> Result<Option<Vec<String>>, DbError> {
    const ROLES: &str = "
        SELECT ARRAY(SELECT r.role FROM shared.membership_roles r WHERE r.membership_id = m.id ORDER BY r.role) AS roles
          FROM shared.memberships m
         WHERE m.user_id = $1 AND m.app = $2 AND m.tenant_id IS NOT DISTINCT FROM $3 AND m.status = 'active'";
    let tenant = place.tenant().map(TenantId::as_uuid);
    let row = tx.query_opt(ROLES, &[&user.as_uuid(), &place.app(), &tenant]).await?;
    Ok(row.map(|row| row.try_get("roles")).transpose()?)
}
