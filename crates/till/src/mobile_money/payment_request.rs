//! Requests to pay: the provider shows an amount on the telephone of a customer, who confirms it with a PIN.
//! The provider is asked after the commit, and reports the outcome later.

use chrono::{DateTime, TimeDelta, Utc};
use const_format::concatcp;
use inventory::audit::{self, Action, Subject};
use inventory::document::{self, IdTaken, Outcome, Requested};
use inventory::settings;
use serde_json::json;
use tenancy::{DbError, TenantTx, all, outbox};
use values::{ActorId, Currency, Money, Page, PageRequest, TooFine};

use crate::ids::{MobilePaymentId, PaymentRequestId, RegisterId};
use crate::mobile_money::phone::Phone;
use crate::mobile_money::provider::{ProviderError, RequestOutcome};
use crate::records::event::{Event, PaymentRequestChanged};
use crate::records::payment_request_status::PaymentRequestStatus;
use crate::registers::register;

/// A request to be shown on a telephone.
#[derive(Debug, Clone)]
pub struct NewPaymentRequest {
    /// The chosen or new id, and the fingerprint of the request.
    pub request: Requested<PaymentRequestId>,
    /// The register that waits for the payment.
    pub register_id: RegisterId,
    /// The telephone of the customer.
    pub phone: Phone,
    /// The amount.
    pub amount: Money,
}

/// A request to pay.
#[derive(Debug, Clone)]
pub struct PaymentRequest {
    /// The id.
    pub id: PaymentRequestId,
    /// The register that waits for the payment.
    pub register_id: RegisterId,
    /// The telephone of the customer.
    pub phone: Phone,
    /// The amount.
    pub amount: Money,
    /// The status.
    pub status: PaymentRequestStatus,
    /// The reason of the provider for another end than a payment.
    pub reason: Option<String>,
    /// The provider's id of the request; `None` before the provider has answered.
    pub provider_reference: Option<String>,
    /// The payment; `None` before it is reported.
    pub mobile_payment_id: Option<MobilePaymentId>,
    /// The user or program that sent the request.
    pub requested_by: ActorId,
    /// The time of the request.
    pub requested_at: DateTime<Utc>,
    /// The time at which the till stops waiting.
    pub expires_at: DateTime<Utc>,
    /// The time of the outcome.
    pub ended_at: Option<DateTime<Utc>>,
    /// Counts the changes of the row; clients see it as the ETag.
    pub version: i32,
}

tenancy::from_row!(PaymentRequest {
    id,
    register_id,
    phone,
    amount,
    status,
    reason,
    provider_reference,
    mobile_payment_id,
    requested_by,
    requested_at,
    expires_at,
    ended_at,
    version,
});

/// A request to pay was not sent.
#[derive(Debug, thiserror::Error)]
pub enum PaymentRequestError {
    /// There is no such register.
    #[error("there is no such register")]
    UnknownRegister,
    /// The amount is zero or negative.
    #[error("the amount must be greater than zero")]
    NotPositive,
    /// The amount is finer than the currency.
    #[error(transparent)]
    TooFine(#[from] TooFine),
    /// The business has another currency than the provider. Holds that of the provider.
    #[error("the provider of mobile money accepts only payments in {0}")]
    OtherCurrency(String),
    /// The telephone still shows another request of the business.
    #[error("the telephone still shows another request of this business; wait until it ends")]
    Pending,
    /// Another document has the chosen id.
    #[error(transparent)]
    IdTaken(#[from] IdTaken),
    /// A query failed.
    #[error("a query about a request to pay failed")]
    Db(#[from] DbError),
}

/// The time for which a till waits for the customer.
pub const PATIENCE: TimeDelta = TimeDelta::minutes(3);

/// `$1` is the present moment.
const SELECT: &str = "
    SELECT r.id, r.register_id, r.phone, r.amount,
           CASE WHEN r.status = 'pending' AND r.expires_at <= $1 THEN 'expired' ELSE r.status END AS status,
           r.reason, r.provider_reference, r.requested_by, r.requested_at, r.expires_at, r.ended_at,
           r.version,
           (SELECT p.id FROM mobile_payments p WHERE p.request_id = r.id
             ORDER BY p.received_at, p.id LIMIT 1) AS mobile_payment_id
      FROM payment_requests r ";

/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &TenantTx, id: PaymentRequestId) -> Result<Option<PaymentRequest>, DbError> {
    const FIND: &str = concatcp!(SELECT, "WHERE r.id = $2");
    tx.row_opt(FIND, &[&tx.now(), &id]).await
}

/// A page of the requests, newest first.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &TenantTx,
    register: Option<RegisterId>,
    page: &PageRequest<PaymentRequestId>,
) -> Result<Page<PaymentRequest>, DbError> {
    const ALL: &str = concatcp!(SELECT, "WHERE r.id < $2 ORDER BY r.id DESC LIMIT $3");
    const OF_REGISTER: &str =
        concatcp!(SELECT, "WHERE r.register_id = $4 AND r.id < $2 ORDER BY r.id DESC LIMIT $3");
    let (now, below, limit) = (tx.now(), page.below(), page.limit.and_one());
    let rows = match register {
        None => tx.rows(ALL, &[&now, &below, &limit]).await?,
        Some(register) => tx.rows(OF_REGISTER, &[&now, &below, &limit, &register]).await?,
    };
    Ok(page.page(rows, |request: &PaymentRequest| request.id))
}

/// Stores a request that the provider is asked to show after the commit. A repeated request gets it as it is
/// now, and the provider is not asked again.
///
/// # Errors
/// [`PaymentRequestError`]; the caller rolls back.
pub async fn insert(
    tx: &TenantTx,
    new: &NewPaymentRequest,
    currency: &Currency,
    actor: ActorId,
) -> Result<Outcome<PaymentRequest>, PaymentRequestError> {
    document::once(tx, &new.request, find_repeated(tx, new), insert_new(tx, new, currency, actor)).await
}

async fn find_repeated(
    tx: &TenantTx,
    new: &NewPaymentRequest,
) -> Result<Option<PaymentRequest>, PaymentRequestError> {
    const IS_SAME: &str = "SELECT request_hash = $2 FROM payment_requests WHERE id = $1";
    let Requested { id, fingerprint, .. } = &new.request;
    let params: tenancy::Params<'_> = &[id, fingerprint];
    match document::is_repeated::<PaymentRequestError>(tx, *id, IS_SAME, params).await? {
        true => Ok(find(tx, *id).await?),
        false => Ok(None),
    }
}

async fn insert_new(
    tx: &TenantTx,
    new: &NewPaymentRequest,
    currency: &Currency,
    actor: ActorId,
) -> Result<PaymentRequest, PaymentRequestError> {
    // A request whose outcome was never reported makes room for the next one.
    const EXPIRE: &str = "
        UPDATE payment_requests SET status = 'expired', ended_at = $2, version = version + 1
         WHERE phone = $1 AND status = 'pending' AND expires_at <= $2";
    const INSERT: &str = "
        INSERT INTO payment_requests (id, register_id, phone, amount, status, request_hash, requested_by,
                                      requested_at, expires_at)
        VALUES ($1, $2, $3, $4, 'pending', $5, $6, $7, $8)";
    let (own_currency, register) = all((settings::currency(tx), register::hold(tx, new.register_id))).await?;
    if register.is_none_or(|register| register.archived_at.is_some()) {
        return Err(PaymentRequestError::UnknownRegister);
    }
    if own_currency.code() != currency.code() {
        return Err(PaymentRequestError::OtherCurrency(currency.code().to_owned()));
    }
    if !new.amount.is_positive() {
        return Err(PaymentRequestError::NotPositive);
    }
    own_currency.check(new.amount)?;
    let NewPaymentRequest { request: Requested { id, fingerprint, .. }, register_id, phone, amount } = new;
    let expires_at = tx.now() + PATIENCE;
    let requested = json!({"phone": {"to": phone}, "amount": {"to": amount.plain()}});
    let params: tenancy::Params<'_> =
        &[id, register_id, phone, amount, fingerprint, &actor, &tx.now(), &expires_at];
    let expire = async { tx.execute(EXPIRE, &[phone, &tx.now()]).await };
    let insert = async { tx.execute(INSERT, params).await };
    let record =
        audit::record(tx, actor, Action::PaymentRequested, Subject::PaymentRequest((*id).into()), &requested);
    all((expire, insert, record)).await.map_err(|error| match error.constraint() {
        Some("payment_requests_pkey") => IdTaken((*id).into()).into(),
        Some("payment_requests_phone_key") => PaymentRequestError::Pending,
        _ => PaymentRequestError::from(error),
    })?;
    find(tx, *id).await?.ok_or(PaymentRequestError::UnknownRegister)
}

/// Stores the answer of the provider to the request. A request that the provider did not answer stays
/// pending, because the customer may see it.
///
/// # Errors
/// [`DbError`].
pub async fn note_answer(
    tx: &TenantTx,
    id: PaymentRequestId,
    answer: &Result<String, ProviderError>,
) -> Result<(), DbError> {
    const NOTE: &str = "UPDATE payment_requests SET provider_reference = $2 WHERE id = $1";
    match answer {
        Ok(reference) => tx.execute(NOTE, &[&id, reference]).await.map(drop),
        Err(error @ ProviderError::Refused(_)) => {
            end(tx, id, PaymentRequestStatus::Failed, Some(&error.to_string())).await
        }
        Err(ProviderError::NoAnswer(_)) => Ok(()),
    }
}

/// Stores the outcome of a request. A payment itself is stored by [`crate::payment_matching::receive`].
///
/// # Errors
/// [`DbError`].
pub async fn note_outcome(
    tx: &TenantTx,
    id: PaymentRequestId,
    outcome: &RequestOutcome,
) -> Result<(), DbError> {
    match outcome {
        RequestOutcome::Pending => Ok(()),
        RequestOutcome::Paid(_) => end(tx, id, PaymentRequestStatus::Paid, None).await,
        RequestOutcome::Declined(reason) => end(tx, id, PaymentRequestStatus::Declined, Some(reason)).await,
    }
}

/// Ends a request of which nothing was reported.
///
/// # Errors
/// [`DbError`].
pub async fn expire(tx: &TenantTx, id: PaymentRequestId) -> Result<(), DbError> {
    end(tx, id, PaymentRequestStatus::Expired, None).await
}

/// Ends a request. A payment counts whatever was reported before; nothing follows a payment.
pub(crate) async fn end(
    tx: &TenantTx,
    id: PaymentRequestId,
    status: PaymentRequestStatus,
    reason: Option<&str>,
) -> Result<(), DbError> {
    const END: &str = "
        UPDATE payment_requests SET status = $2, reason = $3, ended_at = $4, version = version + 1
         WHERE id = $1 AND (status = 'pending' OR ($2 = 'paid' AND status <> 'paid'))
        RETURNING register_id";
    let register = tx.value_opt::<RegisterId>(END, &[&id, &status, &reason, &tx.now()]).await?;
    let Some(register_id) = register else { return Ok(()) };
    let ended = PaymentRequestChanged { payment_request_id: id, register_id, status };
    outbox::write(tx, &Event::PaymentRequestEnded(ended)).await
}
