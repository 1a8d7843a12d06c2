//! Signing in with email and password.

use secrecy::SecretString;
use tenancy::{Database, DbError, SharedScope, TenantId};

use crate::people::email::Email;
use crate::people::membership::Place;
use crate::people::user::UserId;
use crate::signing_in::password::{Hasher, TooBusy};

/// Somebody who gave the right password and may enter.
#[derive(Debug, Clone)]
pub struct SignedIn {
    pub user: UserId,
    pub email: String,
    pub full_name: Option<String>,
    pub place: Place,
    pub membership_version: i32,
    pub roles: Vec<String>,
    /// Keys of all permissions of these roles.
    pub permissions: Vec<String>,
}

/// Nobody was let in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Unknown email, wrong password or disabled user: which of them is not told.
    #[error("email or password is wrong")]
    InvalidCredentials,
    #[error("the user has no active membership here")]
    NoMembership,
    #[error(transparent)]
    TooBusy(#[from] TooBusy),
    #[error("a login query failed")]
    Db(#[from] DbError),
}

/// Checks email and password, and what the user may do in `place`.
///
/// An unknown email costs as much as a known one.
///
/// # Errors
/// [`LoginError`].
pub async fn authenticate(
    database: &Database,
    hasher: &Hasher,
    email: &Email,
    password: &SecretString,
    place: Place,
) -> Result<SignedIn, LoginError> {
    const FIND_CREDENTIALS: &str = "
        SELECT user_id, full_name, email, password_hash, user_status, membership_id, membership_version, roles, permissions
          FROM shared.find_credentials($1, $2, $3)";
    let tenant = place.tenant().map(TenantId::as_uuid);
    // The password is checked after the transaction: a hash takes longer than any query may hold a connection.
    let row = database
        .read_shared(SharedScope::Public, async |tx| {
            tx.query_opt(FIND_CREDENTIALS, &[&email.as_str(), &place.app(), &tenant]).await
        })
        .await?;
    let get = DbError::from;
    let stored: Option<String> = match &row {
        Some(row) => row.try_get("password_hash").map_err(get)?,
        None => None,
    };
    let matches = hasher.verify(password, stored).await?;
    let (true, Some(row)) = (matches, row) else { return Err(LoginError::InvalidCredentials) };
    let status: &str = row.try_get("user_status").map_err(get)?;
    if status != "active" {
        return Err(LoginError::InvalidCredentials);
    }
    let Some(membership_version) = row.try_get("membership_version").map_err(get)? else {
        return Err(LoginError::NoMembership);
    };
    Ok(SignedIn {
        user: UserId::from_uuid(row.try_get("user_id").map_err(get)?),
        email: row.try_get("email").map_err(get)?,
        full_name: row.try_get("full_name").map_err(get)?,
        place,
        membership_version,
        roles: row.try_get("roles").map_err(get)?,
        permissions: row.try_get("permissions").map_err(get)?,
    })
}
