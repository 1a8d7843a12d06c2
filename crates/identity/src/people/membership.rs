//! Memberships: the roles that a user has in one app of one business, or in the platform's own app.

use serde::{Deserialize, Serialize};
use tenancy::{DbError, SharedTx, TenantId};
use uuid::Uuid;

use crate::people::user::{self, UserId};
use crate::{INVENTORY_APP, PLATFORM_APP};
use values::Email;

/// The business or the platform that has the member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberOf {
    /// The inventory app of one business.
    Tenant(TenantId),
    /// The platform's own app.
    Platform,
}

impl MemberOf {
    /// The slug of the app: `inventory` for a business, `platform` for the platform.
    pub fn app(self) -> &'static str {
        match self {
            Self::Tenant(_) => INVENTORY_APP,
            Self::Platform => PLATFORM_APP,
        }
    }

    fn roles_text(self) -> &'static str {
        match self {
            Self::Tenant(_) => "in a business; use OWNER, MANAGER or STAFF",
            Self::Platform => "on the platform; use super_admin or support",
        }
    }

    /// The id of the business; `None` for the platform.
    pub fn tenant(self) -> Option<TenantId> {
        match self {
            Self::Tenant(tenant) => Some(tenant),
            Self::Platform => None,
        }
    }
}

/// A membership was not stored.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    /// The user already has a membership there, whatever its status.
    #[error("the user is already a member; roles cannot be changed yet")]
    AlreadyMember,
    /// The app has no such role.
    #[error("there is no role \"{role}\" {}", member_of.roles_text())]
    UnknownRole {
        /// The unknown key, as the caller gave it.
        role: String,
        /// The place whose roles are valid.
        member_of: MemberOf,
    },
    /// PostgreSQL refused a query, or the connection failed.
    #[error("a membership query failed")]
    Db(#[from] DbError),
}

/// Makes `user` an active member with one role.
///
/// # Errors
/// [`MembershipError`]; the foreign keys refuse a role of another app.
pub async fn insert(
    tx: &SharedTx,
    user: UserId,
    member_of: MemberOf,
    role: &str,
) -> Result<(), MembershipError> {
    const INSERT: &str = "
        INSERT INTO shared.memberships (id, user_id, app, tenant_id, status, created_at, updated_at)
        VALUES ($1, $2, $3, $4, 'active', $5, $5)";
    const INSERT_ROLE: &str =
        "INSERT INTO shared.membership_roles (membership_id, app, role) VALUES ($1, $2, $3)";
    let (id, app) = (Uuid::now_v7(), member_of.app());
    let inserted = tx.execute(INSERT, &[&id, &user, &app, &member_of.tenant(), &tx.now()]).await;
    inserted.map_err(|error| match error.constraint() {
        Some("memberships_user_id_app_tenant_id_key") => MembershipError::AlreadyMember,
        _ => error.into(),
    })?;
    let inserted = tx.execute(INSERT_ROLE, &[&id, &app, &role]).await;
    inserted.map_err(|error| match error.constraint() {
        Some("membership_roles_role_fkey") => {
            MembershipError::UnknownRole { role: role.to_owned(), member_of }
        }
        _ => error.into(),
    })?;
    Ok(())
}

/// The roles of `user`, sorted; `None` without an active membership.
///
/// # Errors
/// [`DbError`].
pub async fn roles(tx: &SharedTx, user: UserId, member_of: MemberOf) -> Result<Option<Vec<String>>, DbError> {
    const ROLES: &str = "
        SELECT ARRAY(SELECT r.role FROM shared.membership_roles r
                      WHERE r.membership_id = m.id ORDER BY r.role)
          FROM shared.memberships m
         WHERE m.user_id = $1 AND m.app = $2 AND m.tenant_id IS NOT DISTINCT FROM $3 AND m.status = 'active'";
    tx.value_opt(ROLES, &[&user, &member_of.app(), &member_of.tenant()]).await
}

values::words! {
    /// The status of a membership. Only an active member may sign in.
    pub enum MembershipStatus {
        /// Invited, and not accepted yet.
        Invited = "invited",
        /// The member may sign in.
        Active = "active",
        /// The business has withdrawn access.
        Suspended = "suspended",
    }
}

/// A member of a business as a backup stores them: identified by email, and without a password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The id of the user when the backup was created. A new user gets it if it is free.
    pub user_id: UserId,
    /// The email of the user, by which a restore finds the user.
    pub email: Email,
    /// The name of the user, if known.
    pub full_name: Option<String>,
    /// The slug of the app, such as `inventory`.
    pub app: String,
    /// Whether the member may sign in. A restore keeps the status.
    pub status: MembershipStatus,
    /// The keys of the roles of the member in the app, sorted.
    pub roles: Vec<String>,
}

tenancy::from_row!(Member { user_id, email, full_name, app, status, roles });

/// All members of a business who have an email, in all its apps.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &SharedTx, tenant: TenantId) -> Result<Vec<Member>, DbError> {
    const LIST: &str = "
        SELECT m.user_id, l.value AS email, u.full_name, m.app, m.status,
               ARRAY(SELECT r.role FROM shared.membership_roles r
                      WHERE r.membership_id = m.id ORDER BY r.role) AS roles
          FROM shared.memberships m
          JOIN shared.users u ON u.id = m.user_id
          JOIN shared.user_logins l ON l.user_id = u.id AND l.kind = 'email'
         WHERE m.tenant_id = $1
         ORDER BY m.id";
    tx.rows(LIST, &[&tenant]).await
}

/// Makes a person from a backup a member of `tenant`: the user with that email, or a new user without a
/// password. Roles that no longer exist are left out. An existing membership stays unchanged. Returns
/// whether the user is new.
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
    tx.execute(INSERT, &[&id, &user, &member.app, &tenant, &member.status, &tx.now()]).await?;
    tx.execute(INSERT_ROLES, &[&id, &member.roles]).await?;
    Ok(is_new)
}
