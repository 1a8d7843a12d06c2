//! Changing a password: by its user, who knows the present one. All other sessions of the user end.

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use tenancy::{DbError, SharedScope, SharedTx};
use values::Email;

use crate::names::ids::UserId;
use crate::people::user::{self, PasswordHash};
use crate::records::auth_event::{self, AuthAction, AuthEvent, By, Origin};
use crate::signing_in::hash_turns::{Applicant, TooBusy};
use crate::signing_in::hasher::Verdict;
use crate::signing_in::login::{Credentials, LoginError, SignIn, SignedIn};
use crate::signing_in::password::{PasswordError, normalised};
use crate::signing_in::principal::Principal;
use crate::signing_in::second_factor::in_seconds;
use crate::signing_in::session::{self, Entrant, Started, Which};
use crate::signing_in::throttle::{self, Attempt, AttemptKeys};

/// The password was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The present password is wrong, or it was changed at the same time.
    #[error("the present password is wrong")]
    WrongPassword,
    /// The new password is not good enough.
    #[error(transparent)]
    Weak(#[from] PasswordError),
    /// The new password is the present one.
    #[error("the new password must differ from the present one")]
    Unchanged,
    /// The user has had too many failures. The client must wait for so many seconds.
    #[error("too many attempts have failed; try again in {}", in_seconds(*.0))]
    TooManyAttempts(u32),
    /// The password was not checked, because too many others were being checked.
    #[error(transparent)]
    TooBusy(#[from] TooBusy),
    /// The user cannot be signed in with the present password.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// PostgreSQL refused a query, or the connection failed.
    #[error("a password query failed")]
    Db(#[from] DbError),
}

impl SignIn {
    /// Changes the password of a signed-in user, and ends all other sessions of the user.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn change_password(
        &self,
        principal: &Principal,
        present: &SecretString,
        new: &SecretString,
        origin: &Origin,
    ) -> Result<(), ChangeError> {
        refuse_unchanged(present, new)?;
        let (stored, attempt, email) = self.confirm(principal, present, origin).await?;
        let applicant = Applicant::client(principal.member_of.tenant(), origin.network());
        let personal = email.map(|email| email.to_string()).into_iter().collect();
        let hash = self.hash_new(new, personal, &attempt, &applicant).await?;
        let ended = Which::AllBut(principal.session);
        self.replace(principal.user, &stored, &hash, ended, &attempt, origin).await.map(drop)
    }

    /// Checks the password of a signed-in user. Returns its hash, and the email of the user.
    pub(super) async fn confirm(
        &self,
        principal: &Principal,
        present: &SecretString,
        origin: &Origin,
    ) -> Result<(PasswordHash, Attempt, Option<Email>), ChangeError> {
        const OWN: &str = "SELECT password_hash, password_key FROM shared.own_password()";
        struct Own {
            password_hash: Option<String>,
            password_key: Option<String>,
        }
        tenancy::from_row!(Own { password_hash, password_key });
        let user = principal.user;
        let keys = AttemptKeys::of_user(user, origin.network());
        let (wait, own, email) = self
            .database
            .write_shared(SharedScope::User(user.into()), async |tx| {
                let own = tx.row::<Own>(OWN, &[]);
                tenancy::all((throttle::count(tx, &keys, self.allowed), own, user::email(tx, user))).await
            })
            .await?;
        if wait > 0.0 {
            return Err(ChangeError::TooManyAttempts(wait.ceil() as u32));
        }
        let stored = own.password_hash.map(|hash| PasswordHash { hash, key: own.password_key });
        let applicant = Applicant::client(principal.member_of.tenant(), origin.network());
        let attempt = Attempt::from(keys);
        let verdict = self.hasher.verify(present, stored.clone(), None, &applicant).await;
        let verdict = self.unless_busy::<ChangeError>(&attempt, verdict).await?;
        match (verdict, stored) {
            (Verdict::Right(_), Some(stored)) => Ok((stored, attempt, email)),
            _ => Err(ChangeError::WrongPassword),
        }
    }

    /// Signs a user in with the present password, and changes it. All sessions of the user end before the new
    /// one begins.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn change_password_and_sign_in(
        &self,
        credentials: &Credentials,
        new: &SecretString,
        origin: &Origin,
    ) -> Result<(SignedIn, Started), ChangeError> {
        refuse_unchanged(&credentials.password, new)?;
        let account = self.check(credentials, origin).await?;
        let user = account.entrant.signed_in.user;
        let (Entrant { attempt, signed_in, .. }, stored) = (&account.entrant, &account.password);
        let who = (user, signed_in.full_name.clone());
        let (changed_at, second_factor_at) =
            self.renew(credentials, who, (stored, attempt), new, origin).await?;
        let password_changed_at = Some(changed_at);
        let entrant = Entrant { password_changed_at, second_factor_at, ..account.entrant };
        let started = session::start(&self.database, &entrant, &self.terms, origin).await?;
        Ok((entrant.signed_in, started.ok_or(LoginError::InvalidCredentials)?))
    }

    /// Changes the password of somebody who has just shown the present one, and shows the second factor. All
    /// sessions of the user end. Returns when the password was changed, and when the factor was given.
    pub(super) async fn renew(
        &self,
        credentials: &Credentials,
        (user, full_name): (UserId, Option<String>),
        (stored, attempt): (&PasswordHash, &Attempt),
        new: &SecretString,
        origin: &Origin,
    ) -> Result<(DateTime<Utc>, Option<DateTime<Utc>>), ChangeError> {
        let applicant = Applicant::client(credentials.member_of.tenant(), origin.network());
        let names = [Some(credentials.login.to_value()), full_name];
        let personal = names.into_iter().flatten().collect();
        let hash = self.hash_new(new, personal, attempt, &applicant).await?;
        // Somebody who knows the password alone does not change it.
        let given_at = self.take_code(credentials, user, attempt, origin).await?;
        Ok((self.replace(user, stored, &hash, Which::All, attempt, origin).await?, given_at))
    }

    /// Checks and hashes the new password of somebody who has shown the present one.
    async fn hash_new(
        &self,
        new: &SecretString,
        personal: Vec<String>,
        attempt: &Attempt,
        applicant: &Applicant,
    ) -> Result<PasswordHash, ChangeError> {
        let hashed = self.hasher.hash_new(&self.policy, new, personal, applicant).await;
        if !matches!(hashed, Ok(Ok(_))) {
            self.forget(attempt).await?;
        }
        Ok(hashed??)
    }

    async fn replace(
        &self,
        user: UserId,
        old: &PasswordHash,
        new: &PasswordHash,
        ended: Which,
        attempt: &Attempt,
        origin: &Origin,
    ) -> Result<DateTime<Utc>, ChangeError> {
        const REPLACE: &str = "SELECT shared.change_password($1, $2, $3, $4, $5)";
        let event =
            AuthEvent { origin: Some(origin), ..AuthEvent::new(AuthAction::PasswordChanged).of(user) };
        self.database
            .write_shared(SharedScope::User(user.into()), async |tx: &SharedTx| {
                let replaced: bool =
                    tx.value(REPLACE, &[&user, &old.hash, &new.hash, &new.key, &tx.now()]).await?;
                if !replaced {
                    return Err(ChangeError::WrongPassword);
                }
                session::revoke(tx, user, ended, "password_changed", By::person(user, origin)).await?;
                throttle::forget(tx, attempt).await?;
                auth_event::record(tx, &event).await?;
                Ok(tx.now())
            })
            .await
    }
}

pub(super) fn refuse_unchanged(present: &SecretString, new: &SecretString) -> Result<(), ChangeError> {
    let (present, new) = (normalised(present), normalised(new));
    let is_same = present.zip(new).is_some_and(|(one, other)| one.expose_secret() == other.expose_secret());
    if is_same { Err(ChangeError::Unchanged) } else { Ok(()) }
}
