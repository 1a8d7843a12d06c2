//! Sign-ons: a person who signed in with one browser, for all apps. The browser keeps a secret in a cookie of
//! the host `id`. Each app that is opened with it gets a session of its own; the end of the sign-on ends them
//! all.

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use tenancy::{DbError, SharedScope, SharedTx};
use values::Email;

use crate::names::digest::sha256;
use crate::names::ids::{SessionId, SignOnId, UserId};
use crate::names::keys::ClientId;
use crate::names::secret;
use crate::people::user;
use crate::records::auth_event::{self, AuthAction, AuthEvent, By, Origin};
use crate::signing_in::external_identity::{self, ShownIdentity};
use crate::signing_in::login::{Credentials, LoginError, SignIn};
use crate::signing_in::password_change::{ChangeError, refuse_unchanged};
use crate::signing_in::principal::RECENT;
use crate::signing_in::second_factor::SecondFactorError;
use crate::signing_in::session::{self, SessionTerms, Which};
use crate::signing_in::throttle::{self, Attempt};

/// The secret of a sign-on, which only the browser has.
#[derive(Debug, Clone)]
pub struct SignOnSecret(SecretString);

impl SignOnSecret {
    fn generate() -> Self {
        Self(secret::generate("tso_"))
    }

    /// A secret as a browser presents it. Any text is one: whether it is known shows in the database.
    pub fn presented(text: &str) -> Self {
        Self(SecretString::from(text))
    }

    /// The text, for the browser.
    pub fn secret(&self) -> &SecretString {
        &self.0
    }

    fn hash(&self) -> Vec<u8> {
        sha256(self.0.expose_secret())
    }
}

/// A sign-on that has not ended.
#[derive(Debug, Clone)]
pub struct SignOn {
    /// The id.
    pub id: SignOnId,
    /// The person.
    pub user_id: UserId,
    /// The name of the person, if known.
    pub full_name: Option<String>,
    /// The email of the person. `None` for somebody who has a username alone.
    pub email: Option<Email>,
    /// When the person gave the password last.
    pub authenticated_at: DateTime<Utc>,
    /// Whether the person has a second factor, and did not give it yet.
    pub needs_second_factor: bool,
    /// The program whose page asked for the password.
    pub asked_by: Option<ClientId>,
    /// Whether it began with an identity elsewhere, and not with the password.
    pub is_external: bool,
    expires_at: DateTime<Utc>,
    idle_expires_at: DateTime<Utc>,
}

tenancy::from_row!(SignOn {
    id,
    user_id,
    full_name,
    email,
    authenticated_at,
    needs_second_factor,
    asked_by,
    is_external,
    expires_at,
    idle_expires_at,
});

impl SignOn {
    /// Whether the person has just given the password.
    pub fn is_recent(&self) -> bool {
        Utc::now() - self.authenticated_at < RECENT
    }

    /// Whether the person may link an identity with which they came at this moment: they have given the
    /// password since, and the second factor, if there is one.
    pub fn may_link_since(&self, moment: DateTime<Utc>) -> bool {
        let has_proved = self.is_recent() && self.authenticated_at >= moment;
        has_proved && !self.is_external && !self.needs_second_factor
    }
}

/// A person who has proved who they are, as the account was read.
pub(super) struct Entering<'a> {
    pub(super) user: UserId,
    pub(super) password_changed_at: Option<DateTime<Utc>>,
    pub(super) second_factor_at: Option<DateTime<Utc>>,
    /// The identity elsewhere; `None` for somebody who gave the password.
    pub(super) identity: Option<ShownIdentity>,
    pub(super) attempt: &'a Attempt,
    /// The program whose page asked for the password.
    pub(super) asked_by: &'a ClientId,
}

impl SignIn {
    /// Signs a person on with a browser. `former` is the secret that the browser had: the same person goes on
    /// with that sign-on, and that of somebody else ends. Both outcomes are recorded.
    ///
    /// # Errors
    /// [`LoginError`]; that the person is a member nowhere is none.
    pub async fn sign_on(
        &self,
        credentials: &Credentials,
        former: Option<&SignOnSecret>,
        asked_by: &ClientId,
        origin: &Origin,
    ) -> Result<(SignOnSecret, UserId), LoginError> {
        // The account changed while its password was being checked. It hardly ever does so twice.
        for _ in 0..3 {
            let proved = self.prove(credentials, origin).await?;
            if proved.must_change_password {
                self.forget(&proved.attempt).await?;
                let refusal = LoginError::MustChangePassword;
                self.record(credentials, Some(proved.user), &refusal, origin).await?;
                return Err(refusal);
            }
            let entering = Entering {
                user: proved.user,
                password_changed_at: proved.password_changed_at,
                second_factor_at: None,
                identity: None,
                attempt: &proved.attempt,
                asked_by,
            };
            if let Some(secret) = self.enter(&entering, former, origin).await? {
                return Ok((secret, proved.user));
            }
        }
        Err(LoginError::InvalidCredentials)
    }

    /// Signs a person on with the present password, and changes it. All sessions of the person end before the
    /// sign-on begins.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn change_password_and_sign_on(
        &self,
        credentials: &Credentials,
        new: &SecretString,
        former: Option<&SignOnSecret>,
        asked_by: &ClientId,
        origin: &Origin,
    ) -> Result<(SignOnSecret, UserId), ChangeError> {
        refuse_unchanged(&credentials.password, new)?;
        let proved = self.prove(credentials, origin).await?;
        let who = (proved.user, proved.full_name.clone());
        let shown = (&proved.password, &proved.attempt);
        let (changed_at, second_factor_at) = self.renew(credentials, who, shown, new, origin).await?;
        let entering = Entering {
            user: proved.user,
            password_changed_at: Some(changed_at),
            second_factor_at,
            identity: None,
            attempt: &proved.attempt,
            asked_by,
        };
        let secret = self.enter(&entering, former, origin).await?;
        Ok((secret.ok_or(LoginError::InvalidCredentials)?, proved.user))
    }

    /// `None` when the account has changed since it was read.
    pub(super) async fn enter(
        &self,
        entering: &Entering<'_>,
        former: Option<&SignOnSecret>,
        origin: &Origin,
    ) -> Result<Option<SignOnSecret>, DbError> {
        const START: &str = "SELECT shared.start_sign_on($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
        let secret = SignOnSecret::generate();
        const ELSEWHERE: &str = "
            UPDATE shared.sign_ons SET external_identity_id = $2, authenticated_at = $3 WHERE hash = $1";
        let user = entering.user;
        let event = AuthEvent {
            origin: Some(origin),
            details: match &entering.identity {
                Some(shown) => json!({"issuer": shown.vouched.issuer}),
                None => json!({}),
            },
            ..AuthEvent::new(AuthAction::SignOnStarted).of(user)
        };
        let done = self
            .database
            .write_shared(SharedScope::User(user.into()), async |tx| {
                if entering.identity.as_ref().is_some_and(|shown| shown.id.is_none()) {
                    user::lock(tx, user).await?;
                }
                let expires_at = self.terms.end(tx.now());
                let started: bool = tx
                    .value(
                        START,
                        &[
                            &SignOnId::new(),
                            &user,
                            &entering.password_changed_at,
                            &secret.hash(),
                            &former.map(SignOnSecret::hash),
                            &origin.user_agent,
                            &origin.address,
                            &tx.now(),
                            &expires_at,
                            &self.terms.idle_end(tx.now(), expires_at),
                            &entering.second_factor_at,
                            entering.asked_by,
                        ],
                    )
                    .await?;
                if !started {
                    return Err(EnterError::Changed);
                }
                // The attempt before the identity, as at a sign-in to an app.
                tenancy::all((auth_event::record(tx, &event), throttle::forget(tx, entering.attempt)))
                    .await?;
                if let Some(shown) = &entering.identity {
                    let identity = external_identity::enter(tx, shown, user, origin).await?;
                    let identity = identity.ok_or(EnterError::Changed)?;
                    let authenticated_at = shown.authenticated_at();
                    tx.execute(ELSEWHERE, &[&secret.hash(), &identity, &authenticated_at]).await?;
                }
                Ok(())
            })
            .await;
        match done {
            Ok(()) => Ok(Some(secret)),
            Err(EnterError::Changed) => Ok(None),
            Err(EnterError::Db(error)) => Err(error),
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum EnterError {
    #[error("the account has changed since it was read")]
    Changed,
    #[error("a query about sign-ons failed")]
    Db(#[from] DbError),
}

impl SignIn {
    /// Adds the second factor to a sign-on.
    ///
    /// # Errors
    /// [`SecondFactorError`].
    pub async fn complete_sign_on(
        &self,
        sign_on: &SignOn,
        code: &SecretString,
        origin: &Origin,
    ) -> Result<(), SecondFactorError> {
        let user = sign_on.user_id;
        self.check_second_factor((user, None), Some(code), origin).await?;
        let complete = async |tx: &SharedTx| given_in(tx, sign_on.id).await;
        self.database.write_shared(SharedScope::User(user.into()), complete).await?;
        Ok(())
    }
}

/// Notes that the second factor was given in a sign-on.
pub(super) async fn given_in(tx: &SharedTx, id: SignOnId) -> Result<(), DbError> {
    const GIVEN: &str = "UPDATE shared.sign_ons SET second_factor_at = $2 WHERE id = $1";
    tx.execute(GIVEN, &[&id, &tx.now()]).await.map(drop)
}

/// A sign-on that is used at least so often is not written each time.
const WRITTEN_EVERY: TimeDelta = TimeDelta::hours(1);

/// The sign-on of a browser, which goes on. The rest of the transaction acts as its person.
///
/// # Errors
/// [`DbError`]; `None` if it has ended.
pub async fn open(
    tx: &SharedTx,
    presented: &SignOnSecret,
    terms: &SessionTerms,
) -> Result<Option<SignOn>, DbError> {
    const OPEN: &str = "
        SELECT id, user_id, full_name, email, authenticated_at, needs_second_factor, asked_by, is_external,
               expires_at, idle_expires_at
          FROM shared.open_sign_on($1, $2)";
    const EXTEND: &str = "UPDATE shared.sign_ons SET idle_expires_at = $2 WHERE id = $1";
    let opened: Option<SignOn> = tx.row_opt(OPEN, &[&presented.hash(), &tx.now()]).await?;
    if let Some(sign_on) = &opened {
        let idle_end = terms.idle_end(tx.now(), sign_on.expires_at);
        if idle_end - sign_on.idle_expires_at > WRITTEN_EVERY {
            tx.execute(EXTEND, &[&sign_on.id, &idle_end]).await?;
        }
    }
    Ok(opened)
}

/// Whether a session began with this sign-on.
///
/// # Errors
/// [`DbError`].
pub async fn has_opened(tx: &SharedTx, id: SignOnId, session: SessionId) -> Result<bool, DbError> {
    const FIND: &str = "SELECT EXISTS (SELECT FROM shared.sessions WHERE id = $2 AND sign_on_id = $1)";
    tx.value(FIND, &[&id, &session]).await
}

/// Ends a sign-on, with all sessions that began with it. The rest of the transaction must act as its person,
/// as after [`open`].
///
/// # Errors
/// [`DbError`].
pub async fn end(tx: &SharedTx, id: SignOnId, user: UserId, origin: &Origin) -> Result<(), DbError> {
    const SESSION: &str = "
        SELECT id FROM shared.sessions WHERE sign_on_id = $1 AND revoked_at IS NULL LIMIT 1";
    const END: &str = "
        UPDATE shared.sign_ons SET revoked_at = $2, revoked_reason = 'signed_out'
         WHERE id = $1 AND revoked_at IS NULL";
    let by = By::person(user, origin);
    if let Some(session) = tx.value_opt(SESSION, &[&id]).await? {
        // Records the end of each session.
        session::revoke(tx, user, Which::Device(session), "signed_out", by).await?;
    }
    tx.execute(END, &[&id, &tx.now()]).await?;
    let event = AuthEvent { user: Some(user), ..AuthEvent::new(AuthAction::SignOnEnded).by(by) };
    auth_event::record(tx, &event).await
}
