//! Adding members. A member is a user with a role in one business or on the platform. A user who does not
//! exist yet is created.

use identity::auth_event::{self, AuthAction, AuthEvent, By};
use identity::membership::{self, MemberOf, MembershipError};
use identity::role::OWNER_ROLE;
use identity::user::{self, LoginName, NewUser, PasswordHash, UserError};
use identity::{Applicant, Hasher, Password, TooBusy, UserId};
use tenancy::{DbError, OwnerDatabase, SharedTx, Tenant, TenantId};
use values::{Email, Name};

/// A member to be added.
#[derive(Debug, Clone)]
pub struct NewMember {
    /// The email or the username to sign in with. An existing user who has it is used.
    pub login: LoginName,
    /// The name of a new user, if known. An existing user keeps the current name.
    pub full_name: Option<Name>,
    /// The password of a new user, or of a user without a password. Defaults to a generated password, which
    /// is shown once. Must be `None` for a user who has a password.
    pub password: Option<Password>,
    /// The keys of the roles, such as `OWNER` or `STAFF`. There must be one or more.
    pub roles: Vec<String>,
}

impl NewMember {
    /// The owner of a business.
    pub fn owner(email: Email, full_name: Option<Name>, password: Option<Password>) -> Self {
        Self { login: LoginName::Email(email), full_name, password, roles: vec![OWNER_ROLE.to_owned()] }
    }
}

/// A member that was added.
#[derive(Debug, Clone)]
pub struct Added {
    /// The new or existing user.
    pub user: UserId,
    /// The generated password, to be shown once. Its user must change it before the first sign-in. `None` if
    /// no password was generated.
    pub made_password: Option<Password>,
}

/// Shows the owner of a new business, with the password if it was generated, before the business is kept. If
/// it cannot be shown, the business is not created.
pub type Show<'a> = &'a (dyn Fn(&Tenant, &Added) -> Result<(), NotShown> + Sync);

/// The generated password of an owner could not be shown.
#[derive(Debug, thiserror::Error)]
#[error("the owner's password could not be shown, so nothing was created")]
pub struct NotShown(#[source] pub std::io::Error);

/// The member was not added.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// Adding a member must not change the password of a user who already exists.
    #[error("the user with {0} already exists and keeps the current password; do not give a password")]
    UserExists(LoginName),
    /// The user was created or deleted while the password was being hashed.
    #[error("the user with {0} was created or deleted at the same time; try again")]
    UserChanged(LoginName),
    /// There is no such user.
    #[error("there is no such user")]
    UnknownUser,
    /// The user is already a member, or the role does not exist for this kind of membership.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// The password was not hashed, because too many others are being hashed.
    #[error(transparent)]
    TooBusy(#[from] TooBusy),
    /// PostgreSQL refused a query, or the connection failed.
    #[error("a member query failed")]
    Db(#[from] DbError),
}

impl From<UserError> for MemberError {
    fn from(error: UserError) -> Self {
        match error {
            UserError::LoginTaken(login) => Self::UserChanged(login),
            UserError::Db(error) => Self::Db(error),
        }
    }
}

/// A new member with the hashed password. The password is hashed before any transaction, because hashing
/// takes longer than a lock may be held.
pub(crate) struct Prepared<'a> {
    member: &'a NewMember,
    /// `None` when the user already exists and has a password.
    hash: Option<PasswordHash>,
    made_password: Option<Password>,
}

impl<'a> Prepared<'a> {
    pub(crate) async fn new(
        owner_database: &OwnerDatabase,
        hasher: &Hasher,
        member: &'a NewMember,
        tenant: Option<TenantId>,
        applicant: &Applicant,
    ) -> Result<Self, MemberError> {
        // A user who was restored from a backup has no password, and needs one like a new user.
        let find = async |tx: &SharedTx| find_with_password(tx, &member.login, tenant).await;
        let known = owner_database.write_shared(find).await?;
        let (hash, made_password) = match (&member.password, known) {
            (Some(_), Some(_)) => return Err(MemberError::UserExists(member.login.clone())),
            (None, Some(_)) => (None, None),
            (Some(password), None) => (Some(hasher.hash(password, applicant).await?), None),
            (None, None) => {
                let made = Password::generate();
                (Some(hasher.hash(&made, applicant).await?), Some(made))
            }
        };
        Ok(Self { member, hash, made_password })
    }

    /// Creates the user, unless there is a user with this login, and gives the user the roles.
    pub(crate) async fn add(
        &self,
        tx: &SharedTx,
        place: &MemberOf,
        by: By<'_>,
    ) -> Result<Added, MemberError> {
        let known = user::find_by_login(tx, &self.member.login, place.tenant()).await?;
        if let (Some(user), Some(hash)) = (known, &self.hash)
            && !user::has_password(tx, user).await?
        {
            user::set_password(tx, user, hash, self.made_password.is_some()).await?;
            membership::insert(tx, user, place, &self.member.roles, by).await?;
            return Ok(Added { user, made_password: self.made_password.clone() });
        }
        let (user, made_password) = match (known, &self.hash) {
            (Some(user), None) => (user, None),
            (Some(_), Some(_)) if self.member.password.is_some() => {
                return Err(MemberError::UserExists(self.member.login.clone()));
            }
            (Some(user), Some(_)) => (user, None),
            (None, Some(hash)) => {
                let new = NewUser {
                    login: self.member.login.clone(),
                    tenant: place.tenant(),
                    full_name: self.member.full_name.clone(),
                    password: hash.clone(),
                    must_change_password: self.made_password.is_some(),
                };
                let user = user::insert(tx, &new).await?;
                let event = AuthEvent {
                    tenant: place.tenant(),
                    user: Some(user),
                    ..AuthEvent::new(AuthAction::UserCreated).by(by)
                };
                auth_event::record(tx, &event).await?;
                (user, self.made_password.clone())
            }
            (None, None) => return Err(MemberError::UserChanged(self.member.login.clone())),
        };
        membership::insert(tx, user, place, &self.member.roles, by).await?;
        Ok(Added { user, made_password })
    }
}

/// The user with this login, if the user has a password.
async fn find_with_password(
    tx: &SharedTx,
    login: &LoginName,
    tenant: Option<TenantId>,
) -> Result<Option<UserId>, DbError> {
    match user::find_by_login(tx, login, tenant).await? {
        Some(user) if user::has_password(tx, user).await? => Ok(Some(user)),
        _ => Ok(None),
    }
}
