//! The platform's staff acting as a member of a business: for a stated reason, for a limited time, and
//! visible to the business.

use chrono::{DateTime, TimeDelta, Utc};
use const_format::concatcp;
use serde::Serialize;
use serde_json::json;
use tenancy::{DbError, SharedTx, TenantId};
use values::{Page, PageRequest, ShortText};

use crate::INVENTORY_APP;
use crate::names::ids::{MembershipId, SessionId, UserId};
use crate::names::keys::AppSlug;
use crate::people::membership::MemberOf;
use crate::people::permission::Permission;
use crate::records::auth_event::{self, AuthAction, AuthEvent, By};
use crate::signing_in::login::SignedIn;
use crate::signing_in::token;

/// The member as whom the staff wants to act, and how.
#[derive(Debug, Clone)]
pub struct NewImpersonation {
    /// The member. Defaults to the owner who has been a member for longest.
    pub user: Option<UserId>,
    /// The app. Defaults to the inventory.
    pub app: Option<AppSlug>,
    /// Why. The business reads it.
    pub reason: ShortText,
    /// How long, in minutes: at most [`MOST_MINUTES`].
    pub minutes: u32,
    /// Whether the staff can change nothing.
    pub is_read_only: bool,
}

/// Somebody of the staff, with the session in which they ask.
#[derive(Debug, Clone, Copy)]
pub struct Staff {
    /// The member of the staff.
    pub user: UserId,
    /// The session, whose end ends the impersonation.
    pub session: SessionId,
}

/// An impersonation that was started, for which a token can be issued.
#[derive(Debug, Clone)]
pub struct Impersonated {
    /// The session.
    pub session: SessionId,
    /// The member, with what the member may do now.
    pub member: SignedIn,
    /// The member of the staff who acts.
    pub staff: UserId,
    /// Whether nothing can be changed.
    pub is_read_only: bool,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ends at the latest.
    pub expires_at: DateTime<Utc>,
}

/// An impersonation, as the operator lists it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Impersonation {
    /// The session.
    pub id: SessionId,
    /// The business.
    pub tenant_id: TenantId,
    /// The member as whom the staff acts.
    pub user_id: UserId,
    /// The member of the staff who acts.
    pub staff_id: UserId,
    /// Why.
    pub reason: String,
    /// Whether nothing can be changed.
    pub is_read_only: bool,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it ends at the latest.
    pub expires_at: DateTime<Utc>,
    /// When it was ended before.
    pub ended_at: Option<DateTime<Utc>>,
}

tenancy::from_row!(Impersonation {
    id,
    tenant_id,
    user_id,
    staff_id,
    reason,
    is_read_only,
    created_at,
    expires_at,
    ended_at,
});

/// An impersonation was not started or ended.
#[derive(Debug, thiserror::Error)]
pub enum ImpersonationError {
    /// There is no such impersonation, or it has ended.
    #[error("there is no such impersonation, or it has ended")]
    Unknown,
    /// The staff have signed out in the meantime, or may not do this any more.
    #[error("your own session has ended, or you may not do this any more; sign in again")]
    StaffEnded,
    /// A role of the member needs a second factor, and the staff gave none.
    #[error(
        "the role of the member needs a second factor; set up yours with POST /api/v1/auth/second-factor, or \
         give it with POST /api/v1/auth/step-up, and try again"
    )]
    SecondFactorNeeded,
    /// The business has no such active member.
    #[error("the business has no such member who may sign in to inventory or pos")]
    NoMember,
    /// No owner of the business uses the app, and no member was named.
    #[error("no owner of the business may sign in to this app; name a member")]
    NoOwner,
    /// The time is too short or too long.
    #[error("an impersonation lasts for 1 to {MOST_MINUTES} minutes")]
    Minutes,
    /// PostgreSQL refused a query, or the connection failed.
    #[error("an impersonation query failed")]
    Db(#[from] DbError),
}

/// The longest impersonation, in minutes. No access token is valid for longer.
pub const MOST_MINUTES: u32 = 60;

struct Member {
    user_id: UserId,
    full_name: Option<String>,
    membership_id: MembershipId,
    app: AppSlug,
    version: i32,
    roles: Vec<String>,
    permissions: Vec<String>,
    needs_second_factor: bool,
}

tenancy::from_row!(Member {
    user_id,
    full_name,
    membership_id,
    app,
    version,
    roles,
    permissions,
    needs_second_factor,
});

/// Starts an impersonation, if the staff may. Whether the business allows it, the caller checks.
///
/// # Errors
/// [`ImpersonationError`].
pub async fn start(
    tx: &SharedTx,
    tenant: TenantId,
    new: &NewImpersonation,
    staff: Staff,
    session: SessionId,
    by: By<'_>,
) -> Result<Impersonated, ImpersonationError> {
    const MEMBER: &str = "
        SELECT u.id AS user_id, u.full_name, m.id AS membership_id, m.app, m.version, a.roles, a.permissions,
               shared.second_factor_state(u.id, m.id, NULL, true) <> 'unneeded' AS needs_second_factor
          FROM shared.memberships m
          JOIN shared.users u ON u.id = m.user_id AND u.status = 'active'
         CROSS JOIN LATERAL shared.access_of(m.id) a
         WHERE m.tenant_id = $1 AND m.app = $2 AND m.status = 'active'
           AND (m.user_id = $3 OR $3::uuid IS NULL AND 'OWNER' = ANY (a.roles))
         ORDER BY m.created_at, m.id LIMIT 1 FOR SHARE OF u, m";
    // The end of the session or of the role waits for this, or this for it. Both lock in this order, too.
    const STAFF: &str = "
        SELECT a.permissions, least(s.expires_at, s.idle_expires_at) AS ends_at,
               s.second_factor_at IS NOT NULL AS has_second_factor
          FROM shared.users u
          JOIN shared.memberships m ON m.user_id = u.id AND m.app = 'platform' AND m.status = 'active'
          JOIN shared.sessions s ON s.membership_id = m.id
         CROSS JOIN LATERAL shared.access_of(m.id) a
         WHERE s.id = $1 AND u.id = $2 AND u.status = 'active'
           AND s.revoked_at IS NULL AND s.idle_expires_at > $3
           FOR SHARE OF u, m, s";
    const INSERT: &str = "
        INSERT INTO shared.sessions (id, user_id, membership_id, tenant_id, device, created_at, last_seen_at,
                                     expires_at, idle_expires_at, staff_id, staff_session_id, is_read_only,
                                     reason)
        VALUES ($1, $2, $3, $4, 'operator', $5, $5, $6, $6, $7, $8, $9, $10)";
    if new.minutes == 0 || new.minutes > MOST_MINUTES {
        return Err(ImpersonationError::Minutes);
    }
    struct Asking {
        permissions: Vec<String>,
        ends_at: DateTime<Utc>,
        has_second_factor: bool,
    }
    tenancy::from_row!(Asking { permissions, ends_at, has_second_factor });
    let asking: Option<Asking> = tx.row_opt(STAFF, &[&staff.session, &staff.user, &tx.now()]).await?;
    let asking = asking.ok_or(ImpersonationError::StaffEnded)?;
    let may = |permission: Permission| asking.permissions.iter().any(|key| key == permission.as_str());
    if !may(Permission::MembersImpersonate) || !new.is_read_only && !may(Permission::TenantsWrite) {
        return Err(ImpersonationError::StaffEnded);
    }
    let app = new.app.clone().unwrap_or(AppSlug::known(INVENTORY_APP));
    // Another program would not ask whether the business allows it.
    if !token::accepts(Some(tenant), app.as_str()) {
        return Err(ImpersonationError::NoMember);
    }
    let found: Option<Member> = tx.row_opt(MEMBER, &[&tenant, &app, &new.user]).await?;
    let member = found.ok_or(match new.user {
        Some(_) => ImpersonationError::NoMember,
        None => ImpersonationError::NoOwner,
    })?;
    // The business requires as much of the staff who act as the member.
    if member.needs_second_factor && !asking.has_second_factor {
        return Err(ImpersonationError::SecondFactorNeeded);
    }
    let (now, user) = (tx.now(), member.user_id);
    // It does not outlive the session of the staff.
    let expires_at = (now + TimeDelta::minutes(new.minutes.into())).min(asking.ends_at);
    let membership = member.membership_id;
    tx.execute(
        INSERT,
        &[
            &session,
            &user,
            &membership,
            &tenant,
            &now,
            &expires_at,
            &staff.user,
            &staff.session,
            &new.is_read_only,
            &new.reason,
        ],
    )
    .await?;
    let event = AuthEvent {
        tenant: Some(tenant),
        app: Some(&member.app),
        user: Some(user),
        session: Some(session),
        details: details(new),
        ..AuthEvent::new(AuthAction::ImpersonationStarted).by(by)
    };
    auth_event::record(tx, &event).await?;
    let member = SignedIn {
        user,
        email: None,
        username: None,
        full_name: member.full_name,
        member_of: MemberOf::app_of(member.app, Some(tenant)),
        membership_version: member.version,
        roles: member.roles,
        permissions: member.permissions,
    };
    let is_read_only = new.is_read_only;
    Ok(Impersonated { session, member, staff: staff.user, is_read_only, started_at: now, expires_at })
}

/// The facts about an impersonation in the logs.
pub fn details(new: &NewImpersonation) -> serde_json::Value {
    json!({"reason": new.reason, "minutes": new.minutes, "isReadOnly": new.is_read_only})
}

const SELECT: &str = "
    SELECT id, tenant_id, user_id, staff_id, reason, is_read_only, created_at, expires_at,
           revoked_at AS ended_at
      FROM shared.sessions WHERE staff_id IS NOT NULL ";

/// A page of impersonations, newest first: of one business or of all, and with `is_active` those that last or
/// those that have ended.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &SharedTx,
    tenant: Option<TenantId>,
    is_active: Option<bool>,
    page: &PageRequest<SessionId>,
) -> Result<Page<Impersonation>, DbError> {
    const LIST: &str = concatcp!(
        SELECT,
        "AND id < $1 AND ($2::uuid IS NULL OR tenant_id = $2)
         AND ($3::boolean IS NULL OR $3 = (revoked_at IS NULL AND expires_at > $4))
         ORDER BY id DESC LIMIT $5"
    );
    let below = page.below();
    let found = tx.rows(LIST, &[&below, &tenant, &is_active, &tx.now(), &page.limit.and_one()]).await?;
    Ok(page.page(found, |impersonation: &Impersonation| impersonation.id))
}

/// Ends an impersonation. Every server refuses its token within a second.
///
/// # Errors
/// [`ImpersonationError`].
pub async fn end(tx: &SharedTx, id: SessionId, by: By<'_>) -> Result<Impersonation, ImpersonationError> {
    const END: &str = "
        UPDATE shared.sessions SET revoked_at = $2, revoked_reason = 'ended'
         WHERE id = $1 AND staff_id IS NOT NULL AND revoked_at IS NULL AND expires_at > $2";
    const FIND: &str = concatcp!(SELECT, "AND id = $1");
    if tx.execute(END, &[&id, &tx.now()]).await? == 0 {
        return Err(ImpersonationError::Unknown);
    }
    let ended: Impersonation = tx.row_opt(FIND, &[&id]).await?.ok_or(ImpersonationError::Unknown)?;
    let event = AuthEvent {
        tenant: Some(ended.tenant_id),
        user: Some(ended.user_id),
        session: Some(id),
        ..AuthEvent::new(AuthAction::ImpersonationEnded).by(by)
    };
    auth_event::record(tx, &event).await?;
    Ok(ended)
}
