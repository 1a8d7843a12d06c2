//! Settles payments by mobile money: delivers reported payments that no server could deliver, and asks the
//! provider for the outcome of requests that it did not report.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::stream::{self, StreamExt as _};
use tenancy::{DbError, OwnerDatabase, SharedTx, TenantTx, chain};
use till::mobile_payment::NewMobilePayment;
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
const DELIVERY_PAUSE: TimeDelta = TimeDelta::minutes(1);
/// The questions to the provider at a time.
const AT_ONCE: usize = 8;

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
                // The business is in maintenance, for example.
                let NewMobilePayment { id, transaction_id: transaction, .. } = waiting.payment;
                tracing::debug!(transaction, error = %chain(&error), "a payment was not delivered");
                owner_database
                    .write_shared(async |tx: &SharedTx| {
                        received_payment::put_off(tx, id, DELIVERY_PAUSE).await
                    })
                    .await?;
            }
        }
    }
    let is_silent = AtomicBool::new(false);
    let asked =
        stream::iter(due).map(|request| settle_request(owner_database, mobile_money, request, &is_silent));
    let asked: Vec<Result<bool, DbError>> = asked.buffer_unordered(AT_ONCE).collect().await;
    for ended in asked {
        settled.ended += usize::from(ended?);
    }
    let next = async |tx: &SharedTx| {
        let delivery = received_payment::next_due(tx).await?;
        Ok::<_, DbError>(open_request::next_due(tx).await?.into_iter().chain(delivery).min())
    };
    settled.next = owner_database.write_shared(next).await?;
    Ok(settled)
}

async fn deliver(owner_database: &OwnerDatabase, waiting: &Undelivered) -> Result<(), DbError> {
    let Some(tenant) = waiting.tenant else { return Ok(()) };
    let Some(tenant) = owner_database.find_tenant(tenant).await? else { return Ok(()) };
    let receive = async |tx: &TenantTx| payment_matching::receive(tx, &waiting.payment).await;
    owner_database.write_tenant(&tenant, receive).await?;
    owner_database
        .write_shared(async |tx: &SharedTx| received_payment::note_delivery(tx, waiting).await)
        .await
}

/// Settles a request. One whose business cannot be reached waits for another run.
async fn settle_request(
    owner_database: &OwnerDatabase,
    mobile_money: &MobileMoney,
    request: OpenRequest,
    is_silent: &AtomicBool,
) -> Result<bool, DbError> {
    match ask(owner_database, mobile_money, request, is_silent).await {
        Ok(is_known) => Ok(is_known),
        Err(error) => {
            let id = request.request_id;
            let error = chain(&error);
            tracing::debug!(payment_request.id = %id, %error, "a request was not settled");
            let put_off = async |tx: &SharedTx| open_request::put_off(tx, id, SHORT_PAUSE).await;
            owner_database.write_shared(put_off).await.map(|()| false)
        }
    }
}

/// Asks for the outcome of a request. Returns whether it is known now. `is_silent` is set when the provider
/// does not answer; the other requests of the run then wait without a question.
async fn ask(
    owner_database: &OwnerDatabase,
    mobile_money: &MobileMoney,
    open: OpenRequest,
    is_silent: &AtomicBool,
) -> Result<bool, DbError> {
    let OpenRequest { request_id: id, tenant_id, until } = open;
    let remove = async |tx: &SharedTx| open_request::remove(tx, id).await;
    let Some(tenant) = owner_database.find_tenant(tenant_id).await? else {
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
        Some(_) if is_silent.load(Ordering::Relaxed) => {
            Err(ProviderError::NoAnswer("it did not answer another question".to_owned()))
        }
        Some(reference) => mobile_money.provider.outcome(reference).await,
        // The server stopped before it had the answer, and nobody can ask for the outcome.
        None => Ok(RequestOutcome::Pending),
    };
    if matches!(outcome, Err(ProviderError::NoAnswer(_))) {
        is_silent.store(true, Ordering::Relaxed);
    }
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
