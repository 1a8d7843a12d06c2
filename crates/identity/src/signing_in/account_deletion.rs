//! Deleting one's own account. It needs the password, because it cannot be undone.

use secrecy::SecretString;
use tenancy::{DbError, SharedScope, SharedTx};

use crate::people::account::{self, AccountError};
use crate::records::auth_event::{By, Origin};
use crate::signing_in::login::SignIn;
use crate::signing_in::password_change::ChangeError;
use crate::signing_in::principal::Principal;
use crate::signing_in::second_factor::SecondFactorError;

/// The account was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeletionError {
    /// The password was refused.
    #[error(transparent)]
    Password(#[from] ChangeError),
    /// The second factor was refused.
    #[error(transparent)]
    SecondFactor(#[from] SecondFactorError),
    /// The account cannot be deleted.
    #[error(transparent)]
    Account(#[from] AccountError),
}

impl From<DbError> for DeletionError {
    fn from(error: DbError) -> Self {
        Self::Account(error.into())
    }
}

impl SignIn {
    /// Deletes the account of a signed-in user who knows the password, and has the second factor if there is
    /// one. All sessions end at once.
    ///
    /// # Errors
    /// [`DeletionError`].
    pub async fn delete_own_account(
        &self,
        principal: &Principal,
        password: &SecretString,
        code: Option<&SecretString>,
        origin: &Origin,
    ) -> Result<(), DeletionError> {
        let user = principal.user;
        let (stored, attempt, _) = self.confirm(principal, password, origin).await?;
        self.forget(&attempt).await?;
        self.check_second_factor((user, Some(&principal.member_of)), code, origin).await?;
        let by = By::person(user, origin);
        let erase = async |tx: &SharedTx| account::erase_own(tx, user, &stored.hash, by).await;
        Ok(self.database.write_shared(SharedScope::User(user.into()), erase).await?)
    }
}
