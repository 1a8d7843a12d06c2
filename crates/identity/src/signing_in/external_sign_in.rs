//! Signing in with the ID token of an issuer elsewhere, instead of the password.

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde_json::json;
use tenancy::{DbError, SharedScope, SharedTx};
use values::Email;

use crate::issuers::issuer::Vouched;
use crate::names::ids::{MembershipId, UserId};
use crate::names::keys::{ClientId, Username};
use crate::people::membership::MemberOf;
use crate::records::auth_event::{AuthAction, AuthEvent, Origin};
use crate::signing_in::external_identity::{ExternalIdentityId, ShownIdentity};
use crate::signing_in::login::{LoginError, SignIn, SignedIn};
use crate::signing_in::session::{self, Entrant, Proof, Started};
use crate::signing_in::sign_on::{Entering, SignOnSecret};
use crate::signing_in::throttle::{self, Attempt, AttemptKeys};

/// Nobody was signed in with an ID token, although the token is valid.
#[derive(Debug, thiserror::Error)]
pub enum ExternalSignInError {
    /// The ID token was used before.
    #[error("the ID token was used before; get another one from the issuer")]
    Used,
    /// The identity is linked to no account, or the account is closed. The client does not learn which.
    #[error("this identity is linked to no account; sign in with the password, and link it in the account")]
    Unknown,
    /// The business has ended the sessions of the member since the person proved at the issuer who they are.
    #[error("the business has ended your sessions; sign in at the issuer once more, or with the password")]
    Again,
    /// As with the right password.
    #[error(transparent)]
    Login(#[from] LoginError),
}

impl From<DbError> for ExternalSignInError {
    fn from(error: DbError) -> Self {
        Self::Login(error.into())
    }
}

/// An answer of an issuer that was counted.
pub struct CountedAnswer(Attempt);

struct Found {
    wait: f64,
    is_used: bool,
    identity_id: Option<ExternalIdentityId>,
    user_id: Option<UserId>,
    full_name: Option<String>,
    email: Option<Email>,
    username: Option<Username>,
    password_changed_at: Option<DateTime<Utc>>,
    has_second_factor: bool,
    membership_id: Option<MembershipId>,
    membership_version: Option<i32>,
    sign_in_again_since: Option<DateTime<Utc>>,
    roles: Option<Vec<String>>,
    permissions: Option<Vec<String>>,
}

tenancy::from_row!(Found {
    wait,
    is_used,
    identity_id,
    user_id,
    full_name,
    email,
    username,
    password_changed_at,
    has_second_factor,
    membership_id,
    membership_version,
    sign_in_again_since,
    roles,
    permissions,
});

fn named(vouched: &Vouched) -> (&str, &str) {
    (&vouched.issuer, &vouched.subject)
}

impl SignIn {
    /// Signs in the user to whom an identity is linked. An email that the issuer has verified may link it
    /// first. `code` is the second factor. Both outcomes are recorded.
    ///
    /// # Errors
    /// [`ExternalSignInError`].
    pub async fn sign_in_with_identity(
        &self,
        vouched: &Vouched,
        member_of: &MemberOf,
        code: Option<&SecretString>,
        origin: &Origin,
    ) -> Result<(SignedIn, Started), ExternalSignInError> {
        // Another request may have used the token, or linked the identity. Reading again shows it.
        for _ in 0..3 {
            let keys = AttemptKeys::of_identity(named(vouched), member_of.tenant(), origin.network());
            let (user, found) = self.find_identity(vouched, member_of, &keys, origin).await?;
            let attempt = Attempt::from(keys);
            let access = found.membership_id.zip(found.membership_version);
            let Some((membership, membership_version)) = access else {
                self.forget(&attempt).await?;
                self.record_refusal(vouched, member_of, Some(user), "no_membership", origin).await?;
                return Err(LoginError::NoMembership.into());
            };
            let shown = ShownIdentity { id: found.identity_id, vouched: vouched.clone() };
            if found.sign_in_again_since.is_some_and(|since| shown.authenticated_at() < since) {
                self.forget(&attempt).await?;
                self.record_refusal(vouched, member_of, Some(user), "sign_in_again", origin).await?;
                return Err(ExternalSignInError::Again);
            }
            let place = (user, Some(member_of));
            let second_factor = self.check_second_factor(place, code, origin).await;
            if second_factor.is_err() {
                // The identity was right.
                self.forget(&attempt).await?;
            }
            let entrant = Entrant {
                signed_in: SignedIn {
                    user,
                    email: found.email,
                    username: found.username,
                    full_name: found.full_name,
                    member_of: member_of.clone(),
                    membership_version,
                    roles: found.roles.unwrap_or_default(),
                    permissions: found.permissions.unwrap_or_default(),
                },
                membership,
                password_changed_at: found.password_changed_at,
                second_factor_at: second_factor.map_err(LoginError::from)?,
                proof: Proof::IdToken(Box::new(shown)),
                attempt,
            };
            if let Some(started) = session::start(&self.database, &entrant, &self.terms, origin).await? {
                return Ok((entrant.signed_in, started));
            }
        }
        Err(ExternalSignInError::Unknown)
    }

    /// Signs on a browser, like [`SignIn::sign_on`], with an identity instead of the password.
    ///
    /// # Errors
    /// [`ExternalSignInError`]; that the person is a member nowhere is none.
    pub async fn sign_on_with_identity(
        &self,
        vouched: &Vouched,
        member_of: &MemberOf,
        former: Option<&SignOnSecret>,
        asked_by: &ClientId,
        origin: &Origin,
    ) -> Result<(SignOnSecret, UserId), ExternalSignInError> {
        for _ in 0..3 {
            let keys = AttemptKeys::of_identity(named(vouched), member_of.tenant(), origin.network());
            let keys = keys.at_provider(origin.network());
            let (user, found) = self.find_identity(vouched, member_of, &keys, origin).await?;
            if found.identity_id.is_none() && found.has_second_factor {
                // The factor comes later. Before it, no email links anything.
                self.record_refusal(vouched, member_of, Some(user), "unknown_identity", origin).await?;
                return Err(ExternalSignInError::Unknown);
            }
            let entering = Entering {
                user,
                password_changed_at: found.password_changed_at,
                second_factor_at: None,
                identity: Some(ShownIdentity { id: found.identity_id, vouched: vouched.clone() }),
                attempt: &keys.into(),
                asked_by,
            };
            if let Some(secret) = self.enter(&entering, former, origin).await? {
                return Ok((secret, user));
            }
        }
        Err(ExternalSignInError::Unknown)
    }

    /// Counts an answer of an issuer that a browser brings, before the issuer is asked about it.
    ///
    /// # Errors
    /// [`LoginError::TooManyAttempts`].
    pub async fn count_answer(&self, origin: &Origin) -> Result<CountedAnswer, LoginError> {
        let network = origin.network();
        let count = async |tx: &SharedTx| throttle::count_answer(tx, network, self.allowed).await;
        let (attempt, wait) = self.database.write_shared(SharedScope::Public, count).await?;
        if wait > 0.0 {
            return Err(LoginError::TooManyAttempts(wait.ceil() as u32));
        }
        Ok(CountedAnswer(attempt))
    }

    /// The answer was right, so that it counts no more.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn forget_answer(&self, counted: &CountedAnswer) -> Result<(), DbError> {
        let uncount = async |tx: &SharedTx| throttle::uncount(tx, &counted.0).await;
        self.database.write_shared(SharedScope::Public, uncount).await
    }

    /// The user to whom an identity is linked, or will be by its email. A refusal is recorded.
    async fn find_identity(
        &self,
        vouched: &Vouched,
        member_of: &MemberOf,
        keys: &AttemptKeys,
        origin: &Origin,
    ) -> Result<(UserId, Found), ExternalSignInError> {
        const BEGIN: &str = "
            SELECT wait, is_used, identity_id, user_id, full_name, email, username, password_changed_at,
                   has_second_factor, membership_id, membership_version, sign_in_again_since, roles,
                   permissions
              FROM shared.begin_external_sign_in($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
        let Vouched { issuer, subject, .. } = vouched;
        let email = vouched.email.as_ref().filter(|_| vouched.is_linked_by_email);
        let (per_account, per_network) = self.allowed.counts();
        let begin = async |tx: &SharedTx| {
            tx.row::<Found>(
                BEGIN,
                &[
                    issuer,
                    subject,
                    &email,
                    &vouched.token_hash,
                    member_of.app(),
                    &member_of.tenant(),
                    &keys.account,
                    &keys.network,
                    &per_account,
                    &per_network,
                    &tx.now(),
                ],
            )
            .await
        };
        let found = self.database.write_shared(SharedScope::Public, begin).await?;
        if found.wait > 0.0 {
            return Err(LoginError::TooManyAttempts(found.wait.ceil() as u32).into());
        }
        if found.is_used {
            // Somebody may have stolen it.
            self.record_refusal(vouched, member_of, found.user_id, "id_token_used", origin).await?;
            return Err(ExternalSignInError::Used);
        }
        let Some(user) = found.user_id else {
            self.record_refusal(vouched, member_of, None, "unknown_identity", origin).await?;
            return Err(ExternalSignInError::Unknown);
        };
        Ok((user, found))
    }

    async fn record_refusal(
        &self,
        vouched: &Vouched,
        member_of: &MemberOf,
        user: Option<UserId>,
        failure: &'static str,
        origin: &Origin,
    ) -> Result<(), DbError> {
        let event = AuthEvent {
            user,
            failure: Some(failure),
            tenant: member_of.tenant(),
            app: Some(member_of.app()),
            origin: Some(origin),
            details: json!({"issuer": vouched.issuer}),
            ..AuthEvent::new(AuthAction::SignIn)
        };
        self.record_at_host(&event).await
    }
}
