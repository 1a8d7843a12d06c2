//! The table of mails: written by requests, read by the sender.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use tenancy::{DbError, SharedTx, TenantId};

values::ids! {
    /// The id of a mail.
    MailId,
}

values::words! {
    /// The kind of a mail.
    pub enum Template {
        /// A link with which the user can choose a new password.
        PasswordReset = "password_reset",
        /// The password was changed.
        PasswordChanged = "password_changed",
        /// The second factor was turned on or off, or a recovery code was used.
        SecondFactorChanged = "second_factor_changed",
        /// An identity of an issuer elsewhere was linked or unlinked.
        IdentityChanged = "identity_changed",
        /// A link with which somebody becomes a member.
        Invitation = "invitation",
        /// A link that shows that an email belongs to its user.
        EmailVerification = "email_verification",
        /// A link by which the present address agrees to a new one.
        EmailChangeOld = "email_change_old",
        /// A link by which a new address agrees to become that of a user.
        EmailChangeNew = "email_change_new",
        /// The email of an account was changed.
        EmailChanged = "email_changed",
        /// A link with which somebody creates a business.
        SignUp = "sign_up",
        /// The licence of a business ends soon, or has ended.
        LicenceEnding = "licence_ending",
        /// A webhook of a business has failed.
        WebhookFailed = "webhook_failed",
        /// The receipt of a sale, for a customer.
        Receipt = "receipt",
        /// A saved report of a business.
        Report = "report",
    }
}

values::words! {
    /// The state of a mail.
    pub enum MailState {
        /// It waits to be sent.
        Queued = "queued",
        /// The mail server has accepted it.
        Sent = "sent",
        /// There was nobody to send it to.
        Dropped = "dropped",
        /// It could not be sent, and is not tried again.
        Dead = "dead",
    }
}

/// Links that one address may get in a day. A stranger who asks for more must not fill a mailbox.
const LINKS_A_DAY: i32 = 10;
/// Sign-ups for which one address may get a link in a day.
const SIGN_UPS_A_DAY: i32 = 3;
/// Saved reports that one address may get in a day.
const REPORTS_A_DAY: i32 = 20;
/// Receipts that one business may mail to one address in a day.
pub const RECEIPTS_TO_AN_ADDRESS: i32 = 20;
/// Receipts that one business may mail in a day.
pub const RECEIPTS_OF_A_BUSINESS: i32 = 1_000;

impl Template {
    /// The most mails of this kind that one address gets in a day. `None` for mails that only its user or
    /// this program causes.
    fn most_a_day(self) -> Option<i32> {
        match self {
            Self::PasswordChanged
            | Self::SecondFactorChanged
            | Self::IdentityChanged
            | Self::EmailChanged
            | Self::LicenceEnding
            | Self::WebhookFailed
            // See `may_mail_receipt`.
            | Self::Receipt => None,
            Self::Report => Some(REPORTS_A_DAY),
            Self::SignUp => Some(SIGN_UPS_A_DAY),
            _ => Some(LINKS_A_DAY),
        }
    }
}

/// Writes a mail. The sender finds it after the commit. Returns whether it was written: a link too many is
/// left out. `parameters` is an object that depends on the template.
///
/// # Errors
/// [`DbError`].
pub async fn queue(
    tx: &SharedTx,
    template: Template,
    tenant: Option<TenantId>,
    address: &str,
    parameters: &Value,
) -> Result<bool, DbError> {
    queue_as(tx, MailId::new(), template, tenant, address, parameters).await
}

/// Whether a business may mail a receipt to an address: a mail with the id was written before, or the
/// limits of the day are not reached.
///
/// # Errors
/// [`DbError`].
pub async fn may_mail_receipt(
    tx: &SharedTx,
    id: MailId,
    tenant: TenantId,
    address: &str,
) -> Result<bool, DbError> {
    const MAY: &str = "SELECT shared.may_mail_receipt($1, $2, $3, $4, $5, $6)";
    let limits = (RECEIPTS_TO_AN_ADDRESS, RECEIPTS_OF_A_BUSINESS);
    tx.value(MAY, &[&id, &tenant, &address, &limits.0, &limits.1, &tx.now()]).await
}

/// Whether a query failed because a mail with the id was written before.
pub fn is_repeated(error: &DbError) -> bool {
    error.constraint() == Some("mails_pkey")
}

/// As [`queue`], with an id of the caller.
///
/// # Errors
/// [`DbError`]; see [`is_repeated`].
pub async fn queue_as(
    tx: &SharedTx,
    id: MailId,
    template: Template,
    tenant: Option<TenantId>,
    address: &str,
    parameters: &Value,
) -> Result<bool, DbError> {
    const QUEUE: &str = "SELECT shared.queue_mail($1, $2, $3, $4, $5, $6, $7)";
    let most = template.most_a_day();
    tx.value(QUEUE, &[&id, &tenant, &template, &address, parameters, &most, &tx.now()]).await
}

/// A mail that is to be sent now.
#[derive(Debug, Clone)]
pub(super) struct Due {
    pub(super) id: MailId,
    pub(super) template: Template,
    pub(super) address: String,
    pub(super) parameters: Value,
    pub(super) attempts: i32,
    pub(super) created_at: DateTime<Utc>,
    pub(super) tenant_id: Option<TenantId>,
    /// The name and the slug of the business, if there is one.
    pub(super) business: Option<String>,
    pub(super) slug: Option<String>,
}

tenancy::from_row!(Due {
    id,
    template,
    address,
    parameters,
    attempts,
    created_at,
    tenant_id,
    business,
    slug
});

/// Takes mails that are due within a second: the clock of the transaction that wrote a mail may be ahead by
/// some milliseconds. A sender that dies before it has sent them leaves them for later.
pub(super) async fn take_due(tx: &SharedTx, limit: i64) -> Result<Vec<Due>, DbError> {
    const TAKE: &str = "
        WITH due AS (
            SELECT id FROM shared.mails
             WHERE state = 'queued' AND due_at <= $1::timestamptz + interval '1 second'
               AND template = ANY ($3)
             ORDER BY due_at, id LIMIT $2 FOR UPDATE SKIP LOCKED),
        taken AS (
            UPDATE shared.mails m SET attempts = attempts + 1, due_at = $1 + interval '5 minutes'
              FROM due WHERE m.id = due.id
         RETURNING m.*)
        SELECT m.id, m.template, m.address, m.parameters, m.attempts, m.created_at, m.tenant_id,
               t.name AS business, t.slug
          FROM taken m LEFT JOIN shared.tenants t ON t.id = m.tenant_id
         ORDER BY m.id";
    tx.rows(TAKE, &[&tx.now(), &limit, &known()]).await
}

/// The time at which the next mail is due. `None` if there is none.
///
/// # Errors
/// [`DbError`].
pub async fn next_due(tx: &SharedTx) -> Result<Option<DateTime<Utc>>, DbError> {
    const NEXT: &str = "SELECT min(due_at) FROM shared.mails WHERE state = 'queued' AND template = ANY ($1)";
    tx.value(NEXT, &[&known()]).await
}

/// A newer release writes mails that this one does not know.
fn known() -> Vec<&'static str> {
    Template::ALL.iter().map(|template| template.as_str()).collect()
}

/// The attempts after which a mail is dead, the last of them after a day or so.
const MOST_ATTEMPTS: i32 = 12;

/// Records what became of a mail. A failed one is tried again, later each time.
pub(super) async fn record(
    tx: &SharedTx,
    mail: &Due,
    state: MailState,
    failure: Option<&str>,
) -> Result<(), DbError> {
    const RECORD: &str = "
        UPDATE shared.mails
           SET state = $2, failure = $3, due_at = $4,
               -- The purchases of a customer, and figures, are kept no longer than necessary.
               parameters = CASE WHEN template IN ('receipt', 'report')
               AND $2::text IN ('sent', 'dropped') THEN '{}'
                                 ELSE parameters END,
               sent_at = CASE WHEN $2::text = 'sent' THEN $5::timestamptz END
         WHERE id = $1";
    let is_dead = state == MailState::Queued && mail.attempts >= MOST_ATTEMPTS;
    let state = if is_dead { MailState::Dead } else { state };
    let due_at = tx.now() + pause(mail.attempts);
    tx.execute(RECORD, &[&mail.id, &state, &failure, &due_at, &tx.now()]).await.map(drop)
}

/// 10 seconds, 20, 40 ... up to four hours.
fn pause(attempts: i32) -> TimeDelta {
    let doublings = u32::try_from(attempts - 1).unwrap_or(0).min(16);
    TimeDelta::seconds(10 << doublings).min(TimeDelta::hours(4))
}

/// Deletes mails that were sent or dropped long ago, and expired tokens. Dead mails stay until somebody has
/// looked at them, for at most 90 days.
///
/// # Errors
/// [`DbError`].
pub async fn prune(tx: &SharedTx) -> Result<u64, DbError> {
    const MAILS: &str = "
        DELETE FROM shared.mails
         WHERE state IN ('sent', 'dropped') AND created_at < $1 OR state = 'dead' AND created_at < $2";
    const TOKENS: &str = "DELETE FROM shared.one_time_tokens WHERE expires_at < $1";
    let before = |days| -> DateTime<Utc> { tx.now() - TimeDelta::days(days) };
    tx.execute(TOKENS, &[&before(1)]).await?;
    tx.execute(MAILS, &[&before(30), &before(90)]).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_tried_for_a_day() {
        let all: TimeDelta = (1..MOST_ATTEMPTS).map(pause).sum();
        assert_eq!(
            (pause(1), pause(2), pause(40)),
            (TimeDelta::seconds(10), TimeDelta::seconds(20), TimeDelta::hours(4))
        );
        assert!(all > TimeDelta::hours(5) && all < TimeDelta::days(2), "{all}");
    }
}
