//! The members of a business as a backup stores them, and their way back.

use serde::{Deserialize, Serialize};
use tenancy::{DbError, SharedTx, TenantId};
use uuid::Uuid;
use values::Email;

use crate::names::ids::UserId;
use crate::names::keys::{AppSlug, Username};
use crate::people::membership::{INSERT_ROLES, MembershipStatus};
use crate::people::user::{self, LoginName};

/// A member of a business as a backup stores them: identified by email or username, and without a password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The id of the user when the backup was created. A new user gets it if it is free.
    pub user_id: UserId,
    /// The email of the user, by which a restore finds the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// The name with which the user signs in at the business. A restore finds a user without email by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<Username>,
    /// The name of the user, if known.
    pub full_name: Option<String>,
    /// The short name of the app, such as `inventory`.
    pub app: AppSlug,
    /// Whether the member may sign in. A restore keeps the status.
    pub status: MembershipStatus,
    /// The keys of the roles of the member in the app, sorted.
    pub roles: Vec<String>,
}

tenancy::from_row!(Member { user_id, email, username, full_name, app, status, roles });

/// All members of a business, in all its apps.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &SharedTx, tenant: TenantId) -> Result<Vec<Member>, DbError> {
    const LIST: &str = "
        SELECT m.user_id, e.value AS email, n.value AS username, u.full_name, m.app, m.status,
               ARRAY(SELECT r.role FROM shared.membership_roles r
                      WHERE r.membership_id = m.id ORDER BY r.role) AS roles
          FROM shared.memberships m
          JOIN shared.users u ON u.id = m.user_id
          LEFT JOIN shared.user_logins e ON e.user_id = u.id AND e.kind = 'email'
          LEFT JOIN shared.user_logins n
                 ON n.user_id = u.id AND n.kind = 'username' AND n.tenant_id = m.tenant_id
         WHERE m.tenant_id = $1
         ORDER BY m.id";
    tx.rows(LIST, &[&tenant]).await
}

/// Makes a person from a backup a member of `tenant`: the user with that email or username, or a new user
/// without a password. Apps and roles that no longer exist are left out. An existing membership stays
/// unchanged. Returns whether the user is new.
///
/// # Errors
/// [`DbError`].
pub async fn restore(tx: &SharedTx, tenant: TenantId, member: &Member) -> Result<bool, DbError> {
    const INSERT: &str = "
        INSERT INTO shared.memberships (id, user_id, app, tenant_id, status, created_at, updated_at)
        SELECT $1, $2, slug, $4, $5, $6, $6 FROM shared.apps WHERE slug = $3 AND has_businesses
            ON CONFLICT (user_id, app, tenant_id) DO NOTHING";
    let logins = logins(member);
    let Some(first) = logins.first() else { return Ok(false) };
    let (user, is_new) = match user::find_by_login(tx, first, Some(tenant)).await? {
        Some(user) => (user, false),
        None => (user::restore(tx, member.user_id, member.full_name.as_deref()).await?, true),
    };
    for login in &logins {
        user::add_missing_login(tx, user, login, tenant).await?;
    }
    let id = Uuid::now_v7();
    tx.execute(INSERT, &[&id, &user, &member.app, &tenant, &member.status, &tx.now()]).await?;
    tx.execute(INSERT_ROLES, &[&id, &member.roles]).await?;
    Ok(is_new)
}

fn logins(member: &Member) -> Vec<LoginName> {
    let email = member.email.clone().map(LoginName::Email);
    email.into_iter().chain(member.username.clone().map(LoginName::Username)).collect()
}
