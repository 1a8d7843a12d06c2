//! Memberships: the roles that a user has in one app of one business, or in an app without businesses.

use chrono::{DateTime, Utc};
use const_format::concatcp;
use serde::Serialize;
use tenancy::{DbError, SharedTx, TenantId};
use values::{ActorId, Email};

use crate::names::ids::{MembershipId, UserId};
use crate::names::keys::{AppSlug, OWNER_ROLE};
use crate::people::authority::{self, NotAllowed};
use crate::records::auth_event::{self, AuthAction, AuthEvent, By};
use crate::{INVENTORY_APP, PLATFORM_APP, Permission};

/// The app to which a member belongs, and the business, if the app has businesses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberOf {
    app: AppSlug,
    tenant: Option<TenantId>,
}

impl MemberOf {
    /// The inventory app of a business, in which its staff works.
    pub fn business(tenant: TenantId) -> Self {
        Self { app: AppSlug::known(INVENTORY_APP), tenant: Some(tenant) }
    }

    /// The platform's own app.
    pub fn platform() -> Self {
        Self { app: AppSlug::known(PLATFORM_APP), tenant: None }
    }

    /// An app of a business, or an app without businesses.
    pub fn app_of(app: AppSlug, tenant: Option<TenantId>) -> Self {
        Self { app, tenant }
    }

    /// An app of a business, or an app without businesses. Without an app, the inventory of the business, or
    /// the platform.
    pub fn at(app: Option<AppSlug>, tenant: Option<TenantId>) -> Self {
        match (app, tenant) {
            (Some(app), tenant) => Self { app, tenant },
            (None, Some(tenant)) => Self::business(tenant),
            (None, None) => Self::platform(),
        }
    }

    /// The short name of the app.
    pub fn app(&self) -> &AppSlug {
        &self.app
    }

    /// The id of the business; `None` for an app without businesses.
    pub fn tenant(&self) -> Option<TenantId> {
        self.tenant
    }
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

/// What a user is in one app of one business, or in an app without businesses.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Membership {
    /// The id.
    pub id: MembershipId,
    /// The member.
    pub user_id: UserId,
    /// The app.
    pub app: AppSlug,
    /// The business. `None` for an app without businesses.
    pub tenant_id: Option<TenantId>,
    /// The slug of the business.
    pub slug: Option<String>,
    /// The name of the business.
    pub business: Option<String>,
    /// Whether the member may sign in.
    pub status: MembershipStatus,
    /// The keys of the roles, sorted.
    pub roles: Vec<String>,
    /// When the membership began.
    pub created_at: DateTime<Utc>,
    /// When the member signed in last. `None` before the first time.
    pub last_sign_in_at: Option<DateTime<Utc>>,
    /// Counts the changes of the status and of what the roles allow.
    pub version: i32,
}

tenancy::from_row!(Membership {
    id,
    user_id,
    app,
    tenant_id,
    slug,
    business,
    status,
    roles,
    created_at,
    last_sign_in_at,
    version,
});

/// A membership was not stored or changed.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    /// There is no such membership.
    #[error("there is no such membership")]
    Unknown,
    /// There is no such user, or the account was deleted.
    #[error("there is no such user")]
    UnknownUser,
    /// A role was removed while it was given.
    #[error("a role was removed at the same time; read the roles again")]
    RoleRemoved,
    /// A member has at least one role.
    #[error("name at least one role")]
    NoRoles,
    /// The actor does not have what they would give or take away.
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
    /// The business would be without an active owner.
    #[error("the business would have no active owner; make another member an owner first")]
    LastOwner,
    /// The business has as many members as its plan allows.
    #[error(
        "the plan of this business allows {0} members, with those who are invited; \
         remove one, or ask for another plan"
    )]
    PlanLimit(i32),
    /// The membership was changed since its version was read.
    #[error("the membership was changed in the meantime; read it again")]
    Stale,
    /// The user already has a membership there, whatever its status.
    #[error("the user is already a member of the app {0} there")]
    AlreadyMember(AppSlug),
    /// There is no such app.
    #[error("there is no app {0}")]
    UnknownApp(AppSlug),
    /// The app has memberships of another kind: with a business, or without one.
    #[error("the app {app} has memberships {}", kind_in_words(*.has_businesses))]
    WrongKind {
        /// The app.
        app: AppSlug,
        /// Whether memberships of the app belong to a business.
        has_businesses: bool,
    },
    /// The app has no such role.
    #[error("there is no role \"{role}\" in the app {app}; use {}", one_of(roles))]
    UnknownRole {
        /// The unknown key, as the caller gave it.
        role: String,
        /// The app.
        app: AppSlug,
        /// The keys of the roles that a member may have there.
        roles: Vec<String>,
    },
    /// PostgreSQL refused a query, or the connection failed.
    #[error("a membership query failed")]
    Db(#[from] DbError),
}

fn one_of(roles: &[String]) -> String {
    match roles {
        [all @ .., last] if !all.is_empty() => format!("{} or {last}", all.join(", ")),
        _ => roles.join(", "),
    }
}

fn kind_in_words(has_businesses: bool) -> &'static str {
    if has_businesses {
        "in businesses; name a business"
    } else {
        "without a business; leave the business out"
    }
}

impl MembershipError {
    /// The error of a statement that takes roles or memberships away.
    pub(super) fn of_taking(error: DbError) -> Self {
        match error.constraint() {
            Some("memberships_last_owner") => Self::LastOwner,
            _ => error.into(),
        }
    }
}

const SELECT: &str = "
    SELECT m.id, m.user_id, m.app, m.tenant_id, t.slug, t.name AS business, m.status,
           ARRAY(SELECT r.role FROM shared.membership_roles r
                  WHERE r.membership_id = m.id ORDER BY r.role) AS roles,
           m.created_at, m.last_sign_in_at, m.version
      FROM shared.memberships m
      LEFT JOIN shared.tenants t ON t.id = m.tenant_id ";

/// The memberships of these users: all of them, or those at `tenant`.
///
/// # Errors
/// [`DbError`].
pub async fn of_users(
    tx: &SharedTx,
    users: &[UserId],
    tenant: Option<TenantId>,
) -> Result<Vec<Membership>, DbError> {
    const OF_USERS: &str = concatcp!(
        SELECT,
        "WHERE m.user_id = ANY ($1) AND ($2::uuid IS NULL OR m.tenant_id = $2)
         ORDER BY m.user_id, t.slug, m.app"
    );
    tx.rows(OF_USERS, &[&users, &tenant]).await
}

/// One membership, at `tenant` if there is one.
///
/// # Errors
/// [`DbError`]; an unknown membership is `None`.
pub async fn find(
    tx: &SharedTx,
    id: MembershipId,
    tenant: Option<TenantId>,
) -> Result<Option<Membership>, DbError> {
    const FIND: &str = concatcp!(SELECT, "WHERE m.id = $1 AND ($2::uuid IS NULL OR m.tenant_id = $2)");
    tx.row_opt(FIND, &[&id, &tenant]).await
}

/// The emails of the active owners of a business.
///
/// # Errors
/// [`DbError`].
pub async fn owner_emails(tx: &SharedTx, tenant: TenantId) -> Result<Vec<Email>, DbError> {
    const EMAILS: &str = "
        SELECT DISTINCT l.value
          FROM shared.memberships m
          JOIN shared.membership_roles r ON r.membership_id = m.id AND r.role = $2
          JOIN shared.users u ON u.id = m.user_id AND u.status = 'active'
          JOIN shared.user_logins l ON l.user_id = u.id AND l.kind = 'email'
         WHERE m.tenant_id = $1 AND m.app = $3 AND m.status = 'active'
         ORDER BY l.value";
    tx.values(EMAILS, &[&tenant, &OWNER_ROLE, &INVENTORY_APP]).await
}

/// Whether an actor is an active member of a business, and holds all these permissions in the app of the
/// business.
///
/// # Errors
/// [`DbError`].
pub async fn holds(
    tx: &SharedTx,
    actor: ActorId,
    tenant: TenantId,
    permissions: &[Permission],
) -> Result<bool, DbError> {
    const HOLDS: &str = "
        SELECT EXISTS (
            SELECT FROM shared.memberships m
              JOIN shared.users u ON u.id = m.user_id AND u.status = 'active'
             CROSS JOIN LATERAL shared.access_of(m.id) a
             WHERE m.user_id = $1 AND m.tenant_id = $2 AND m.app = $3 AND m.status = 'active'
               AND a.permissions @> $4)";
    let keys: Vec<&str> = permissions.iter().map(|permission| permission.as_str()).collect();
    tx.value(HOLDS, &[&actor, &tenant, &INVENTORY_APP, &keys]).await
}

/// The membership of a user in one place.
///
/// # Errors
/// [`DbError`]; `None` without a membership there.
pub async fn find_at(tx: &SharedTx, user: UserId, place: &MemberOf) -> Result<Option<Membership>, DbError> {
    const FIND: &str =
        concatcp!(SELECT, "WHERE m.user_id = $1 AND m.app = $2 AND m.tenant_id IS NOT DISTINCT FROM $3");
    tx.row_opt(FIND, &[&user, place.app(), &place.tenant()]).await
}

/// Refuses to change anything about a member who has more than the actor in the business, in any of its apps.
///
/// # Errors
/// [`MembershipError`]; [`MembershipError::UnknownUser`] for somebody who is no member.
pub async fn refuse_above(
    tx: &SharedTx,
    tenant: TenantId,
    user: UserId,
    by: By<'_>,
) -> Result<(), MembershipError> {
    let memberships = of_users(tx, &[user], Some(tenant)).await?;
    if memberships.is_empty() {
        return Err(MembershipError::UnknownUser);
    }
    for membership in memberships {
        authority::refuse_roles_above(tx, tenant, &membership.app, &membership.roles, by).await?;
    }
    Ok(authority::refuse_owner(tx, tenant, user, by).await?)
}

/// Whether the user of this email is a member there, whatever the status.
pub(super) async fn has_email_at(tx: &SharedTx, email: &Email, place: &MemberOf) -> Result<bool, DbError> {
    const HAS: &str = "
        SELECT EXISTS (SELECT FROM shared.user_logins l
                         JOIN shared.memberships m ON m.user_id = l.user_id
                        WHERE l.kind = 'email' AND l.value = $1
                          AND m.app = $2 AND m.tenant_id IS NOT DISTINCT FROM $3)";
    tx.value(HAS, &[email, place.app(), &place.tenant()]).await
}

/// Makes `user` an active member with these roles, of which there must be one or more.
///
/// # Errors
/// [`MembershipError`]; the keys of the tables refuse a role of another app or business.
pub async fn insert(
    tx: &SharedTx,
    user: UserId,
    place: &MemberOf,
    roles: &[String],
    by: By<'_>,
) -> Result<MembershipId, MembershipError> {
    const INSERT: &str = "
        INSERT INTO shared.memberships (id, user_id, app, tenant_id, status, created_at, updated_at)
        VALUES ($1, $2, $3, $4, 'active', $5, $5)";
    let (id, app, tenant) = (MembershipId::new(), place.app(), place.tenant());
    let roles = distinct(roles);
    refuse_roles(tx, place, &roles, by).await?;
    if let Some(tenant) = tenant {
        authority::refuse_owner(tx, tenant, user, by).await?;
    }
    let inserted = tx.execute(INSERT, &[&id, &user, app, &tenant, &tx.now()]).await;
    inserted.map_err(|error| match error.constraint() {
        Some("memberships_user_id_app_tenant_id_key") => MembershipError::AlreadyMember(app.clone()),
        Some("users_not_deleted") => MembershipError::UnknownUser,
        _ => error.into(),
    })?;
    give_roles(tx, id, &roles).await?;
    if let Some(tenant) = tenant {
        refuse_above_plan(tx, tenant, Some(user)).await?;
    }
    let event = AuthEvent {
        tenant,
        app: Some(app),
        user: Some(user),
        details: serde_json::json!({"roles": roles}),
        ..AuthEvent::new(AuthAction::MemberAdded).by(by)
    };
    auth_event::record(tx, &event).await?;
    Ok(id)
}

/// Call this after a member or an invitation was stored: refuses one person more than the plan of the
/// business allows. Such changes of one business take turns until their transactions end. A person who is
/// invited counts as a member. `member` is the new member, who does not count again after another membership
/// there.
pub(crate) async fn refuse_above_plan(
    tx: &SharedTx,
    tenant: TenantId,
    member: Option<UserId>,
) -> Result<(), MembershipError> {
    const MOST: &str = "
        SELECT p.max_members FROM shared.tenants t JOIN shared.plans p ON p.key = t.plan WHERE t.id = $1";
    const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('members of ' || $1::uuid, 0))";
    const IS_ANOTHER: &str = "
        SELECT count(*) > 1 FROM shared.memberships
         WHERE tenant_id = $1 AND user_id = $2 AND status = 'active'";
    const COUNT: &str = "
        SELECT (SELECT count(DISTINCT user_id) FROM shared.memberships
                 WHERE tenant_id = $1 AND status = 'active')
             + (SELECT count(DISTINCT i.email) FROM shared.invitations i
                 WHERE i.tenant_id = $1 AND i.accepted_at IS NULL AND i.revoked_at IS NULL
                   AND i.expires_at > $2
                   AND NOT EXISTS (SELECT FROM shared.user_logins l
                                     JOIN shared.memberships m ON m.user_id = l.user_id
                                    WHERE l.kind = 'email' AND l.value = i.email
                                      AND m.tenant_id = $1 AND m.status = 'active'))";
    let Some(most) = tx.value_opt::<Option<i32>>(MOST, &[&tenant]).await?.flatten() else { return Ok(()) };
    if member.is_some() && tx.value::<bool>(IS_ANOTHER, &[&tenant, &member]).await? {
        return Ok(());
    }
    tx.execute(LOCK, &[&tenant]).await?;
    match tx.value::<i64>(COUNT, &[&tenant, &tx.now()]).await? > i64::from(most) {
        true => Err(MembershipError::PlanLimit(most)),
        false => Ok(()),
    }
}

/// The roles, each once, sorted.
pub(crate) fn distinct(roles: &[String]) -> Vec<String> {
    let mut roles = roles.to_vec();
    roles.sort();
    roles.dedup();
    roles
}

/// Gives a membership roles that exist. One that was removed at the same time is refused.
pub(super) async fn give_roles(
    tx: &SharedTx,
    id: MembershipId,
    roles: &[String],
) -> Result<(), MembershipError> {
    match tx.execute(INSERT_ROLES, &[&id, &roles]).await {
        Ok(given) if given == roles.len() as u64 => Ok(()),
        Ok(_) => Err(MembershipError::RoleRemoved),
        Err(error) if error.constraint() == Some("membership_roles_role_fkey") => {
            Err(MembershipError::RoleRemoved)
        }
        Err(error) => Err(error.into()),
    }
}

/// Gives the membership `$1` the roles `$2`: presets, or roles of its business. Roles that do not exist are
/// left out.
pub(super) const INSERT_ROLES: &str = "
    INSERT INTO shared.membership_roles (membership_id, app, scope, role_scope, role)
    SELECT m.id, m.app, m.scope, r.scope, r.key
      FROM shared.memberships m
      JOIN shared.roles r ON r.app = m.app AND (r.tenant_id IS NULL OR r.tenant_id = m.tenant_id)
     WHERE m.id = $1 AND r.key = ANY ($2)";

/// Refuses roles that a member cannot have at this place, or that the actor cannot give.
///
/// # Errors
/// [`MembershipError`].
pub async fn refuse_roles(
    tx: &SharedTx,
    place: &MemberOf,
    roles: &[String],
    by: By<'_>,
) -> Result<(), MembershipError> {
    refuse_unknown_roles(tx, place, roles).await?;
    if let Some(tenant) = place.tenant() {
        authority::refuse_roles_above(tx, tenant, place.app(), roles, by).await?;
    }
    Ok(())
}

/// Refuses roles that a member cannot have at this place, and no roles at all.
pub(super) async fn refuse_unknown_roles(
    tx: &SharedTx,
    member_of: &MemberOf,
    wanted: &[String],
) -> Result<(), MembershipError> {
    const KIND: &str = "SELECT has_businesses FROM shared.apps WHERE slug = $1";
    const ROLES: &str = "
        SELECT key FROM shared.roles WHERE app = $1 AND (tenant_id IS NULL OR tenant_id = $2)
         ORDER BY tenant_id IS NOT NULL, key";
    let (app, tenant) = (member_of.app(), member_of.tenant());
    let (kind, known) =
        tenancy::all((tx.value_opt::<bool>(KIND, &[app]), tx.values::<String>(ROLES, &[app, &tenant])))
            .await?;
    let has_businesses = kind.ok_or_else(|| MembershipError::UnknownApp(app.clone()))?;
    if has_businesses != tenant.is_some() {
        return Err(MembershipError::WrongKind { app: app.clone(), has_businesses });
    }
    match wanted.iter().find(|role| !known.contains(role)) {
        None if wanted.is_empty() => Err(MembershipError::NoRoles),
        None => Ok(()),
        Some(role) => {
            Err(MembershipError::UnknownRole { role: role.clone(), app: app.clone(), roles: known })
        }
    }
}

/// The roles of `user`, sorted; `None` without an active membership.
///
/// # Errors
/// [`DbError`].
pub async fn roles(
    tx: &SharedTx,
    user: UserId,
    member_of: &MemberOf,
) -> Result<Option<Vec<String>>, DbError> {
    const ROLES: &str = "
        SELECT ARRAY(SELECT r.role FROM shared.membership_roles r
                      WHERE r.membership_id = m.id ORDER BY r.role)
          FROM shared.memberships m
         WHERE m.user_id = $1 AND m.app = $2 AND m.tenant_id IS NOT DISTINCT FROM $3 AND m.status = 'active'";
    tx.value_opt(ROLES, &[&user, member_of.app(), &member_of.tenant()]).await
}
