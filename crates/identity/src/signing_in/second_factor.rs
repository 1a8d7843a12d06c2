//! The second factor: six digits that an authenticator app shows (RFC 6238), or one of ten recovery codes. A
//! user who has one gives it at each sign-in. A business may require one of those who have a role.

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use tenancy::{DbError, SharedScope, SharedTx};
use totp_rs::{Builder, Totp};

use crate::mail::outgoing::{self, Template};
use crate::names::ids::{SessionId, UserId};
use crate::people::membership::MemberOf;
use crate::people::user;
use crate::records::auth_event::{self, AuthAction, AuthEvent, By, Origin};
use crate::signing_in::login::SignIn;
use crate::signing_in::password_change::ChangeError;
use crate::signing_in::principal::Principal;
use crate::signing_in::recovery_code;
use crate::signing_in::session::{self, Which};
use crate::signing_in::signing_key::Unreadable;
use crate::signing_in::throttle;

values::words! {
    /// What a session lacks.
    pub enum SecondFactorState {
        /// The second factor was given.
        Given = "given",
        /// The user has none, and needs none.
        Unneeded = "unneeded",
        /// A role of the user needs one, and the user has none yet. The session has no permissions.
        ToEnrol = "to_enrol",
        /// The user has one, and did not give it. The session has no permissions.
        Missing = "missing",
    }
}

impl SecondFactorState {
    /// Whether the session has its permissions.
    pub fn is_complete(self) -> bool {
        matches!(self, Self::Given | Self::Unneeded)
    }
}

/// A wait as people say it.
pub(super) fn in_seconds(seconds: u32) -> String {
    if seconds == 1 { "1 second".to_owned() } else { format!("{seconds} seconds") }
}

/// The second factor was refused, or not changed.
#[derive(Debug, thiserror::Error)]
pub enum SecondFactorError {
    /// The user has a second factor, and sent none.
    #[error("enter the six digits that your authenticator app shows now, or a recovery code")]
    Required,
    /// The digits are wrong, too old, or were used before; or there is no such recovery code, or it was used.
    #[error(
        "the code is wrong, or was used before; wait for the next digits, or enter another recovery code"
    )]
    Wrong,
    /// There were too many wrong codes. The client must wait for so many seconds.
    #[error("too many codes were wrong; try again in {}", in_seconds(*.0))]
    TooManyAttempts(u32),
    /// The user has a second factor already.
    #[error("the account has a second factor already; remove it before another is set up")]
    AlreadyEnabled,
    /// Nothing was begun that could be confirmed, or there is nothing to be removed.
    #[error("the account has no second factor; set one up with POST /api/v1/auth/second-factor")]
    NotEnabled,
    /// The password was refused.
    #[error(transparent)]
    Password(#[from] ChangeError),
    /// The stored secret cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// PostgreSQL refused a query, or the connection failed.
    #[error("a query about second factors failed")]
    Db(#[from] DbError),
}

/// The second factor of a user.
#[derive(Debug, Clone)]
pub struct SecondFactor {
    /// Since when the user has one.
    pub enabled_at: DateTime<Utc>,
    /// The recovery codes that were not used.
    pub recovery_codes_left: i64,
}

tenancy::from_row!(SecondFactor { enabled_at, recovery_codes_left });

/// The second factor of a user.
///
/// # Errors
/// [`DbError`]; `None` if there is none.
pub async fn find(tx: &SharedTx, user: UserId) -> Result<Option<SecondFactor>, DbError> {
    const FIND: &str = "
        SELECT a.confirmed_at AS enabled_at,
               (SELECT count(*) FROM shared.recovery_codes r
                 WHERE r.user_id = a.user_id AND r.used_at IS NULL) AS recovery_codes_left
          FROM shared.authenticators a WHERE a.user_id = $1 AND a.confirmed_at IS NOT NULL";
    tx.row_opt(FIND, &[&user]).await
}

/// Removes the second factor of a user who has lost it. All sessions of the user end.
///
/// # Errors
/// [`SecondFactorError::NotEnabled`].
pub async fn reset(tx: &SharedTx, user: UserId, by: By<'_>) -> Result<(), SecondFactorError> {
    session::revoke(tx, user, Which::All, "second_factor_reset", by).await?;
    remove(tx, user).await?;
    Ok(told(tx, user, AuthAction::SecondFactorRemoved, by).await?)
}

/// Records a change of the second factor, and tells its user.
pub(super) async fn told(tx: &SharedTx, user: UserId, action: AuthAction, by: By<'_>) -> Result<(), DbError> {
    let event = AuthEvent { user: Some(user), ..AuthEvent::new(action).by(by) };
    auth_event::record(tx, &event).await?;
    let Some(email) = user::email(tx, user).await? else { return Ok(()) };
    let change = match action {
        AuthAction::SecondFactorEnabled => "enabled",
        AuthAction::SecondFactorRemoved => "removed",
        AuthAction::RecoveryCodeUsed => "code_used",
        _ => "codes_renewed",
    };
    let parameters = serde_json::json!({"secondFactor": change});
    outgoing::queue(tx, Template::SecondFactorChanged, None, email.as_str(), &parameters).await.map(drop)
}

async fn remove(tx: &SharedTx, user: UserId) -> Result<(), SecondFactorError> {
    const REMOVE: &str = "DELETE FROM shared.authenticators WHERE user_id = $1 AND confirmed_at IS NOT NULL";
    if tx.execute(REMOVE, &[&user]).await? == 0 {
        return Err(SecondFactorError::NotEnabled);
    }
    Ok(recovery_code::forget(tx, user).await?)
}

pub(super) struct Stored {
    sealed_secret: Vec<u8>,
    sealed_with: String,
    last_step: Option<i64>,
}

tenancy::from_row!(Stored { sealed_secret, sealed_with, last_step });

/// The outcome of a code, which is kept.
enum Outcome {
    NoFactor,
    Right(DateTime<Utc>),
    Refused(SecondFactorError),
}

pub(super) fn totp(secret: Vec<u8>, label: &Label<'_>) -> Result<Totp, Unreadable> {
    // A colon separates the parts of the label.
    let plain = |text: &str| text.replace(':', " ");
    let issuer = Some(plain(label.installation)).filter(|issuer| !issuer.is_empty());
    let builder =
        Builder::new().with_secret(secret).with_account_name(plain(label.login)).with_issuer(issuer);
    builder.build().map_err(|_| Unreadable)
}

/// The name under which an authenticator app shows the digits.
pub(super) struct Label<'a> {
    pub(super) installation: &'a str,
    pub(super) login: &'a str,
}

/// The digits need no name.
const NO_LABEL: Label<'_> = Label { installation: "", login: "user" };

fn seconds(moment: DateTime<Utc>) -> u64 {
    u64::try_from(moment.timestamp()).unwrap_or_default()
}

impl SignIn {
    /// Checks the code of a user who has shown the password. Returns when it was given; `None` if the user
    /// has no second factor. A wrong code is recorded and counted.
    pub(super) async fn check_second_factor(
        &self,
        (user, place): (UserId, Option<&MemberOf>),
        code: Option<&SecretString>,
        origin: &Origin,
    ) -> Result<Option<DateTime<Utc>>, SecondFactorError> {
        let check = async |tx: &SharedTx| self.compare_code(tx, (user, place), code, origin).await;
        match self.database.write_shared(SharedScope::User(user.into()), check).await? {
            Outcome::NoFactor => Ok(None),
            Outcome::Right(given_at) => Ok(Some(given_at)),
            Outcome::Refused(error) => Err(error),
        }
    }

    async fn compare_code(
        &self,
        tx: &SharedTx,
        (user, place): (UserId, Option<&MemberOf>),
        code: Option<&SecretString>,
        origin: &Origin,
    ) -> Result<Outcome, SecondFactorError> {
        // Locked, so that codes are compared one after another.
        const FIND: &str = "
            SELECT sealed_secret, sealed_with, last_step FROM shared.authenticators
             WHERE user_id = $1 AND confirmed_at IS NOT NULL FOR NO KEY UPDATE";
        let Some(stored) = tx.row_opt::<Stored>(FIND, &[&user]).await? else { return Ok(Outcome::NoFactor) };
        let Some(code) = code else { return Ok(Outcome::Refused(SecondFactorError::Required)) };
        let (attempt, wait) = throttle::count_guess(tx, user, origin.address, self.allowed).await?;
        if wait > 0.0 {
            return Ok(Outcome::Refused(SecondFactorError::TooManyAttempts(wait.ceil() as u32)));
        }
        if self.is_right(tx, user, &stored, code.expose_secret().trim(), origin).await? {
            throttle::forget(tx, &attempt).await?;
            return Ok(Outcome::Right(tx.now()));
        }
        let event = AuthEvent {
            failure: Some("wrong_code"),
            tenant: place.and_then(MemberOf::tenant),
            app: place.map(MemberOf::app),
            origin: Some(origin),
            ..AuthEvent::new(AuthAction::SecondFactorRefused).of(user)
        };
        auth_event::record_at_host(tx, &event).await?;
        Ok(Outcome::Refused(SecondFactorError::Wrong))
    }

    pub(super) async fn is_right(
        &self,
        tx: &SharedTx,
        user: UserId,
        stored: &Stored,
        code: &str,
        origin: &Origin,
    ) -> Result<bool, SecondFactorError> {
        const USE_STEP: &str = "UPDATE shared.authenticators SET last_step = $2 WHERE user_id = $1";
        let digits: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            let is_used = recovery_code::use_up(tx, user, code).await?;
            if is_used {
                told(tx, user, AuthAction::RecoveryCodeUsed, By::person(user, origin)).await?;
            }
            return Ok(is_used);
        }
        let (id, sealer) = (user.to_string(), &self.authenticator_sealer);
        let secret = sealer.open_bytes(&id, &stored.sealed_secret, &stored.sealed_with)?;
        let step = totp(secret, &NO_LABEL)?.check(&digits, seconds(tx.now()));
        let step = step.and_then(|step| i64::try_from(step).ok());
        let step = step.filter(|step| stored.last_step.is_none_or(|last| last < *step));
        let Some(step) = step else { return Ok(false) };
        tx.execute(USE_STEP, &[&user, &step]).await?;
        Ok(true)
    }

    /// Replaces the recovery codes of a user who knows the password and has the second factor.
    ///
    /// # Errors
    /// [`SecondFactorError`].
    pub async fn renew_recovery_codes(
        &self,
        principal: &Principal,
        password: &SecretString,
        code: &SecretString,
        origin: &Origin,
    ) -> Result<Vec<SecretString>, SecondFactorError> {
        const LOCK: &str = "
            SELECT FROM shared.authenticators
             WHERE user_id = $1 AND confirmed_at IS NOT NULL FOR NO KEY UPDATE";
        self.show_both(principal, password, Some(code), origin)
            .await?
            .ok_or(SecondFactorError::NotEnabled)?;
        let user = principal.user;
        let renew = async |tx: &SharedTx| {
            if tx.execute(LOCK, &[&user]).await? == 0 {
                return Err(SecondFactorError::NotEnabled);
            }
            told(tx, user, AuthAction::RecoveryCodesRenewed, By::person(user, origin)).await?;
            Ok(recovery_code::renew(tx, user).await?)
        };
        self.database.write_shared(SharedScope::User(user.into()), renew).await
    }

    /// Turns the second factor off, for a user who knows the password and has the factor.
    ///
    /// # Errors
    /// [`SecondFactorError`].
    pub async fn disable_second_factor(
        &self,
        principal: &Principal,
        password: &SecretString,
        code: &SecretString,
        origin: &Origin,
    ) -> Result<(), SecondFactorError> {
        const NOT_GIVEN: &str = "UPDATE shared.sessions SET second_factor_at = NULL WHERE id = $1";
        self.show_both(principal, password, Some(code), origin)
            .await?
            .ok_or(SecondFactorError::NotEnabled)?;
        let user = principal.user;
        let disable = async |tx: &SharedTx| {
            let by = By::person(user, origin);
            // A session that never gave it must not become whole.
            session::revoke(tx, user, Which::AllBut(principal.session), "second_factor_removed", by).await?;
            tx.execute(NOT_GIVEN, &[&principal.session]).await?;
            remove(tx, user).await?;
            Ok::<_, SecondFactorError>(told(tx, user, AuthAction::SecondFactorRemoved, by).await?)
        };
        self.database.write_shared(SharedScope::User(user.into()), disable).await
    }

    /// Lets a signed-in user prove once more who they are. The next refresh of the session carries it.
    ///
    /// # Errors
    /// [`SecondFactorError`].
    pub async fn step_up(
        &self,
        principal: &Principal,
        password: &SecretString,
        code: Option<&SecretString>,
        origin: &Origin,
    ) -> Result<(), SecondFactorError> {
        const PROVED: &str = "UPDATE shared.sessions SET authenticated_at = $2 WHERE id = $1";
        let given_at = self.show_both(principal, password, code, origin).await?;
        let (user, session) = (principal.user, principal.session);
        let prove = async |tx: &SharedTx| {
            tx.execute(PROVED, &[&session, &tx.now()]).await?;
            if given_at.is_some() {
                given_in(tx, session).await?;
            }
            let event = AuthEvent {
                session: Some(session),
                origin: Some(origin),
                ..AuthEvent::new(AuthAction::SteppedUp).of(user)
            };
            auth_event::record(tx, &event).await
        };
        Ok(self.database.write_shared(SharedScope::User(user.into()), prove).await?)
    }

    /// Checks the password of a signed-in user, and then the second factor, if there is one.
    pub(super) async fn show_both(
        &self,
        principal: &Principal,
        password: &SecretString,
        code: Option<&SecretString>,
        origin: &Origin,
    ) -> Result<Option<DateTime<Utc>>, SecondFactorError> {
        let (_, attempt, _) = self.confirm(principal, password, origin).await?;
        self.forget(&attempt).await?;
        self.check_second_factor((principal.user, Some(&principal.member_of)), code, origin).await
    }
}

/// Notes that the second factor was given in a session.
pub(super) async fn given_in(tx: &SharedTx, session: SessionId) -> Result<(), DbError> {
    const GIVEN: &str = "UPDATE shared.sessions SET second_factor_at = $2 WHERE id = $1";
    tx.execute(GIVEN, &[&session, &tx.now()]).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_the_rfc() {
        // RFC 6238 appendix B, the last six of the eight digits.
        let totp = totp(b"12345678901234567890".to_vec(), &NO_LABEL).unwrap();
        for (time, digits) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
            assert_eq!(totp.check(digits, time), Some(time / 30), "{time}");
            assert_eq!(totp.check(digits, time + 30), Some(time / 30), "one step late: {time}");
            assert_eq!(totp.check(digits, time + 90), None, "{time}");
        }
    }
}
