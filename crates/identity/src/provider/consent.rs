//! Consents: what people have allowed programs that are somebody else's, at one business.

use chrono::{DateTime, Utc};
use tenancy::{DbError, SharedTx};
use values::Name;

use crate::names::ids::{MembershipId, SessionId, UserId};
use crate::names::keys::{AppSlug, ClientId};
use crate::provider::place::Place;
use crate::records::auth_event::{self, AuthAction, AuthEvent, By, Origin};
use crate::signing_in::delegation::Scopes;
use crate::signing_in::session::{self, Which};

/// Whether a person has allowed a program these scopes there.
///
/// # Errors
/// [`DbError`].
pub async fn covers(
    tx: &SharedTx,
    membership: MembershipId,
    client: &ClientId,
    scopes: &Scopes,
) -> Result<bool, DbError> {
    const FIND: &str = "SELECT scopes FROM shared.consents WHERE membership_id = $1 AND client_id = $2";
    let given: Option<Vec<String>> = tx.value_opt(FIND, &[&membership, client]).await?;
    Ok(given.is_some_and(|given| scopes.are_within(&given.into())))
}

/// Allows a program these scopes, besides those that it was allowed before.
///
/// # Errors
/// [`DbError`].
pub async fn give(
    tx: &SharedTx,
    (user, place): (UserId, &Place),
    (client, app): (&ClientId, &AppSlug),
    scopes: &Scopes,
    origin: &Origin,
) -> Result<(), DbError> {
    const GIVE: &str = "
        INSERT INTO shared.consents AS c (membership_id, client_id, user_id, scopes, given_at)
        VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (membership_id, client_id) DO UPDATE
           SET scopes = ARRAY(SELECT DISTINCT unnest(c.scopes || EXCLUDED.scopes)),
               given_at = EXCLUDED.given_at";
    tx.execute(GIVE, &[&place.membership_id, client, &user, &scopes.as_slice(), &tx.now()]).await?;
    let event = AuthEvent {
        tenant: place.tenant_id,
        app: Some(app),
        user: Some(user),
        details: serde_json::json!({"client": client, "scopes": scopes.as_slice()}),
        ..AuthEvent::new(AuthAction::ConsentGiven).by(By::person(user, origin))
    };
    auth_event::record(tx, &event).await
}

/// A consent, as its person reads it.
#[derive(Debug, Clone)]
pub struct Consent {
    /// The membership that the program may use, which identifies the consent with the program.
    pub membership_id: MembershipId,
    /// The program.
    pub client_id: ClientId,
    /// The name of the program.
    pub client_name: Name,
    /// The app of the membership.
    pub app: AppSlug,
    /// The name of the business, if the app has businesses.
    pub business: Option<String>,
    /// What the program may learn and do.
    pub scopes: Vec<String>,
    /// When the person allowed it last.
    pub given_at: DateTime<Utc>,
}

tenancy::from_row!(Consent { membership_id, client_id, client_name, app, business, scopes, given_at });

/// The consents of a person, by the name of the program.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &SharedTx, user: UserId) -> Result<Vec<Consent>, DbError> {
    const LIST: &str = "
        SELECT c.membership_id, c.client_id, p.name AS client_name, m.app, t.name AS business, c.scopes,
               c.given_at
          FROM shared.consents c
          JOIN shared.oauth_clients p ON p.id = c.client_id
          JOIN shared.memberships m ON m.id = c.membership_id
          LEFT JOIN shared.tenants t ON t.id = m.tenant_id
         WHERE c.user_id = $1
         ORDER BY p.name, c.client_id, t.name, c.membership_id";
    tx.rows(LIST, &[&user]).await
}

/// Takes back all that a person has allowed a program, at every business. The sessions of the program end,
/// and its unused codes are worth nothing. Returns whether there was anything to take back.
///
/// # Errors
/// [`DbError`].
pub async fn withdraw(
    tx: &SharedTx,
    user: UserId,
    client: &ClientId,
    origin: &Origin,
) -> Result<bool, DbError> {
    const WITHDRAW: &str = "DELETE FROM shared.consents WHERE user_id = $1 AND client_id = $2";
    const CODES: &str = "
        DELETE FROM shared.authorization_codes
         WHERE user_id = $1 AND client_id = $2 AND session_id IS NULL";
    const SESSIONS: &str = "
        SELECT id FROM shared.sessions
         WHERE user_id = $1 AND client_id = $2 AND revoked_at IS NULL ORDER BY id";
    let by = By::person(user, origin);
    let consents = tx.execute(WITHDRAW, &[&user, client]).await?;
    tx.execute(CODES, &[&user, client]).await?;
    let sessions = tx.values::<SessionId>(SESSIONS, &[&user, client]).await?;
    if consents == 0 && sessions.is_empty() {
        return Ok(false);
    }
    for session in sessions {
        session::revoke(tx, user, Which::One(session), "consent_withdrawn", by).await?;
    }
    let event = AuthEvent {
        user: Some(user),
        details: serde_json::json!({"client": client}),
        ..AuthEvent::new(AuthAction::ConsentWithdrawn).by(by)
    };
    auth_event::record(tx, &event).await?;
    Ok(true)
}
