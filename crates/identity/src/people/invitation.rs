//! Invitations: a person is asked by mail to become a member. Nobody learns by them whether the person has an
//! account.

use chrono::{DateTime, TimeDelta, Utc};
use const_format::concatcp;
use serde::Serialize;
use serde_json::json;
use tenancy::{DbError, SharedTx, TenantId};
use values::{Email, Page, PageRequest};

use crate::mail::letter::invitation_name;
use crate::mail::link::LinkKey;
use crate::mail::outgoing::{self, Template};
use crate::names::digest::sha256;
use crate::names::ids::UserId;
use crate::names::keys::{AppSlug, RoleKey};
use crate::people::membership::{self, MemberOf, MembershipError};
use crate::records::auth_event::{self, AuthAction, AuthEvent, By, Who};

values::ids! {
    /// The id of an invitation.
    InvitationId,
}

values::words! {
    /// The status of an invitation.
    pub enum InvitationStatus {
        /// The person may accept it.
        Pending = "pending",
        /// The person has become a member.
        Accepted = "accepted",
        /// Nobody accepted it in time. It can be sent again.
        Expired = "expired",
        /// It was taken back.
        Revoked = "revoked",
    }
}

/// An invitation.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Invitation {
    /// The id.
    pub id: InvitationId,
    /// The business. `None` for an app without businesses.
    pub tenant_id: Option<TenantId>,
    /// The app in which the roles apply.
    pub app: AppSlug,
    /// The address to which it is mailed.
    pub email: Email,
    /// The keys of the roles, sorted.
    pub roles: Vec<String>,
    /// The status.
    pub status: InvitationStatus,
    /// The member who invites. `None` for the operator.
    pub inviter_id: Option<UserId>,
    /// When it was first sent.
    pub created_at: DateTime<Utc>,
    /// When the last link expires.
    pub expires_at: DateTime<Utc>,
    /// When it was accepted.
    pub accepted_at: Option<DateTime<Utc>>,
    /// The user who accepted it.
    pub accepted_by: Option<UserId>,
    /// Counts the links.
    #[serde(skip)]
    pub generation: i32,
}

tenancy::from_row!(Invitation {
    id,
    tenant_id,
    app,
    email,
    roles,
    status,
    inviter_id,
    created_at,
    expires_at,
    accepted_at,
    accepted_by,
    generation,
});

/// A person to be invited.
#[derive(Debug, Clone)]
pub struct NewInvitation {
    /// The address.
    pub email: Email,
    /// The app, and the business if there is one.
    pub place: MemberOf,
    /// The keys of the roles: one or more.
    pub roles: Vec<String>,
}

/// Nobody was invited, or the invitation was not changed.
#[derive(Debug, thiserror::Error)]
pub enum InvitationError {
    /// There is no such invitation.
    #[error("there is no such invitation")]
    Unknown,
    /// There is an invitation that the person can still accept.
    #[error("{0} has an invitation already; send it again, or revoke it")]
    AlreadyInvited(Email),
    /// The invitation was accepted or revoked.
    #[error("the invitation was {} already", .0.as_str())]
    Ended(InvitationStatus),
    /// The address, or the business, has had too many within a day.
    #[error("too many invitations were sent within a day; try again tomorrow")]
    TooMany,
    /// The membership would be refused.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// PostgreSQL refused a query, or the connection failed.
    #[error("an invitation query failed")]
    Db(#[from] DbError),
}

/// How long an invitation can be accepted.
const LIFETIME: TimeDelta = TimeDelta::days(7);
/// The most invitations of one business within a day. Nobody must use a business to fill mailboxes.
const MOST_A_DAY: i64 = 200;

// $1 is the present moment.
const SELECT: &str = "
    SELECT i.id, i.tenant_id, i.app, i.email, i.roles, i.inviter_id, i.created_at, i.expires_at,
           i.accepted_at, i.accepted_by, i.generation,
           CASE WHEN i.accepted_at IS NOT NULL THEN 'accepted' WHEN i.revoked_at IS NOT NULL THEN 'revoked'
                WHEN i.expires_at <= $1 THEN 'expired' ELSE 'pending' END AS status
      FROM shared.invitations i ";

// Only the owner's login may: businesses know nothing of the platform's staff.
const BY_STAFF: &str = "UPDATE shared.invitations SET staff_id = $2 WHERE id = $1";

/// The member who invites, or who of the platform's staff does.
fn inviter(by: By<'_>) -> (Option<UserId>, Option<UserId>) {
    match by.who {
        Who::Person(user) => (Some(user), None),
        Who::Operator(staff, _) => (None, staff),
        Who::Nobody => (None, None),
    }
}

/// Invites a person. Returns the invitation, and the token of its link. With `is_mailed`, the link is mailed.
///
/// # Errors
/// [`InvitationError`].
pub async fn create(
    tx: &SharedTx,
    key: &LinkKey,
    new: &NewInvitation,
    is_mailed: bool,
    by: By<'_>,
) -> Result<(Invitation, String), InvitationError> {
    const GIVE_UP: &str = "
        UPDATE shared.invitations SET revoked_at = $4
         WHERE tenant_id IS NOT DISTINCT FROM $1 AND app = $2 AND email = $3
           AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at <= $4";
    const INSERT: &str = "
        INSERT INTO shared.invitations (id, tenant_id, app, email, roles, inviter_id, hash, created_at,
                                        expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let NewInvitation { email, place, .. } = new;
    let (app, tenant) = (place.app(), place.tenant());
    let roles = membership::distinct(&new.roles);
    membership::refuse_roles(tx, place, &roles, by).await?;
    if membership::has_email_at(tx, email, place).await? {
        return Err(MembershipError::AlreadyMember(app.clone()).into());
    }
    refuse_too_many(tx, tenant, by).await?;
    tx.execute(GIVE_UP, &[&tenant, app, email, &tx.now()]).await?;
    let id = InvitationId::new();
    let token = key.token(&invitation_name(id.into(), 1));
    let (inviter, staff) = inviter(by);
    let expires_at = tx.now() + LIFETIME;
    let inserted = tx
        .execute(
            INSERT,
            &[&id, &tenant, app, email, &roles, &inviter, &sha256(&token), &tx.now(), &expires_at],
        )
        .await;
    inserted.map_err(|error| match error.constraint() {
        Some("invitations_open_key") => InvitationError::AlreadyInvited(email.clone()),
        _ => error.into(),
    })?;
    if staff.is_some() {
        tx.execute(BY_STAFF, &[&id, &staff]).await?;
    }
    if let Some(tenant) = tenant {
        membership::refuse_above_plan(tx, tenant, None).await?;
    }
    let invitation = find(tx, id, tenant).await?.ok_or(InvitationError::Unknown)?;
    announce(tx, &invitation, AuthAction::InvitationSent, is_mailed, by).await?;
    Ok((invitation, token))
}

/// Refuses a member whose business has sent too many mails within a day. One that was sent again counts each
/// time.
async fn refuse_too_many(tx: &SharedTx, tenant: Option<TenantId>, by: By<'_>) -> Result<(), InvitationError> {
    const SENT: &str = "
        SELECT coalesce(sum(generation), 0) FROM shared.invitations
         WHERE tenant_id = $1 AND expires_at > $2";
    if !matches!(by.who, Who::Person(_)) {
        return Ok(());
    }
    let since = tx.now() - TimeDelta::days(1) + LIFETIME;
    match tx.value::<i64>(SENT, &[&tenant, &since]).await? >= MOST_A_DAY {
        true => Err(InvitationError::TooMany),
        false => Ok(()),
    }
}

/// Sends an invitation again, for another seven days. Former links are of no use any more. Returns the token
/// of the new link.
///
/// # Errors
/// [`InvitationError`].
pub async fn resend(
    tx: &SharedTx,
    key: &LinkKey,
    id: InvitationId,
    tenant: Option<TenantId>,
    is_mailed: bool,
    by: By<'_>,
) -> Result<(Invitation, String), InvitationError> {
    const RENEW: &str = "
        UPDATE shared.invitations SET hash = $2, generation = $3, expires_at = $4, inviter_id = $5
         WHERE id = $1";
    let present = lock(tx, id, tenant).await?;
    // The inviter may have got fewer permissions since, and this actor may have others.
    let place = MemberOf::app_of(present.app.clone(), present.tenant_id);
    membership::refuse_roles(tx, &place, &present.roles, by).await?;
    refuse_too_many(tx, tenant, by).await?;
    let generation = present.generation + 1;
    let token = key.token(&invitation_name(id.into(), generation));
    let expires_at = tx.now() + LIFETIME;
    // From now on, it counts what this actor may give.
    let (inviter, staff) = inviter(by);
    tx.execute(RENEW, &[&id, &sha256(&token), &generation, &expires_at, &inviter]).await?;
    if matches!(by.who, Who::Operator(..)) {
        tx.execute(BY_STAFF, &[&id, &staff]).await?;
    }
    if let Some(tenant) = tenant {
        membership::refuse_above_plan(tx, tenant, None).await?;
    }
    let invitation = find(tx, id, tenant).await?.ok_or(InvitationError::Unknown)?;
    announce(tx, &invitation, AuthAction::InvitationResent, is_mailed, by).await?;
    Ok((invitation, token))
}

/// Takes an invitation back. Its link is of no use any more.
///
/// # Errors
/// [`InvitationError`].
pub async fn revoke(
    tx: &SharedTx,
    id: InvitationId,
    tenant: Option<TenantId>,
    by: By<'_>,
) -> Result<Invitation, InvitationError> {
    const REVOKE: &str = "UPDATE shared.invitations SET revoked_at = $2 WHERE id = $1";
    let present = lock(tx, id, tenant).await?;
    tx.execute(REVOKE, &[&id, &tx.now()]).await?;
    record(tx, &present, AuthAction::InvitationRevoked, by).await?;
    Ok(present)
}

/// An invitation that was neither accepted nor revoked, and that nobody else changes meanwhile.
async fn lock(
    tx: &SharedTx,
    id: InvitationId,
    tenant: Option<TenantId>,
) -> Result<Invitation, InvitationError> {
    const LOCK: &str = "SELECT generation FROM shared.invitations WHERE id = $1 FOR NO KEY UPDATE";
    tx.value_opt::<i32>(LOCK, &[&id]).await?;
    let present = find(tx, id, tenant).await?.ok_or(InvitationError::Unknown)?;
    match present.status {
        InvitationStatus::Pending | InvitationStatus::Expired => Ok(present),
        ended => Err(InvitationError::Ended(ended)),
    }
}

/// Records that an invitation was sent, and mails it.
async fn announce(
    tx: &SharedTx,
    invitation: &Invitation,
    action: AuthAction,
    is_mailed: bool,
    by: By<'_>,
) -> Result<(), InvitationError> {
    record(tx, invitation, action, by).await?;
    if !is_mailed {
        return Ok(());
    }
    let parameters = json!({"invitation": invitation.id, "generation": invitation.generation});
    let address = invitation.email.as_str();
    match outgoing::queue(tx, Template::Invitation, invitation.tenant_id, address, &parameters).await? {
        true => Ok(()),
        false => Err(InvitationError::TooMany),
    }
}

/// The log names no address: a deleted person leaves none behind.
async fn record(
    tx: &SharedTx,
    invitation: &Invitation,
    action: AuthAction,
    by: By<'_>,
) -> Result<(), DbError> {
    let event = AuthEvent {
        tenant: invitation.tenant_id,
        app: Some(&invitation.app),
        details: json!({"invitation": invitation.id, "roles": invitation.roles}),
        ..AuthEvent::new(action).by(by)
    };
    auth_event::record(tx, &event).await
}

/// One invitation, of `tenant` if there is one.
///
/// # Errors
/// [`DbError`]; an unknown invitation is `None`.
pub async fn find(
    tx: &SharedTx,
    id: InvitationId,
    tenant: Option<TenantId>,
) -> Result<Option<Invitation>, DbError> {
    const FIND: &str = concatcp!(SELECT, "WHERE i.id = $2 AND ($3::uuid IS NULL OR i.tenant_id = $3)");
    tx.row_opt(FIND, &[&tx.now(), &id, &tenant]).await
}

/// A page of invitations, newest first: all that the scope shows, or those of `tenant`, with a status.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &SharedTx,
    tenant: Option<TenantId>,
    status: Option<InvitationStatus>,
    page: &PageRequest<InvitationId>,
) -> Result<Page<Invitation>, DbError> {
    const LIST: &str = concatcp!(
        "SELECT * FROM (",
        SELECT,
        "WHERE i.id < $2 AND ($3::uuid IS NULL OR i.tenant_id = $3)) i
         WHERE $4::text IS NULL OR i.status = $4
         ORDER BY i.id DESC LIMIT $5"
    );
    let invitations =
        tx.rows(LIST, &[&tx.now(), &page.below(), &tenant, &status, &page.limit.and_one()]).await?;
    Ok(page.page(invitations, |invitation: &Invitation| invitation.id))
}

/// Deletes invitations that ended, or expired, before so many days. Returns their number.
///
/// # Errors
/// [`DbError`].
pub async fn prune(tx: &SharedTx, days: u32) -> Result<u64, DbError> {
    const PRUNE: &str = "
        DELETE FROM shared.invitations WHERE coalesce(accepted_at, revoked_at, expires_at) < $1";
    tx.execute(PRUNE, &[&(tx.now() - TimeDelta::days(days.into()))]).await
}

/// Whether somebody who is invited would get this role of a business.
///
/// # Errors
/// [`DbError`].
pub(super) async fn names_role(
    tx: &SharedTx,
    tenant: TenantId,
    app: &AppSlug,
    role: &RoleKey,
) -> Result<bool, DbError> {
    const NAMES: &str = "
        SELECT EXISTS (SELECT FROM shared.invitations
                        WHERE tenant_id = $1 AND app = $2 AND $3 = ANY (roles)
                          AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > $4)";
    tx.value(NAMES, &[&tenant, app, role, &tx.now()]).await
}
