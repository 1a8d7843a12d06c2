//! Settles payments by mobile money: delivers reported payments that no server could deliver, and asks the
//! provider for the outcome of requests that it did not report.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use tenancy::{DbError, OwnerDatabase, SharedTx, Tenant, TenantId, TenantTx, chain, tenant};
use till::payment_matching;
use till::payment_request::{self, PaymentRequest};
use till::payment_request_status::PaymentRequestStatus;
use till::provider::{MobileMoney, ProviderError, RequestOutcome};

use crate::shops::open_request::{self, OpenRequest};
use crate::shops::received_payment::{self, Undelivered};

/// The result of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settled {
    /// The payments that were delivered.
    pub delivered: usize,
    /// The requests whose outcome is known now.
    pub ended: usize,
    /// The time of the next run; `None` if nothing waits.
    pub next: Option<DateTime<Utc>>,
}

/// The pause before the provider is asked again while a till waits.
const SHORT_PAUSE: TimeDelta = TimeDelta::seconds(30);
/// The pause while no till waits.
const LONG_PAUSE: TimeDelta = TimeDelta::minutes(5);
/// The pause before a payment is delivered again.
const DELIVERY_PAUSE: TimeDelta = TimeDelta::seconds(10);

/// Delivers payments, and asks for outcomes.
///
/// # Errors
/// [`DbError`] when the shared tables cannot be read. A business that cannot be reached waits for the next
/// run.
pub async fn settle(owner_database: &OwnerDatabase, mobile_money: &MobileMoney) -> Result<Settled, DbError> {
    let mut settled = Settled::default();
    let read = async |tx: &SharedTx| {
        Ok::<_, DbError>((received_payment::undelivered(tx).await?, open_request::due(tx).await?))
    };
    let (undelivered, due) = owner_database.write_shared(read).await?;
    for waiting in undelivered {
        match deliver(owner_database, &waiting).await {
            Ok(()) => settled.delivered += 1,
            Err(error) => {
                let transaction = waiting.payment.transaction_id;
                tracing::debug!(transaction, error = %chain(&error), "a payment was not delivered");
            }
        }
    }
    for request in due {
        match ask(owner_database, mobile_money, request).await {
            Ok(true) => settled.ended += 1,
            Ok(false) => {}
            Err(error) => {
                // The business is in maintenance, for example.
                let id = request.request_id;
                let error = chain(&error);
                tracing::debug!(payment_request.id = %id, %error, "a request was not settled");
                owner_database
                    .write_shared(async |tx: &SharedTx| open_request::put_off(tx, id, SHORT_PAUSE).await)
                    .await?;
            }
        }
    }
    let next = async |tx: &SharedTx| {
        let undelivered = received_payment::is_one_undelivered(tx).await?;
        let delivery = undelivered.then(|| tx.now() + DELIVERY_PAUSE);
        Ok::<_, DbError>(open_request::next_due(tx).await?.into_iter().chain(delivery).min())
    };
    settled.next = owner_database.write_shared(next).await?;
    Ok(settled)
}

async fn find(owner_database: &OwnerDatabase, id: TenantId) -> Result<Option<Arc<Tenant>>, DbError> {
    let find = async |tx: &SharedTx| tenant::find_by_id(tx, id).await;
    Ok(owner_database.write_shared(find).await?.map(Arc::new))
}

async fn deliver(owner_database: &OwnerDatabase, waiting: &Undelivered) -> Result<(), DbError> {
    let Some(tenant) = waiting.tenant else { return Ok(()) };
    let Some(tenant) = find(owner_database, tenant).await? else { return Ok(()) };
    let receive = async |tx: &TenantTx| payment_matching::receive(tx, &waiting.payment).await;
    owner_database.write_tenant(&tenant, receive).await?;
    owner_database
        .write_shared(async |tx: &SharedTx| received_payment::note_delivery(tx, waiting).await)
        .await
}

/// Asks for the outcome of a request. Returns whether it is known now.
async fn ask(
    owner_database: &OwnerDatabase,
    mobile_money: &MobileMoney,
    open: OpenRequest,
) -> Result<bool, DbError> {
    let OpenRequest { request_id: id, tenant_id, until } = open;
    let remove = async |tx: &SharedTx| open_request::remove(tx, id).await;
    let Some(tenant) = find(owner_database, tenant_id).await? else {
        return owner_database.write_shared(remove).await.map(|()| false);
    };
    let find = async |tx: &TenantTx| payment_request::find(tx, id).await;
    let request: Option<PaymentRequest> = owner_database.write_tenant(&tenant, find).await?;
    let is_awaited = |request: &PaymentRequest| {
        matches!(request.status, PaymentRequestStatus::Pending | PaymentRequestStatus::Expired)
    };
    let Some(request) = request.filter(is_awaited) else {
        return owner_database.write_shared(remove).await.map(|()| false);
    };
    let outcome = match &request.provider_reference {
        Some(reference) => mobile_money.provider.outcome(reference).await,
        // The server stopped before it had the answer, and nobody can ask for the outcome.
        None => Ok(RequestOutcome::Pending),
    };
    let is_late = request.status == PaymentRequestStatus::Expired;
    let is_known = matches!(outcome, Ok(RequestOutcome::Paid(_) | RequestOutcome::Declined(_)));
    let note = async |tx: &TenantTx| {
        if let Ok(outcome) = &outcome {
            payment_request::note_outcome(tx, id, outcome).await?;
        }
        if is_late && !is_known { payment_request::expire(tx, id).await } else { Ok::<_, DbError>(()) }
    };
    owner_database.write_tenant(&tenant, note).await?;
    // A customer may have paid although the provider does not answer.
    let is_over = is_known || (is_late && matches!(outcome, Ok(RequestOutcome::Pending)));
    let end = async |tx: &SharedTx| match &outcome {
        _ if is_over || tx.now() > until => open_request::remove(tx, id).await,
        Err(ProviderError::NoAnswer(_) | ProviderError::Refused(_)) if is_late => {
            open_request::put_off(tx, id, LONG_PAUSE).await
        }
        _ => open_request::put_off(tx, id, SHORT_PAUSE).await,
    };
    owner_database.write_shared(end).await?;
    Ok(is_known)
}
