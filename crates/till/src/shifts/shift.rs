//! Shifts: the work at one register, from the counting of the float to the counting of the drawer.

use chrono::{DateTime, Utc};
use const_format::concatcp;
use inventory::audit::{self, Action, Subject};
use inventory::document::{self, IdTaken, Outcome, Requested};
use inventory::payment::PaymentMethod;
use inventory::{day_of, settings};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;
use tenancy::{DbError, TenantTx, all, outbox};
use tokio_postgres::types::Json;
use values::{ActorId, Money, NonNegative, Page, PageRequest, Reason, TooFine};

use crate::ids::{RegisterId, ShiftId};
use crate::records::event::{Event, ShiftChanged};

values::words! {
    /// The status of a shift.
    pub enum ShiftStatus {
        /// The register sells.
        Open = "open",
        /// The drawer was counted, and the difference must be explained or approved. The register does not
        /// sell.
        Counted = "counted",
        /// The Z report is written. Nothing of the shift changes any more.
        Closed = "closed",
    }
}

/// A shift.
#[derive(Debug, Clone)]
pub struct Shift {
    /// The id of the shift, chosen by the client or by the server.
    pub id: ShiftId,
    /// The register.
    pub register_id: RegisterId,
    /// How far the shift has progressed.
    pub status: ShiftStatus,
    /// The cash in the drawer at the beginning.
    pub opening_float: Money,
    /// The user or program that opened the shift.
    pub opened_by: ActorId,
    /// When the shift was opened.
    pub opened_at: DateTime<Utc>,
    /// The user or program that counted the drawer.
    pub counted_by: Option<ActorId>,
    /// When the drawer was counted.
    pub counted_at: Option<DateTime<Utc>>,
    /// Why the counted amount differs from the expected one.
    pub difference_reason: Option<Reason>,
    /// The member who approved the difference; `None` if nobody had to.
    pub approved_by: Option<ActorId>,
    /// The user or program that closed the shift.
    pub closed_by: Option<ActorId>,
    /// When the shift was closed.
    pub closed_at: Option<DateTime<Utc>>,
    /// The counted amounts, by method of payment; empty before the count.
    pub counts: Vec<ShiftCount>,
    /// The number of the Z report, consecutive for each register; `None` before the close.
    pub z_number: Option<i64>,
    /// The largest difference that needs no approval.
    pub(super) difference_limit: Money,
    /// Whether the shift is not closed, though the day on which it was opened is over.
    pub is_overdue: bool,
    /// Counts the changes of the row; clients see it as the ETag.
    pub version: i32,
}

tenancy::from_row!(Shift {
    id,
    register_id,
    status,
    opening_float,
    opened_by,
    opened_at,
    counted_by,
    counted_at,
    difference_reason,
    approved_by,
    closed_by,
    closed_at,
    z_number,
    difference_limit,
    is_overdue,
    version,
} with { counts: Vec::new() });

/// The count of one method of payment.
#[derive(Debug, Clone)]
pub struct ShiftCount {
    pub(super) shift_id: ShiftId,
    /// The method of payment.
    pub method: PaymentMethod,
    /// The amount that was counted.
    pub counted: Money,
    /// The amount that should have been there.
    pub expected: Money,
    /// The notes and coins, if they were counted one by one.
    pub denominations: Json<Vec<Denomination>>,
}

tenancy::from_row!(ShiftCount { shift_id, method, counted, expected, denominations });

/// Notes or coins of one value.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Denomination {
    /// The value of one note or coin.
    #[serde(serialize_with = "plain")]
    pub value: Money,
    /// How many there are.
    pub count: u32,
}

fn plain<S: Serializer>(value: &Money, serializer: S) -> Result<S::Ok, S::Error> {
    value.plain().serialize(serializer)
}

values::words! {
    /// A condition of the close of a shift.
    pub enum Need {
        /// The reason of the difference.
        Reason = "reason",
        /// The approval of the difference by a member with the permission till.approve.
        Approval = "approval",
    }
}

impl ShiftCount {
    /// The counted amount less the expected one.
    pub fn difference(&self) -> Money {
        self.counted - self.expected
    }
}

impl Shift {
    /// The sum of the differences.
    pub fn difference(&self) -> Money {
        self.counts.iter().map(ShiftCount::difference).sum()
    }

    /// The sum of the differences, each without its sign: a surplus of one method does not make up for what
    /// is missing of another.
    fn deviation(&self) -> Money {
        self.counts.iter().map(|count| count.difference().max(-count.difference())).sum()
    }

    /// Whether the difference must be approved.
    fn exceeds_limit(&self) -> bool {
        self.deviation() > self.difference_limit
    }

    /// Whether somebody can approve the difference now: it must be approved, and its reason is known.
    pub(super) fn can_be_approved(&self) -> bool {
        self.needs() == [Need::Approval]
    }

    /// The unmet conditions of the close of a counted shift; a closed one has none.
    pub fn needs(&self) -> Vec<Need> {
        let is_counted = self.status == ShiftStatus::Counted;
        let needs_reason = !self.deviation().is_zero() && self.difference_reason.is_none();
        let needs_approval = self.exceeds_limit() && self.approved_by.is_none();
        let needs = [(needs_reason, Need::Reason), (needs_approval, Need::Approval)];
        needs.into_iter().filter_map(|(is_needed, need)| (is_counted && is_needed).then_some(need)).collect()
    }
}

/// `$1` is the present moment.
const SELECT: &str = concatcp!(
    "SELECT id, register_id, status, opening_float, opened_by, opened_at, counted_by, counted_at,
            difference_reason, approved_by, closed_by, closed_at, version,
            (SELECT number FROM z_reports WHERE shift_id = shifts.id) AS z_number,
            (SELECT shift_difference_limit FROM settings) AS difference_limit,
            status <> 'closed' AND (SELECT ",
    day_of!("opened_at", "s"),
    " < ",
    day_of!("$1::timestamptz", "s"),
    " FROM settings s) AS is_overdue FROM shifts "
);

/// A shift to be opened.
#[derive(Debug, Clone)]
pub struct NewShift {
    /// The chosen or new id of the shift, and the fingerprint of the request.
    pub request: Requested<ShiftId>,
    /// The register, which must be in use and have no other shift that is not closed.
    pub register_id: RegisterId,
    /// The cash in the drawer at the beginning.
    pub opening_float: NonNegative<Money>,
}

/// A shift was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no such register, or it is archived.
    #[error("there is no such register")]
    UnknownRegister,
    /// The register has a shift that is not closed. Holds its id.
    #[error("the register has a shift already; close it before you open another one")]
    NotClosed(ShiftId),
    /// The float is finer than the currency.
    #[error(transparent)]
    TooFine(#[from] TooFine),
    /// Another document has the chosen id.
    #[error(transparent)]
    IdTaken(#[from] IdTaken),
    /// A query failed.
    #[error("a shift query failed")]
    Db(#[from] DbError),
}

/// Opens a shift. A repeated request gets the shift as it is now, and changes nothing.
///
/// # Errors
/// [`OpenError`]; the caller rolls back.
pub async fn open(tx: &TenantTx, new: &NewShift, actor: ActorId) -> Result<Outcome<Shift>, OpenError> {
    document::once(tx, &new.request, find_repeated(tx, &new.request), open_new(tx, new, actor)).await
}

async fn find_repeated(tx: &TenantTx, request: &Requested<ShiftId>) -> Result<Option<Shift>, OpenError> {
    const IS_SAME: &str = "SELECT request_hash = $2 FROM shifts WHERE id = $1";
    let params: tenancy::Params<'_> = &[&request.id, &request.fingerprint];
    if document::is_repeated::<OpenError>(tx, request.id, IS_SAME, params).await? {
        Ok(find(tx, request.id).await?)
    } else {
        Ok(None)
    }
}

async fn open_new(tx: &TenantTx, new: &NewShift, actor: ActorId) -> Result<Shift, OpenError> {
    // Requests for shifts of one register take turns, and the register stays in use.
    const LOCK: &str = "SELECT true FROM registers WHERE id = $1 AND archived_at IS NULL FOR NO KEY UPDATE";
    const NOT_CLOSED: &str = "SELECT id FROM shifts WHERE register_id = $1 AND status <> 'closed'";
    const INSERT: &str = "
        INSERT INTO shifts (id, register_id, status, opening_float, opened_by, opened_at, request_hash)
        VALUES ($1, $2, 'open', $3, $4, $5, $6)";
    let NewShift { request: Requested { id, fingerprint, .. }, register_id, opening_float } = new;
    let float = opening_float.get();
    let lock = async { tx.value_opt::<bool>(LOCK, &[register_id]).await };
    let not_closed = async { tx.value_opt::<ShiftId>(NOT_CLOSED, &[register_id]).await };
    let (currency, found, not_closed) = all((settings::currency(tx), lock, not_closed)).await?;
    found.ok_or(OpenError::UnknownRegister)?;
    if let Some(other) = not_closed {
        return Err(OpenError::NotClosed(other));
    }
    currency.check(float)?;
    let opened = json!({"registerId": {"to": register_id}, "openingFloat": {"to": float.plain()}});
    let event = Event::ShiftOpened(ShiftChanged { shift_id: *id, register_id: *register_id });
    all((
        async { tx.execute(INSERT, &[id, register_id, &float, &actor, &tx.now(), fingerprint]).await },
        audit::record(tx, actor, Action::ShiftOpened, Subject::Shift((*id).into()), &opened),
        outbox::write(tx, &event),
    ))
    .await
    .map_err(|error| match error.constraint() {
        Some("shifts_pkey") => IdTaken((*id).into()).into(),
        _ => OpenError::Db(error),
    })?;
    find(tx, *id).await?.ok_or(OpenError::UnknownRegister)
}

/// The shift with this id.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &TenantTx, id: ShiftId) -> Result<Option<Shift>, DbError> {
    const FIND: &str = concatcp!(SELECT, "WHERE id = $2");
    read_one(tx, id, FIND).await
}

/// As [`find`]. Sales and changes of the shift wait until the transaction ends.
pub(super) async fn lock(tx: &TenantTx, id: ShiftId) -> Result<Option<Shift>, DbError> {
    const LOCK: &str = concatcp!(SELECT, "WHERE id = $2 FOR NO KEY UPDATE");
    read_one(tx, id, LOCK).await
}

/// The open shift of a register. It stays open until the transaction ends, because its close waits.
///
/// # Errors
/// [`DbError`]; a register without an open shift has `None`.
pub(crate) async fn hold_open(tx: &TenantTx, register: RegisterId) -> Result<Option<ShiftId>, DbError> {
    const HOLD: &str = "SELECT id FROM shifts WHERE register_id = $1 AND status = 'open' FOR SHARE";
    tx.value_opt(HOLD, &[&register]).await
}

const COUNTS: &str = "
    SELECT shift_id, method, counted, expected, denominations FROM shift_counts
     WHERE shift_id = ANY ($1) ORDER BY shift_id, method";

async fn read_one(tx: &TenantTx, id: ShiftId, sql: &'static str) -> Result<Option<Shift>, DbError> {
    let ids = [id];
    let shift = async { tx.row_opt::<Shift>(sql, &[&tx.now(), &id]).await };
    let counts = async { tx.rows::<ShiftCount>(COUNTS, &[&ids.as_slice()]).await };
    let (shift, counts) = all((shift, counts)).await?;
    Ok(shift.map(|shift| Shift { counts, ..shift }))
}

/// The choice of the shifts of a list.
#[derive(Debug, Clone, Copy, Default)]
pub struct ShiftFilter {
    /// Only shifts of this register; `None` means all registers.
    pub register_id: Option<RegisterId>,
    /// Only shifts with this status; `None` means any status.
    pub status: Option<ShiftStatus>,
    /// Only shifts opened at this moment or later; `None` means no limit.
    pub from: Option<DateTime<Utc>>,
    /// Only shifts opened before this moment; `None` means no limit.
    pub until: Option<DateTime<Utc>>,
}

/// A page of shifts, newest first.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &TenantTx,
    filter: &ShiftFilter,
    page: &PageRequest<(DateTime<Utc>, ShiftId)>,
) -> Result<Page<Shift>, DbError> {
    const IN_SPAN: &str = "
        WHERE (opened_at, id) < ($2, $3) AND opened_at >= $4 AND opened_at < $5
          AND ($7::text IS NULL OR status = $7)";
    const ORDER: &str = " ORDER BY opened_at DESC, id DESC LIMIT $6";
    const ALL: &str = concatcp!(SELECT, IN_SPAN, ORDER);
    const OF_REGISTER: &str = concatcp!(SELECT, IN_SPAN, " AND register_id = $8", ORDER);
    let (moment, id) = page.below();
    let (earliest, latest) = (DateTime::UNIX_EPOCH, tx.now() + chrono::TimeDelta::days(1));
    let from = filter.from.unwrap_or(earliest).max(earliest);
    let until = filter.until.unwrap_or(latest).clamp(earliest, latest);
    let limit = page.limit.and_one();
    let shifts: Vec<Shift> = match filter.register_id {
        None => tx.rows(ALL, &[&tx.now(), &moment, &id, &from, &until, &limit, &filter.status]).await?,
        Some(register) => {
            let params: tenancy::Params<'_> =
                &[&tx.now(), &moment, &id, &from, &until, &limit, &filter.status, &register];
            tx.rows(OF_REGISTER, params).await?
        }
    };
    let mut page = page.page(shifts, |shift| (shift.opened_at, shift.id));
    let ids: Vec<ShiftId> = page.data.iter().map(|shift| shift.id).collect();
    for count in tx.rows::<ShiftCount>(COUNTS, &[&ids]).await? {
        if let Some(shift) = page.data.iter_mut().find(|shift| shift.id == count.shift_id) {
            shift.counts.push(count);
        }
    }
    Ok(page)
}
