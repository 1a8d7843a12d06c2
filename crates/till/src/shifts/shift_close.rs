//! Closing a shift: the drawer is counted once, without knowing what should be in it. A difference needs a
//! reason, and a large one an approval. Then the Z report is written.

use inventory::audit::{self, Action, Subject};
use inventory::counter::{self, Counter};
use inventory::payment::PaymentMethod;
use inventory::settings;
use serde_json::json;
use tenancy::{DbError, TenantTx, all, outbox};
use tokio_postgres::types::Json;
use values::{ActorId, Currency, Money, NonNegative, Positive, Reason, TooFine};

use crate::ids::{ApprovalId, ShiftId};
use crate::records::approval::{self, NotApproved};
use crate::records::event::{Event, ShiftChanged};
use crate::registers::register;
use crate::shifts::shift::{self, Denomination, Shift, ShiftCount, ShiftStatus};
use crate::shifts::shift_report::{self, Figures, ShiftReport};

/// What was counted of one method of payment.
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
    Amount(NonNegative<Money>),
    /// As notes and coins: at most [`MAX_DENOMINATIONS`] values, and at most [`MAX_PIECES`] of each.
    Denominations(Vec<(Positive<Money>, u32)>),
}

/// The largest number of values of notes and coins.
pub const MAX_DENOMINATIONS: usize = 50;

/// The largest number of notes or coins of one value.
pub const MAX_PIECES: u32 = 1_000_000;

/// A shift to be closed.
#[derive(Debug, Clone)]
pub struct NewClose {
    /// The shift.
    pub shift_id: ShiftId,
    /// What was counted; `None` if it was counted before.
    pub counts: Option<Vec<NewCount>>,
    /// Why something else was counted than should have been there.
    pub reason: Option<Reason>,
    /// The approval of the difference by another member.
    pub approval: Option<ApprovalId>,
    /// Whether the actor may approve it.
    pub may_approve: bool,
}

/// A shift was not closed. `index` is the position of the count in the request.
#[derive(Debug, thiserror::Error)]
pub enum CloseError {
    /// There is no such shift.
    #[error("there is no such shift")]
    NotFound,
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
    /// There are too many notes and coins, or notes and coins of something else than cash.
    #[error(
        "only cash has denominations: at most {MAX_DENOMINATIONS} values, {MAX_PIECES} pieces of each, and \
         9999999999.9999 in all"
    )]
    Denominations {
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
    /// The approval is not valid.
    #[error(transparent)]
    NotApproved(#[from] NotApproved),
    /// A query failed.
    #[error("a query about the close of a shift failed")]
    Db(#[from] DbError),
}

/// Counts the drawer of a shift and closes the shift, or gives a counted shift what it needs to be closed. If
/// something is still needed, the shift stays counted; see [`Shift::needs`].
///
/// The shift is locked, and a sale holds a lock that conflicts with it: a sale is in the report, or is
/// refused.
///
/// # Errors
/// [`CloseError`]; the caller rolls back.
pub async fn close(tx: &TenantTx, new: &NewClose, actor: ActorId) -> Result<Shift, CloseError> {
    let (currency, shift) = all((settings::currency(tx), shift::lock(tx, new.shift_id))).await?;
    let mut shift = shift.ok_or(CloseError::NotFound)?;
    match (shift.status, &new.counts) {
        (ShiftStatus::Closed, _) => return Err(CloseError::Closed),
        (ShiftStatus::Counted, Some(_)) => return Err(CloseError::CountedAlready),
        (ShiftStatus::Counted, None) => {}
        (ShiftStatus::Open, None) => return Err(CloseError::NoCash),
        (ShiftStatus::Open, Some(counts)) => count(tx, &mut shift, counts, &currency, actor).await?,
    }
    shift.difference_reason = shift.difference_reason.or_else(|| new.reason.clone());
    shift.approved_by = match (shift.approved_by, new.approval) {
        (None, _) if !shift.exceeds_limit() => None,
        (None, _) if new.may_approve => Some(actor),
        (None, Some(id)) => {
            let approver = approval::take(tx, id, shift.id.into()).await?;
            Some(approver.ok_or(NotApproved)?)
        }
        (approved_by, _) => approved_by,
    };
    if shift.needs().is_empty() {
        finish(tx, &mut shift, &currency, actor).await?;
    }
    save(tx, &shift).await?;
    shift.version += 1;
    Ok(shift)
}

/// Stores what was counted beside what should be there, for good.
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
            expected: figures.expected(shift, count.method),
            denominations: Json(denominations),
        });
    }
    shift.status = ShiftStatus::Counted;
    (shift.counted_by, shift.counted_at) = (Some(actor), Some(tx.now()));
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
            Counted::Amount(amount) => {
                check(amount.get())?;
                return Ok((amount.get(), Vec::new()));
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
        all((Figures::read(tx, shift.id), register::find(tx, shift.register_id))).await?;
    let register = register.ok_or(CloseError::NotFound)?;
    shift.status = ShiftStatus::Closed;
    (shift.closed_by, shift.closed_at, shift.is_overdue) = (Some(actor), Some(tx.now()), false);
    let number = counter::take(tx, Counter::ZReport, register.series.as_str()).await?;
    shift.z_number = Some(number);
    let register_id = register.id;
    let reference = shift_report::reference(&register.series, number);
    let report = ShiftReport::new(shift, register, &figures, currency, tx.now());
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
