//! Cash that is put into the drawer of a shift or taken out, but not for a sale: change from the bank, a
//! courier who is paid, takings that go into the safe.
//!
//! An amount is not compared with what the drawer should hold, because a refusal would tell it to the cashier
//! who must count the drawer without knowing it.

use chrono::{DateTime, Utc};
use inventory::audit::{self, Action, Subject};
use inventory::document::{self, IdTaken, Outcome, Requested};
use inventory::settings;
use serde_json::json;
use tenancy::{DbError, TenantTx, all};
use values::{ActorId, Money, Page, PageRequest, Reason, TooFine};

use crate::ids::{CashMovementId, ShiftId};
use crate::shifts::shift::{self, ShiftStatus};

/// A movement of cash to be posted.
#[derive(Debug, Clone)]
pub struct NewCashMovement {
    /// The chosen or new id of the movement, and the fingerprint of the request.
    pub request: Requested<CashMovementId>,
    /// The shift, which must be open.
    pub shift_id: ShiftId,
    /// The amount, not zero. Negative if cash is taken out.
    pub amount: Money,
    /// Why the cash moves.
    pub reason: Reason,
}

/// A posted movement of cash.
#[derive(Debug, Clone)]
pub struct CashMovement {
    /// The id that the request chose or was given.
    pub id: CashMovementId,
    /// The shift.
    pub shift_id: ShiftId,
    /// The amount; negative if cash was taken out.
    pub amount: Money,
    /// Why the cash moved.
    pub reason: Reason,
    /// The user or program that posted the movement.
    pub actor_id: ActorId,
    /// When it was posted.
    pub moved_at: DateTime<Utc>,
}

tenancy::from_row!(CashMovement { id, shift_id, amount, reason, actor_id, moved_at });

/// A movement of cash was not posted.
#[derive(Debug, thiserror::Error)]
pub enum CashMovementError {
    /// There is no such shift.
    #[error("there is no such shift")]
    NotFound,
    /// The shift is not open. Holds its status.
    #[error("the shift is not open, because its status is {0}")]
    NotOpen(ShiftStatus),
    /// The amount is zero.
    #[error("the amount must not be zero")]
    Zero,
    /// The amount is finer than the currency.
    #[error(transparent)]
    TooFine(#[from] TooFine),
    /// Another document has the chosen id.
    #[error(transparent)]
    IdTaken(#[from] IdTaken),
    /// A query failed.
    #[error("a query about cash failed")]
    Db(#[from] DbError),
}

/// Posts a movement, with the shift locked. A repeated request gets the first movement, and changes nothing.
///
/// # Errors
/// [`CashMovementError`]; the caller rolls back.
pub async fn post(
    tx: &TenantTx,
    new: &NewCashMovement,
    actor: ActorId,
) -> Result<Outcome<CashMovement>, CashMovementError> {
    if new.amount.is_zero() {
        return Err(CashMovementError::Zero);
    }
    document::once(tx, &new.request, find_repeated(tx, new), post_new(tx, new, actor)).await
}

async fn find_repeated(
    tx: &TenantTx,
    new: &NewCashMovement,
) -> Result<Option<CashMovement>, CashMovementError> {
    const IS_SAME: &str = "SELECT request_hash = $2 AND shift_id = $3 FROM cash_movements WHERE id = $1";
    const FIND: &str =
        "SELECT id, shift_id, amount, reason, actor_id, moved_at FROM cash_movements WHERE id = $1";
    let Requested { id, fingerprint, .. } = &new.request;
    let params: tenancy::Params<'_> = &[id, fingerprint, &new.shift_id];
    if !document::is_repeated::<CashMovementError>(tx, *id, IS_SAME, params).await? {
        return Ok(None);
    }
    Ok(tx.row_opt(FIND, &[id]).await?)
}

async fn post_new(
    tx: &TenantTx,
    new: &NewCashMovement,
    actor: ActorId,
) -> Result<CashMovement, CashMovementError> {
    const INSERT: &str = "
        INSERT INTO cash_movements (id, shift_id, amount, reason, actor_id, moved_at, request_hash)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let (currency, shift) = all((settings::currency(tx), shift::lock(tx, new.shift_id))).await?;
    let shift = shift.ok_or(CashMovementError::NotFound)?;
    if shift.status != ShiftStatus::Open {
        return Err(CashMovementError::NotOpen(shift.status));
    }
    currency.check(new.amount)?;
    let NewCashMovement { request: Requested { id, fingerprint, .. }, amount, reason, .. } = new;
    let moved =
        json!({"id": {"to": id}, "amount": {"to": amount.plain()}, "reason": {"to": reason.as_str()}});
    let subject = Subject::Shift(shift.id.into());
    let row: tenancy::Params<'_> = &[id, &shift.id, amount, reason, &actor, &tx.now(), fingerprint];
    let insert = async { tx.execute(INSERT, row).await };
    all((insert, audit::record(tx, actor, Action::ShiftCashMoved, subject, &moved))).await.map_err(
        |error| match error.constraint() {
            Some("cash_movements_pkey") => IdTaken((*id).into()).into(),
            _ => CashMovementError::Db(error),
        },
    )?;
    Ok(CashMovement {
        id: *id,
        shift_id: shift.id,
        amount: *amount,
        reason: reason.clone(),
        actor_id: actor,
        moved_at: tx.now(),
    })
}

/// A page of the movements of a shift, oldest first. An unknown shift has none.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &TenantTx,
    shift: ShiftId,
    page: &PageRequest<(DateTime<Utc>, CashMovementId)>,
) -> Result<Page<CashMovement>, DbError> {
    const LIST: &str = "
        SELECT id, shift_id, amount, reason, actor_id, moved_at FROM cash_movements
         WHERE shift_id = $1 AND (moved_at, id) > ($2, $3)
         ORDER BY moved_at, id LIMIT $4";
    let (moment, id) = page.above();
    let movements = tx.rows(LIST, &[&shift, &moment, &id, &page.limit.and_one()]).await?;
    Ok(page.page(movements, |movement: &CashMovement| (movement.moved_at, movement.id)))
}
