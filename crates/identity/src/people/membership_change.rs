//! Changes of memberships: other roles, suspension, and the end. Each of them takes effect within a second,
//! in every server, by triggers that revoke the sessions of the member.

use serde_json::{Value, json};
use tenancy::{SharedTx, TenantId};
use values::IfVersion;

use crate::names::ids::MembershipId;
use crate::people::authority;
use crate::people::membership::{
    self, MemberOf, Membership, MembershipError, MembershipStatus, distinct, give_roles, refuse_unknown_roles,
};
use crate::records::auth_event::{self, AuthAction, AuthEvent, By};

/// Which membership to change.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The membership.
    pub id: MembershipId,
    /// The business whose members the actor may change. `None` for the operator: any.
    pub tenant: Option<TenantId>,
    /// The version that the client has read, if it says so.
    pub if_version: IfVersion,
}

/// A membership after a change.
#[derive(Debug, Clone)]
pub struct Changed {
    /// The membership.
    pub membership: Membership,
    /// Whether it differs from what it was.
    pub is_changed: bool,
}

/// Gives a member these roles instead of the present ones. The same roles again change nothing.
///
/// # Errors
/// [`MembershipError`].
pub async fn set_roles(
    tx: &SharedTx,
    target: Target,
    roles: &[String],
    by: By<'_>,
) -> Result<Changed, MembershipError> {
    const TAKE: &str = "DELETE FROM shared.membership_roles WHERE membership_id = $1 AND role = ANY ($2)";
    let present = lock(tx, target).await?;
    let place = MemberOf::app_of(present.app.clone(), present.tenant_id);
    let roles = distinct(roles);
    refuse_unknown_roles(tx, &place, &roles).await?;
    let given: Vec<String> = roles.iter().filter(|role| !present.roles.contains(role)).cloned().collect();
    let taken: Vec<String> = present.roles.iter().filter(|role| !roles.contains(role)).cloned().collect();
    if given.is_empty() && taken.is_empty() {
        return Ok(Changed { membership: present, is_changed: false });
    }
    if let Some(tenant) = present.tenant_id {
        let moved = [given.clone(), taken.clone()].concat();
        authority::refuse_roles_above(tx, tenant, &present.app, &moved, by).await?;
        authority::refuse_owner(tx, tenant, present.user_id, by).await?;
    }
    if !given.is_empty() {
        give_roles(tx, present.id, &given).await?;
    }
    if !taken.is_empty() {
        tx.execute(TAKE, &[&present.id, &taken]).await.map_err(MembershipError::of_taking)?;
    }
    record(tx, &present, AuthAction::MemberRolesChanged, by, json!({"from": present.roles, "to": roles}))
        .await?;
    Ok(Changed { membership: read(tx, target).await?, is_changed: true })
}

/// Suspends a member, or lets a suspended member sign in again. A suspended member's sessions end at once.
///
/// # Errors
/// [`MembershipError`].
pub async fn set_status(
    tx: &SharedTx,
    target: Target,
    status: MembershipStatus,
    by: By<'_>,
) -> Result<Changed, MembershipError> {
    const SET: &str = "UPDATE shared.memberships SET status = $2, updated_at = $3 WHERE id = $1";
    let present = lock(tx, target).await?;
    if present.status == status {
        return Ok(Changed { membership: present, is_changed: false });
    }
    refuse_above_member(tx, &present, by).await?;
    tx.execute(SET, &[&present.id, &status, &tx.now()]).await.map_err(MembershipError::of_taking)?;
    if let (MembershipStatus::Active, Some(tenant)) = (status, present.tenant_id) {
        membership::refuse_above_plan(tx, tenant, Some(present.user_id)).await?;
    }
    let action = match status {
        MembershipStatus::Suspended => AuthAction::MemberSuspended,
        _ => AuthAction::MemberResumed,
    };
    record(tx, &present, action, by, json!({})).await?;
    Ok(Changed { membership: read(tx, target).await?, is_changed: true })
}

/// Ends a membership. Its sessions end at once. The user stays.
///
/// # Errors
/// [`MembershipError`].
pub async fn remove(tx: &SharedTx, target: Target, by: By<'_>) -> Result<Membership, MembershipError> {
    const REMOVE: &str = "DELETE FROM shared.memberships WHERE id = $1";
    let present = lock(tx, target).await?;
    refuse_above_member(tx, &present, by).await?;
    tx.execute(REMOVE, &[&present.id]).await.map_err(MembershipError::of_taking)?;
    record(tx, &present, AuthAction::MemberRemoved, by, json!({"roles": present.roles})).await?;
    Ok(present)
}

/// Reads a membership that others cannot change until the transaction ends.
async fn lock(tx: &SharedTx, target: Target) -> Result<Membership, MembershipError> {
    const LOCK: &str = "SELECT version FROM shared.memberships WHERE id = $1 FOR NO KEY UPDATE";
    tx.value_opt::<i32>(LOCK, &[&target.id]).await?;
    let present = read(tx, target).await?;
    match target.if_version.allows(present.version) {
        true => Ok(present),
        false => Err(MembershipError::Stale),
    }
}

async fn read(tx: &SharedTx, target: Target) -> Result<Membership, MembershipError> {
    membership::find(tx, target.id, target.tenant).await?.ok_or(MembershipError::Unknown)
}

/// Refuses an actor who has less than the member.
async fn refuse_above_member(tx: &SharedTx, member: &Membership, by: By<'_>) -> Result<(), MembershipError> {
    if let Some(tenant) = member.tenant_id {
        authority::refuse_roles_above(tx, tenant, &member.app, &member.roles, by).await?;
        authority::refuse_owner(tx, tenant, member.user_id, by).await?;
    }
    Ok(())
}

async fn record(
    tx: &SharedTx,
    member: &Membership,
    action: AuthAction,
    by: By<'_>,
    details: Value,
) -> Result<(), MembershipError> {
    let event = AuthEvent {
        tenant: member.tenant_id,
        app: Some(&member.app),
        user: Some(member.user_id),
        details,
        ..AuthEvent::new(action).by(by)
    };
    Ok(auth_event::record(tx, &event).await?)
}
