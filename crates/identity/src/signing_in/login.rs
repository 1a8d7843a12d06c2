//! Login: an email and a password, checked for one business or for the platform.

use secrecy::SecretString;
use tenancy::{Database, DbError, SharedScope};

use crate::people::membership::MemberOf;
use crate::people::user::{UserId, UserStatus};
use crate::signing_in::password::{Hasher, TooBusy};
use values::Email;

/// A user with the right password and an active membership.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The id of the user.
    pub user: UserId,
    /// The email with which the user signed in.
    pub email: Email,
    /// The name of the user, if known.
    pub full_name: Option<String>,
    /// The business or the platform that the user signed in to.
    pub member_of: MemberOf,
    /// Counts the changes of the membership; tokens carry it.
    pub membership_version: i32,
    /// The keys of the roles of the membership, sorted.
    pub roles: Vec<String>,
    /// Keys of all permissions of these roles.
    pub permissions: Vec<String>,
}

/// Nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Unknown email, wrong or missing password, or disabled user. The client does not learn which.
    #[error("the email or the password is wrong")]
    InvalidCredentials,
    /// The password is right, but the user is not an active member of this place.
    #[error("the user has no active membership on this host")]
    NoMembership,
    /// The password was not checked, because too many others were being checked.
    #[error(transparent)]
    TooBusy(#[from] TooBusy),
    /// PostgreSQL refused a query, or the connection failed.
    #[error("a login query failed")]
    Db(#[from] DbError),
}

struct Credentials {
    user_id: UserId,
    full_name: Option<String>,
    email: Email,
    password_hash: Option<String>,
    user_status: UserStatus,
    membership_version: Option<i32>,
    roles: Option<Vec<String>>,
    permissions: Option<Vec<String>>,
}

tenancy::from_row!(Credentials {
    user_id,
    full_name,
    email,
    password_hash,
    user_status,
    membership_version,
    roles,
    permissions,
});

/// Checks email and password, and what the user may do in `member_of`.
///
/// An unknown email costs as much time as a known one.
///
/// # Errors
/// [`LoginError`].
pub async fn authenticate(
    database: &Database,
    hasher: &Hasher,
    email: &Email,
    password: &SecretString,
    member_of: MemberOf,
) -> Result<SignedIn, LoginError> {
    const FIND_CREDENTIALS: &str = "
        SELECT user_id, full_name, email, password_hash, user_status, membership_version, roles, permissions
          FROM shared.find_credentials($1, $2, $3)";
    // The password is checked after the transaction: a hash takes longer than any query may hold a
    // connection.
    let found: Option<Credentials> = database
        .read_shared(SharedScope::Public, async |tx| {
            tx.row_opt(FIND_CREDENTIALS, &[email, &member_of.app(), &member_of.tenant()]).await
        })
        .await?;
    let stored = found.as_ref().and_then(|found| found.password_hash.clone());
    let matches = hasher.verify(password, stored).await?;
    let (true, Some(found)) = (matches, found) else { return Err(LoginError::InvalidCredentials) };
    if found.user_status != UserStatus::Active {
        return Err(LoginError::InvalidCredentials);
    }
    let Some(membership_version) = found.membership_version else { return Err(LoginError::NoMembership) };
    Ok(SignedIn {
        user: found.user_id,
        email: found.email,
        full_name: found.full_name,
        member_of,
        membership_version,
        roles: found.roles.unwrap_or_default(),
        permissions: found.permissions.unwrap_or_default(),
    })
}
