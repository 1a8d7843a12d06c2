//! Memberships: a user's roles in one app of one business, or in the platform's own app.

use serde::{Deserialize, Serialize};
use tenancy::{DbError, SharedTx, TenantId};
use uuid::Uuid;

use crate::people::email::Email;
use crate::people::user::{self, UserId};
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

/// Whether a member gets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MembershipStatus {
    Invited,
    Active,
    Suspended,
}

impl MembershipStatus {
    fn as_str(self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }

    fn from_registry(text: &str) -> Self {
        match text {
            "invited" => Self::Invited,
            "active" => Self::Active,
            // The CHECK of the column leaves only this one.
            _ => Self::Suspended,
        }
    }
}

/// A member of a business, as a backup keeps him: known by his email, and without a password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    pub user_id: UserId,
    pub email: Email,
    pub full_name: Option<String>,
    pub app: String,
    pub status: MembershipStatus,
    pub roles: Vec<String>,
}

/// All members of a business, in all its apps.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &SharedTx, tenant: TenantId) -> Result<Vec<Member>, DbError> {
    const LIST: &str = "
        SELECT m.user_id, l.value AS email, u.full_name, m.app, m.status,
               ARRAY(SELECT r.role FROM shared.membership_roles r WHERE r.membership_id = m.id ORDER BY r.role) AS roles
          FROM shared.memberships m
          JOIN shared.users u ON u.id = m.user_id
          JOIN shared.user_logins l ON l.user_id = u.id AND l.kind = 'email'
         WHERE m.tenant_id = $1
         ORDER BY m.id";
    let rows = tx.query(LIST, &[&tenant.as_uuid()]).await?;
    rows.iter()
        .map(|row| {
            Ok(Member {
                user_id: UserId::from_uuid(row.try_get("user_id")?),
                email: Email::from_registry(row.try_get("email")?),
                full_name: row.try_get("full_name")?,
                app: row.try_get("app")?,
                status: MembershipStatus::from_registry(row.try_get("status")?),
                roles: row.try_get("roles")?,
            })
        })
        .collect()
}

/// Makes somebody out of a backup a member of `tenant`: the user with that email, or a new one, who has no password.
/// Roles that are not known any more are left out. Returns whether the user is new.
///
/// # Errors
/// [`DbError`].
pub async fn restore(tx: &SharedTx, tenant: TenantId, member: &Member) -> Result<bool, DbError> {
    const INSERT: &str = "
        INSERT INTO shared.memberships (id, user_id, app, tenant_id, status, created_at, updated_at)
        SELECT $1, $2, slug, $4, $5, $6, $6 FROM shared.apps WHERE slug = $3
            ON CONFLICT (user_id, app, tenant_id) DO NOTHING";
    const INSERT_ROLES: &str = "
        INSERT INTO shared.membership_roles (membership_id, app, role)
        SELECT m.id, r.app, r.key
          FROM shared.roles r
          JOIN shared.memberships m ON m.id = $1 AND m.app = r.app
         WHERE r.key = ANY ($2)";
    let (user, is_new) = match user::find_by_email(tx, &member.email).await? {
        Some(user) => (user, false),
        None => (user::restore(tx, member).await?, true),
    };
    let id = Uuid::now_v7();
    tx.execute(
        INSERT,
        &[&id, &user.as_uuid(), &member.app, &tenant.as_uuid(), &member.status.as_str(), &tx.now()],
    )
    .await?;
    tx.execute(INSERT_ROLES, &[&id, &member.roles]).await?;
    Ok(is_new)
}
