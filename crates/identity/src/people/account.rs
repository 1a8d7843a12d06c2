//! Accounts that are closed: disabled, so that nobody can sign in, or deleted, so that only an id is left.

use tenancy::{DbError, SharedTx};

use crate::names::ids::UserId;
use crate::people::user::UserStatus;
use crate::records::auth_event::{self, AuthAction, AuthEvent, By};

/// An account was not changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// There is no such user, or the account was deleted.
    #[error("there is no such user")]
    Unknown,
    /// A business would be without an active owner. Contains the slugs of such businesses, if they are known.
    #[error("{}", only_owner(.0))]
    OnlyOwner(Vec<String>),
    /// PostgreSQL refused a query, or the connection failed.
    #[error("an account query failed")]
    Db(#[from] DbError),
}

fn only_owner(slugs: &[String]) -> String {
    let which = match slugs {
        [] => "a business".to_owned(),
        slugs => slugs.join(", "),
    };
    format!("the user is the only active owner of {which}; make another member an owner first")
}

/// Closes an account, or opens it again. All sessions of a closed account end at once. Returns whether the
/// account was not so before.
///
/// # Errors
/// [`AccountError`].
pub async fn set_disabled(
    tx: &SharedTx,
    id: UserId,
    is_disabled: bool,
    by: By<'_>,
) -> Result<bool, AccountError> {
    const LOCK: &str =
        "SELECT status FROM shared.users WHERE id = $1 AND status <> 'deleted' FOR NO KEY UPDATE";
    const SET: &str = "UPDATE shared.users SET status = $2, updated_at = $3 WHERE id = $1";
    let (status, action) = match is_disabled {
        true => (UserStatus::Disabled, AuthAction::UserDisabled),
        false => (UserStatus::Active, AuthAction::UserEnabled),
    };
    let present: UserStatus = tx.value_opt(LOCK, &[&id]).await?.ok_or(AccountError::Unknown)?;
    if present == status {
        return Ok(false);
    }
    if is_disabled {
        refuse_only_owner(tx, id).await?;
    }
    tx.execute(SET, &[&id, &status, &tx.now()]).await.map_err(of_closing)?;
    auth_event::record(tx, &AuthEvent { user: Some(id), ..AuthEvent::new(action).by(by) }).await?;
    Ok(true)
}

/// Deletes an account with its logins, memberships and sessions. The row of the user stays without a name,
/// because the books of businesses refer to its id.
///
/// # Errors
/// [`AccountError`].
pub async fn erase(tx: &SharedTx, id: UserId, by: By<'_>) -> Result<(), AccountError> {
    const ERASE: &str = "SELECT shared.erase_user($1, $2)";
    refuse_only_owner(tx, id).await?;
    let is_erased: bool = tx.value(ERASE, &[&id, &tx.now()]).await.map_err(of_closing)?;
    if !is_erased {
        return Err(AccountError::Unknown);
    }
    record_erased(tx, id, by).await
}

/// As [`erase`], for the user of the transaction, who has shown the password with the hash `compared`.
///
/// # Errors
/// [`AccountError`]; a password that was changed in the meantime is an unknown account.
pub(crate) async fn erase_own(
    tx: &SharedTx,
    id: UserId,
    compared: &str,
    by: By<'_>,
) -> Result<(), AccountError> {
    const ERASE: &str = "SELECT shared.erase_own_user($1, $2)";
    let is_erased: bool = tx.value(ERASE, &[&compared, &tx.now()]).await.map_err(of_closing)?;
    if !is_erased {
        return Err(AccountError::Unknown);
    }
    record_erased(tx, id, by).await
}

async fn record_erased(tx: &SharedTx, id: UserId, by: By<'_>) -> Result<(), AccountError> {
    let event = AuthEvent { user: Some(id), ..AuthEvent::new(AuthAction::UserDeleted).by(by) };
    Ok(auth_event::record(tx, &event).await?)
}

fn of_closing(error: DbError) -> AccountError {
    match error.constraint() {
        Some("memberships_last_owner") => AccountError::OnlyOwner(Vec::new()),
        _ => error.into(),
    }
}

/// A trigger refuses the same, but names no business.
async fn refuse_only_owner(tx: &SharedTx, id: UserId) -> Result<(), AccountError> {
    const OWNED_ALONE: &str = "
        SELECT t.slug
          FROM shared.memberships m
          JOIN shared.membership_roles r ON r.membership_id = m.id AND r.role = 'OWNER'
          JOIN shared.tenants t ON t.id = m.tenant_id
          JOIN shared.users u ON u.id = m.user_id AND u.status = 'active'
         WHERE m.user_id = $1 AND m.app = 'inventory' AND m.status = 'active'
           AND NOT EXISTS (
                SELECT FROM shared.memberships o
                  JOIN shared.membership_roles s ON s.membership_id = o.id AND s.role = 'OWNER'
                  JOIN shared.users v ON v.id = o.user_id AND v.status = 'active'
                 WHERE o.tenant_id = m.tenant_id AND o.app = 'inventory' AND o.status = 'active'
                   AND o.user_id <> m.user_id)
         ORDER BY t.slug";
    let alone: Vec<String> = tx.values(OWNED_ALONE, &[&id]).await?;
    if alone.is_empty() { Ok(()) } else { Err(AccountError::OnlyOwner(alone)) }
}
