//! Linking an identity elsewhere to an account. It takes what a new password takes: the present one, and the
//! second factor, if there is one.

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use tenancy::{DbError, SharedScope, SharedTx};

use crate::issuers::issuer::Vouched;
use crate::names::ids::{SessionId, SignOnId, UserId};
use crate::people::user;
use crate::records::auth_event::Origin;
use crate::signing_in::external_identity::{self, ExternalIdentity};
use crate::signing_in::login::SignIn;
use crate::signing_in::principal::Principal;
use crate::signing_in::second_factor::SecondFactorError;
use crate::signing_in::sign_on::SignOn;

/// An identity was not linked.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The ID token was used before.
    #[error("the ID token was used before; get another one from the issuer")]
    Used,
    /// The identity is linked to another account.
    #[error("the identity is linked to another account; unlink it there first")]
    Taken,
    /// The account has as many identities as it may have.
    #[error("an account can have {MOST} identities at most; unlink one first")]
    TooMany,
    /// The person has not given the password and the second factor since, or the session has ended.
    #[error("the session has ended; sign in with the password, and link the identity then")]
    NotProved,
    /// The password or the second factor was refused.
    #[error(transparent)]
    Refused(#[from] SecondFactorError),
    /// PostgreSQL refused a query, or the connection failed.
    #[error("a query about identities failed")]
    Db(#[source] DbError),
}

impl From<DbError> for LinkError {
    fn from(error: DbError) -> Self {
        match error.constraint() {
            // This account had it before, and another one has it now.
            Some("external_identities_subject_key") => Self::Taken,
            _ => Self::Db(error),
        }
    }
}

/// The session or the sign-on in which the person has given the password.
enum LinksIn {
    Session(SessionId),
    SignOn(SignOnId),
}

impl LinksIn {
    fn ids(&self) -> (Option<SessionId>, Option<SignOnId>) {
        match self {
            Self::Session(id) => (Some(*id), None),
            Self::SignOn(id) => (None, Some(*id)),
        }
    }
}

/// The most identities of one account.
const MOST: i64 = 10;

impl SignIn {
    /// Links an identity to the account of a signed-in user, who knows the password and has the second
    /// factor, if there is one.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn link_identity(
        &self,
        principal: &Principal,
        (password, code): (&SecretString, Option<&SecretString>),
        vouched: &Vouched,
        origin: &Origin,
    ) -> Result<ExternalIdentity, LinkError> {
        self.show_both(principal, password, code, origin).await?;
        self.link(principal.user, LinksIn::Session(principal.session), vouched, origin).await
    }

    /// Links an identity to the account of somebody who came with it to a browser at the moment `since`, and
    /// has given the password since, and the second factor, if there is one.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn link_identity_in_browser(
        &self,
        sign_on: &SignOn,
        since: DateTime<Utc>,
        vouched: &Vouched,
        origin: &Origin,
    ) -> Result<ExternalIdentity, LinkError> {
        if !sign_on.may_link_since(since) {
            return Err(LinkError::NotProved);
        }
        self.link(sign_on.user_id, LinksIn::SignOn(sign_on.id), vouched, origin).await
    }

    async fn link(
        &self,
        user: UserId,
        place: LinksIn,
        vouched: &Vouched,
        origin: &Origin,
    ) -> Result<ExternalIdentity, LinkError> {
        // A reset of the password holds this lock until it has ended all sessions.
        const IS_LIVE: &str = "
            SELECT EXISTS (SELECT FROM shared.users WHERE id = $1 AND status = 'active')
               AND ($2::uuid IS NULL
                    OR EXISTS (SELECT FROM shared.sessions WHERE id = $2 AND revoked_at IS NULL))
               AND ($3::uuid IS NULL
                    OR EXISTS (SELECT FROM shared.sign_ons WHERE id = $3 AND revoked_at IS NULL))";
        const COUNT: &str = "
            SELECT count(*) FROM shared.external_identities
             WHERE user_id = $1 AND unlinked_at IS NULL AND (issuer, subject) <> ($2, $3)";
        let link = async |tx: &SharedTx| {
            user::lock(tx, user).await?;
            let (session, sign_on) = place.ids();
            if !tx.value::<bool>(IS_LIVE, &[&user, &session, &sign_on]).await? {
                return Err(LinkError::NotProved);
            }
            if !external_identity::use_up(tx, vouched).await? {
                return Err(LinkError::Used);
            }
            if tx.value::<i64>(COUNT, &[&user, &vouched.issuer, &vouched.subject]).await? >= MOST {
                return Err(LinkError::TooMany);
            }
            external_identity::link(tx, user, vouched, false, origin).await?.ok_or(LinkError::Taken)
        };
        self.database.write_shared(SharedScope::User(user.into()), link).await
    }
}
