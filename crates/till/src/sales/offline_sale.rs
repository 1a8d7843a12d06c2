//! Sales that a till made without a connection, and sent later. The goods and the money have changed hands
//! already, so a sale that cannot be completed is held for a member, if the business allows it.

use chrono::{DateTime, TimeDelta, Utc};
use const_format::concatcp;
use inventory::audit::{self, Action, Subject};
use inventory::document::{self, IdTaken, Requested};
use serde_json::{Value, json};
use tenancy::{DbError, TenantTx, all, outbox};
use tokio_postgres::types::Json;
use values::{ActorId, Money, Page, PageRequest, Reason, ShortText};

use crate::ids::{RegisterId, SaleId};
use crate::records::event::{Event, OfflineSaleChanged};
use crate::sales::sale_error::SaleError;

values::words! {
    /// The status of a sale that a till made without a connection.
    pub enum OfflineSaleStatus {
        /// The sale is completed.
        Completed = "completed",
        /// The sale waits for a member.
        Held = "held",
        /// A member decided not to complete the sale.
        Discarded = "discarded",
    }
}

/// The facts of a sale that the till noted without a connection.
#[derive(Debug, Clone)]
pub struct MadeOffline {
    /// The time of the sale, by the clock of the till.
    pub sold_at: DateTime<Utc>,
    /// The number that the till printed.
    pub reference: ShortText,
    /// The total that the customer paid.
    pub total: Money,
    /// Whether the sale was held. Then it was received in time, however late it is completed.
    pub was_held: bool,
}

/// A till may send a sale for this time.
const LONGEST_DELAY: TimeDelta = TimeDelta::days(31);
/// The clock of a till may be ahead by this time.
const CLOCK_ERROR: TimeDelta = TimeDelta::minutes(5);
/// Until then, a cashier needs no approval for the lower prices of the time of the sale. After that, the
/// clock of a till could be set back to sell at a former price.
const TRUSTED_DELAY: TimeDelta = TimeDelta::hours(48);

impl MadeOffline {
    /// Refuses a time in the future, or too long ago.
    pub(super) fn check(&self, now: DateTime<Utc>) -> Result<(), SaleError> {
        match self.was_held || self.sold_at <= now + CLOCK_ERROR && self.sold_at >= now - LONGEST_DELAY {
            true => Ok(()),
            false => Err(SaleError::SoldAt),
        }
    }

    /// Whether lower prices than the present ones need an approval, because the sale comes late.
    pub(super) fn is_late(&self, now: DateTime<Utc>) -> bool {
        self.sold_at < now - TRUSTED_DELAY
    }
}

/// A sale that a till sent later.
#[derive(Debug, Clone)]
pub struct OfflineSale {
    /// The id, which the till chose; the receipt has it, too.
    pub id: SaleId,
    /// The register.
    pub register_id: RegisterId,
    /// The number that the till printed.
    pub reference: ShortText,
    /// The time of the sale.
    pub sold_at: DateTime<Utc>,
    /// The time at which the till sent it.
    pub received_at: DateTime<Utc>,
    /// The status.
    pub status: OfflineSaleStatus,
    /// The code of the reason why it was held.
    pub problem_code: Option<String>,
    /// The reason why it was held.
    pub problem_detail: Option<String>,
    /// The request of the till.
    pub request: Json<Value>,
    /// The fingerprint of the request.
    pub request_hash: Vec<u8>,
    /// The user or program that sent it.
    pub sent_by: ActorId,
    /// The member who completed or discarded it.
    pub resolved_by: Option<ActorId>,
    /// The time at which it was completed or discarded by hand.
    pub resolved_at: Option<DateTime<Utc>>,
    /// The reason for which it was discarded.
    pub discard_reason: Option<Reason>,
    /// Counts the changes of the row; clients see it as the ETag.
    pub version: i32,
}

tenancy::from_row!(OfflineSale {
    id,
    register_id,
    reference,
    sold_at,
    received_at,
    status,
    problem_code,
    problem_detail,
    request,
    request_hash,
    sent_by,
    resolved_by,
    resolved_at,
    discard_reason,
    version,
});

/// A sale to be stored beside its receipt, or held.
#[derive(Debug, Clone)]
pub struct SentSale<'a> {
    /// The id, and the fingerprint of the request.
    pub request: &'a Requested<SaleId>,
    /// The register.
    pub register_id: RegisterId,
    /// What the till noted.
    pub made: &'a MadeOffline,
    /// The request of the till.
    pub body: &'a Value,
}

/// A sale was not stored, completed or discarded.
#[derive(Debug, thiserror::Error)]
pub enum OfflineSaleError {
    /// There is no such sale.
    #[error("there is no such offline sale")]
    NotFound,
    /// The sale does not wait any more. Holds its status.
    #[error("the sale is {}; only a held sale can be completed or discarded", .0.as_str())]
    NotHeld(OfflineSaleStatus),
    /// Another sale of the register has the number.
    #[error("another sale of the register has the reference {0}; each receipt of a till needs its own")]
    DuplicateReference(ShortText),
    /// There is no such register.
    #[error("there is no such register")]
    UnknownRegister,
    /// Another document has the chosen id.
    #[error(transparent)]
    IdTaken(#[from] IdTaken),
    /// A query failed.
    #[error("a query about an offline sale failed")]
    Db(#[from] DbError),
}

const SELECT: &str = "
    SELECT id, register_id, reference, sold_at, received_at, status, problem_code, problem_detail, request,
           request_hash, sent_by, resolved_by, resolved_at, discard_reason, version
      FROM offline_sales ";

/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &TenantTx, id: SaleId) -> Result<Option<OfflineSale>, DbError> {
    const FIND: &str = concatcp!(SELECT, "WHERE id = $1");
    tx.row_opt(FIND, &[&id]).await
}

/// A page of the sales, those that were made last first.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &TenantTx,
    status: Option<OfflineSaleStatus>,
    page: &PageRequest<SaleId>,
) -> Result<Page<OfflineSale>, DbError> {
    const ALL: &str = concatcp!(SELECT, "WHERE id < $1 ORDER BY id DESC LIMIT $2");
    const COMPLETED: &str =
        concatcp!(SELECT, "WHERE status = 'completed' AND id < $1 ORDER BY id DESC LIMIT $2");
    const HELD: &str = concatcp!(SELECT, "WHERE status = 'held' AND id < $1 ORDER BY id DESC LIMIT $2");
    const DISCARDED: &str =
        concatcp!(SELECT, "WHERE status = 'discarded' AND id < $1 ORDER BY id DESC LIMIT $2");
    let sql = match status {
        None => ALL,
        Some(OfflineSaleStatus::Completed) => COMPLETED,
        Some(OfflineSaleStatus::Held) => HELD,
        Some(OfflineSaleStatus::Discarded) => DISCARDED,
    };
    let rows = tx.rows(sql, &[&page.below(), &page.limit.and_one()]).await?;
    Ok(page.page(rows, |sale: &OfflineSale| sale.id))
}

/// The sale of a repeated request; `None` for a new one.
///
/// # Errors
/// [`OfflineSaleError`].
pub async fn find_repeated(
    tx: &TenantTx,
    request: &Requested<SaleId>,
) -> Result<Option<OfflineSale>, OfflineSaleError> {
    const IS_SAME: &str = "SELECT request_hash = $2 FROM offline_sales WHERE id = $1";
    let params: tenancy::Params<'_> = &[&request.id, &request.fingerprint];
    match document::is_repeated::<OfflineSaleError>(tx, request.id, IS_SAME, params).await? {
        true => Ok(find(tx, request.id).await?),
        false => Ok(None),
    }
}

/// Stores a sale that was completed in this transaction.
///
/// # Errors
/// [`OfflineSaleError`]; the caller rolls back.
pub async fn insert(tx: &TenantTx, sent: &SentSale<'_>, actor: ActorId) -> Result<(), OfflineSaleError> {
    insert_as(tx, sent, OfflineSaleStatus::Completed, None, actor).await
}

/// Holds a sale for a member. `problem` is the code and the text of the reason.
///
/// # Errors
/// [`OfflineSaleError`]; the caller rolls back.
pub async fn hold(
    tx: &TenantTx,
    sent: &SentSale<'_>,
    problem: (&str, &str),
    actor: ActorId,
) -> Result<(), OfflineSaleError> {
    let id = sent.request.id;
    let held = json!({"reference": {"to": sent.made.reference}, "problem": {"to": problem.0}});
    let event = OfflineSaleChanged { offline_sale_id: id, register_id: sent.register_id };
    insert_as(tx, sent, OfflineSaleStatus::Held, Some(problem), actor).await?;
    all((
        audit::record(tx, actor, Action::OfflineSaleHeld, Subject::Sale(id.into()), &held),
        outbox::write(tx, &Event::OfflineSaleHeld(event)),
    ))
    .await?;
    Ok(())
}

async fn insert_as(
    tx: &TenantTx,
    sent: &SentSale<'_>,
    status: OfflineSaleStatus,
    problem: Option<(&str, &str)>,
    actor: ActorId,
) -> Result<(), OfflineSaleError> {
    const INSERT: &str = "
        INSERT INTO offline_sales (id, register_id, reference, sold_at, received_at, status, problem_code,
                                   problem_detail, request, request_hash, sent_by)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    let SentSale { request, register_id, made, body } = sent;
    let (code, detail) = problem.unzip();
    let params: tenancy::Params<'_> = &[
        &request.id,
        register_id,
        &made.reference,
        &made.sold_at,
        &tx.now(),
        &status,
        &code,
        &detail,
        &Json(body),
        &request.fingerprint,
        &actor,
    ];
    tx.execute(INSERT, params).await.map(drop).map_err(|error| match error.constraint() {
        Some("offline_sales_pkey") => IdTaken(request.id.into()).into(),
        Some("offline_sales_reference_key") => OfflineSaleError::DuplicateReference(made.reference.clone()),
        Some("offline_sales_register_id_fkey") => OfflineSaleError::UnknownRegister,
        _ => error.into(),
    })
}

/// A held sale, with its row locked until the transaction ends.
///
/// # Errors
/// [`OfflineSaleError`].
pub async fn lock_held(tx: &TenantTx, id: SaleId) -> Result<OfflineSale, OfflineSaleError> {
    const LOCK: &str = concatcp!(SELECT, "WHERE id = $1 FOR NO KEY UPDATE");
    let sale: Option<OfflineSale> = tx.row_opt(LOCK, &[&id]).await?;
    let sale = sale.ok_or(OfflineSaleError::NotFound)?;
    match sale.status {
        OfflineSaleStatus::Held => Ok(sale),
        status => Err(OfflineSaleError::NotHeld(status)),
    }
}

/// Notes that a held sale was completed by hand in this transaction, or discarded if there is a `reason`.
///
/// # Errors
/// [`OfflineSaleError`]; the caller rolls back.
pub async fn resolve(
    tx: &TenantTx,
    id: SaleId,
    reason: Option<&Reason>,
    actor: ActorId,
) -> Result<(), OfflineSaleError> {
    const RESOLVE: &str = "
        UPDATE offline_sales
           SET status = $2, resolved_by = $3, resolved_at = $4, discard_reason = $5, version = version + 1
         WHERE id = $1";
    let (status, action) = match reason {
        None => (OfflineSaleStatus::Completed, Action::OfflineSaleCompleted),
        Some(_) => (OfflineSaleStatus::Discarded, Action::OfflineSaleDiscarded),
    };
    let changes =
        json!({"status": {"from": OfflineSaleStatus::Held, "to": status}, "reason": {"to": reason}});
    let resolve = async { tx.execute(RESOLVE, &[&id, &status, &actor, &tx.now(), &reason]).await };
    all((resolve, audit::record(tx, actor, action, Subject::Sale(id.into()), &changes))).await?;
    Ok(())
}
