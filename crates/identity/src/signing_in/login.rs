//! Login: an email or a username and a password, checked for one app of one business.

use secrecy::SecretString;
use tenancy::{Database, DbError, SharedScope};
use values::Email;

use crate::names::ids::UserId;
use crate::names::keys::Username;
use crate::people::membership::MemberOf;
use crate::people::user::{LoginName, UserStatus};
use crate::records::auth_event::{self, AuthAction, AuthEvent, Origin};
use crate::signing_in::password::{Hasher, TooBusy};
use crate::signing_in::session::{self, Account, SessionTerms, Started};

/// A user who may act in one app of one business.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The id of the user.
    pub user: UserId,
    /// The email of the user. `None` for a user who has a username alone.
    pub email: Option<Email>,
    /// The username of the user at the business. `None` for a user who has an email alone.
    pub username: Option<Username>,
    /// The name of the user, if known.
    pub full_name: Option<String>,
    /// The app and the business that the user signed in to.
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
    /// Unknown login, wrong or missing password, or disabled user. The client does not learn which.
    #[error("the login or the password is wrong")]
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

/// Signs a user in: checks the password, and starts a session. Both outcomes are recorded.
///
/// An unknown login costs as much time as a known one.
///
/// # Errors
/// [`LoginError`].
pub async fn sign_in(
    database: &Database,
    hasher: &Hasher,
    login: &LoginName,
    password: &SecretString,
    member_of: &MemberOf,
    terms: &SessionTerms,
    origin: &Origin,
) -> Result<(SignedIn, Started), LoginError> {
    // The account changed while its password was being checked. It hardly ever does so twice.
    for _ in 0..3 {
        let checked = check(database, hasher, login, password, member_of).await?;
        let (refusal, user) = match checked {
            Checked::Right(account) => match session::start(database, &account, terms, origin).await? {
                Some(started) => return Ok((account.signed_in, started)),
                None => continue,
            },
            Checked::NoMembership(user) => (LoginError::NoMembership, Some(user)),
            Checked::Wrong(user) => (LoginError::InvalidCredentials, user),
        };
        let failure = Some(match refusal {
            LoginError::NoMembership => "no_membership",
            _ => "wrong_password",
        });
        let event = AuthEvent {
            user,
            failure,
            tenant: member_of.tenant(),
            app: Some(member_of.app()),
            origin: Some(origin),
            ..AuthEvent::new(AuthAction::SignIn)
        };
        database.write_shared(SharedScope::Public, async |tx| auth_event::record(tx, &event).await).await?;
        return Err(refusal);
    }
    Err(LoginError::InvalidCredentials)
}

enum Checked {
    Right(Box<Account>),
    NoMembership(UserId),
    /// The user, if the login is known.
    Wrong(Option<UserId>),
}

struct Row {
    user_id: UserId,
    full_name: Option<String>,
    email: Option<Email>,
    username: Option<Username>,
    password_hash: Option<String>,
    password_changed_at: Option<chrono::DateTime<chrono::Utc>>,
    user_status: UserStatus,
    membership_id: Option<uuid::Uuid>,
    membership_version: Option<i32>,
    roles: Option<Vec<String>>,
    permissions: Option<Vec<String>>,
}

tenancy::from_row!(Row {
    user_id,
    full_name,
    email,
    username,
    password_hash,
    password_changed_at,
    user_status,
    membership_id,
    membership_version,
    roles,
    permissions,
});

async fn check(
    database: &Database,
    hasher: &Hasher,
    login: &LoginName,
    password: &SecretString,
    member_of: &MemberOf,
) -> Result<Checked, LoginError> {
    const FIND_ACCOUNT: &str = "
        SELECT user_id, full_name, email, username, password_hash, password_changed_at, user_status,
               membership_id, membership_version, roles, permissions
          FROM shared.find_account($1, $2, $3, $4)";
    let (kind, _, value) = login.columns(None);
    // The password is checked after the transaction: a hash takes longer than any query may hold a
    // connection.
    let found: Option<Row> = database
        .read_shared(SharedScope::Public, async |tx| {
            tx.row_opt(FIND_ACCOUNT, &[&kind, &value, member_of.app(), &member_of.tenant()]).await
        })
        .await?;
    let stored = found.as_ref().and_then(|found| found.password_hash.clone());
    let matches = hasher.verify(password, stored).await?;
    let Some(found) = found else { return Ok(Checked::Wrong(None)) };
    if !matches || found.user_status != UserStatus::Active {
        return Ok(Checked::Wrong(Some(found.user_id)));
    }
    let (Some(membership), Some(membership_version)) = (found.membership_id, found.membership_version) else {
        return Ok(Checked::NoMembership(found.user_id));
    };
    Ok(Checked::Right(Box::new(Account {
        membership,
        password_changed_at: found.password_changed_at,
        signed_in: SignedIn {
            user: found.user_id,
            email: found.email,
            username: found.username,
            full_name: found.full_name,
            member_of: member_of.clone(),
            membership_version,
            roles: found.roles.unwrap_or_default(),
            permissions: found.permissions.unwrap_or_default(),
        },
    })))
}
