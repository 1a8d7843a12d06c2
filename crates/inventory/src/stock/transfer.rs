//! Transfers: stock that leaves one location, is on its way, and arrives at another in as many parts as it takes.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tenancy::{DbError, TenantTx, both, outbox};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::ids::{LocationId, StepId, TransferId, TransferLineId, VariantId};
use crate::records::audit::{self, Subject};
use crate::records::counter::{self, Counter, taken_number};
use crate::records::document::{self, Part, PartError};
use crate::stock::movement::Kind;
use crate::stock::posting::{self as stock, Decided, Posting, Source, StockError};
use values::Note;
use values::{Money, Quantity};
use values::{Page, PageRequest, number_key};

/// A transfer to be sent.
#[derive(Debug, Clone)]
pub struct NewTransfer {
    pub id: TransferId,
    /// Whether the client chose the id, so that it may have been used before.
    pub has_chosen_id: bool,
    pub from: LocationId,
    pub to: LocationId,
    pub lines: Vec<(VariantId, Quantity)>,
    pub note: Option<Note>,
    /// Tells a repetition from another transfer with the same id.
    pub request_hash: Vec<u8>,
}

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferStatus {
    InTransit,
    PartlyReceived,
    Received,
    /// Nothing is on its way any more, and part of it went back.
    Closed,
}

impl TransferStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InTransit => "in_transit",
            Self::PartlyReceived => "partly_received",
            Self::Received => "received",
            Self::Closed => "closed",
        }
    }

    fn from_column(text: &str) -> Self {
        match text {
            "in_transit" => Self::InTransit,
            "partly_received" => Self::PartlyReceived,
            "received" => Self::Received,
            // The CHECK of the column leaves only this one.
            _ => Self::Closed,
        }
    }

    fn of(lines: &[TransferLine]) -> Self {
        let is_on_its_way = lines.iter().any(|line| !line.in_transit().is_zero());
        let went_back = lines.iter().any(|line| !line.sent_back.is_zero());
        let has_arrived = lines.iter().any(|line| !line.received.is_zero());
        match (is_on_its_way, went_back, has_arrived) {
            (true, _, false) => Self::InTransit,
            (true, _, true) => Self::PartlyReceived,
            (false, true, _) => Self::Closed,
            (false, false, _) => Self::Received,
        }
    }
}

/// A stored transfer with its lines.
#[derive(Debug, Clone)]
pub struct Transfer {
    pub id: TransferId,
    pub number: i64,
    pub from: LocationId,
    pub to: LocationId,
    pub status: TransferStatus,
    pub note: Option<String>,
    pub sent_by: Option<Uuid>,
    pub version: i32,
    pub sent_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub lines: Vec<TransferLine>,
}

/// A line of a stored transfer.
#[derive(Debug, Clone)]
pub struct TransferLine {
    pub id: TransferLineId,
    pub variant_id: VariantId,
    pub quantity: Quantity,
    pub received: Quantity,
    pub sent_back: Quantity,
    /// What one unit cost where it left: it arrives at that.
    pub unit_cost: Option<Money>,
}

impl TransferLine {
    /// Neither arrived nor gone back.
    pub fn in_transit(&self) -> Quantity {
        let left = self.quantity.as_decimal() - self.received.as_decimal() - self.sent_back.as_decimal();
        Quantity::from_decimal(left)
    }
}

/// What happens to a transfer that is on its way.
#[derive(Debug, Clone)]
pub struct NewStep {
    pub id: StepId,
    /// Whether the client chose the id, so that it may have been used before.
    pub has_chosen_id: bool,
    pub transfer_id: TransferId,
    pub kind: StepKind,
    pub request_hash: Vec<u8>,
}

/// What a step does.
#[derive(Debug, Clone)]
pub enum StepKind {
    /// So much of which lines has arrived; all that is on its way when there are none.
    Receive(Vec<Part<TransferLineId>>),
    /// What is still on its way goes back to where it came from.
    SendBack,
}

impl StepKind {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Receive(_) => "receive",
            Self::SendBack => "send_back",
        }
    }
}

/// Whether something was posted now or had been before.
#[derive(Debug)]
pub enum Outcome {
    Posted(Transfer),
    /// The same under the same client-chosen id: nothing was changed again.
    Repeated(Transfer),
}

/// A transfer was not sent or changed.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    #[error("there is no such transfer")]
    NotFound,
    #[error("a transfer has 1 to {MAX_LINES} lines")]
    LineCount,
    #[error("a quantity is more than zero")]
    Quantity { index: usize },
    #[error("a transfer goes from one location to another one")]
    SameLocation,
    #[error("there is no such location")]
    UnknownLocation { is_source: bool },
    #[error("nothing of the transfer is on its way: it is {}", .0.as_str())]
    NothingInTransit(TransferStatus),
    #[error("another document has the id {0} already")]
    IdTaken(Uuid),
    #[error(transparent)]
    Part(#[from] PartError),
    #[error(transparent)]
    Stock(#[from] StockError),
    #[error("a transfer query failed")]
    Db(#[from] DbError),
}

/// A transfer has no more lines than this.
pub const MAX_LINES: usize = 200;

/// Sends a transfer: its stock leaves the one location now, and is nowhere until it arrives.
///
/// # Errors
/// [`TransferError`]; the caller rolls back.
pub async fn send(tx: &TenantTx, new: &NewTransfer, actor: Option<Uuid>) -> Result<Outcome, TransferError> {
    const REPEATED: &str = "SELECT request_hash FROM stock_transfers WHERE id = $1";
    // Both ends stay open until the goods are on their way, and are locked before any level.
    const OPEN: &str = "
        SELECT id FROM locations WHERE id = ANY ($1) AND archived_at IS NULL ORDER BY id FOR KEY SHARE";
    if new.lines.is_empty() || new.lines.len() > MAX_LINES {
        return Err(TransferError::LineCount);
    }
    if new.from == new.to {
        return Err(TransferError::SameLocation);
    }
    // The same variant on two lines is one.
    let mut sums: BTreeMap<VariantId, Quantity> = BTreeMap::new();
    for (index, (variant, quantity)) in new.lines.iter().enumerate() {
        if quantity.is_negative() || quantity.is_zero() {
            return Err(TransferError::Quantity { index });
        }
        let sum = sums.entry(*variant).or_insert(Quantity::ZERO);
        *sum = sum.plus(*quantity);
    }
    if new.has_chosen_id {
        document::claim(tx, new.id.as_uuid()).await?;
        if let Some(row) = tx.query_opt(REPEATED, &[&new.id.as_uuid()]).await? {
            let hash: &[u8] = row.try_get("request_hash").map_err(DbError::from)?;
            return match find(tx, new.id).await? {
                Some(transfer) if hash == new.request_hash => Ok(Outcome::Repeated(transfer)),
                _ => Err(TransferError::IdTaken(new.id.as_uuid())),
            };
        }
    }
    let places = [new.from.as_uuid(), new.to.as_uuid()];
    let open = tx.query(OPEN, &[&places.as_slice()]).await?;
    let open: Vec<Uuid> =
        open.iter().map(|row| row.try_get("id")).collect::<Result<_, _>>().map_err(DbError::from)?;
    for (place, is_source) in places.iter().zip([true, false]) {
        if !open.contains(place) {
            return Err(TransferError::UnknownLocation { is_source });
        }
    }
    let mut lines: Vec<TransferLine> = sums
        .into_iter()
        .map(|(variant_id, quantity)| TransferLine {
            id: TransferLineId::new(),
            variant_id,
            quantity,
            received: Quantity::ZERO,
            sent_back: Quantity::ZERO,
            unit_cost: None,
        })
        .collect();
    let postings: Vec<Posting> =
        lines.iter().map(|line| posting(line, new.from, line.quantity.negated(), None)).collect();
    let decided = stock::decide(tx, &postings).await?;
    for (line, posted) in lines.iter_mut().zip(&decided.posted) {
        line.unit_cost = posted.unit_cost;
    }
    let mut transfer = Transfer {
        id: new.id,
        number: 0,
        from: new.from,
        to: new.to,
        status: TransferStatus::InTransit,
        note: new.note.as_ref().map(ToString::to_string),
        sent_by: actor,
        version: 1,
        sent_at: tx.now(),
        updated_at: tx.now(),
        lines,
    };
    let source = Source { kind: "transfer", id: new.id.as_uuid() };
    let tell = tell(tx, &transfer, "transfer.sent", None, actor);
    let stock = both(decided.write(tx, source, actor), tell);
    let (_, number) = both(stock, insert(tx, &transfer, &new.request_hash)).await?;
    transfer.number = number;
    Ok(Outcome::Posted(transfer))
}

fn posting(
    line: &TransferLine,
    location_id: LocationId,
    quantity: Quantity,
    unit_cost: Option<Money>,
) -> Posting {
    Posting {
        kind: Kind::Transfer,
        variant_id: line.variant_id,
        location_id,
        quantity,
        reserved: Quantity::ZERO,
        unit_cost: unit_cost.into(),
        reason: None,
        line_id: line.id.as_uuid(),
    }
}

async fn tell(
    tx: &TenantTx,
    transfer: &Transfer,
    action: &'static str,
    was: Option<TransferStatus>,
    actor: Option<Uuid>,
) -> Result<(), DbError> {
    let subject = Subject { kind: "transfer", id: transfer.id.as_uuid() };
    let status = transfer.status.as_str();
    let changes = match was {
        None => json!({"status": {"to": status}}),
        Some(was) => json!({"status": {"from": was.as_str(), "to": status}}),
    };
    let told = json!({"transferId": transfer.id, "status": status});
    both(audit::record(tx, actor, action, subject, &changes), outbox::write(tx, action, &told))
        .await
        .map(drop)
}

async fn insert(tx: &TenantTx, transfer: &Transfer, request_hash: &[u8]) -> Result<i64, DbError> {
    const INSERT: &str = concat!(
        "INSERT INTO stock_transfers (id, number, from_location_id, to_location_id, status, note, request_hash, sent_by,
                                      sent_at, updated_at)
         SELECT $1, ",
        taken_number!("transfer"),
        ", $2, $3, 'in_transit', $4, $5, $6, $7, $7 RETURNING number"
    );
    const INSERT_LINES: &str = "
        INSERT INTO stock_transfer_lines (id, transfer_id, variant_id, quantity, unit_cost)
        SELECT id, $1, variant_id, quantity, unit_cost
          FROM unnest($2::uuid[], $3::uuid[], $4::numeric[], $5::numeric[]) AS new (id, variant_id, quantity, unit_cost)";
    let (from, to) = (transfer.from.as_uuid(), transfer.to.as_uuid());
    let id = transfer.id.as_uuid();
    let ids: Vec<Uuid> = transfer.lines.iter().map(|line| line.id.as_uuid()).collect();
    let variants: Vec<Uuid> = transfer.lines.iter().map(|line| line.variant_id.as_uuid()).collect();
    let quantities: Vec<Decimal> = transfer.lines.iter().map(|line| line.quantity.as_decimal()).collect();
    let costs: Vec<Option<Decimal>> =
        transfer.lines.iter().map(|line| line.unit_cost.map(Money::as_decimal)).collect();
    let head = async {
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 7] =
            [&id, &from, &to, &transfer.note, &request_hash, &transfer.sent_by, &tx.now()];
        tx.query_one(INSERT, &parameters).await
    };
    let lines = async { tx.execute(INSERT_LINES, &[&id, &ids, &variants, &quantities, &costs]).await };
    let (((), row), _) = both(both(counter::take(tx, Counter::Transfer), head), lines).await?;
    Ok(row.try_get("number")?)
}

/// Receives part of a transfer, or sends back what is left of it.
///
/// # Errors
/// [`TransferError`]; the caller rolls back.
pub async fn step(tx: &TenantTx, new: &NewStep, actor: Option<Uuid>) -> Result<Outcome, TransferError> {
    const REPEATED: &str = "SELECT transfer_id, request_hash FROM stock_transfer_steps WHERE id = $1";
    const INSERT: &str = "
        INSERT INTO stock_transfer_steps (id, transfer_id, kind, request_hash, actor_id, occurred_at)
        VALUES ($1, $2, $3, $4, $5, $6)";
    let get = DbError::from;
    if new.has_chosen_id {
        document::claim(tx, new.id.as_uuid()).await?;
        if let Some(row) = tx.query_opt(REPEATED, &[&new.id.as_uuid()]).await? {
            let hash: &[u8] = row.try_get("request_hash").map_err(get)?;
            let of: Uuid = row.try_get("transfer_id").map_err(get)?;
            if hash != new.request_hash || of != new.transfer_id.as_uuid() {
                return Err(TransferError::IdTaken(new.id.as_uuid()));
            }
            let transfer = find(tx, new.transfer_id).await?.ok_or(TransferError::NotFound)?;
            return Ok(Outcome::Repeated(transfer));
        }
    }
    let mut transfer = lock(tx, new.transfer_id).await?.ok_or(TransferError::NotFound)?;
    let was = transfer.status;
    let on_its_way: Vec<_> = transfer.lines.iter().map(|line| (line.id, line.in_transit())).collect();
    if on_its_way.iter().all(|(_, left)| left.is_zero()) {
        return Err(TransferError::NothingInTransit(was));
    }
    let (merged, place) = match &new.kind {
        StepKind::Receive(parts) if !parts.is_empty() => {
            (document::merge(&on_its_way, parts.iter().copied())?, transfer.to)
        }
        StepKind::Receive(_) => (document::all_that_is_left(&on_its_way), transfer.to),
        StepKind::SendBack => (document::all_that_is_left(&on_its_way), transfer.from),
    };
    let postings: Vec<Posting> = merged
        .iter()
        .map(|(at, quantity)| {
            let line = &transfer.lines[*at];
            posting(line, place, *quantity, line.unit_cost)
        })
        .collect();
    let decided = stock::decide(tx, &postings).await?;
    for (at, quantity) in &merged {
        let line = &mut transfer.lines[*at];
        match new.kind {
            StepKind::Receive(_) => line.received = line.received.plus(*quantity),
            StepKind::SendBack => line.sent_back = line.sent_back.plus(*quantity),
        }
    }
    transfer.status = TransferStatus::of(&transfer.lines);
    let action = match new.kind {
        StepKind::Receive(_) => "transfer.received",
        StepKind::SendBack => "transfer.sent_back",
    };
    let record = async {
        let (id, of, kind) = (new.id.as_uuid(), new.transfer_id.as_uuid(), new.kind.as_str());
        tx.execute(INSERT, &[&id, &of, &kind, &new.request_hash, &actor, &tx.now()]).await
    };
    let source = Source { kind: "transfer_step", id: new.id.as_uuid() };
    let tell = tell(tx, &transfer, action, Some(was), actor);
    let ((), _) = both(save(tx, &transfer, &decided, source, actor), both(record, tell)).await?;
    transfer.version += 1;
    transfer.updated_at = tx.now();
    Ok(Outcome::Posted(transfer))
}

async fn save(
    tx: &TenantTx,
    transfer: &Transfer,
    decided: &Decided,
    source: Source,
    actor: Option<Uuid>,
) -> Result<(), DbError> {
    const SAVE: &str = "
        UPDATE stock_transfers SET status = $2, version = version + 1, updated_at = $3 WHERE id = $1";
    const SAVE_LINES: &str = "
        UPDATE stock_transfer_lines l
           SET received = new.received, sent_back = new.sent_back
          FROM unnest($1::uuid[], $2::numeric[], $3::numeric[]) AS new (id, received, sent_back)
         WHERE l.id = new.id";
    let ids: Vec<Uuid> = transfer.lines.iter().map(|line| line.id.as_uuid()).collect();
    let received: Vec<Decimal> = transfer.lines.iter().map(|line| line.received.as_decimal()).collect();
    let sent_back: Vec<Decimal> = transfer.lines.iter().map(|line| line.sent_back.as_decimal()).collect();
    let head =
        async { tx.execute(SAVE, &[&transfer.id.as_uuid(), &transfer.status.as_str(), &tx.now()]).await };
    let lines = async { tx.execute(SAVE_LINES, &[&ids, &received, &sent_back]).await };
    both(decided.write(tx, source, actor), both(head, lines)).await.map(drop)
}

macro_rules! transfers_where {
    ($condition:literal) => {
        concat!(
            "SELECT id, number, from_location_id, to_location_id, status, note, sent_by, version, sent_at, updated_at
               FROM stock_transfers WHERE ",
            $condition
        )
    };
}

const LINES: &str = "
    SELECT id, transfer_id, variant_id, quantity, received, sent_back, unit_cost
      FROM stock_transfer_lines
     WHERE transfer_id = ANY ($1)
     ORDER BY transfer_id, variant_id";

impl Transfer {
    fn from_row(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            id: TransferId::from_uuid(row.try_get("id")?),
            number: row.try_get("number")?,
            from: LocationId::from_uuid(row.try_get("from_location_id")?),
            to: LocationId::from_uuid(row.try_get("to_location_id")?),
            status: TransferStatus::from_column(row.try_get("status")?),
            note: row.try_get("note")?,
            sent_by: row.try_get("sent_by")?,
            version: row.try_get("version")?,
            sent_at: row.try_get("sent_at")?,
            updated_at: row.try_get("updated_at")?,
            lines: Vec::new(),
        })
    }
}

/// Gives transfers their lines: one query, whatever their number.
async fn with_lines(tx: &TenantTx, mut transfers: Vec<Transfer>) -> Result<Vec<Transfer>, DbError> {
    let ids: Vec<Uuid> = transfers.iter().map(|transfer| transfer.id.as_uuid()).collect();
    for row in tx.query(LINES, &[&ids]).await? {
        let of = TransferId::from_uuid(row.try_get("transfer_id")?);
        let line = TransferLine {
            id: TransferLineId::from_uuid(row.try_get("id")?),
            variant_id: VariantId::from_uuid(row.try_get("variant_id")?),
            quantity: Quantity::from_decimal(row.try_get("quantity")?),
            received: Quantity::from_decimal(row.try_get("received")?),
            sent_back: Quantity::from_decimal(row.try_get("sent_back")?),
            unit_cost: row.try_get::<_, Option<_>>("unit_cost")?.map(Money::from_decimal),
        };
        if let Some(transfer) = transfers.iter_mut().find(|transfer| transfer.id == of) {
            transfer.lines.push(line);
        }
    }
    Ok(transfers)
}

/// The transfer with this id.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &TenantTx, id: TransferId) -> Result<Option<Transfer>, DbError> {
    const FIND: &str = transfers_where!("id = $1");
    one(tx, FIND, id).await
}

/// The same, with its row locked until the transaction ends; its lines are read under the lock.
async fn lock(tx: &TenantTx, id: TransferId) -> Result<Option<Transfer>, DbError> {
    const LOCK: &str = transfers_where!("id = $1 FOR NO KEY UPDATE");
    one(tx, LOCK, id).await
}

async fn one(tx: &TenantTx, sql: &'static str, id: TransferId) -> Result<Option<Transfer>, DbError> {
    let Some(row) = tx.query_opt(sql, &[&id.as_uuid()]).await? else { return Ok(None) };
    Ok(with_lines(tx, vec![Transfer::from_row(&row)?]).await?.pop())
}

/// A page of transfers with their lines, the latest first; with `status`, of those alone.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &TenantTx,
    status: Option<TransferStatus>,
    page: &PageRequest<1>,
) -> Result<Page<Transfer, 1>, DbError> {
    const ALL: &str = transfers_where!("number < $1 ORDER BY number DESC LIMIT $2");
    const OF_STATUS: &str = transfers_where!("number < $1 AND status = $3 ORDER BY number DESC LIMIT $2");
    let (before, limit) = (page.before_number(0), page.limit.and_one());
    let rows = match status {
        None => tx.query(ALL, &[&before, &limit]).await?,
        Some(status) => tx.query(OF_STATUS, &[&before, &limit, &status.as_str()]).await?,
    };
    let transfers = rows.iter().map(Transfer::from_row).collect::<Result<Vec<_>, _>>()?;
    let page = page.page(transfers, |transfer| [number_key(transfer.number)]);
    Ok(Page { data: with_lines(tx, page.data).await?, next: page.next })
}
