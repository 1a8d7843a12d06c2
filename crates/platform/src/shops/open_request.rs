//! The requests to pay whose outcome the provider is asked for, if it does not report it.

use chrono::{DateTime, TimeDelta, Utc};
use tenancy::{DbError, SharedTx, TenantId};
use till::PaymentRequestId;

/// The time after which the provider is asked for the outcome.
const FIRST: TimeDelta = TimeDelta::seconds(30);
/// The time for which it is asked.
const LONGEST: TimeDelta = TimeDelta::hours(24);

/// A request whose outcome is not known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenRequest {
    pub request_id: PaymentRequestId,
    pub tenant_id: TenantId,
    /// The last time at which the provider is asked.
    pub until: DateTime<Utc>,
}

tenancy::from_row!(OpenRequest { request_id, tenant_id, until });

/// Notes a request before the provider is asked to show it.
///
/// # Errors
/// [`DbError`].
pub async fn insert(tx: &SharedTx, tenant: TenantId, id: PaymentRequestId) -> Result<(), DbError> {
    const INSERT: &str = "
        INSERT INTO shared.open_payment_requests (request_id, tenant_id, due_at, until)
        VALUES ($1, $2, $3, $4)
            ON CONFLICT DO NOTHING";
    tx.execute(INSERT, &[&id, &tenant, &(tx.now() + FIRST), &(tx.now() + LONGEST)]).await.map(drop)
}

/// Removes a request whose outcome is known.
///
/// # Errors
/// [`DbError`].
pub async fn remove(tx: &SharedTx, id: PaymentRequestId) -> Result<(), DbError> {
    const REMOVE: &str = "DELETE FROM shared.open_payment_requests WHERE request_id = $1";
    tx.execute(REMOVE, &[&id]).await.map(drop)
}

/// The requests that are due, at most 100.
pub(crate) async fn due(tx: &SharedTx) -> Result<Vec<OpenRequest>, DbError> {
    const DUE: &str = "
        SELECT request_id, tenant_id, until FROM shared.open_payment_requests
         WHERE due_at <= $1 ORDER BY due_at LIMIT 100";
    tx.rows(DUE, &[&tx.now()]).await
}

/// Lets the provider be asked again after a pause.
pub(crate) async fn put_off(tx: &SharedTx, id: PaymentRequestId, pause: TimeDelta) -> Result<(), DbError> {
    const PUT_OFF: &str = "UPDATE shared.open_payment_requests SET due_at = $2 WHERE request_id = $1";
    tx.execute(PUT_OFF, &[&id, &(tx.now() + pause)]).await.map(drop)
}

/// The time at which the next request is due.
pub(crate) async fn next_due(tx: &SharedTx) -> Result<Option<DateTime<Utc>>, DbError> {
    tx.value("SELECT min(due_at) FROM shared.open_payment_requests", &[]).await
}
