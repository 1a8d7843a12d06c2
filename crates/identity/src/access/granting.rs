//! The permissions that somebody may allow a program.

use tenancy::{DbError, SharedTx, TenantId};

use crate::INVENTORY_APP;
use crate::names::ids::{MembershipId, UserId};
use crate::names::keys::{AppSlug, PermissionKey};
use crate::people::authority::{self, NotAllowed};
use crate::people::permission::Permission;
use crate::records::auth_event::{By, Who};

/// A program may not be allowed these permissions.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// There is no permission.
    #[error("a program needs one permission or more")]
    NoPermissions,
    /// Only people may have the permission.
    #[error("a program cannot have the permission {0}, which is for people alone")]
    ForPeople(PermissionKey),
    /// The actor does not have the permission, or the app has no such permission.
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
}

/// Checks what the actor wants to allow a program at this moment. Returns the keys of the permissions,
/// sorted.
pub(super) async fn check(
    tx: &SharedTx,
    tenant: TenantId,
    app: &AppSlug,
    permissions: &[PermissionKey],
    by: By<'_>,
) -> Result<Vec<String>, GrantError> {
    let mut keys: Vec<String> = permissions.iter().map(ToString::to_string).collect();
    keys.sort_unstable();
    keys.dedup();
    if keys.is_empty() {
        return Err(GrantError::NoPermissions);
    }
    let is_for_people = |key: &&PermissionKey| key.as_str().parse().is_ok_and(Permission::is_for_people);
    if let Some(key) = permissions.iter().find(is_for_people) {
        return Err(GrantError::ForPeople(key.clone()));
    }
    refuse_above(tx, tenant, app, &keys, by).await?;
    Ok(keys)
}

/// Refuses permissions that the actor does not have at this moment, or if the actor may not manage programs.
pub(super) async fn refuse_above(
    tx: &SharedTx,
    tenant: TenantId,
    app: &AppSlug,
    keys: &[String],
    by: By<'_>,
) -> Result<(), NotAllowed> {
    lock_member(tx, tenant, by).await?;
    let managing = [Permission::ApiKeysManage.as_str()];
    authority::refuse_above(tx, tenant, &AppSlug::known(INVENTORY_APP), &managing, by).await?;
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    authority::refuse_above(tx, tenant, app, &keys, by).await
}

/// Lets somebody who removes the actor wait, or waits for them. Comes before every other lock, as where a
/// member is removed.
pub(super) async fn lock_member(tx: &SharedTx, tenant: TenantId, by: By<'_>) -> Result<(), DbError> {
    const LOCK: &str = "
        SELECT id FROM shared.memberships WHERE user_id = $1 AND tenant_id = $2 ORDER BY id FOR SHARE";
    if let Some(user) = member(by) {
        tx.values::<MembershipId>(LOCK, &[&user, &tenant]).await?;
    }
    Ok(())
}

/// The member whose permissions limit those of a program. `None` for the operator.
pub(super) fn member(by: By<'_>) -> Option<UserId> {
    match by.who {
        Who::Person(user) => Some(user),
        Who::Operator(..) | Who::Nobody => None,
    }
}
