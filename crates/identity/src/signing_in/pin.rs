//! PINs, with which the cashiers of a till take turns. A PIN is good only together with the session of a
//! device at which a member of the business has signed in, and the session that it begins ends with that one.

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use tenancy::{DbError, SharedScope, SharedTx, TenantId};
use values::Email;

use crate::POS_APP;
use crate::names::digest::sha256;
use crate::names::ids::{MembershipId, SessionId, UserId};
use crate::names::keys::{AppSlug, Username};
use crate::people::membership::MemberOf;
use crate::people::permission::Permission;
use crate::people::user::PasswordHash;
use crate::records::auth_event::{self, AuthAction, AuthEvent, Origin};
use crate::signing_in::hash_turns::{Applicant, TooBusy};
use crate::signing_in::hasher::Verdict;
use crate::signing_in::login::{SignIn, SignedIn};
use crate::signing_in::password_change::ChangeError;
use crate::signing_in::principal::Principal;
use crate::signing_in::second_factor::in_seconds;
use crate::signing_in::session::{self, Entrant, Proof, Started};
use crate::signing_in::throttle::{self, Attempt};

/// Four to twelve digits that are not the first ones to be guessed.
#[derive(Debug, Clone)]
pub struct Pin(SecretString);

/// A PIN was refused, or not changed.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// The text is no PIN.
    #[error("a PIN has 4 to 12 digits")]
    Form,
    /// Everybody guesses such a PIN first.
    #[error("this PIN is too easy to guess; do not repeat digits, or count up or down")]
    TooEasy,
    /// The session is not that of a till.
    #[error("this is not the session of a till; sign in to the app pos with the name of the device")]
    NoDevice,
    /// The user is no active member of the till here.
    #[error("you are no member of the app pos at this business")]
    NoMember,
    /// The PIN is wrong, or the member has none.
    #[error("the PIN is wrong")]
    Wrong,
    /// The PIN was right, and the member may not approve this.
    #[error("this member cannot approve it, because the role lacks the permission {}", .0.as_str())]
    MayNot(Permission),
    /// There were too many wrong PINs. The client must wait for so many seconds.
    #[error("too many PINs were wrong; try again in {}, or sign in with the password", in_seconds(*.0))]
    TooManyAttempts(u32),
    /// The password was refused.
    #[error(transparent)]
    Password(#[from] ChangeError),
    /// The PIN was not checked, because too many others were being checked.
    #[error(transparent)]
    TooBusy(#[from] TooBusy),
    /// PostgreSQL refused a query, or the connection failed.
    #[error("a query about PINs failed")]
    Db(#[from] DbError),
}

impl Pin {
    /// # Errors
    /// [`PinError::Form`] and [`PinError::TooEasy`].
    pub fn parse(text: &SecretString) -> Result<Self, PinError> {
        let plain = text.expose_secret();
        if !(4..=12).contains(&plain.len()) || !plain.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(PinError::Form);
        }
        let digits = plain.as_bytes();
        let steps: Vec<i16> = digits.windows(2).map(|pair| i16::from(pair[1]) - i16::from(pair[0])).collect();
        let is_even = steps.iter().all(|step| *step == steps[0]) && steps[0].abs() <= 1;
        let is_repeated = digits.chunks(2).all(|pair| pair == &digits[..pair.len()]);
        if is_even || is_repeated {
            return Err(PinError::TooEasy);
        }
        Ok(Self(text.clone()))
    }
}

/// A member who may sign in at a till with a PIN.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PinHolder {
    /// The member.
    pub user_id: UserId,
    /// The name, if known.
    pub full_name: Option<String>,
    /// The username at the business, if there is one.
    pub username: Option<Username>,
}

tenancy::from_row!(PinHolder { user_id, full_name, username });

/// The members of a business who have a PIN, by name.
///
/// # Errors
/// [`DbError`].
pub async fn holders(tx: &SharedTx, tenant: TenantId) -> Result<Vec<PinHolder>, DbError> {
    const LIST: &str = "
        SELECT p.user_id, u.full_name,
               (SELECT l.value FROM shared.user_logins l
                 WHERE l.user_id = p.user_id AND l.kind = 'username' AND l.tenant_id = $1) AS username
          FROM shared.pins p
          JOIN shared.memberships m ON m.id = p.membership_id AND m.status = 'active'
          JOIN shared.users u ON u.id = p.user_id
         WHERE p.tenant_id = $1
         ORDER BY u.full_name, p.user_id LIMIT 500";
    tx.rows(LIST, &[&tenant]).await
}

struct Found {
    no_device: bool,
    wait: f64,
    hash: Option<String>,
    key: Option<String>,
    membership_id: Option<MembershipId>,
    membership_version: Option<i32>,
    password_changed_at: Option<DateTime<Utc>>,
    full_name: Option<String>,
    email: Option<Email>,
    username: Option<Username>,
    roles: Option<Vec<String>>,
    permissions: Option<Vec<String>>,
    device: Option<String>,
}

tenancy::from_row!(Found {
    no_device,
    wait,
    hash,
    key,
    membership_id,
    membership_version,
    password_changed_at,
    full_name,
    email,
    username,
    roles,
    permissions,
    device,
});

/// A member whose PIN was right.
struct Checked {
    tenant: TenantId,
    found: Found,
    access: (MembershipId, i32),
    attempt: Attempt,
}

/// Sessions that began with the PIN end, by a trigger.
const REMOVE: &str = "DELETE FROM shared.pins WHERE user_id = $1 AND tenant_id = $2";

impl SignIn {
    /// Sets the PIN of a signed-in member of the till who knows the password. Sessions that began with a
    /// former PIN end.
    ///
    /// # Errors
    /// [`PinError`].
    pub async fn set_pin(
        &self,
        principal: &Principal,
        password: &SecretString,
        pin: &Pin,
        origin: &Origin,
    ) -> Result<(), PinError> {
        // Those who set it at the same time do so one after another.
        const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
        const SET: &str = "
            INSERT INTO shared.pins (membership_id, user_id, tenant_id, hash, key, updated_at)
            SELECT m.id, m.user_id, m.tenant_id, $4, $5, $6 FROM shared.memberships m
             WHERE m.user_id = $1 AND m.tenant_id = $2 AND m.app = $3 AND m.status = 'active'";
        let (user, tenant) = (principal.user, principal.member_of.tenant());
        let (_, attempt, _) = self.confirm(principal, password, origin).await?;
        self.forget(&attempt).await?;
        let applicant = Applicant::client(tenant, origin.network());
        let hash = self.hasher.hash_secret(&pin.0, &applicant).await?;
        let event = AuthEvent { tenant, origin: Some(origin), ..AuthEvent::new(AuthAction::PinSet).of(user) };
        let set = async |tx: &SharedTx| {
            let PasswordHash { hash, key } = &hash;
            tx.execute(LOCK, &[&format!("pin of {user} {tenant:?}")]).await?;
            tx.execute(REMOVE, &[&user, &tenant]).await?;
            if tx.execute(SET, &[&user, &tenant, &POS_APP, hash, key, &tx.now()]).await? == 0 {
                return Err(PinError::NoMember);
            }
            Ok(auth_event::record(tx, &event).await?)
        };
        self.database.write_shared(SharedScope::User(user.into()), set).await
    }

    /// Removes the PIN of a signed-in member of the business. Sessions that began with it end.
    ///
    /// # Errors
    /// [`DbError`]; whether there was one.
    pub async fn remove_pin(&self, principal: &Principal, origin: &Origin) -> Result<bool, DbError> {
        let (user, tenant) = (principal.user, principal.member_of.tenant());
        let event =
            AuthEvent { tenant, origin: Some(origin), ..AuthEvent::new(AuthAction::PinRemoved).of(user) };
        let remove = async |tx: &SharedTx| {
            if tx.execute(REMOVE, &[&user, &tenant]).await? == 0 {
                return Ok(false);
            }
            auth_event::record(tx, &event).await?;
            Ok::<_, DbError>(true)
        };
        self.database.write_shared(SharedScope::User(user.into()), remove).await
    }

    /// Signs a member in with a PIN, at the device of a session. Whoever was signed in there with a PIN
    /// before is signed out.
    ///
    /// # Errors
    /// [`PinError`].
    pub async fn sign_in_with_pin(
        &self,
        device: &Principal,
        user: UserId,
        pin: &SecretString,
        origin: &Origin,
    ) -> Result<(SignedIn, Started), PinError> {
        let Checked { tenant, found, access, attempt } =
            self.check_pin(device, device.session, user, pin, origin).await?;
        let entrant = Entrant {
            signed_in: SignedIn {
                user,
                email: found.email,
                username: found.username,
                full_name: found.full_name,
                member_of: MemberOf::app_of(AppSlug::known(POS_APP), Some(tenant)),
                membership_version: access.1,
                roles: found.roles.unwrap_or_default(),
                permissions: found.permissions.unwrap_or_default(),
            },
            membership: access.0,
            password_changed_at: found.password_changed_at,
            // The device is the second factor.
            second_factor_at: Some(Utc::now()),
            proof: Proof::Pin(device.session),
            attempt,
        };
        let origin = Origin { device: found.device, ..origin.clone() };
        let started = session::start(&self.database, &entrant, &self.terms, &origin).await?;
        Ok((entrant.signed_in, started.ok_or(PinError::NoDevice)?))
    }

    /// Lets a member approve something with a PIN at the till of somebody else: nobody is signed in or out.
    /// The caller stores what was approved. `till` may itself have begun with a PIN at the device.
    ///
    /// # Errors
    /// [`PinError`]; [`PinError::MayNot`] if the member has no such permission.
    pub async fn approve_with_pin(
        &self,
        till: &Principal,
        user: UserId,
        pin: &SecretString,
        permission: Permission,
        origin: &Origin,
    ) -> Result<(), PinError> {
        const DEVICE: &str = "SELECT shared.device_session_of($1, $2)";
        let find = async |tx: &SharedTx| tx.value(DEVICE, &[&till.session, &tx.now()]).await;
        let device: Option<SessionId> = self.database.write_shared(SharedScope::Public, find).await?;
        let device = device.ok_or(PinError::NoDevice)?;
        let Checked { found, attempt, .. } = self.check_pin(till, device, user, pin, origin).await?;
        // The failures of the member stay: a cashier could guess on after each approval.
        let uncount = async |tx: &SharedTx| throttle::uncount(tx, &attempt).await;
        self.database.write_shared(SharedScope::Public, uncount).await?;
        let permissions = found.permissions.unwrap_or_default();
        match permissions.iter().any(|held| held == permission.as_str()) {
            true => Ok(()),
            false => Err(PinError::MayNot(permission)),
        }
    }

    /// Checks the PIN of a member at the device with this session, and counts the attempt.
    async fn check_pin(
        &self,
        till: &Principal,
        device: SessionId,
        user: UserId,
        pin: &SecretString,
        origin: &Origin,
    ) -> Result<Checked, PinError> {
        const BEGIN: &str = "
            SELECT no_device, wait, hash, key, membership_id, membership_version, password_changed_at,
                   full_name, email, username, roles, permissions, device
              FROM shared.begin_pin_sign_in($1, $2, $3, $4, $5, $6)";
        let tenant = till.member_of.tenant().ok_or(PinError::NoDevice)?;
        let account = sha256(&format!("pin {tenant} {user}"));
        let of_till = sha256(&format!("pin at {device}"));
        let attempt = Attempt { account: account.clone(), counted: vec![of_till.clone(), account.clone()] };
        let read = async |tx: &SharedTx| {
            tx.row::<Found>(BEGIN, &[&device, &tenant, &user, &account, &of_till, &tx.now()]).await
        };
        let found = self.database.write_shared(SharedScope::Public, read).await?;
        if found.no_device {
            return Err(PinError::NoDevice);
        }
        if found.wait > 0.0 {
            return Err(PinError::TooManyAttempts(found.wait.ceil() as u32));
        }
        let stored = found.hash.clone().map(|hash| PasswordHash { hash, key: found.key.clone() });
        let applicant = Applicant::client(Some(tenant), origin.network());
        let verdict = self.hasher.verify(pin, stored, None, &applicant).await;
        let verdict = self.unless_busy::<PinError>(&attempt, verdict).await?;
        let access = found.membership_id.zip(found.membership_version);
        let (Verdict::Right(_), Some(access)) = (verdict, access) else {
            self.record_wrong_pin(user, tenant, origin).await?;
            return Err(PinError::Wrong);
        };
        Ok(Checked { tenant, found, access, attempt })
    }

    async fn record_wrong_pin(&self, user: UserId, tenant: TenantId, origin: &Origin) -> Result<(), DbError> {
        let event = AuthEvent {
            user: Some(user),
            tenant: Some(tenant),
            failure: Some("wrong_pin"),
            origin: Some(origin),
            ..AuthEvent::new(AuthAction::SignIn)
        };
        self.record_at_host(&event).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_that_everybody_guesses_first_are_refused() {
        let parse = |text: &str| Pin::parse(&SecretString::from(text));
        for text in ["4071", "81940273", "1357", "987012"] {
            assert!(parse(text).is_ok(), "{text}");
        }
        for text in ["0000", "1234", "9876", "4343", "121212", "01234567"] {
            assert!(matches!(parse(text), Err(PinError::TooEasy)), "{text}");
        }
        for text in ["", "407", "4071 ", "40a1", "4071407140714", "\u{664}\u{660}\u{667}\u{661}"] {
            assert!(matches!(parse(text), Err(PinError::Form)), "{text}");
        }
    }
}
