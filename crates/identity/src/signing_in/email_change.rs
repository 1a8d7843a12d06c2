//! Emails that their users confirm: the present one, and a new one. A change is confirmed at both addresses.

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tenancy::{DbError, SharedScope, SharedTx, TenantId};
use uuid::Uuid;
use values::Email;

use crate::mail::outgoing::{self, Template};
use crate::names::digest::sha256;
use crate::names::ids::UserId;
use crate::people::user;
use crate::records::auth_event::{self, AuthAction, AuthEvent, By, Origin};
use crate::signing_in::login::SignIn;
use crate::signing_in::password_change::ChangeError;
use crate::signing_in::principal::Principal;

/// The email was not changed or confirmed.
#[derive(Debug, thiserror::Error)]
pub enum EmailError {
    /// The password was refused.
    #[error(transparent)]
    Password(#[from] ChangeError),
    /// The user signs in with a username alone.
    #[error("the account has no email")]
    NoEmail,
    /// The account has this email already.
    #[error("the account has this email already")]
    Unchanged,
    /// The installation sends no mail.
    #[error("this installation sends no mail, so an email cannot be confirmed")]
    NoMail,
    /// The address has got too many mails within a day.
    #[error("too many mails were sent to this address within a day; try again tomorrow")]
    TooMany,
    /// The token is unknown, expired or used.
    #[error("the link is not valid any more; ask for a new one")]
    InvalidToken,
    /// Somebody else has got the email since.
    #[error("another account has this email")]
    Taken,
    /// PostgreSQL refused a query, or the connection failed.
    #[error("an email query failed")]
    Db(#[from] DbError),
}

values::words! {
    /// What came of a link that confirms an email.
    pub enum Confirmation {
        /// The email belongs to its user.
        Verified = "verified",
        /// The other address must confirm the change, too.
        Waiting = "waiting",
        /// The account has the new email.
        Changed = "changed",
    }
}

struct Confirmed {
    outcome: String,
    user_id: UserId,
    old_email: Option<Email>,
    new_email: Option<Email>,
}

tenancy::from_row!(Confirmed { outcome, user_id, old_email, new_email });

impl SignIn {
    /// Mails a link to the signed-in user, which shows that the email is theirs.
    ///
    /// # Errors
    /// [`EmailError`].
    pub async fn request_verification(&self, principal: &Principal) -> Result<(), EmailError> {
        if !self.sends_mail {
            return Err(EmailError::NoMail);
        }
        let (user, tenant) = (principal.user, principal.member_of.tenant());
        self.database
            .write_shared(SharedScope::User(user.into()), async |tx: &SharedTx| {
                let email = user::email(tx, user).await?.ok_or(EmailError::NoEmail)?;
                mail(tx, Template::EmailVerification, tenant, &email, &json!({})).await
            })
            .await
    }

    /// Asks for another email of the signed-in user, who knows the password. Both addresses get a link.
    /// Nobody learns whether another account has the new address.
    ///
    /// # Errors
    /// [`EmailError`].
    pub async fn request_email_change(
        &self,
        principal: &Principal,
        wanted: &Email,
        password: &SecretString,
        origin: &Origin,
    ) -> Result<(), EmailError> {
        const REQUEST: &str = "SELECT shared.request_email_change($1, $2, $3)";
        if !self.sends_mail {
            return Err(EmailError::NoMail);
        }
        let (user, tenant) = (principal.user, principal.member_of.tenant());
        let (_, attempt, present) = self.confirm(principal, password, origin).await?;
        self.forget(&attempt).await?;
        if present.as_ref() == Some(wanted) {
            return Err(EmailError::Unchanged);
        }
        self.database
            .write_shared(SharedScope::User(user.into()), async |tx: &SharedTx| {
                let id = Uuid::now_v7();
                tx.execute(REQUEST, &[&id, wanted, &tx.now()]).await?;
                let parameters = json!({"change": id, "newEmail": wanted});
                if let Some(present) = &present {
                    mail(tx, Template::EmailChangeOld, tenant, present, &parameters).await?;
                }
                mail(tx, Template::EmailChangeNew, tenant, wanted, &parameters).await?;
                let event = AuthEvent {
                    user: Some(user),
                    ..AuthEvent::new(AuthAction::EmailChangeRequested).by(By::person(user, origin))
                };
                Ok(auth_event::record(tx, &event).await?)
            })
            .await
    }

    /// Uses a mailed link that confirms an email.
    ///
    /// # Errors
    /// [`EmailError`].
    pub async fn confirm_email(
        &self,
        token: &SecretString,
        tenant: Option<TenantId>,
        origin: &Origin,
    ) -> Result<Confirmation, EmailError> {
        const CONFIRM: &str =
            "SELECT outcome, user_id, old_email, new_email FROM shared.confirm_email($1, $2, $3)";
        let hash = sha256(token.expose_secret());
        let outcome = self
            .database
            .write_shared(SharedScope::Public, async |tx: &SharedTx| {
                let confirmed: Option<Confirmed> =
                    tx.row_opt(CONFIRM, &[&hash, &Uuid::now_v7(), &tx.now()]).await?;
                let confirmed = confirmed.ok_or(EmailError::InvalidToken)?;
                let outcome = confirmed.outcome.parse::<Confirmation>().ok();
                let action = match outcome {
                    Some(Confirmation::Verified) => AuthAction::EmailVerified,
                    Some(Confirmation::Changed) => AuthAction::EmailChanged,
                    // The token stays used.
                    Some(Confirmation::Waiting) | None => return Ok(outcome),
                };
                let by = By::person(confirmed.user_id, origin);
                let event = AuthEvent { user: Some(confirmed.user_id), ..AuthEvent::new(action).by(by) };
                auth_event::record(tx, &event).await?;
                if action == AuthAction::EmailChanged {
                    let parameters = json!({"newEmail": confirmed.new_email});
                    for address in [&confirmed.old_email, &confirmed.new_email].into_iter().flatten() {
                        mail(tx, Template::EmailChanged, tenant, address, &parameters).await?;
                    }
                }
                Ok::<_, EmailError>(outcome)
            })
            .await?;
        outcome.ok_or(EmailError::Taken)
    }
}

async fn mail(
    tx: &SharedTx,
    template: Template,
    tenant: Option<TenantId>,
    address: &Email,
    parameters: &serde_json::Value,
) -> Result<(), EmailError> {
    match outgoing::queue(tx, template, tenant, address.as_str(), parameters).await? {
        true => Ok(()),
        false => Err(EmailError::TooMany),
    }
}
