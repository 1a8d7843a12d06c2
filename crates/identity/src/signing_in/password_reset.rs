//! Resetting a forgotten password: a mailed link, which is of use once and for half an hour.

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tenancy::{DbError, SharedScope, SharedTx, TenantId};
use values::Email;

use crate::mail::outgoing::{self, Template};
use crate::names::digest::sha256;
use crate::names::ids::UserId;
use crate::people::user::LoginName;
use crate::records::auth_event::{self, AuthAction, AuthEvent, By, Origin};
use crate::signing_in::hash_turns::{Applicant, TooBusy};
use crate::signing_in::login::SignIn;
use crate::signing_in::password::PasswordError;
use crate::signing_in::session::{self, Which};
use crate::signing_in::throttle::{self, Allowed, Attempt, AttemptKeys};

/// The password was not set.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// The token is unknown, expired or used.
    #[error("the link is not valid any more; ask for a new one")]
    InvalidToken,
    /// The new password is not good enough.
    #[error(transparent)]
    Weak(#[from] PasswordError),
    /// The password was not hashed, because too many others were being hashed.
    #[error(transparent)]
    TooBusy(#[from] TooBusy),
    /// PostgreSQL refused a query, or the connection failed.
    #[error("a password query failed")]
    Db(#[from] DbError),
}

/// The user of a token.
struct ResetUser {
    email: Option<Email>,
    full_name: Option<String>,
}

tenancy::from_row!(ResetUser { email, full_name });

/// Mails with links that one address, or one network, may ask for before further ones are left out.
const MAILS: Allowed = Allowed { per_account: 5, per_network: 50 };

impl SignIn {
    /// Asks for a mail with a link for a new password. Does the same whether or not anybody has the email:
    /// the sender finds out. Too many requests are left out silently.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn forgot_password(
        &self,
        email: &Email,
        tenant: Option<TenantId>,
        origin: &Origin,
    ) -> Result<(), DbError> {
        if !self.sends_mail {
            return Ok(());
        }
        let keys = AttemptKeys::of_mail(email, origin.network());
        self.database
            .write_shared(SharedScope::Public, async |tx| {
                if throttle::count(tx, &keys, MAILS).await? > 0.0 {
                    return Ok(());
                }
                outgoing::queue(tx, Template::PasswordReset, tenant, email.as_str(), &json!({}))
                    .await
                    .map(drop)
            })
            .await
    }

    /// The user of a token that is of use, for the rule of the new password.
    async fn find_reset(&self, token: &SecretString) -> Result<ResetUser, ResetError> {
        const FIND: &str = "
            SELECT email, full_name
              FROM shared.find_one_time_token('password_reset', $1, $2)";
        let hash = sha256(token.expose_secret());
        let find = async |tx: &SharedTx| tx.row_opt(FIND, &[&hash, &tx.now()]).await;
        self.database.read_shared(SharedScope::Public, find).await?.ok_or(ResetError::InvalidToken)
    }

    /// Sets the password of the user of a token, ends all sessions of the user, and mails a notice.
    ///
    /// # Errors
    /// [`ResetError`].
    pub async fn reset_password(
        &self,
        token: &SecretString,
        new: &SecretString,
        tenant: Option<TenantId>,
        origin: &Origin,
    ) -> Result<(), ResetError> {
        const RESET: &str = "SELECT shared.reset_password($1, $2, $3, $4)";
        let found = self.find_reset(token).await?;
        let applicant = Applicant::client(tenant, origin.network());
        let names = [found.email.as_ref().map(Email::to_string), found.full_name];
        let personal = names.into_iter().flatten().collect();
        let hash = self.hasher.hash_new(&self.policy, new, personal, &applicant).await??;
        let token = sha256(token.expose_secret());
        self.database
            .write_shared(SharedScope::Public, async |tx: &SharedTx| {
                let user: Option<UserId> =
                    tx.value(RESET, &[&token, &hash.hash, &hash.key, &tx.now()]).await?;
                let user = user.ok_or(ResetError::InvalidToken)?;
                session::revoke(tx, user, Which::All, "password_reset", By::person(user, origin)).await?;
                let event = AuthEvent {
                    tenant,
                    origin: Some(origin),
                    ..AuthEvent::new(AuthAction::PasswordReset).of(user)
                };
                auth_event::record_at_host(tx, &event).await?;
                if let Some(email) = &found.email {
                    outgoing::queue(tx, Template::PasswordChanged, tenant, email.as_str(), &json!({}))
                        .await?;
                    let keys = AttemptKeys::new(&LoginName::Email(email.clone()), None, None);
                    let attempt = Attempt { account: keys.account, counted: Vec::new() };
                    throttle::forget(tx, &attempt).await?;
                }
                Ok(())
            })
            .await
    }
}
