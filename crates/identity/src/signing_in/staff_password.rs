//! Passwords that a business chooses for the people whose accounts belong to it.

use secrecy::SecretString;
use tenancy::{SharedScope, SharedTx, TenantId};
use values::Name;

use crate::names::ids::UserId;
use crate::names::keys::Username;
use crate::people::membership::{self, MemberOf};
use crate::people::staff_account::{self, StaffAccountError};
use crate::people::user::PasswordHash;
use crate::records::auth_event::{By, Origin};
use crate::signing_in::hash_turns::{Applicant, TooBusy};
use crate::signing_in::login::SignIn;
use crate::signing_in::password::{Password, PasswordError};
use crate::signing_in::session::{self, Which};

/// A person who is to sign in with a username at one business.
#[derive(Debug, Clone)]
pub struct NewStaff {
    /// The username.
    pub username: Username,
    /// The name, if known.
    pub full_name: Option<Name>,
    /// The password. `None`: one is made, which the person must change at the first sign-in.
    pub password: Option<SecretString>,
    /// The app and the business.
    pub place: MemberOf,
    /// The keys of the roles.
    pub roles: Vec<String>,
}

/// The account was not made, or the password not set.
#[derive(Debug, thiserror::Error)]
pub enum StaffPasswordError {
    /// The account was refused.
    #[error(transparent)]
    Account(#[from] StaffAccountError),
    /// The password is not good enough.
    #[error(transparent)]
    Weak(#[from] PasswordError),
    /// The password was not hashed, because too many others were being hashed.
    #[error(transparent)]
    TooBusy(#[from] TooBusy),
}

impl From<tenancy::DbError> for StaffPasswordError {
    fn from(error: tenancy::DbError) -> Self {
        Self::Account(error.into())
    }
}

impl SignIn {
    /// Makes an account of a business, and its first membership. Returns the password if one was made.
    ///
    /// # Errors
    /// [`StaffPasswordError`].
    pub async fn create_staff(
        &self,
        tenant: TenantId,
        new: &NewStaff,
        by: By<'_>,
    ) -> Result<(UserId, Option<Password>), StaffPasswordError> {
        // A refusal must not cost a hash. What was checked is checked again with the change.
        self.database
            .read_shared(SharedScope::Tenant(tenant), async |tx: &SharedTx| {
                staff_account::refuse_taken(tx, tenant, &new.username).await?;
                let checked = membership::refuse_roles(tx, &new.place, &new.roles, by).await;
                checked.map_err(StaffAccountError::from)
            })
            .await?;
        let personal = [Some(new.username.to_string()), new.full_name.as_ref().map(ToString::to_string)];
        let personal = personal.into_iter().flatten().collect();
        let (hash, made) = self.hash_or_make(new.password.as_ref(), personal, tenant, by.origin).await?;
        let create = async |tx: &SharedTx| {
            let NewStaff { username, full_name, place, roles, .. } = new;
            let must_change = made.is_some();
            let user =
                staff_account::create(tx, tenant, username, full_name.as_ref(), &hash, must_change, by)
                    .await?;
            membership::insert(tx, user, place, roles, by).await.map_err(StaffAccountError::from)?;
            Ok::<_, StaffAccountError>(user)
        };
        let user = self.database.write_shared(SharedScope::Tenant(tenant), create).await?;
        Ok((user, made))
    }

    /// Sets the password of somebody whose account belongs to the business, and ends all sessions of that
    /// person. Returns the password if one was made.
    ///
    /// # Errors
    /// [`StaffPasswordError`].
    pub async fn set_staff_password(
        &self,
        tenant: TenantId,
        user: UserId,
        password: Option<&SecretString>,
        by: By<'_>,
    ) -> Result<Option<Password>, StaffPasswordError> {
        let scope = SharedScope::Tenant(tenant);
        let check = async |tx: &SharedTx| staff_account::refuse_password_of(tx, tenant, user, by).await;
        let names = self.database.read_shared(scope, check).await?;
        let (hash, made) = self.hash_or_make(password, names, tenant, by.origin).await?;
        let set = async |tx: &SharedTx| {
            let must_change = made.is_some();
            staff_account::set_password(tx, tenant, user, &hash, must_change, by).await?;
            session::revoke(tx, user, Which::All, "password_set", by).await?;
            Ok::<_, StaffAccountError>(())
        };
        self.database.write_shared(scope, set).await?;
        Ok(made)
    }

    async fn hash_or_make(
        &self,
        password: Option<&SecretString>,
        personal: Vec<String>,
        tenant: TenantId,
        origin: Option<&Origin>,
    ) -> Result<(PasswordHash, Option<Password>), StaffPasswordError> {
        let applicant = Applicant::client(Some(tenant), origin.and_then(Origin::network));
        match password {
            Some(password) => {
                let hash = self.hasher.hash_new(&self.policy, password, personal, &applicant).await??;
                Ok((hash, None))
            }
            None => {
                let made = Password::generate();
                Ok((self.hasher.hash(&made, &applicant).await?, Some(made)))
            }
        }
    }
}
