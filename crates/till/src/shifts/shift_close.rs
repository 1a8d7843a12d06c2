//! Closing a shift: the drawer is counted once, without knowing what should be in it. A difference needs a
//! reason, and a large one an approval. Then the Z report is written.
//!
//! Counting is a step of its own. A refusal of a count never depends on the expected amounts, and a reason or
//! an approval comes after the difference is known.

use inventory::audit::{self, Action, Subject};
use inventory::counter::{self, Counter};
use inventory::payment::PaymentMethod;
use inventory::settings;
use serde_json::json;
use tenancy::{DbError, TenantTx, all, outbox};
use tokio_postgres::types::Json;
use values::{ActorId, Currency, Money, Positive, Reason, TooFine};

use crate::ids::ShiftId;
use crate::records::event::{Event, ShiftChanged};
use crate::registers::register;
use crate::shifts::shift::{self, Denomination, Shift, ShiftCount, ShiftStatus};
use crate::shifts::shift_figures::Figures;
use crate::shifts::shift_report::{self, ShiftReport};

/// The count of one method of payment.
#[derive(Debug, Clone)]
pub struct NewCount {
    /// The method.
    pub method: PaymentMethod,
    /// The amount, or the notes and coins that add up to it.
    pub counted: Counted,
}

/// An amount that was counted.
#[derive(Debug, Clone)]
pub enum Counted {
    /// As a sum.
    Amount(Money),
    /// As notes and coins: at most [`MAX_DENOMINATIONS`] values, and at most [`MAX_PIECES`] of each.
    Denominations(Vec<(Positive<Money>, u32)>),
}

/// The largest number of values of notes and coins.
pub const MAX_DENOMINATIONS: usize = 50;

/// The largest number of notes or coins of one value.
pub const MAX_PIECES: u32 = 1_000_000;

/// A step towards the close of a shift.
#[derive(Debug, Clone)]
pub struct NewClose {
    /// The shift.
    pub shift_id: ShiftId,
    /// The step.
    pub step: Step,
    /// Whether the actor may close a shift that somebody else has opened.
    pub may_close_others: bool,
    /// Whether the actor is a person who may approve a difference.
    pub may_approve: bool,
}

/// A step of an actor towards the close of a shift.
#[derive(Debug, Clone)]
pub enum Step {
    /// Counts the drawer, once.
    Count(Vec<NewCount>),
    /// Gives the reason of the difference, unless it was given before. An actor who may approve the
    /// difference approves it.
    Explain(Option<Reason>),
}

/// A shift was not closed. `index` is the position of the count in the request.
#[derive(Debug, thiserror::Error)]
pub enum CloseError {
    /// There is no such shift.
    #[error("there is no such shift")]
    NotFound,
    /// Somebody else has opened the shift, and the actor may not close it.
    #[error("somebody else has opened this shift")]
    NotYours,
    /// The shift is closed already.
    #[error("the shift is closed already")]
    Closed,
    /// The drawer was counted already.
    #[error("the drawer was counted already, and cannot be counted again; leave counts out")]
    CountedAlready,
    /// The drawer was not counted yet, or the cash was left out.
    #[error("count the cash")]
    NoCash,
    /// A method of payment is counted twice.
    #[error("each method of payment can be counted once")]
    Twice {
        /// The position of the count in the request, from 0.
        index: usize,
    },
    /// There are too many notes and coins, or denominations of a method other than cash.
    #[error(
        "only cash has denominations: at most {MAX_DENOMINATIONS} values, {MAX_PIECES} pieces of each, and \
         9999999999.9999 in all"
    )]
    Denominations {
        /// The position of the count in the request, from 0.
        index: usize,
    },
    /// The counted cash is negative.
    #[error("counted cash must not be negative; only another method may be, if more was paid back by it")]
    NegativeCash {
        /// The position of the count in the request, from 0.
        index: usize,
    },
    /// An amount is finer than the currency.
    #[error("{reason}")]
    TooFine {
        /// The position of the count in the request, from 0.
        index: usize,
        /// The number of decimals of the currency.
        reason: TooFine,
    },
    /// There is nothing to approve yet.
    #[error("count the drawer and give the reason of the difference before it is approved")]
    NothingToApprove,
    /// A query failed.
    #[error("a query about the close of a shift failed")]
    Db(#[from] DbError),
}

/// Takes a step towards the close of a shift. If nothing is needed any more, the shift is closed; otherwise
/// it stays counted, and [`Shift::needs`] says what is needed.
///
/// The shift is locked, and a sale holds a lock that conflicts with it: a sale is in the report, or is
/// refused.
///
/// # Errors
/// [`CloseError`]; the caller rolls back.
pub async fn close(tx: &TenantTx, new: &NewClose, actor: ActorId) -> Result<Shift, CloseError> {
    let (currency, shift) = all((settings::currency(tx), shift::lock(tx, new.shift_id))).await?;
    let mut shift = shift.ok_or(CloseError::NotFound)?;
    if shift.opened_by != actor && !new.may_close_others {
        return Err(CloseError::NotYours);
    }
    match (shift.status, &new.step) {
        (ShiftStatus::Closed, _) => return Err(CloseError::Closed),
        (ShiftStatus::Counted, Step::Count(_)) => return Err(CloseError::CountedAlready),
        (ShiftStatus::Open, Step::Explain(_)) => return Err(CloseError::NoCash),
        (ShiftStatus::Open, Step::Count(counts)) => count(tx, &mut shift, counts, &currency, actor).await?,
        (ShiftStatus::Counted, Step::Explain(reason)) => {
            shift.difference_reason = shift.difference_reason.or_else(|| reason.clone());
            if new.may_approve && shift.can_be_approved() {
                approve_locked(tx, &mut shift, actor, actor).await?;
            }
        }
    }
    finish_or_save(tx, shift, &currency, actor).await
}

/// Approves the difference of a counted shift, whose reason is known, and closes it. The caller has checked
/// that `approver` may.
///
/// # Errors
/// [`CloseError`]; the caller rolls back.
pub async fn approve(
    tx: &TenantTx,
    id: ShiftId,
    approver: ActorId,
    actor: ActorId,
) -> Result<Shift, CloseError> {
    let (currency, shift) = all((settings::currency(tx), shift::lock(tx, id))).await?;
    let mut shift = shift.ok_or(CloseError::NotFound)?;
    if shift.status == ShiftStatus::Closed {
        return Err(CloseError::Closed);
    }
    if !shift.can_be_approved() {
        return Err(CloseError::NothingToApprove);
    }
    approve_locked(tx, &mut shift, approver, actor).await?;
    finish_or_save(tx, shift, &currency, actor).await
}

async fn approve_locked(
    tx: &TenantTx,
    shift: &mut Shift,
    approver: ActorId,
    actor: ActorId,
) -> Result<(), DbError> {
    shift.approved_by = Some(approver);
    let changes = json!({
        "approvedBy": {"to": approver}, "difference": {"to": shift.difference().plain()},
        "reason": {"to": shift.difference_reason},
    });
    audit::record(tx, actor, Action::ShiftApproved, Subject::Shift(shift.id.into()), &changes).await
}

async fn finish_or_save(
    tx: &TenantTx,
    mut shift: Shift,
    currency: &Currency,
    actor: ActorId,
) -> Result<Shift, CloseError> {
    if shift.needs().is_empty() {
        finish(tx, &mut shift, currency, actor).await?;
    }
    save(tx, &shift).await?;
    shift.version += 1;
    Ok(shift)
}

/// Stores the counted amounts beside the expected ones, for good.
async fn count(
    tx: &TenantTx,
    shift: &mut Shift,
    counts: &[NewCount],
    currency: &Currency,
    actor: ActorId,
) -> Result<(), CloseError> {
    const INSERT: &str = "
        INSERT INTO shift_counts (shift_id, method, counted, expected, denominations)
        SELECT $1, method, counted, expected, denominations
          FROM unnest($2::text[], $3::numeric[], $4::numeric[], $5::jsonb[])
               AS new (method, counted, expected, denominations)";
    if counts.iter().all(|count| count.method != PaymentMethod::Cash) {
        return Err(CloseError::NoCash);
    }
    let figures = Figures::read(tx, shift.id).await?;
    for (index, count) in counts.iter().enumerate() {
        if counts[..index].iter().any(|other| other.method == count.method) {
            return Err(CloseError::Twice { index });
        }
        let (counted, denominations) = count.checked(index, currency)?;
        shift.counts.push(ShiftCount {
            shift_id: shift.id,
            method: count.method,
            counted,
            expected: figures.expected(shift, count.method.into()),
            denominations: Json(denominations),
        });
    }
    // A method that has payments and was left out is stored with a count of zero. Vouchers, store credit
    // and debts are not: the business keeps accounts of them.
    let to_count = figures.takings.iter().filter(|takings| !takings.method.is_credit());
    for method in to_count.filter_map(|takings| takings.method.counted_as()) {
        if shift.counts.iter().all(|count| count.method != method) {
            shift.counts.push(ShiftCount {
                shift_id: shift.id,
                method,
                counted: Money::ZERO,
                expected: figures.expected(shift, method.into()),
                denominations: Json(Vec::new()),
            });
        }
    }
    shift.counts.sort_by_key(|count| count.method.as_str());
    shift.status = ShiftStatus::Counted;
    // A movement for which this transaction has waited may be younger than the transaction.
    let counted_at = figures.last_moved_at.map_or(tx.now(), |last| last.max(tx.now()));
    (shift.counted_by, shift.counted_at) = (Some(actor), Some(counted_at));
    let counts = &shift.counts;
    let methods: Vec<PaymentMethod> = counts.iter().map(|count| count.method).collect();
    let counted: Vec<Money> = counts.iter().map(|count| count.counted).collect();
    let expected: Vec<Money> = counts.iter().map(|count| count.expected).collect();
    let denominations: Vec<&Json<Vec<Denomination>>> =
        counts.iter().map(|count| &count.denominations).collect();
    let changes = json!({"difference": {"to": shift.difference().plain()}});
    let params: tenancy::Params<'_> = &[&shift.id, &methods, &counted, &expected, &denominations];
    let insert = async { tx.execute(INSERT, params).await };
    let subject = Subject::Shift(shift.id.into());
    all((insert, audit::record(tx, actor, Action::ShiftCounted, subject, &changes))).await?;
    Ok(())
}

impl NewCount {
    fn checked(&self, index: usize, currency: &Currency) -> Result<(Money, Vec<Denomination>), CloseError> {
        let check = |amount| currency.check(amount).map_err(|reason| CloseError::TooFine { index, reason });
        let pieces = match &self.counted {
            Counted::Amount(amount) if amount.is_negative() && self.method == PaymentMethod::Cash => {
                return Err(CloseError::NegativeCash { index });
            }
            Counted::Amount(amount) => {
                check(*amount)?;
                return Ok((*amount, Vec::new()));
            }
            Counted::Denominations(pieces) => pieces,
        };
        let is_too_many = pieces.len() > MAX_DENOMINATIONS || pieces.iter().any(|(_, n)| *n > MAX_PIECES);
        if self.method != PaymentMethod::Cash || is_too_many {
            return Err(CloseError::Denominations { index });
        }
        let mut sum = Money::ZERO;
        for (value, count) in pieces {
            check(value.get())?;
            // At most 10^10 times 10^6, which a decimal holds.
            sum += Money::from_decimal(value.get().as_decimal() * rust_decimal::Decimal::from(*count));
            if sum > Money::MAX {
                return Err(CloseError::Denominations { index });
            }
        }
        let denomination =
            |(value, count): &(Positive<Money>, u32)| Denomination { value: value.get(), count: *count };
        Ok((sum, pieces.iter().map(denomination).collect()))
    }
}

/// Closes the shift: takes the number of the Z report, and writes the report.
async fn finish(
    tx: &TenantTx,
    shift: &mut Shift,
    currency: &Currency,
    actor: ActorId,
) -> Result<(), CloseError> {
    const INSERT: &str =
        "INSERT INTO z_reports (shift_id, register_id, number, report) VALUES ($1, $2, $3, $4)";
    let (figures, register) =
        all((Figures::read(tx, shift.id), register::hold(tx, shift.register_id))).await?;
    let register = register.ok_or(CloseError::NotFound)?;
    shift.status = ShiftStatus::Closed;
    let closed_at = shift.counted_at.map_or(tx.now(), |counted| counted.max(tx.now()));
    (shift.closed_by, shift.closed_at, shift.is_overdue) = (Some(actor), Some(closed_at), false);
    let number = counter::take(tx, Counter::ZReport, register.series.as_str()).await?;
    shift.z_number = Some(number);
    let register_id = register.id;
    let reference = shift_report::reference(&register.series, number);
    let report = ShiftReport::new(shift, register, &figures, currency, closed_at);
    let report = Json(shift_report::raw(&report)?);
    let changes = json!({
        "report": {"to": reference}, "difference": {"to": shift.difference().plain()},
        "reason": {"to": shift.difference_reason}, "approvedBy": {"to": shift.approved_by},
    });
    let event = Event::ShiftClosed(ShiftChanged { shift_id: shift.id, register_id });
    all((
        async { tx.execute(INSERT, &[&shift.id, &register_id, &number, &report]).await },
        audit::record(tx, actor, Action::ShiftClosed, Subject::Shift(shift.id.into()), &changes),
        outbox::write(tx, &event),
    ))
    .await?;
    Ok(())
}

async fn save(tx: &TenantTx, shift: &Shift) -> Result<(), DbError> {
    const SAVE: &str = "
        UPDATE shifts
           SET status = $2, counted_by = $3, counted_at = $4, difference_reason = $5, approved_by = $6,
               closed_by = $7, closed_at = $8, version = version + 1
         WHERE id = $1";
    let params: tenancy::Params<'_> = &[
        &shift.id,
        &shift.status,
        &shift.counted_by,
        &shift.counted_at,
        &shift.difference_reason,
        &shift.approved_by,
        &shift.closed_by,
        &shift.closed_at,
    ];
    tx.execute(SAVE, params).await.map(drop)
}
