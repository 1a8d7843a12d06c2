//! Identities at issuers elsewhere that are linked to accounts here. Each signs one user in.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use tenancy::{DbError, SharedScope, SharedTx};

use crate::issuers::issuer::Vouched;
use crate::mail::outgoing::{self, Template};
use crate::names::ids::UserId;
use crate::people::user;
use crate::records::auth_event::{self, AuthAction, AuthEvent, By, Origin};
use crate::signing_in::login::SignIn;
use crate::signing_in::principal::RECENT;

values::ids! {
    /// The id of an identity elsewhere.
    ExternalIdentityId,
}

/// An identity that is linked to an account.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalIdentity {
    /// The id.
    pub id: ExternalIdentityId,
    /// The URL of the issuer.
    pub issuer: String,
    /// The name of the issuer, as people see it.
    pub issuer_label: String,
    /// The name of the person at the issuer.
    pub subject: String,
    /// The email that the issuer stated last.
    pub email: Option<String>,
    /// When it was linked.
    pub linked_at: DateTime<Utc>,
    /// When the person signed in with it last.
    pub last_used_at: Option<DateTime<Utc>>,
}

tenancy::from_row!(ExternalIdentity { id, issuer, issuer_label, subject, email, linked_at, last_used_at });

/// An identity was not linked.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The ID token was used before.
    #[error("the ID token was used before; get another one from the issuer")]
    Used,
    /// The identity is linked to an account already.
    #[error("the identity is linked to an account already; unlink it there first")]
    Taken,
    /// The account has as many identities as it may have.
    #[error("an account can have {MOST} identities at most; unlink one first")]
    TooMany,
    /// PostgreSQL refused a query, or the connection failed.
    #[error("a query about identities failed")]
    Db(#[from] DbError),
}

/// The most identities of one account.
const MOST: i64 = 10;

/// An identity with which somebody signs in.
pub(super) struct ShownIdentity {
    /// `None`: its email links it now.
    pub(super) id: Option<ExternalIdentityId>,
    pub(super) vouched: Vouched,
}

impl ShownIdentity {
    /// When the person proved who they are. If the issuer does not say so, it may be long ago.
    pub(super) fn authenticated_at(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.vouched.authenticated_at.unwrap_or(now - RECENT)
    }
}

/// The identities of a user, the last linked first.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &SharedTx, user: UserId) -> Result<Vec<ExternalIdentity>, DbError> {
    const LIST: &str = "
        SELECT id, issuer, issuer_label, subject, email, linked_at, last_used_at
          FROM shared.external_identities
         WHERE user_id = $1 AND unlinked_at IS NULL ORDER BY linked_at DESC, id DESC";
    tx.rows(LIST, &[&user]).await
}

/// Unlinks an identity of a user. The sessions that began with it end. Returns whether it was linked.
///
/// # Errors
/// [`DbError`].
pub async fn unlink(
    tx: &SharedTx,
    user: UserId,
    id: ExternalIdentityId,
    by: By<'_>,
) -> Result<bool, DbError> {
    // Triggers end the sessions.
    const UNLINK: &str = "
        UPDATE shared.external_identities SET unlinked_at = $3
         WHERE id = $2 AND user_id = $1 AND unlinked_at IS NULL
     RETURNING issuer, issuer_label";
    lock(tx, user).await?;
    let unlinked: Option<Unlinked> = tx.row_opt(UNLINK, &[&user, &id, &tx.now()]).await?;
    let Some(Unlinked { issuer, issuer_label }) = unlinked else { return Ok(false) };
    record(tx, user, AuthAction::IdentityUnlinked, &issuer, by).await?;
    tell(tx, user, "unlinked", &issuer_label).await?;
    Ok(true)
}

struct Unlinked {
    issuer: String,
    issuer_label: String,
}

tenancy::from_row!(Unlinked { issuer, issuer_label });

/// Those who sign the user in, and those who link and unlink identities, do so one after another.
async fn lock(tx: &SharedTx, user: UserId) -> Result<(), DbError> {
    const LOCK: &str = "SELECT FROM shared.users WHERE id = $1 FOR NO KEY UPDATE";
    tx.execute(LOCK, &[&user]).await.map(drop)
}

async fn record(
    tx: &SharedTx,
    user: UserId,
    action: AuthAction,
    issuer: &str,
    by: By<'_>,
) -> Result<(), DbError> {
    let event =
        AuthEvent { user: Some(user), details: json!({"issuer": issuer}), ..AuthEvent::new(action).by(by) };
    auth_event::record(tx, &event).await
}

/// Tells a user of a change, which a thief may have made. `issuer` is its name as people see it.
async fn tell(tx: &SharedTx, user: UserId, change: &str, issuer: &str) -> Result<(), DbError> {
    let Some(email) = user::email(tx, user).await? else { return Ok(()) };
    let parameters = json!({"identity": change, "issuer": issuer});
    outgoing::queue(tx, Template::IdentityChanged, None, email.as_str(), &parameters).await.map(drop)
}

async fn use_up(tx: &SharedTx, vouched: &Vouched) -> Result<bool, DbError> {
    const USE: &str = "SELECT shared.use_id_token($1, $2)";
    tx.value(USE, &[&vouched.token_hash, &vouched.token_expires_at]).await
}

/// Returns `None` if the identity is linked to an account already.
async fn insert(tx: &SharedTx, user: UserId, vouched: &Vouched) -> Result<Option<ExternalIdentity>, DbError> {
    const INSERT: &str = "
        INSERT INTO shared.external_identities (id, user_id, issuer, issuer_label, subject, email, linked_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT (issuer, subject) WHERE unlinked_at IS NULL DO NOTHING
     RETURNING id, issuer, issuer_label, subject, email, linked_at, last_used_at";
    let Vouched { issuer, label, subject, email, .. } = vouched;
    let id = ExternalIdentityId::new();
    tx.row_opt(INSERT, &[&id, &user, issuer, label, subject, email, &tx.now()]).await
}

async fn link(
    tx: &SharedTx,
    user: UserId,
    vouched: &Vouched,
    origin: &Origin,
) -> Result<Option<ExternalIdentity>, DbError> {
    let Some(linked) = insert(tx, user, vouched).await? else { return Ok(None) };
    record(tx, user, AuthAction::IdentityLinked, &vouched.issuer, By::person(user, origin)).await?;
    tell(tx, user, "linked", &vouched.label).await?;
    Ok(Some(linked))
}

/// Uses an ID token up, for a session or a sign-on that was just started. Returns the identity with which it
/// began; `None` if the token was used, or the identity was linked or unlinked, after they were read.
pub(super) async fn enter(
    tx: &SharedTx,
    shown: &ShownIdentity,
    user: UserId,
    origin: &Origin,
) -> Result<Option<ExternalIdentityId>, DbError> {
    const USED: &str = "
        UPDATE shared.external_identities SET last_used_at = $2, email = $3, issuer_label = $4
         WHERE id = $1 AND unlinked_at IS NULL";
    let vouched = &shown.vouched;
    if !use_up(tx, vouched).await? {
        return Ok(None);
    }
    let id = match shown.id {
        Some(id) => Some(id),
        None => link(tx, user, vouched, origin).await?.map(|linked| linked.id),
    };
    let Some(id) = id else { return Ok(None) };
    let used = tx.execute(USED, &[&id, &tx.now(), &vouched.email, &vouched.label]).await?;
    Ok((used > 0).then_some(id))
}

impl SignIn {
    /// Links an identity to the account of a signed-in user, who has just proved who they are.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn link_identity(
        &self,
        user: UserId,
        vouched: &Vouched,
        origin: &Origin,
    ) -> Result<ExternalIdentity, LinkError> {
        const COUNT: &str = "
            SELECT count(*) FROM shared.external_identities WHERE user_id = $1 AND unlinked_at IS NULL";
        let link = async |tx: &SharedTx| {
            lock(tx, user).await?;
            if !use_up(tx, vouched).await? {
                return Err(LinkError::Used);
            }
            if tx.value::<i64>(COUNT, &[&user]).await? >= MOST {
                return Err(LinkError::TooMany);
            }
            link(tx, user, vouched, origin).await?.ok_or(LinkError::Taken)
        };
        self.database.write_shared(SharedScope::User(user.into()), link).await
    }
}

/// Deletes the ID tokens that have expired.
///
/// # Errors
/// [`DbError`].
pub async fn prune(tx: &SharedTx) -> Result<(), DbError> {
    const PRUNE: &str = "DELETE FROM shared.used_id_tokens WHERE expires_at < $1";
    tx.execute(PRUNE, &[&tx.now()]).await.map(drop)
}
