//! Mails as the operator sees them: which ones wait, were sent, or could not be sent.

use chrono::{DateTime, Utc};
use const_format::concatcp;
use serde::Serialize;
use tenancy::{DbError, SharedTx, TenantId};
use values::{Page, PageRequest};

use crate::mail::outgoing::{MailId, MailState};

/// A mail, without its text: the text is made when the mail is sent.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptMail {
    /// The id.
    pub id: MailId,
    /// The business for which it was written. `None` for the platform.
    pub tenant_id: Option<TenantId>,
    /// The kind of the mail.
    pub template: String,
    /// The address.
    pub address: String,
    /// The state.
    pub state: MailState,
    /// How often it was tried.
    pub attempts: i32,
    /// Why the last attempt failed.
    pub failure: Option<String>,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// When it is tried next.
    pub due_at: DateTime<Utc>,
    /// When the mail server took it.
    pub sent_at: Option<DateTime<Utc>>,
}

tenancy::from_row!(KeptMail {
    id,
    tenant_id,
    template,
    address,
    state,
    attempts,
    failure,
    created_at,
    due_at,
    sent_at,
});

/// A mail was not changed.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// There is no such mail.
    #[error("there is no such mail")]
    Unknown,
    /// The mail waits to be sent, was sent, or there was nobody to send it to.
    #[error("the mail is {}; only a dead mail can be tried again", .0.as_str())]
    NotDead(MailState),
    /// PostgreSQL refused a query, or the connection failed.
    #[error("a mail query failed")]
    Db(#[from] DbError),
}

const SELECT: &str = "
    SELECT id, tenant_id, template, address, state, attempts, failure, created_at, due_at, sent_at
      FROM shared.mails ";

/// A page of mails, newest first: all of them, or those in one state, or for one business.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &SharedTx,
    state: Option<MailState>,
    tenant: Option<TenantId>,
    page: &PageRequest<MailId>,
) -> Result<Page<KeptMail>, DbError> {
    const LIST: &str = concatcp!(
        SELECT,
        "WHERE id < $1 AND ($2::text IS NULL OR state = $2) AND ($3::uuid IS NULL OR tenant_id = $3)
         ORDER BY id DESC LIMIT $4"
    );
    let mails = tx.rows(LIST, &[&page.below(), &state, &tenant, &page.limit.and_one()]).await?;
    Ok(page.page(mails, |mail: &KeptMail| mail.id))
}

/// Tries a dead mail again, at once and with its full number of attempts. A link that has expired is not
/// mailed.
///
/// # Errors
/// [`MailError`].
pub async fn retry(tx: &SharedTx, id: MailId) -> Result<KeptMail, MailError> {
    const LOCK: &str = concatcp!(SELECT, "WHERE id = $1 FOR UPDATE");
    const RETRY: &str = "UPDATE shared.mails SET state = 'queued', attempts = 0, due_at = $2 WHERE id = $1";
    let mail: KeptMail = tx.row_opt(LOCK, &[&id]).await?.ok_or(MailError::Unknown)?;
    // One that waits may be on its way just now.
    if mail.state != MailState::Dead {
        return Err(MailError::NotDead(mail.state));
    }
    tx.execute(RETRY, &[&id, &tx.now()]).await?;
    Ok(KeptMail { state: MailState::Queued, attempts: 0, due_at: tx.now(), ..mail })
}

/// The number of dead mails.
///
/// # Errors
/// [`DbError`].
pub async fn count_dead(tx: &SharedTx) -> Result<i64, DbError> {
    const DEAD: &str = "SELECT count(*) FROM shared.mails WHERE state = 'dead'";
    tx.value(DEAD, &[]).await
}
