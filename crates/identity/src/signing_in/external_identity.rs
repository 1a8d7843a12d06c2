//! Identities at issuers elsewhere that are linked to accounts here. Each signs one user in.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use tenancy::{DbError, SharedTx};

use crate::issuers::issuer::Vouched;
use crate::mail::outgoing::{self, Template};
use crate::names::ids::UserId;
use crate::people::user;
use crate::records::auth_event::{self, AuthAction, AuthEvent, By, Origin};
use crate::signing_in::session::{self, Which};

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

/// An identity with which somebody signs in.
pub(super) struct ShownIdentity {
    /// `None`: its email links it now.
    pub(super) id: Option<ExternalIdentityId>,
    pub(super) vouched: Vouched,
}

impl ShownIdentity {
    /// When the person proved who they are. If the issuer does not say so, it was never.
    pub(super) fn authenticated_at(&self) -> DateTime<Utc> {
        self.vouched.authenticated_at.unwrap_or(DateTime::UNIX_EPOCH)
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
    const UNLINK: &str = "
        UPDATE shared.external_identities SET unlinked_at = $3
         WHERE id = $2 AND user_id = $1 AND unlinked_at IS NULL
     RETURNING issuer, issuer_label";
    user::lock(tx, user).await?;
    // Each end is recorded. A trigger ends what would be left.
    session::revoke(tx, user, Which::OfIdentity(id), "identity_unlinked", by).await?;
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

/// Uses an ID token up. Returns `false` if it was used before.
pub(super) async fn use_up(tx: &SharedTx, vouched: &Vouched) -> Result<bool, DbError> {
    const USE: &str = "SELECT shared.use_id_token($1, $2)";
    tx.value(USE, &[&vouched.token_hash, &vouched.token_expires_at]).await
}

/// Returns `None` if the identity is linked to another account. One that this account has, or had, is linked
/// again.
async fn insert(
    tx: &SharedTx,
    user: UserId,
    vouched: &Vouched,
    by_email: bool,
) -> Result<Option<ExternalIdentity>, DbError> {
    const AGAIN: &str = "
        UPDATE shared.external_identities
           SET issuer_label = $4, email = $5, linked_at = $6, by_email = $7, unlinked_at = NULL
         WHERE user_id = $1 AND issuer = $2 AND subject = $3
     RETURNING id, issuer, issuer_label, subject, email, linked_at, last_used_at";
    const INSERT: &str = "
        INSERT INTO shared.external_identities (id, user_id, issuer, issuer_label, subject, email, linked_at,
                                                by_email)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            ON CONFLICT (issuer, subject) WHERE unlinked_at IS NULL DO NOTHING
     RETURNING id, issuer, issuer_label, subject, email, linked_at, last_used_at";
    let Vouched { issuer, label, subject, email, .. } = vouched;
    let again = tx.row_opt(AGAIN, &[&user, issuer, subject, label, email, &tx.now(), &by_email]).await?;
    if again.is_some() {
        return Ok(again);
    }
    let id = ExternalIdentityId::new();
    tx.row_opt(INSERT, &[&id, &user, issuer, label, subject, email, &tx.now(), &by_email]).await
}

/// Links an identity to a user, who must be locked. Returns `None` if another account has it.
pub(super) async fn link(
    tx: &SharedTx,
    user: UserId,
    vouched: &Vouched,
    by_email: bool,
    origin: &Origin,
) -> Result<Option<ExternalIdentity>, DbError> {
    let Some(linked) = insert(tx, user, vouched, by_email).await? else { return Ok(None) };
    record(tx, user, AuthAction::IdentityLinked, &vouched.issuer, By::person(user, origin)).await?;
    tell(tx, user, "linked", &vouched.label).await?;
    Ok(Some(linked))
}

/// Uses an ID token up, for a session or a sign-on that was just started. Returns the identity with which it
/// began; `None` if the token was used, or the identity was linked or unlinked, after they were read. If the
/// email links the identity, the user must be locked.
pub(super) async fn enter(
    tx: &SharedTx,
    shown: &ShownIdentity,
    user: UserId,
    origin: &Origin,
) -> Result<Option<ExternalIdentityId>, DbError> {
    const USED: &str = "
        UPDATE shared.external_identities SET last_used_at = $2, email = $3, issuer_label = $4
         WHERE id = $1 AND unlinked_at IS NULL";
    const HAS_ONE: &str = "
        SELECT EXISTS (SELECT FROM shared.external_identities WHERE user_id = $1 AND issuer = $2)";
    let vouched = &shown.vouched;
    if !use_up(tx, vouched).await? {
        return Ok(None);
    }
    let id = match shown.id {
        Some(id) => Some(id),
        // Another request may have linked another identity with the same email.
        None if tx.value::<bool>(HAS_ONE, &[&user, &vouched.issuer]).await? => None,
        None => link(tx, user, vouched, true, origin).await?.map(|linked| linked.id),
    };
    let Some(id) = id else { return Ok(None) };
    let used = tx.execute(USED, &[&id, &tx.now(), &vouched.email, &vouched.label]).await?;
    Ok((used > 0).then_some(id))
}

/// Deletes the ID tokens that have expired.
///
/// # Errors
/// [`DbError`].
pub async fn prune(tx: &SharedTx) -> Result<(), DbError> {
    const PRUNE: &str = "DELETE FROM shared.used_id_tokens WHERE expires_at < $1";
    tx.execute(PRUNE, &[&tx.now()]).await.map(drop)
}
