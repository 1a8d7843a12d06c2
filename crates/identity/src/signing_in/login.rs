//! Login: an email or a username and a password, checked for one app of one business.

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use tenancy::{Database, DbError, SharedScope, SharedTx};
use values::Email;

use crate::names::ids::{MembershipId, UserId};
use crate::names::keys::Username;
use crate::people::membership::MemberOf;
use crate::people::user::{self, LoginName, PasswordHash, UserStatus};
use crate::records::auth_event::{self, AuthAction, AuthEvent, Origin};
use crate::signing_in::hash_turns::{Applicant, TooBusy};
use crate::signing_in::hasher::{Hasher, Verdict};
use crate::signing_in::password::PasswordPolicy;
use crate::signing_in::second_factor::{SecondFactorError, in_seconds};
use crate::signing_in::session::{self, Entrant, Proof, SessionTerms, Started};
use crate::signing_in::signing_key::Sealer;
use crate::signing_in::throttle::{self, Allowed, Attempt, AttemptKeys};

/// A user who may act in one app of one business.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The id of the user.
    pub user: UserId,
    /// The email of the user. `None` for a user who has a username alone.
    pub email: Option<Email>,
    /// The username of the user at the business. `None` for a user who has an email alone.
    pub username: Option<Username>,
    /// The name of the user, if known.
    pub full_name: Option<String>,
    /// The app and the business that the user signed in to.
    pub member_of: MemberOf,
    /// Counts the changes of the membership; tokens carry it.
    pub membership_version: i32,
    /// The keys of the roles of the membership, sorted.
    pub roles: Vec<String>,
    /// Keys of all permissions of these roles.
    pub permissions: Vec<String>,
}

/// A person with the right password, as the account was read.
pub(super) struct Proved {
    pub(super) user: UserId,
    pub(super) email: Option<Email>,
    pub(super) username: Option<Username>,
    pub(super) full_name: Option<String>,
    pub(super) password_changed_at: Option<DateTime<Utc>>,
    pub(super) must_change_password: bool,
    pub(super) password: PasswordHash,
    pub(super) attempt: Attempt,
    /// What the person is in the app and the business of the credentials, if anything.
    membership: Option<Access>,
}

struct Access {
    membership: MembershipId,
    version: i32,
    roles: Vec<String>,
    permissions: Vec<String>,
}

/// A member with the right password, as it was read.
pub(super) struct Account {
    pub(super) entrant: Entrant,
    pub(super) must_change_password: bool,
    pub(super) password: PasswordHash,
}

/// Nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Unknown login, wrong or missing password, or disabled user. The client does not learn which.
    #[error("the login or the password is wrong")]
    InvalidCredentials,
    /// The password is right, but the user is not an active member of this place.
    #[error("the user has no active membership on this host")]
    NoMembership,
    /// The password is right, but somebody else chose it, so the user must choose another one first.
    #[error("the password must be changed before the first sign-in")]
    MustChangePassword,
    /// The password is right, and the second factor was refused.
    #[error(transparent)]
    SecondFactor(Box<SecondFactorError>),
    /// The account or the network has had too many failures. The client must wait for so many seconds.
    #[error("too many attempts to sign in have failed; try again in {}", in_seconds(*.0))]
    TooManyAttempts(u32),
    /// The password was not checked, because too many others were being checked.
    #[error(transparent)]
    TooBusy(#[from] TooBusy),
    /// PostgreSQL refused a query, or the connection failed.
    #[error("a login query failed")]
    Db(#[from] DbError),
}

impl From<SecondFactorError> for LoginError {
    fn from(error: SecondFactorError) -> Self {
        match error {
            SecondFactorError::Db(error) => error.into(),
            error => Self::SecondFactor(Box::new(error)),
        }
    }
}

impl LoginError {
    /// The reason, as the log of authentication events has it. `None` if nothing is recorded: attempts that
    /// must wait do not fill the log.
    fn recorded(&self) -> Option<&'static str> {
        match self {
            Self::InvalidCredentials => Some("wrong_password"),
            Self::NoMembership => Some("no_membership"),
            Self::MustChangePassword => Some("password_change_required"),
            Self::SecondFactor(_) | Self::TooManyAttempts(_) | Self::TooBusy(_) | Self::Db(_) => None,
        }
    }
}

/// The parts of the server that sign people in.
pub struct SignIn {
    /// The pool of connections.
    pub database: Database,
    /// Compares passwords.
    pub hasher: Hasher,
    /// The rule for new passwords.
    pub policy: PasswordPolicy,
    /// Whether mails are sent. Otherwise, none is written.
    pub sends_mail: bool,
    /// How long sessions last.
    pub terms: SessionTerms,
    /// The failures that are allowed before attempts must wait.
    pub allowed: Allowed,
    /// Encrypts the secrets of authenticator apps.
    pub authenticator_sealer: Sealer,
    /// Encrypts the notes that browsers keep.
    pub note_sealer: Sealer,
    /// The name of the installation, under which an authenticator app shows its digits.
    pub installation: String,
}

/// A login and a password, as a client sends them.
pub struct Credentials {
    /// The email or the username.
    pub login: LoginName,
    /// The password.
    pub password: SecretString,
    /// The app and the business to sign in to.
    pub member_of: MemberOf,
    /// The second factor: six digits, or a recovery code.
    pub code: Option<SecretString>,
    /// Whether the person signs in at the provider, for all apps.
    pub is_at_provider: bool,
}

impl SignIn {
    /// Signs a user in: checks the password, and starts a session. Both outcomes are recorded.
    ///
    /// A wrong login takes as much time as a wrong password, whatever the cost of the stored hash is.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn sign_in(
        &self,
        credentials: &Credentials,
        origin: &Origin,
    ) -> Result<(SignedIn, Started), LoginError> {
        // The account changed while its password was being checked. It hardly ever does so twice.
        for _ in 0..3 {
            let account = self.check(credentials, origin).await?;
            if account.must_change_password {
                self.forget(&account.entrant.attempt).await?;
                self.record(
                    credentials,
                    Some(account.entrant.signed_in.user),
                    &LoginError::MustChangePassword,
                    origin,
                )
                .await?;
                return Err(LoginError::MustChangePassword);
            }
            let Entrant { signed_in, attempt, .. } = &account.entrant;
            let second_factor_at = self.take_code(credentials, signed_in.user, attempt, origin).await?;
            let entrant = Entrant { second_factor_at, ..account.entrant };
            if let Some(started) = session::start(&self.database, &entrant, &self.terms, origin).await? {
                return Ok((entrant.signed_in, started));
            }
        }
        Err(LoginError::InvalidCredentials)
    }

    /// Checks a login and a password, and what the user may do there.
    pub(super) async fn check(
        &self,
        credentials: &Credentials,
        origin: &Origin,
    ) -> Result<Box<Account>, LoginError> {
        let proved = self.prove(credentials, origin).await?;
        let Some(access) = proved.membership else {
            self.forget(&proved.attempt).await?;
            self.record(credentials, Some(proved.user), &LoginError::NoMembership, origin).await?;
            return Err(LoginError::NoMembership);
        };
        let signed_in = SignedIn {
            user: proved.user,
            email: proved.email,
            username: proved.username,
            full_name: proved.full_name,
            member_of: credentials.member_of.clone(),
            membership_version: access.version,
            roles: access.roles,
            permissions: access.permissions,
        };
        let entrant = Entrant {
            signed_in,
            membership: access.membership,
            password_changed_at: proved.password_changed_at,
            second_factor_at: None,
            proof: Proof::Password,
            attempt: proved.attempt,
        };
        let must_change_password = proved.must_change_password;
        Ok(Box::new(Account { entrant, must_change_password, password: proved.password }))
    }

    /// Checks the second factor of somebody with the right password. Comes last: a code is used up.
    pub(super) async fn take_code(
        &self,
        credentials: &Credentials,
        user: UserId,
        attempt: &Attempt,
        origin: &Origin,
    ) -> Result<Option<DateTime<Utc>>, LoginError> {
        let place = (user, Some(&credentials.member_of));
        let given_at = self.check_second_factor(place, credentials.code.as_ref(), origin).await;
        if given_at.is_err() {
            // The password was right.
            self.forget(attempt).await?;
        }
        Ok(given_at?)
    }

    /// Checks a login and a password, whatever the person may do there.
    pub(super) async fn prove(
        &self,
        credentials: &Credentials,
        origin: &Origin,
    ) -> Result<Box<Proved>, LoginError> {
        let (proved, user) = self.compare(credentials, origin).await?;
        if proved.is_none() {
            self.record(credentials, user, &LoginError::InvalidCredentials, origin).await?;
        }
        proved.ok_or(LoginError::InvalidCredentials)
    }

    pub(super) async fn record(
        &self,
        credentials: &Credentials,
        user: Option<UserId>,
        refusal: &LoginError,
        origin: &Origin,
    ) -> Result<(), DbError> {
        let Some(failure) = refusal.recorded() else { return Ok(()) };
        let event = AuthEvent {
            user,
            failure: Some(failure),
            tenant: credentials.member_of.tenant(),
            app: Some(credentials.member_of.app()),
            origin: Some(origin),
            ..AuthEvent::new(AuthAction::SignIn)
        };
        self.record_at_host(&event).await
    }

    /// Records an event at the host of a business or of the platform, in a transaction of its own.
    pub(super) async fn record_at_host(&self, event: &AuthEvent<'_>) -> Result<(), DbError> {
        let record = async |tx: &SharedTx| auth_event::record_at_host(tx, event).await;
        self.database.write_shared(SharedScope::Public, record).await
    }

    async fn compare(
        &self,
        credentials: &Credentials,
        origin: &Origin,
    ) -> Result<(Option<Box<Proved>>, Option<UserId>), LoginError> {
        let Credentials { login, password, member_of, .. } = credentials;
        let keys = AttemptKeys::new(login, member_of.tenant(), origin.network());
        let keys = if credentials.is_at_provider { keys.at_provider(origin.network()) } else { keys };
        // The password is compared after the transaction: a hash takes longer than any query may hold a
        // connection.
        let found = self
            .database
            .write_shared(SharedScope::Public, async |tx| {
                begin(tx, login, member_of, &keys, self.allowed, origin).await
            })
            .await?;
        if found.wait > 0.0 {
            return Err(LoginError::TooManyAttempts(found.wait.ceil() as u32));
        }
        // A user who may not sign in is like an unknown one.
        let stored = found.password_hash.clone().filter(|_| found.user_status == Some(UserStatus::Active));
        let stored = stored.map(|hash| PasswordHash { hash, key: found.password_key.clone() });
        let highest_cost = found.highest_cost.and_then(|cost| u32::try_from(cost).ok());
        let applicant = Applicant::client(member_of.tenant(), origin.network());
        let attempt = Attempt { account: keys.account, counted: found.counted };
        let verdict = self.hasher.verify(password, stored.clone(), highest_cost, &applicant).await;
        let verdict = self.unless_busy::<LoginError>(&attempt, verdict).await?;
        let (Verdict::Right(renewed), Some(user)) = (verdict, found.user_id) else {
            return Ok((None, found.user_id));
        };
        let Some(mut password) = stored else { return Ok((None, found.user_id)) };
        if let Some(renewed) = renewed {
            let renew = async |tx: &SharedTx| user::renew_password_hash(tx, user, &password, &renewed).await;
            self.database.write_shared(SharedScope::Public, renew).await?;
            password = renewed;
        }
        let membership = found.membership_id.zip(found.membership_version);
        let membership = membership.map(|(membership, version)| Access {
            membership,
            version,
            roles: found.roles.unwrap_or_default(),
            permissions: found.permissions.unwrap_or_default(),
        });
        let proved = Proved {
            user,
            email: found.email,
            username: found.username,
            full_name: found.full_name,
            password_changed_at: found.password_changed_at,
            must_change_password: found.must_change_password.unwrap_or_default(),
            password,
            attempt,
            membership,
        };
        Ok((Some(Box::new(proved)), Some(user)))
    }

    /// An attempt with the right password was no failure, whatever came of it.
    pub(super) async fn forget(&self, attempt: &Attempt) -> Result<(), DbError> {
        let forget = async |tx: &SharedTx| throttle::forget(tx, attempt).await;
        self.database.write_shared(SharedScope::Public, forget).await
    }

    /// An attempt whose password was not compared, because the server was busy, does not count as a failure.
    pub(super) async fn unless_busy<E: From<TooBusy> + From<DbError>>(
        &self,
        attempt: &Attempt,
        verdict: Result<Verdict, TooBusy>,
    ) -> Result<Verdict, E> {
        if verdict.is_err() {
            let uncount = async |tx: &SharedTx| throttle::uncount(tx, attempt).await;
            self.database.write_shared(SharedScope::Public, uncount).await?;
        }
        Ok(verdict?)
    }
}

struct Row {
    wait: f64,
    counted: Vec<Vec<u8>>,
    highest_cost: Option<i32>,
    user_id: Option<UserId>,
    full_name: Option<String>,
    email: Option<Email>,
    username: Option<Username>,
    password_hash: Option<String>,
    password_key: Option<String>,
    password_changed_at: Option<DateTime<Utc>>,
    must_change_password: Option<bool>,
    user_status: Option<UserStatus>,
    membership_id: Option<MembershipId>,
    membership_version: Option<i32>,
    roles: Option<Vec<String>>,
    permissions: Option<Vec<String>>,
}

tenancy::from_row!(Row {
    wait,
    counted,
    highest_cost,
    user_id,
    full_name,
    email,
    username,
    password_hash,
    password_key,
    password_changed_at,
    must_change_password,
    user_status,
    membership_id,
    membership_version,
    roles,
    permissions,
});

async fn begin(
    tx: &SharedTx,
    login: &LoginName,
    member_of: &MemberOf,
    keys: &AttemptKeys,
    allowed: Allowed,
    origin: &Origin,
) -> Result<Row, DbError> {
    const BEGIN: &str = "
        SELECT wait, counted, highest_cost, user_id, full_name, email, username, password_hash, password_key,
               password_changed_at, must_change_password, user_status, membership_id, membership_version,
               roles, permissions
          FROM shared.begin_sign_in($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let (kind, _, value) = login.columns(None);
    let (per_account, per_network) = allowed.counts();
    tx.row(
        BEGIN,
        &[
            &kind,
            &value,
            member_of.app(),
            &member_of.tenant(),
            &keys.account,
            &keys.network,
            &per_account,
            &per_network,
            &origin.address,
            &tx.now(),
        ],
    )
    .await
}
