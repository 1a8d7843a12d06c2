//! Members: a user, made when there is none yet, and his role in one place.

use identity::membership::{self, MembershipError, Place};
use identity::user::{self, NewUser, UserError};
use identity::{Email, Hasher, Password, TooBusy, UserId};
use tenancy::{DbError, Provisioner, SharedTx};

/// Somebody who is to have a role.
#[derive(Debug, Clone)]
pub struct NewMember {
    pub email: Email,
    pub full_name: Option<String>,
    /// For a new user. Without one a password is made up and told once.
    pub password: Option<Password>,
    pub role: String,
}

/// Somebody who has the role now.
#[derive(Debug, Clone)]
pub struct Added {
    pub user: UserId,
    /// The password that was made up, to be shown once.
    pub made_password: Option<Password>,
}

/// Nobody was added.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// A password is a user's own: nobody else sets it.
    #[error("the user {0} exists already and keeps the password; leave the password out")]
    UserExists(Email),
    #[error("the user {0} was made or deleted a moment ago; try again")]
    UserChanged(Email),
    #[error("nobody signs in with the email {0}")]
    UnknownUser(Email),
    #[error(transparent)]
    Membership(#[from] MembershipError),
    #[error(transparent)]
    TooBusy(#[from] TooBusy),
    #[error("a member query failed")]
    Db(#[from] DbError),
}

impl From<UserError> for MemberError {
    fn from(error: UserError) -> Self {
        match error {
            UserError::EmailTaken(email) => Self::UserChanged(email),
            UserError::Db(error) => Self::Db(error),
        }
    }
}

/// A new member whose password has been hashed, before any transaction: a hash takes longer than a lock may be held.
pub(crate) struct Prepared<'a> {
    member: &'a NewMember,
    /// `None` when the user exists already.
    hash: Option<String>,
    made_password: Option<Password>,
}

impl<'a> Prepared<'a> {
    pub(crate) async fn new(
        provisioner: &Provisioner,
        hasher: &Hasher,
        member: &'a NewMember,
    ) -> Result<Self, MemberError> {
        // A user without a password, out of a backup, needs one as a new user does.
        let known = provisioner.write_shared(async |tx| find_with_password(tx, &member.email).await).await?;
        let (hash, made_password) = match (&member.password, known) {
            (Some(_), Some(_)) => return Err(MemberError::UserExists(member.email.clone())),
            (None, Some(_)) => (None, None),
            (Some(password), None) => (Some(hasher.hash(password).await?), None),
            (None, None) => {
                let made = Password::generate();
                (Some(hasher.hash(&made).await?), Some(made))
            }
        };
        Ok(Self { member, hash, made_password })
    }

    /// Stores the user, unless there is one with that email, and gives him the role.
    pub(crate) async fn add(&self, tx: &SharedTx, place: Place) -> Result<Added, MemberError> {
        let known = user::find_by_email(tx, &self.member.email).await?;
        if let (Some(user), Some(hash)) = (known, &self.hash)
            && !user::has_password(tx, user).await?
        {
            user::set_password(tx, user, hash).await?;
            membership::insert(tx, user, place, &self.member.role).await?;
            return Ok(Added { user, made_password: self.made_password.clone() });
        }
        let (user, made_password) = match (known, &self.hash) {
            (Some(user), None) => (user, None),
            (Some(_), Some(_)) if self.member.password.is_some() => {
                return Err(MemberError::UserExists(self.member.email.clone()));
            }
            (Some(user), Some(_)) => (user, None),
            (None, Some(hash)) => {
                let new = NewUser {
                    email: self.member.email.clone(),
                    full_name: self.member.full_name.clone(),
                    password_hash: hash.clone(),
                };
                (user::insert(tx, &new).await?, self.made_password.clone())
            }
            (None, None) => return Err(MemberError::UserChanged(self.member.email.clone())),
        };
        membership::insert(tx, user, place, &self.member.role).await?;
        Ok(Added { user, made_password })
    }
}

/// The user with this email, if he has a password.
async fn find_with_password(tx: &SharedTx, email: &Email) -> Result<Option<UserId>, DbError> {
    match user::find_by_email(tx, email).await? {
        Some(user) if user::has_password(tx, user).await? => Ok(Some(user)),
        _ => Ok(None),
    }
}
