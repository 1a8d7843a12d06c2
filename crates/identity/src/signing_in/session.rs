//! Sessions: each is one sign-in to one app of one business, from one device. A session lasts until its user
//! signs out, somebody revokes it, or it expires.

use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use tenancy::{Database, DbError, SharedScope, SharedTx, TenantId};
use uuid::Uuid;

use crate::PLATFORM_APP;
use crate::names::ids::{MembershipId, SessionId, SignOnId, UserId};
use crate::names::keys::AppSlug;
use crate::people::membership::MemberOf;
use crate::people::user;
use crate::records::auth_event::{self, AuthAction, AuthEvent, By, Origin};
use crate::signing_in::delegation::Delegation;
use crate::signing_in::external_identity::{self, ExternalIdentityId, ShownIdentity};
use crate::signing_in::login::SignedIn;
use crate::signing_in::refresh_token::RefreshToken;
use crate::signing_in::second_factor::{self, SecondFactorState};
use crate::signing_in::throttle::{self, Attempt};

/// How long sessions last.
#[derive(Debug, Clone)]
pub struct SessionTerms {
    /// A session that is not refreshed for so long ends.
    pub idle: Duration,
    /// A session ends after so long, however often it is refreshed.
    pub longest: Duration,
    /// Whether the platform's staff need a second factor.
    pub staff_need_second_factor: bool,
}

impl SessionTerms {
    /// The end of a session that is refreshed at `moment` and must end at `expires_at`.
    pub(crate) fn idle_end(&self, moment: DateTime<Utc>, expires_at: DateTime<Utc>) -> DateTime<Utc> {
        (moment + delta(self.idle)).min(expires_at)
    }

    /// What a session lacks. The operator requires a second factor of the staff in the settings.
    pub fn lacks(&self, state: SecondFactorState, member_of: &MemberOf) -> SecondFactorState {
        let is_staff = member_of.app().as_str() == PLATFORM_APP;
        match state {
            SecondFactorState::Unneeded if is_staff && self.staff_need_second_factor => {
                SecondFactorState::ToEnrol
            }
            state => state,
        }
    }

    /// The end of a session that starts at `moment`, however often it is refreshed.
    pub(crate) fn end(&self, moment: DateTime<Utc>) -> DateTime<Utc> {
        moment + delta(self.longest)
    }
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

/// A session that was started or refreshed.
#[derive(Debug, Clone)]
pub struct Started {
    /// The id of the session.
    pub session: SessionId,
    /// The moment at which the user proved who they are. `None` if a mailed link is all that was shown.
    pub signed_in_at: Option<DateTime<Utc>>,
    /// The session ends then, even if it is refreshed.
    pub expires_at: DateTime<Utc>,
    /// The token for the next refresh, which is not stored.
    pub refresh_token: RefreshToken,
    /// What the session lacks.
    pub second_factor: SecondFactorState,
    /// The way in which it began.
    pub beginning: Beginning,
    /// The program that got the session, if the person did not sign in to the app itself.
    pub delegation: Option<Delegation>,
}

/// The way in which a session began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// With the password, or a mailed link.
    Here,
    /// With a PIN, at the device of another session.
    Pin,
    /// With the ID token of an issuer elsewhere.
    Elsewhere,
}

/// The method of a session that began with a PIN (RFC 8176).
pub(super) const PIN: &str = "pin";

impl Started {
    /// The permissions of the session: none if it lacks a second factor.
    pub fn held<'a>(&self, signed_in: &'a SignedIn) -> &'a [String] {
        if self.second_factor.is_complete() { &signed_in.permissions } else { &[] }
    }

    /// The methods by which the person proved who they are (RFC 8176).
    pub fn methods(&self) -> &'static [&'static str] {
        match (self.beginning, self.second_factor) {
            _ if self.signed_in_at.is_none() => &[],
            (Beginning::Pin, _) => &[PIN],
            (Beginning::Here, SecondFactorState::Given) => &["pwd", "otp", "mfa"],
            (Beginning::Here, _) => &["pwd"],
            // The method of the issuer has no name in RFC 8176.
            (Beginning::Elsewhere, SecondFactorState::Given) => &["otp", "mfa"],
            (Beginning::Elsewhere, _) => &[],
        }
    }
}

/// A user who has proved who they are, as the account was read.
pub(super) struct Entrant {
    pub(super) signed_in: SignedIn,
    pub(super) membership: MembershipId,
    pub(super) password_changed_at: Option<DateTime<Utc>>,
    pub(super) second_factor_at: Option<DateTime<Utc>>,
    pub(super) proof: Proof,
    pub(super) attempt: Attempt,
}

/// The proof of a user, before the second factor.
pub(super) enum Proof {
    Password,
    /// A mailed link, which proves less than the password.
    Link,
    /// A PIN, at the device of this session.
    Pin(SessionId),
    /// The ID token of an issuer elsewhere.
    IdToken(Box<ShownIdentity>),
}

impl Proof {
    fn beginning(&self) -> Beginning {
        match self {
            Self::Password | Self::Link => Beginning::Here,
            Self::Pin(_) => Beginning::Pin,
            Self::IdToken(_) => Beginning::Elsewhere,
        }
    }

    fn links_by_email(&self) -> bool {
        matches!(self, Self::IdToken(shown) if shown.id.is_none())
    }

    /// Further facts for the log.
    fn details(&self) -> Value {
        match self {
            Self::Password | Self::Link => json!({}),
            Self::Pin(device) => json!({"pinAtSession": device}),
            Self::IdToken(shown) => json!({"issuer": shown.vouched.issuer}),
        }
    }
}

/// Starts a session. Returns `None` when the account or the membership has changed since it was read.
pub(super) async fn start(
    database: &Database,
    entrant: &Entrant,
    terms: &SessionTerms,
    origin: &Origin,
) -> Result<Option<Started>, DbError> {
    const START: &str = "SELECT shared.start_session($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    const STATE: &str = "SELECT shared.second_factor_state($1, $2, $3, $4)";
    const BY_LINK: &str = "UPDATE shared.sessions SET by_link = true WHERE id = $1";
    const ELSEWHERE: &str = "
        UPDATE shared.sessions SET external_identity_id = $2, authenticated_at = $3 WHERE id = $1";
    const BIND: &str = "SELECT shared.bind_to_device($1, $2, $3)";
    let Entrant { signed_in, membership, password_changed_at, second_factor_at, proof, attempt } = entrant;
    let member_of = &signed_in.member_of;
    let (session, token) = (SessionId::new(), RefreshToken::generate());
    let done = database
        .write_shared(SharedScope::User(signed_in.user.into()), async |tx| {
            if proof.links_by_email() {
                user::lock(tx, signed_in.user).await?;
            }
            let mut expires_at = terms.end(tx.now());
            let event = AuthEvent {
                tenant: member_of.tenant(),
                app: Some(member_of.app()),
                session: Some(session),
                origin: Some(origin),
                details: proof.details(),
                ..AuthEvent::new(AuthAction::SignIn).of(signed_in.user)
            };
            let (started, (), ()) = tenancy::all((
                tx.value::<bool>(
                    START,
                    &[
                        &session,
                        &signed_in.user,
                        membership,
                        &signed_in.membership_version,
                        password_changed_at,
                        &origin.device,
                        &origin.user_agent,
                        &origin.address,
                        &tx.now(),
                        &expires_at,
                        &terms.idle_end(tx.now(), expires_at),
                        &Uuid::now_v7(),
                        &token.hash(),
                    ],
                ),
                auth_event::record(tx, &event),
                throttle::forget(tx, attempt),
            ))
            .await?;
            if !started {
                // The error undoes the event, too.
                return Err(StartError::Changed);
            }
            if second_factor_at.is_some() {
                second_factor::given_in(tx, session).await?;
            }
            let mut signed_in_at = Some(tx.now());
            match proof {
                Proof::Password => {}
                Proof::Link => {
                    tx.execute(BY_LINK, &[&session]).await?;
                    signed_in_at = None;
                }
                Proof::Pin(device) => {
                    let ends: Option<DateTime<Utc>> = tx.value(BIND, &[&session, device, &tx.now()]).await?;
                    expires_at = ends.ok_or(StartError::Changed)?;
                }
                Proof::IdToken(shown) => {
                    let identity = external_identity::enter(tx, shown, signed_in.user, origin).await?;
                    signed_in_at = Some(shown.authenticated_at());
                    let identity = identity.ok_or(StartError::Changed)?;
                    tx.execute(ELSEWHERE, &[&session, &identity, &signed_in_at]).await?;
                }
            }
            let has_link_alone = signed_in_at.is_none();
            let state: SecondFactorState =
                tx.value(STATE, &[&signed_in.user, membership, second_factor_at, &has_link_alone]).await?;
            Ok(Started {
                session,
                signed_in_at,
                expires_at,
                refresh_token: token.clone(),
                beginning: proof.beginning(),
                second_factor: terms.lacks(state, member_of),
                delegation: None,
            })
        })
        .await;
    match done {
        Ok(started) => Ok(Some(started)),
        Err(StartError::Changed) => Ok(None),
        Err(StartError::Db(error)) => Err(error),
    }
}

#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("the account has changed since it was read")]
    Changed,
    #[error("a session query failed")]
    Db(#[from] DbError),
}

/// A session that has not ended.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// The id.
    pub id: SessionId,
    /// The app to which the user signed in.
    pub app: AppSlug,
    /// The name of the business, if the app has businesses.
    pub business: Option<String>,
    /// The name of the program that got the session, if it did so by single sign-on.
    pub program: Option<String>,
    /// The device, as its user names it.
    pub device: Option<String>,
    /// The program, as it names itself.
    pub user_agent: Option<String>,
    /// The address of the last sign-in or refresh.
    pub address: Option<IpAddr>,
    /// When the user signed in.
    pub created_at: DateTime<Utc>,
    /// When the user signed in or refreshed last.
    pub last_seen_at: DateTime<Utc>,
    /// When the session ends, if it is not refreshed.
    pub idle_expires_at: DateTime<Utc>,
    /// Whether the platform's staff act as the user.
    pub is_impersonation: bool,
}

tenancy::from_row!(Session {
    id,
    app,
    business,
    program,
    device,
    user_agent,
    address,
    created_at,
    last_seen_at,
    idle_expires_at,
    is_impersonation,
});

/// The sessions of a user that have not ended, the last used first.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &SharedTx, user: UserId) -> Result<Vec<Session>, DbError> {
    const LIST: &str = "
        SELECT s.id, m.app, t.name AS business, p.name AS program, s.device, s.user_agent, s.address,
               s.created_at, s.last_seen_at, s.idle_expires_at, s.staff_id IS NOT NULL AS is_impersonation
          FROM shared.sessions s
          JOIN shared.memberships m ON m.id = s.membership_id
          LEFT JOIN shared.tenants t ON t.id = s.tenant_id
          LEFT JOIN shared.oauth_clients p ON p.id = s.client_id
         WHERE s.user_id = $1 AND s.revoked_at IS NULL AND s.idle_expires_at > $2
         ORDER BY s.last_seen_at DESC, s.id DESC";
    tx.rows(LIST, &[&user, &tx.now()]).await
}

/// Which sessions of a user to revoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// One session.
    One(SessionId),
    /// One session, with the sign-on of its browser and everything that was opened with it.
    Device(SessionId),
    /// All sessions.
    All,
    /// All sessions but one.
    AllBut(SessionId),
    /// All sessions, and the sign-ons of all browsers but one.
    AllButSignOn(SignOnId),
    /// The sessions and the sign-ons that began with an identity elsewhere.
    OfIdentity(ExternalIdentityId),
}

/// Revokes sessions of a user. Their tokens are refused by every server within a second. Returns the number
/// of sessions that had not ended. `reason` is recorded.
///
/// # Errors
/// [`DbError`].
pub async fn revoke(
    tx: &SharedTx,
    user: UserId,
    which: Which,
    reason: &'static str,
    by: By<'_>,
) -> Result<usize, DbError> {
    // Sign-ons come before sessions. All are locked in the order of their ids, so that two who revoke do not
    // wait for each other.
    const SIGN_ONS: &str = "
        SELECT o.id FROM shared.sign_ons o
         WHERE o.user_id = $1 AND o.revoked_at IS NULL
           AND ($2::uuid IS NULL OR o.id = (SELECT sign_on_id FROM shared.sessions WHERE id = $2))
           AND ($3::uuid IS NULL
                OR o.id IS DISTINCT FROM (SELECT sign_on_id FROM shared.sessions WHERE id = $3))
           AND ($4::uuid IS NULL OR o.id <> $4)
           AND ($5::uuid IS NULL OR o.external_identity_id = $5)
         ORDER BY o.id FOR NO KEY UPDATE";
    const END_SIGN_ONS: &str = "
        UPDATE shared.sign_ons SET revoked_at = $2, revoked_reason = $3 WHERE id = ANY ($1)";
    const REVOKE: &str = "
        WITH chosen AS (
            SELECT s.id FROM shared.sessions s
             WHERE s.user_id = $1 AND s.revoked_at IS NULL AND s.idle_expires_at > $4
               AND ($2::uuid IS NULL OR s.id = $2 OR s.sign_on_id = ANY ($6))
               AND ($3::uuid IS NULL OR s.id <> $3)
               AND ($7::uuid IS NULL OR s.external_identity_id = $7 OR s.sign_on_id = ANY ($6))
             ORDER BY s.id FOR NO KEY UPDATE)
        UPDATE shared.sessions s SET revoked_at = $4, revoked_reason = $5
          FROM chosen, shared.memberships m
         WHERE s.id = chosen.id AND m.id = s.membership_id
     RETURNING s.id, m.app, s.tenant_id";
    let (one, but, but_sign_on, identity) = match which {
        Which::One(id) | Which::Device(id) => (Some(id), None, None, None),
        Which::All => (None, None, None, None),
        Which::AllBut(id) => (None, Some(id), None, None),
        Which::AllButSignOn(id) => (None, None, Some(id), None),
        Which::OfIdentity(id) => (None, None, None, Some(id)),
    };
    let sign_ons: Vec<SignOnId> = match which {
        Which::One(_) => Vec::new(),
        _ => tx.values(SIGN_ONS, &[&user, &one, &but, &but_sign_on, &identity]).await?,
    };
    let revoked: Vec<Revoked> =
        tx.rows(REVOKE, &[&user, &one, &but, &tx.now(), &reason, &sign_ons, &identity]).await?;
    if !sign_ons.is_empty() {
        tx.execute(END_SIGN_ONS, &[&sign_ons, &tx.now(), &reason]).await?;
    }
    for session in &revoked {
        let event = AuthEvent {
            tenant: session.tenant_id,
            app: Some(&session.app),
            session: Some(session.id),
            user: Some(user),
            details: json!({"reason": reason}),
            ..AuthEvent::new(AuthAction::SessionEnded).by(by)
        };
        auth_event::record(tx, &event).await?;
    }
    Ok(revoked.len())
}

/// Ends the sessions of a member at a business, for example on a lost device. No app opens at the business
/// before the member has given the password again.
///
/// # Errors
/// [`DbError`].
pub async fn revoke_at(tx: &SharedTx, user: UserId, tenant: TenantId, by: By<'_>) -> Result<(), DbError> {
    const SIGN_IN_AGAIN: &str = "
        UPDATE shared.memberships SET sign_in_again_since = $3 WHERE user_id = $1 AND tenant_id = $2";
    tx.execute(SIGN_IN_AGAIN, &[&user, &tenant, &tx.now()]).await?;
    // The scope shows only the sessions at this business.
    revoke(tx, user, Which::All, "revoked", by).await.map(drop)
}

struct Revoked {
    id: SessionId,
    app: AppSlug,
    tenant_id: Option<TenantId>,
}

tenancy::from_row!(Revoked { id, app, tenant_id });

/// Deletes sessions that ended days ago, expired refresh tokens and old revocations. Returns the number of
/// sessions.
///
/// # Errors
/// [`DbError`].
pub async fn prune(tx: &SharedTx) -> Result<u64, DbError> {
    // An expired token is refused with or without its row.
    const TOKENS: &str = "DELETE FROM shared.refresh_tokens WHERE expires_at < $1";
    const SESSIONS: &str = "DELETE FROM shared.sessions WHERE least(idle_expires_at, revoked_at) < $1";
    // No access token lives for a day.
    const REVOCATIONS: &str = "DELETE FROM shared.revocations WHERE revoked_at < $1";
    tx.execute(TOKENS, &[&tx.now()]).await?;
    let sessions = tx.execute(SESSIONS, &[&(tx.now() - TimeDelta::days(7))]).await?;
    tx.execute(REVOCATIONS, &[&(tx.now() - TimeDelta::days(1))]).await?;
    Ok(sessions)
}
