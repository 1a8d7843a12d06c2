//! The payments that the provider reports: stored once, listed, and dismissed by hand if they belong to no
//! document.

use chrono::{DateTime, Utc};
use const_format::concatcp;
use inventory::OrderId;
use inventory::audit::{self, Action, Subject};
use serde_json::json;
use tenancy::{DbError, TenantTx, all};
use values::{ActorId, Money, Page, PageRequest, Reason};

use crate::ids::{MobilePaymentId, PaymentRequestId, SaleId};

values::words! {
    /// The status of a payment that the provider reported.
    pub enum MobilePaymentStatus {
        /// A part of the payment, or all of it, confirms no document yet.
        Open = "open",
        /// The whole payment confirms documents.
        Used = "used",
        /// A member decided that the rest of the payment belongs to no document.
        Dismissed = "dismissed",
    }
}

/// A payment that the provider reported.
#[derive(Debug, Clone)]
pub struct MobilePayment {
    /// The id.
    pub id: MobilePaymentId,
    /// The provider.
    pub provider: String,
    /// The number of the transaction at the provider.
    pub transaction_id: String,
    /// The till number that was paid.
    pub till_number: String,
    /// The amount.
    pub amount: Money,
    /// The currency of the amount.
    pub currency: String,
    /// The part of the amount that confirms documents.
    pub used: Money,
    /// The telephone of the customer, possibly with hidden digits.
    pub payer: Option<String>,
    /// The name of the customer.
    pub payer_name: Option<String>,
    /// The text that the customer entered.
    pub account: Option<String>,
    /// The request that the customer answered.
    pub request_id: Option<PaymentRequestId>,
    /// The time of the payment, by the clock of the provider.
    pub paid_at: DateTime<Utc>,
    /// The time of the report.
    pub received_at: DateTime<Utc>,
    /// The member who dismissed it.
    pub dismissed_by: Option<ActorId>,
    /// The time at which it was dismissed.
    pub dismissed_at: Option<DateTime<Utc>>,
    /// The reason for which it was dismissed.
    pub dismiss_reason: Option<Reason>,
    /// Counts the changes of the row; clients see it as the ETag.
    pub version: i32,
    /// The documents that it confirms.
    pub uses: Vec<PaymentUse>,
}

tenancy::from_row!(MobilePayment {
    id, provider, transaction_id, till_number, amount, currency, used, payer, payer_name, account, request_id,
    paid_at, received_at, dismissed_by, dismissed_at, dismiss_reason, version,
} with { uses: Vec::new() });

impl MobilePayment {
    /// The part of the amount that confirms no document.
    pub fn left(&self) -> Money {
        self.amount - self.used
    }

    /// The status.
    pub fn status(&self) -> MobilePaymentStatus {
        match () {
            () if self.left().is_zero() => MobilePaymentStatus::Used,
            () if self.dismissed_at.is_some() => MobilePaymentStatus::Dismissed,
            () => MobilePaymentStatus::Open,
        }
    }
}

/// A document that a payment confirms. Exactly one of the ids is there.
#[derive(Debug, Clone)]
pub struct PaymentUse {
    mobile_payment_id: MobilePaymentId,
    /// The receipt.
    pub sale_id: Option<SaleId>,
    /// The order.
    pub order_id: Option<OrderId>,
    /// The amount.
    pub amount: Money,
    /// The member who assigned the payment; the system if the report fitted the document.
    pub used_by: ActorId,
    /// The time.
    pub used_at: DateTime<Utc>,
}

tenancy::from_row!(PaymentUse { mobile_payment_id, sale_id, order_id, amount, used_by, used_at });

/// A payment to be stored.
#[derive(Debug, Clone)]
pub struct NewMobilePayment {
    /// The id, the same for each report of the payment.
    pub id: MobilePaymentId,
    /// The provider.
    pub provider: String,
    /// The number of the transaction.
    pub transaction_id: String,
    /// The till number that was paid.
    pub till_number: String,
    /// The amount, greater than zero.
    pub amount: Money,
    /// The currency of the amount.
    pub currency: String,
    /// The telephone of the customer.
    pub payer: Option<String>,
    /// The name of the customer.
    pub payer_name: Option<String>,
    /// The text that the customer entered.
    pub account: Option<String>,
    /// The request that the customer answered.
    pub request_id: Option<PaymentRequestId>,
    /// The time of the payment.
    pub paid_at: DateTime<Utc>,
    /// The time of the report.
    pub received_at: DateTime<Utc>,
}

tenancy::from_row!(NewMobilePayment {
    id,
    provider,
    transaction_id,
    till_number,
    amount,
    currency,
    payer,
    payer_name,
    account,
    request_id,
    paid_at,
    received_at,
});

/// A payment was not dismissed or assigned.
#[derive(Debug, thiserror::Error)]
pub enum MobilePaymentError {
    /// There is no such payment.
    #[error("there is no such payment")]
    NotFound,
    /// The payment has another status. Holds it.
    #[error("the payment is {}; only an open payment can be assigned or dismissed", .0.as_str())]
    NotOpen(MobilePaymentStatus),
    /// The payment was not dismissed.
    #[error("the payment was not dismissed")]
    NotDismissed,
    /// A query failed.
    #[error("a query about a payment by mobile money failed")]
    Db(#[from] DbError),
}

const SELECT: &str = "
    SELECT id, provider, transaction_id, till_number, amount, currency, used, payer, payer_name, account,
           request_id, paid_at, received_at, dismissed_by, dismissed_at, dismiss_reason, version
      FROM mobile_payments ";

/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &TenantTx, id: MobilePaymentId) -> Result<Option<MobilePayment>, DbError> {
    const FIND: &str = concatcp!(SELECT, "WHERE id = $1");
    let payment = tx.row_opt(FIND, &[&id]).await?;
    Ok(with_uses(tx, payment.into_iter().collect()).await?.pop())
}

/// Which payments are wanted. `None` wants all.
#[derive(Debug, Clone, Default)]
pub struct MobilePaymentFilter {
    /// Those with this status.
    pub status: Option<MobilePaymentStatus>,
    /// The one with this number of the transaction, in capital letters.
    pub transaction_id: Option<String>,
}

/// A page of the payments, newest first.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &TenantTx,
    filter: &MobilePaymentFilter,
    page: &PageRequest<MobilePaymentId>,
) -> Result<Page<MobilePayment>, DbError> {
    const PAGE: &str = "id < $1 ORDER BY id DESC LIMIT $2";
    const ALL: &str = concatcp!(SELECT, "WHERE ", PAGE);
    const OPEN: &str = concatcp!(SELECT, "WHERE used < amount AND dismissed_at IS NULL AND ", PAGE);
    const USED: &str = concatcp!(SELECT, "WHERE used = amount AND ", PAGE);
    const DISMISSED: &str = concatcp!(SELECT, "WHERE used < amount AND dismissed_at IS NOT NULL AND ", PAGE);
    // A number has one payment at each provider.
    const OF_TRANSACTION: &str = concatcp!(
        SELECT,
        "WHERE id < $1 AND transaction_id = $3
           AND CASE $4 WHEN 'open' THEN used < amount AND dismissed_at IS NULL
                       WHEN 'used' THEN used = amount
                       WHEN 'dismissed' THEN used < amount AND dismissed_at IS NOT NULL
                       ELSE true END
         ORDER BY id DESC LIMIT $2"
    );
    let (below, limit) = (page.below(), page.limit.and_one());
    let rows = match (&filter.transaction_id, filter.status) {
        (Some(transaction), status) => {
            let status = status.map(MobilePaymentStatus::as_str);
            tx.rows(OF_TRANSACTION, &[&below, &limit, transaction, &status]).await?
        }
        (None, None) => tx.rows(ALL, &[&below, &limit]).await?,
        (None, Some(MobilePaymentStatus::Open)) => tx.rows(OPEN, &[&below, &limit]).await?,
        (None, Some(MobilePaymentStatus::Used)) => tx.rows(USED, &[&below, &limit]).await?,
        (None, Some(MobilePaymentStatus::Dismissed)) => tx.rows(DISMISSED, &[&below, &limit]).await?,
    };
    let mut page = page.page(rows, |payment: &MobilePayment| payment.id);
    page.data = with_uses(tx, page.data).await?;
    Ok(page)
}

async fn with_uses(tx: &TenantTx, mut payments: Vec<MobilePayment>) -> Result<Vec<MobilePayment>, DbError> {
    const USES: &str = "
        SELECT u.mobile_payment_id, s.sale_id, o.order_id, u.amount, u.used_by, u.used_at
          FROM mobile_payment_uses u
          LEFT JOIN sale_payments s ON s.id = u.sale_payment_id
          LEFT JOIN order_payments o ON o.id = u.order_payment_id
         WHERE u.mobile_payment_id = ANY ($1) AND u.released_at IS NULL ORDER BY u.used_at, u.id";
    let used: Vec<MobilePaymentId> =
        payments.iter().filter(|payment| payment.used.is_positive()).map(|payment| payment.id).collect();
    if used.is_empty() {
        return Ok(payments);
    }
    for one in tx.rows::<PaymentUse>(USES, &[&used]).await? {
        let of = payments.iter_mut().find(|payment| payment.id == one.mobile_payment_id);
        of.into_iter().for_each(|payment| payment.uses.push(one.clone()));
    }
    Ok(payments)
}

/// Stores a payment. A payment that is there gets the request that the customer answered, if it had none.
/// Returns whether the payment is new.
pub(crate) async fn store(tx: &TenantTx, new: &NewMobilePayment) -> Result<bool, DbError> {
    const INSERT: &str = "
        INSERT INTO mobile_payments (id, provider, transaction_id, till_number, amount, currency, payer,
                                     payer_name, account, request_id, paid_at, received_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9,
        (SELECT id FROM payment_requests WHERE id = $10), $11, $12)
            ON CONFLICT DO NOTHING";
    const COMPLETE: &str = "
        UPDATE mobile_payments
           SET request_id = (SELECT id FROM payment_requests WHERE id = $3), version = version + 1
         WHERE transaction_id = $1 AND provider = $2 AND request_id IS NULL";
    let params: tenancy::Params<'_> = &[
        &new.id,
        &new.provider,
        &new.transaction_id,
        &new.till_number,
        &new.amount,
        &new.currency,
        &new.payer,
        &new.payer_name,
        &new.account,
        &new.request_id,
        &new.paid_at,
        &new.received_at,
    ];
    if tx.execute(INSERT, params).await? == 1 {
        return Ok(true);
    }
    if new.request_id.is_some() {
        tx.execute(COMPLETE, &[&new.transaction_id, &new.provider, &new.request_id]).await?;
    }
    Ok(false)
}

/// As [`find`], with the row locked until the transaction ends.
pub(crate) async fn lock(tx: &TenantTx, id: MobilePaymentId) -> Result<MobilePayment, MobilePaymentError> {
    const LOCK: &str = concatcp!(SELECT, "WHERE id = $1 FOR NO KEY UPDATE");
    let payment: Option<MobilePayment> = tx.row_opt(LOCK, &[&id]).await?;
    payment.ok_or(MobilePaymentError::NotFound)
}

/// As [`lock`]. A payment that is not open is refused.
pub(crate) async fn lock_open(
    tx: &TenantTx,
    id: MobilePaymentId,
) -> Result<MobilePayment, MobilePaymentError> {
    let payment = lock(tx, id).await?;
    match payment.status() {
        MobilePaymentStatus::Open => Ok(payment),
        status => Err(MobilePaymentError::NotOpen(status)),
    }
}

/// Dismisses the rest of a payment, which then confirms nothing.
///
/// # Errors
/// [`MobilePaymentError`]; the caller rolls back.
pub async fn dismiss(
    tx: &TenantTx,
    id: MobilePaymentId,
    reason: &Reason,
    actor: ActorId,
) -> Result<(), MobilePaymentError> {
    let left = lock_open(tx, id).await?.left();
    let dismissed = json!({"reason": {"to": reason}, "left": {"to": left.plain()}});
    decide(tx, id, Some((actor, reason)), Action::MobilePaymentDismissed, &dismissed, actor).await
}

/// Opens a dismissed payment again.
///
/// # Errors
/// [`MobilePaymentError`]; the caller rolls back.
pub async fn reopen(tx: &TenantTx, id: MobilePaymentId, actor: ActorId) -> Result<(), MobilePaymentError> {
    let payment = lock(tx, id).await?;
    if payment.dismissed_at.is_none() {
        return Err(MobilePaymentError::NotDismissed);
    }
    let reopened = json!({"reason": {"from": payment.dismiss_reason}});
    decide(tx, id, None, Action::MobilePaymentReopened, &reopened, actor).await
}

async fn decide(
    tx: &TenantTx,
    id: MobilePaymentId,
    dismissed: Option<(ActorId, &Reason)>,
    action: Action,
    changes: &serde_json::Value,
    actor: ActorId,
) -> Result<(), MobilePaymentError> {
    const DISMISS: &str = "
        UPDATE mobile_payments
           SET dismissed_by = $2, dismissed_at = $3, dismiss_reason = $4, version = version + 1
         WHERE id = $1";
    let (by, reason) = dismissed.unzip();
    let at = reason.map(|_| tx.now());
    let dismiss = async { tx.execute(DISMISS, &[&id, &by, &at, &reason]).await };
    let record = audit::record(tx, actor, action, Subject::MobilePayment(id.into()), changes);
    all((dismiss, record)).await?;
    Ok(())
}
