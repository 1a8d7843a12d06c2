//! Payments that the provider of mobile money reports to the installation: each is stored once, before it is
//! delivered to the business that has its till number.

use chrono::{DateTime, TimeDelta, Utc};
use const_format::concatcp;
use serde::{Serialize, Serializer};
use tenancy::{Cells, DbError, FromRow, RowError, SharedTx, Tenant, TenantId};
use till::mobile_payment::NewMobilePayment;
use till::provider::{MobileMoney, ReportedPayment};
use till::{MobilePaymentId, PaymentRequestId};
use values::{Money, Page, PageRequest};

use crate::shops::till_number;

/// A stored report that the business has not got yet.
#[derive(Debug)]
pub struct Undelivered {
    /// The payment.
    pub payment: NewMobilePayment,
    /// The business; `None` if nobody has the till number.
    pub tenant: Option<TenantId>,
    /// Counts the restores of the business.
    pub epoch: i32,
}

impl FromRow for Undelivered {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "provider",
        "transaction_id",
        "till_number",
        "amount",
        "currency",
        "payer",
        "payer_name",
        "account",
        "request_id",
        "paid_at",
        "received_at",
        "tenant_id",
        "epoch",
    ];

    fn from_cells(cells: &mut Cells<'_>) -> Result<Self, RowError> {
        let payment = NewMobilePayment::from_cells(cells)?;
        Ok(Self { payment, tenant: cells.read()?, epoch: cells.read()? })
    }
}

/// Stores a reported payment. `answered` is the request that the customer answered, and its business.
/// Returns `None` if an earlier report was delivered, and this one adds nothing.
///
/// # Errors
/// [`DbError`].
pub async fn store(
    tx: &SharedTx,
    mobile_money: &MobileMoney,
    reported: &ReportedPayment,
    answered: Option<(TenantId, PaymentRequestId)>,
) -> Result<Option<Undelivered>, DbError> {
    const STORE: &str = "
        SELECT id, tenant_id, amount, epoch
          FROM shared.receive_payment($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    struct Stored {
        id: MobilePaymentId,
        tenant_id: Option<TenantId>,
        amount: Money,
        epoch: i32,
    }
    tenancy::from_row!(Stored { id, tenant_id, amount, epoch });
    let (tenant, request_id) = answered.unzip();
    let till_number = match (&reported.till_number, tenant) {
        (None, Some(tenant)) => {
            till_number::find(tx, tenant).await?.map(|kept| kept.number.as_str().to_owned())
        }
        (number, _) => number.clone(),
    };
    let payment = NewMobilePayment {
        id: MobilePaymentId::new(),
        provider: mobile_money.provider.name().to_owned(),
        transaction_id: reported.transaction_id.clone(),
        // The business removed its number after it had sent the request.
        till_number: till_number.unwrap_or_else(|| "unknown".to_owned()),
        amount: reported.amount,
        currency: mobile_money.currency.code().to_owned(),
        payer: reported.payer.clone(),
        payer_name: reported.payer_name.clone(),
        account: reported.account.clone(),
        request_id,
        paid_at: reported.paid_at,
        received_at: tx.now(),
    };
    let params: tenancy::Params<'_> = &[
        &payment.id,
        &payment.provider,
        &payment.transaction_id,
        &payment.till_number,
        &payment.amount,
        &payment.currency,
        &payment.payer,
        &payment.payer_name,
        &payment.account,
        &payment.request_id,
        &tenant,
        &payment.paid_at,
        &payment.received_at,
    ];
    let Some(Stored { id, tenant_id, amount, epoch }) = tx.row_opt(STORE, params).await? else {
        return Ok(None);
    };
    if amount != payment.amount {
        let transaction = &payment.transaction_id;
        tracing::warn!(transaction, "a payment was reported with two amounts; the first one counts");
    }
    Ok(Some(Undelivered { payment: NewMobilePayment { id, amount, ..payment }, tenant: tenant_id, epoch }))
}

/// Notes that the business has the payment, unless it was restored meanwhile.
///
/// # Errors
/// [`DbError`].
pub async fn note_delivery(tx: &SharedTx, delivered: &Undelivered) -> Result<(), DbError> {
    const NOTE: &str = "UPDATE shared.received_payments SET delivered_at = $2 WHERE id = $1 AND epoch = $3";
    tx.execute(NOTE, &[&delivered.payment.id, &tx.now(), &delivered.epoch]).await.map(drop)
}

/// Payments that no server delivered and that are due, at most 100. Of those that are due at the same time,
/// the newest come first, because customers wait for them.
pub(crate) async fn undelivered(tx: &SharedTx) -> Result<Vec<Undelivered>, DbError> {
    const UNDELIVERED: &str = "
        SELECT id, provider, transaction_id, till_number, amount, currency, payer, payer_name, account,
               request_id, paid_at, received_at, tenant_id, epoch
          FROM shared.received_payments
         WHERE delivered_at IS NULL AND tenant_id IS NOT NULL AND due_at <= $1
         ORDER BY due_at, received_at DESC LIMIT 100";
    tx.rows(UNDELIVERED, &[&tx.now()]).await
}

/// The time at which the next payment is due to be delivered.
pub(crate) async fn next_due(tx: &SharedTx) -> Result<Option<DateTime<Utc>>, DbError> {
    const NEXT: &str = "
        SELECT min(due_at) FROM shared.received_payments
         WHERE delivered_at IS NULL AND tenant_id IS NOT NULL";
    tx.value(NEXT, &[]).await
}

/// Lets a payment be delivered again after a pause.
pub(crate) async fn put_off(tx: &SharedTx, id: MobilePaymentId, pause: TimeDelta) -> Result<(), DbError> {
    const PUT_OFF: &str =
        "UPDATE shared.received_payments SET due_at = $2 WHERE id = $1 AND delivered_at IS NULL";
    tx.execute(PUT_OFF, &[&id, &(tx.now() + pause)]).await.map(drop)
}

/// Lets all payments of a business be delivered again: those that the schema of a restore or a swap does not
/// have come back.
///
/// # Errors
/// [`DbError`].
pub async fn deliver_again(tx: &SharedTx, tenant: TenantId) -> Result<(), DbError> {
    const AGAIN: &str = "
        UPDATE shared.received_payments SET delivered_at = NULL, due_at = $2, epoch = epoch + 1
         WHERE tenant_id = $1";
    tx.execute(AGAIN, &[&tenant, &tx.now()]).await.map(drop)
}

/// A payment to a till number that no business had.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UnclaimedPayment {
    /// The id.
    pub id: MobilePaymentId,
    /// The provider.
    pub provider: String,
    /// The number of the transaction at the provider.
    pub transaction_id: String,
    /// The till number that was paid.
    pub till_number: String,
    /// The amount, in JSON a decimal string.
    #[serde(serialize_with = "plain")]
    pub amount: Money,
    /// The currency of the amount.
    pub currency: String,
    /// The time of the payment.
    pub paid_at: DateTime<Utc>,
    /// The time of the report.
    pub received_at: DateTime<Utc>,
}

tenancy::from_row!(UnclaimedPayment {
    id,
    provider,
    transaction_id,
    till_number,
    amount,
    currency,
    paid_at,
    received_at,
});

fn plain<S: Serializer>(amount: &Money, serializer: S) -> Result<S::Ok, S::Error> {
    amount.plain().serialize(serializer)
}

const SELECT: &str = "
    SELECT id, provider, transaction_id, till_number, amount, currency, paid_at, received_at
      FROM shared.received_payments WHERE tenant_id IS NULL ";

/// A page of the payments to till numbers that no business had, newest first.
///
/// # Errors
/// [`DbError`].
pub async fn unclaimed(
    tx: &SharedTx,
    page: &PageRequest<MobilePaymentId>,
) -> Result<Page<UnclaimedPayment>, DbError> {
    const LIST: &str = concatcp!(SELECT, "AND id < $1 ORDER BY id DESC LIMIT $2");
    let rows = tx.rows(LIST, &[&page.below(), &page.limit.and_one()]).await?;
    Ok(page.page(rows, |payment: &UnclaimedPayment| payment.id))
}

/// Gives a business a payment to a till number that nobody had. Returns the payment; `None` if there is no
/// such payment, or a business has it.
///
/// # Errors
/// [`DbError`].
pub(crate) async fn claim(
    tx: &SharedTx,
    id: MobilePaymentId,
    tenant: &Tenant,
) -> Result<Option<UnclaimedPayment>, DbError> {
    const FIND: &str = concatcp!(SELECT, "AND id = $1 FOR UPDATE");
    const CLAIM: &str = "UPDATE shared.received_payments SET tenant_id = $2, due_at = $3 WHERE id = $1";
    let payment = tx.row_opt(FIND, &[&id]).await?;
    if payment.is_some() {
        tx.execute(CLAIM, &[&id, &tenant.id, &tx.now()]).await?;
    }
    Ok(payment)
}
