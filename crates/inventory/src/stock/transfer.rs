//! Transfers: stock that leaves one location, is in transit, and arrives at another location, also in parts.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use const_format::concatcp;
use serde_json::json;
use tenancy::{DbError, TenantTx, all, outbox};
use values::{ActorId, Note, Page, PageRequest, Positive, Quantity, StockValue};

use crate::business::settings::UnknownReason;
use crate::ids::{LocationId, TransferId, TransferLineId, VariantId};
use crate::records::audit::{self, Action, Subject};
use crate::records::counter::{self, Counter};
use crate::records::document::{self, IdTaken, Outcome, PartError, Requested};
use crate::records::event::{Event, TransferChanged};
pub use crate::statuses::TransferStatus;
use crate::stock::alert_review;
use crate::stock::article::{self, ArticleError, ArticleName};
use crate::stock::level::Key;
use crate::stock::locked_level::{self, LockedLevel};
use crate::stock::movement::{Kind, Source};
use crate::stock::posting::{Cost, Posting, StockError, decide_among};
pub use crate::stock::transfer_step::{NewStep, StepKind, step};

/// A transfer to be sent.
#[derive(Debug, Clone)]
pub struct NewTransfer {
    /// The chosen or new id of the transfer, and the fingerprint of the request.
    pub request: Requested<TransferId>,
    /// The source location, which the stock leaves.
    pub from: LocationId,
    /// The location that receives the stock.
    pub to: LocationId,
    /// The variants to send, with quantities in sale units. Lines of one variant are added up.
    pub lines: Vec<(ArticleName, Positive<Quantity>)>,
    /// Free text; `None` without a note.
    pub note: Option<Note>,
}

impl TransferStatus {
    pub(crate) fn of(lines: &[TransferLine]) -> Self {
        let is_in_transit = lines.iter().any(|line| !line.in_transit().is_zero());
        let is_incomplete = lines.iter().any(|line| line.received < line.quantity);
        let has_arrived = lines.iter().any(|line| !line.received.is_zero());
        match (is_in_transit, is_incomplete, has_arrived) {
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
    /// The id that the request chose or was given.
    pub id: TransferId,
    /// Counts up from 1 without a gap, for each business.
    pub number: i64,
    /// The source location, which the stock left.
    pub from: LocationId,
    /// The location that receives the stock.
    pub to: LocationId,
    /// How far the transfer has progressed; it follows from the lines.
    pub status: TransferStatus,
    /// Free text; `None` without a note.
    pub note: Option<Note>,
    /// The user or program that sent the transfer, or the system.
    pub sent_by: ActorId,
    /// Counts the changes of the row; clients see it as the ETag.
    pub version: i32,
    /// When the row was stored and the stock left.
    pub sent_at: DateTime<Utc>,
    /// When goods last left, arrived or went back.
    pub updated_at: DateTime<Utc>,
    /// One line for each variant.
    pub lines: Vec<TransferLine>,
}

tenancy::from_row!(Transfer {
    id, number, from: "from_location_id", to: "to_location_id", status, note, sent_by, version, sent_at,
    updated_at,
} with { lines: Vec::new() });

/// A line of a stored transfer.
#[derive(Debug, Clone)]
pub struct TransferLine {
    /// The id of the line, which a step names.
    pub id: TransferLineId,
    pub(crate) transfer_id: TransferId,
    /// The variant that was sent.
    pub variant_id: VariantId,
    /// The quantity that was sent, in sale units.
    pub quantity: Quantity,
    /// The quantity that has arrived, in sale units.
    pub received: Quantity,
    /// The quantity that went back to the source location, in sale units.
    pub sent_back: Quantity,
    /// The quantity that was lost in transit, in sale units.
    pub written_off: Quantity,
    /// The cost of the goods when they were sent; `None` if it is not known.
    pub sent_value: Option<StockValue>,
    /// The cost of the goods that are in transit; `None` if it is not known.
    pub transit_value: Option<StockValue>,
}

tenancy::from_row!(TransferLine {
    id,
    transfer_id,
    variant_id,
    quantity,
    received,
    sent_back,
    written_off,
    sent_value,
    transit_value,
});

impl TransferLine {
    /// The quantity that is neither received, sent back nor written off, in sale units.
    pub fn in_transit(&self) -> Quantity {
        self.quantity - self.received - self.sent_back - self.written_off
    }

    /// What so many of the goods in transit cost.
    pub(crate) fn value_of(&self, quantity: Quantity) -> Option<StockValue> {
        self.transit_value.map(|value| value.part(quantity, self.in_transit()))
    }

    pub(crate) fn posting(&self, location_id: LocationId, quantity: Quantity, cost: Cost) -> Posting {
        Posting {
            kind: Kind::Transfer,
            variant_id: self.variant_id,
            has_stock: true,
            location_id,
            quantity,
            reserved: Quantity::ZERO,
            cost,
            reason: None,
            line_id: self.id.into(),
        }
    }
}

/// A transfer was not sent or changed.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// No transfer has this id.
    #[error("there is no such transfer")]
    NotFound,
    /// The request has no lines or too many lines.
    #[error("a transfer must have 1 to {MAX_LINES} lines")]
    LineCount,
    /// The source location is also the receiving location.
    #[error("the two locations of a transfer must differ")]
    SameLocation,
    /// One of the locations does not exist or is archived.
    #[error("there is no such location")]
    UnknownLocation {
        /// Whether it is the source location; otherwise it is the receiving location.
        is_source: bool,
    },
    /// Everything has arrived, gone back or been written off, so no step is left.
    #[error("the transfer has nothing in transit, because its status is {0}")]
    NothingInTransit(TransferStatus),
    /// A different transfer, or a different step of a transfer, already has the chosen id.
    #[error(transparent)]
    IdTaken(#[from] IdTaken),
    /// A received quantity names an unknown line or exceeds what is in transit.
    #[error(transparent)]
    Part(#[from] PartError),
    /// A line names a SKU or a barcode that no variant has.
    #[error(transparent)]
    Article(#[from] ArticleError),
    /// The settings do not allow the reason of a write-off.
    #[error(transparent)]
    UnknownReason(#[from] UnknownReason),
    /// The posting was refused, for example because stock is short.
    #[error(transparent)]
    Stock(#[from] StockError),
    /// A query failed.
    #[error("a transfer query failed")]
    Db(#[from] DbError),
}

/// The largest number of lines of a transfer.
pub const MAX_LINES: usize = 200;

/// Sends a transfer: its stock leaves the source location now, and is at no location until it arrives or goes
/// back. A repeated request gets the transfer as it is now, and changes nothing.
///
/// # Errors
/// [`TransferError`]; the caller rolls back.
pub async fn send(
    tx: &TenantTx,
    new: &NewTransfer,
    actor: ActorId,
) -> Result<Outcome<Transfer>, TransferError> {
    if new.lines.is_empty() || new.lines.len() > MAX_LINES {
        return Err(TransferError::LineCount);
    }
    if new.from == new.to {
        return Err(TransferError::SameLocation);
    }
    document::once(tx, &new.request, find_repeated(tx, &new.request), send_new(tx, new, actor)).await
}

async fn find_repeated(
    tx: &TenantTx,
    request: &Requested<TransferId>,
) -> Result<Option<Transfer>, TransferError> {
    const IS_SAME: &str = "SELECT request_hash = $2 FROM stock_transfers WHERE id = $1";
    let params: tenancy::Params<'_> = &[&request.id, &request.fingerprint];
    if document::is_repeated::<TransferError>(tx, request.id, IS_SAME, params).await? {
        Ok(find(tx, request.id).await?)
    } else {
        Ok(None)
    }
}

async fn send_new(tx: &TenantTx, new: &NewTransfer, actor: ActorId) -> Result<Transfer, TransferError> {
    check_locations(tx, new).await?;
    let id = new.request.id;
    let variants = article::find(tx, new.lines.iter().map(|(article, _)| article)).await?;
    let mut lines = lines_of(new, &variants);
    let postings: Vec<Posting> =
        lines.iter().map(|line| line.posting(new.from, -line.quantity, Cost::Average)).collect();
    let levels = lock_levels(tx, &lines, new.from, new.to).await?;
    let decided = decide_among(tx, levels, &postings).await?;
    for (line, posted) in lines.iter_mut().zip(&decided.posted) {
        (line.sent_value, line.transit_value) = (posted.cost, posted.cost);
    }
    let status = TransferStatus::InTransit;
    let source = Source::Transfer(id);
    let tell = tell(tx, (Event::TransferSent, Action::TransferSent), id, (None, status), actor);
    // The number is taken in the last step, and held no longer than that.
    let stock = decided.write(tx, source, actor);
    let ((), (), number) = all((stock, tell, insert(tx, new, &lines, actor))).await?;
    alert_review::reconsider(tx, &keys(&lines, new.to)).await?;
    Ok(Transfer {
        id,
        number,
        from: new.from,
        to: new.to,
        status,
        note: new.note.clone(),
        sent_by: actor,
        version: 1,
        sent_at: tx.now(),
        updated_at: tx.now(),
        lines,
    })
}

/// Refuses locations that do not exist or are archived. Both are locked, before any level, so that they stay
/// open until the goods are in transit.
async fn check_locations(tx: &TenantTx, new: &NewTransfer) -> Result<(), TransferError> {
    const OPEN: &str = "
        SELECT id FROM locations WHERE id = ANY ($1) AND archived_at IS NULL ORDER BY id FOR KEY SHARE";
    let open: Vec<LocationId> = tx.values(OPEN, &[&[new.from, new.to].as_slice()]).await?;
    for (location, is_source) in [(new.from, true), (new.to, false)] {
        if !open.contains(&location) {
            return Err(TransferError::UnknownLocation { is_source });
        }
    }
    Ok(())
}

/// The stock levels of the lines at a location, in no order.
pub(crate) fn keys(lines: &[TransferLine], location: LocationId) -> Vec<Key> {
    lines.iter().map(|line| (line.variant_id, location)).collect()
}

/// Makes the levels at the location where goods are posted, and locks them together with the levels at the
/// location to which goods are incoming: the transfer changes the alerts there.
pub(crate) async fn lock_levels(
    tx: &TenantTx,
    lines: &[TransferLine],
    posted_at: LocationId,
    incoming_at: LocationId,
) -> Result<BTreeMap<Key, LockedLevel>, StockError> {
    let made: BTreeSet<Key> = keys(lines, posted_at).into_iter().collect();
    let made: Vec<Key> = made.into_iter().collect();
    let mut locked = made.clone();
    locked.extend(keys(lines, incoming_at).into_iter().filter(|_| posted_at != incoming_at));
    let lock = async { Ok(locked_level::lock(tx, &locked).await?) };
    let ((), levels) = all((locked_level::make(tx, &made), lock)).await?;
    Ok(levels)
}

/// The lines to be stored. Two lines of one variant become one.
fn lines_of(new: &NewTransfer, variants: &[VariantId]) -> Vec<TransferLine> {
    let mut sums: BTreeMap<VariantId, Quantity> = BTreeMap::new();
    for (variant, (_, quantity)) in variants.iter().zip(&new.lines) {
        *sums.entry(*variant).or_default() += quantity.get();
    }
    sums.into_iter()
        .map(|(variant_id, quantity)| TransferLine {
            id: TransferLineId::new(),
            transfer_id: new.request.id,
            variant_id,
            quantity,
            received: Quantity::ZERO,
            sent_back: Quantity::ZERO,
            written_off: Quantity::ZERO,
            sent_value: None,
            transit_value: None,
        })
        .collect()
}

/// Stores the audit entry and the event of a change of status.
pub(crate) async fn tell(
    tx: &TenantTx,
    (event, action): (fn(TransferChanged) -> Event, Action),
    id: TransferId,
    (from, to): (Option<TransferStatus>, TransferStatus),
    actor: ActorId,
) -> Result<(), DbError> {
    let changes = match from {
        None => json!({"status": {"to": to}}),
        Some(from) => json!({"status": {"from": from, "to": to}}),
    };
    let event = event(TransferChanged { transfer_id: id, status: to });
    let record = audit::record(tx, actor, action, Subject::Transfer(id), &changes);
    all((record, outbox::write(tx, &event))).await.map(drop)
}

async fn insert(
    tx: &TenantTx,
    new: &NewTransfer,
    lines: &[TransferLine],
    actor: ActorId,
) -> Result<i64, DbError> {
    const INSERT: &str = concatcp!(
        "INSERT INTO stock_transfers (id, number, from_location_id, to_location_id, status, note,
                                      request_hash, sent_by, sent_at, updated_at)
         SELECT $2, ",
        counter::TAKEN,
        ", $3, $4, 'in_transit', $5, $6, $7, $8, $8 RETURNING number"
    );
    const INSERT_LINES: &str = "
        INSERT INTO stock_transfer_lines (id, transfer_id, variant_id, quantity, sent_value, transit_value)
        SELECT id, $1, variant_id, quantity, value, value
          FROM unnest($2::uuid[], $3::uuid[], $4::numeric[], $5::numeric[])
               AS new (id, variant_id, quantity, value)";
    let request = &new.request;
    let head: tenancy::Params<'_> = &[
        &Counter::Transfer,
        &request.id,
        &new.from,
        &new.to,
        &new.note,
        &request.fingerprint,
        &actor,
        &tx.now(),
    ];
    let ids: Vec<TransferLineId> = lines.iter().map(|line| line.id).collect();
    let variants: Vec<VariantId> = lines.iter().map(|line| line.variant_id).collect();
    let quantities: Vec<Quantity> = lines.iter().map(|line| line.quantity).collect();
    let values: Vec<Option<StockValue>> = lines.iter().map(|line| line.sent_value).collect();
    let head = counter::insert_numbered(tx, Counter::Transfer, INSERT, head);
    let lines =
        async { tx.execute(INSERT_LINES, &[&request.id, &ids, &variants, &quantities, &values]).await };
    let (number, _) = all((head, lines)).await?;
    Ok(number)
}

const SELECT: &str = "
    SELECT id, number, from_location_id, to_location_id, status, note, sent_by, version, sent_at, updated_at
      FROM stock_transfers ";

/// Gives transfers their lines: one query, whatever their number.
async fn with_lines(tx: &TenantTx, mut transfers: Vec<Transfer>) -> Result<Vec<Transfer>, DbError> {
    const LINES: &str = "
        SELECT id, transfer_id, variant_id, quantity, received, sent_back, written_off, sent_value,
               transit_value
          FROM stock_transfer_lines
         WHERE transfer_id = ANY ($1)
         ORDER BY transfer_id, variant_id";
    let ids: Vec<TransferId> = transfers.iter().map(|transfer| transfer.id).collect();
    for line in tx.rows::<TransferLine>(LINES, &[&ids]).await? {
        if let Some(transfer) = transfers.iter_mut().find(|transfer| transfer.id == line.transfer_id) {
            transfer.lines.push(line);
        }
    }
    Ok(transfers)
}

/// The transfer with this id and its lines.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &TenantTx, id: TransferId) -> Result<Option<Transfer>, DbError> {
    const FIND: &str = concatcp!(SELECT, "WHERE id = $1");
    read_one(tx, FIND, id).await
}

/// As [`find`], with the row locked until the transaction ends. The lines are read under the lock.
pub(crate) async fn lock(tx: &TenantTx, id: TransferId) -> Result<Option<Transfer>, DbError> {
    const LOCK: &str = concatcp!(SELECT, "WHERE id = $1 FOR NO KEY UPDATE");
    read_one(tx, LOCK, id).await
}

async fn read_one(tx: &TenantTx, sql: &'static str, id: TransferId) -> Result<Option<Transfer>, DbError> {
    let Some(transfer) = tx.row_opt(sql, &[&id]).await? else { return Ok(None) };
    Ok(with_lines(tx, vec![transfer]).await?.pop())
}

/// A page of transfers with their lines, newest first: of one status, or of all.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &TenantTx,
    status: Option<TransferStatus>,
    page: &PageRequest<i64>,
) -> Result<Page<Transfer>, DbError> {
    const ALL: &str = concatcp!(SELECT, "WHERE number < $1 ORDER BY number DESC LIMIT $2");
    const OF_STATUS: &str =
        concatcp!(SELECT, "WHERE number < $1 AND status = $3 ORDER BY number DESC LIMIT $2");
    let (below, limit) = (page.below(), page.limit.and_one());
    let transfers = match status {
        None => tx.rows(ALL, &[&below, &limit]).await?,
        Some(status) => tx.rows(OF_STATUS, &[&below, &limit, &status]).await?,
    };
    let page = page.page(transfers, |transfer: &Transfer| transfer.number);
    Ok(Page { data: with_lines(tx, page.data).await?, next: page.next })
}
