//! Stock counts: the quantities that were counted, against the quantities that the books expected at that
//! moment. Movements between counting and posting are not lost.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use const_format::concatcp;
use serde_json::json;
use tenancy::{DbError, TenantTx, all};
use values::{ActorId, NonNegative, Note, Page, PageRequest, Quantity, QuantityDecimals};

use crate::ids::{CountId, CountLineId, LocationId, VariantId};
use crate::records::audit::{self, Action, Subject};
use crate::records::counter::{self, Counter};
use crate::records::document::{self, IdTaken, Outcome, Requested};
use crate::stock::article::{self, ArticleError, ArticleName};
pub use crate::stock::count_posting::post;
use crate::stock::location;
use crate::stock::posting::StockError;

values::words! {
    /// How far a stock count has progressed.
    pub enum CountStatus {
        /// Variants may be counted.
        Open = "open",
        /// The differences have been posted.
        Posted = "posted",
        /// The count was given up, and nothing was posted.
        Cancelled = "cancelled",
    }
}

values::words! {
    /// Why a line of a stock count was not posted.
    pub enum CountRefusal {
        /// More goods have left since the counting than were counted. Count the variant again.
        MovedSince = "moved_since",
        /// More was found than expected, and the location has been archived. Restore the location first.
        LocationArchived = "location_archived",
    }
}

/// A stored stock count with its lines.
#[derive(Debug, Clone)]
pub struct Count {
    /// The id that the request chose or was given.
    pub id: CountId,
    /// Counts up from 1 without a gap, for each business.
    pub number: i64,
    /// The location that is counted.
    pub location_id: LocationId,
    /// How far the count is; only an open count may change.
    pub status: CountStatus,
    /// Free text; `None` without a note.
    pub note: Option<Note>,
    /// The user or program that opened the count, or the system.
    pub opened_by: ActorId,
    /// Counts the changes of the row; clients see it as the ETag.
    pub version: i32,
    /// When the row was stored.
    pub opened_at: DateTime<Utc>,
    /// When lines were last entered, or the status last changed.
    pub updated_at: DateTime<Utc>,
    /// The counted variants, each once. Empty if the count comes from a page of counts.
    pub lines: Vec<CountLine>,
}

tenancy::from_row!(Count {
    id, number, location_id, status, note, opened_by, version, opened_at, updated_at,
} with { lines: Vec::new() });

/// The quantity that was counted of a variant.
#[derive(Debug, Clone)]
pub struct CountLine {
    /// The id of the line; counting the variant again keeps it.
    pub id: CountLineId,
    /// The variant that was counted.
    pub variant_id: VariantId,
    /// The quantity that was found, in sale units.
    pub counted: Quantity,
    /// On hand when the counted quantity was entered, in sale units.
    pub expected: Quantity,
    /// The change of stock that posting the line made, in sale units. `None` while the count is open, and if
    /// the line could not be posted.
    pub posted: Option<Quantity>,
    /// Why the line could not be posted.
    pub refusal: Option<CountRefusal>,
    /// The user or program that entered the quantity, or the system.
    pub counted_by: ActorId,
    /// When the quantity was entered.
    pub counted_at: DateTime<Utc>,
}

tenancy::from_row!(CountLine { id, variant_id, counted, expected, posted, refusal, counted_by, counted_at });

impl CountLine {
    /// What the counting found more or less than expected, in sale units: counted less expected.
    pub fn difference(&self) -> Quantity {
        self.counted - self.expected
    }
}

/// A stock count was not opened or changed.
#[derive(Debug, thiserror::Error)]
pub enum CountError {
    /// No stock count has this id.
    #[error("there is no such stock count")]
    NotFound,
    /// The stock count has no line with this id.
    #[error("the stock count has no such line")]
    NoSuchLine,
    /// The counted quantity has more decimals than the product.
    #[error("the quantity has too many decimals; the product is sold {decimals}")]
    TooFine {
        /// The position of the line in the request, from 0.
        index: usize,
        /// The number of decimals of the product's quantities.
        decimals: QuantityDecimals,
    },
    /// The location does not exist or is archived.
    #[error("there is no such location")]
    UnknownLocation,
    /// A line names a SKU or a barcode that no variant has.
    #[error(transparent)]
    Article(#[from] ArticleError),
    /// A line of the request names a variant that does not exist.
    #[error("there is no such variant")]
    UnknownVariant {
        /// The position of the line in the request, from 0.
        index: usize,
    },
    /// A line names a service, a fee or a bundle.
    #[error("services, fees and bundles have no stock; remove the line")]
    NotStocked {
        /// The position of the line in the request, from 0.
        index: usize,
    },
    /// The request has no lines or too many lines.
    #[error("a request must have 1 to {MAX_LINES} lines")]
    LineCount,
    /// Two lines name the same variant.
    #[error("the request has the variant twice; send each variant once")]
    Twice {
        /// The position of the second line in the request, from 0.
        index: usize,
    },
    /// The count has been posted or cancelled.
    #[error("the stock count cannot be changed, because its status is {0}")]
    NotOpen(CountStatus),
    /// No quantity has been counted, so there is nothing to post.
    #[error("the stock count has no lines; enter counted quantities before you post it")]
    Empty,
    /// A different stock count already has the chosen id, or another user opened it.
    #[error(transparent)]
    IdTaken(#[from] IdTaken),
    /// The differences could not be posted, for example because stock is short.
    #[error(transparent)]
    Stock(#[from] StockError),
    /// A query failed.
    #[error("a stock count query failed")]
    Db(#[from] DbError),
}

/// The largest number of lines in one request.
pub const MAX_LINES: usize = 500;

/// A stock count to be opened.
#[derive(Debug, Clone)]
pub struct NewCount {
    /// The chosen or new id of the count, and the fingerprint of the request.
    pub request: Requested<CountId>,
    /// Defaults to the default location.
    pub location_id: Option<LocationId>,
    /// Free text; `None` without a note.
    pub note: Option<Note>,
}

impl NewCount {
    /// Whether the stored count is this one, opened before.
    fn is(&self, stored: &Count, actor: ActorId) -> bool {
        self.location_id.is_none_or(|location| location == stored.location_id)
            && self.note == stored.note
            && stored.opened_by == actor
    }
}

/// Opens a stock count without lines. A repeated request gets the same count as it is now, in any status.
///
/// # Errors
/// [`CountError`].
pub async fn open(tx: &TenantTx, new: &NewCount, actor: ActorId) -> Result<Outcome<Count>, CountError> {
    let repeated = async {
        match find(tx, new.request.id).await? {
            Some(stored) if !new.is(&stored, actor) => Err(IdTaken(new.request.id.into()).into()),
            found => Ok(found),
        }
    };
    document::once(tx, &new.request, repeated, open_new(tx, new, actor)).await
}

async fn open_new(tx: &TenantTx, new: &NewCount, actor: ActorId) -> Result<Count, CountError> {
    const INSERT: &str = concatcp!(
        "INSERT INTO stock_counts (id, number, location_id, status, note, opened_by, opened_at, updated_at)
         SELECT $2, ",
        counter::TAKEN,
        ", $3, 'open', $4, $5, $6, $6 RETURNING number"
    );
    let id = new.request.id;
    let location =
        location::lock_or_default(tx, new.location_id).await?.ok_or(CountError::UnknownLocation)?;
    let params: tenancy::Params<'_> = &[&Counter::Count, &id, &location, &new.note, &actor, &tx.now()];
    let opened = json!({"status": {"to": CountStatus::Open}});
    all((
        audit::record(tx, actor, Action::CountOpened, Subject::Count(id), &opened),
        counter::insert_numbered(tx, Counter::Count, INSERT, params),
    ))
    .await?;
    find(tx, id).await?.ok_or(CountError::NotFound)
}

struct LevelRow {
    variant_id: VariantId,
    on_hand: Quantity,
    position: i64,
}

tenancy::from_row!(LevelRow { variant_id, on_hand, position });

struct Known {
    id: VariantId,
    quantity_decimals: QuantityDecimals,
    has_stock: bool,
}

tenancy::from_row!(Known { id, quantity_decimals, has_stock });

/// Stores counted quantities, each with the quantity that the books expect at this moment. Counting a variant
/// again replaces its quantities. Locks the count and the stock levels.
///
/// # Errors
/// [`CountError`].
pub async fn count(
    tx: &TenantTx,
    id: CountId,
    found: &[(ArticleName, NonNegative<Quantity>)],
    actor: ActorId,
) -> Result<Count, CountError> {
    // Under locks in key order, as everywhere: the expected quantity and the position in the ledger belong
    // together.
    const EXPECTED: &str = "
        SELECT variant_id, on_hand, position FROM stock_levels
         WHERE location_id = $1 AND variant_id = ANY ($2)
         ORDER BY variant_id, location_id
           FOR NO KEY UPDATE";
    const KNOWN: &str = "
        SELECT v.id, p.quantity_decimals, p.kind = 'goods' AS has_stock
          FROM variants v JOIN products p ON p.id = v.product_id
         WHERE v.id = ANY ($1)";
    if found.is_empty() || found.len() > MAX_LINES {
        return Err(CountError::LineCount);
    }
    let variants = article::find(tx, found.iter().map(|(article, _)| article)).await?;
    if let Some(index) = (0..variants.len()).find(|index| variants[..*index].contains(&variants[*index])) {
        return Err(CountError::Twice { index });
    }
    let stored = lock_open(tx, id).await?;
    let expected = async { tx.rows::<LevelRow>(EXPECTED, &[&stored.location_id, &variants]).await };
    let known = async { tx.rows::<Known>(KNOWN, &[&variants]).await };
    let (levels, known) = all((expected, known)).await?;
    let known: BTreeMap<VariantId, Known> = known.into_iter().map(|known| (known.id, known)).collect();
    let found: Vec<_> = variants.iter().copied().zip(found.iter().map(|(_, counted)| *counted)).collect();
    for (index, (variant, counted)) in found.iter().enumerate() {
        let known = known.get(variant).ok_or(CountError::UnknownVariant { index })?;
        if !known.has_stock {
            return Err(CountError::NotStocked { index });
        }
        let decimals = known.quantity_decimals;
        if !decimals.allows(counted.get()) {
            return Err(CountError::TooFine { index, decimals });
        }
    }
    store_lines(tx, id, &found, &levels, actor).await?;
    set_status(tx, id, CountStatus::Open).await?;
    find(tx, id).await?.ok_or(CountError::NotFound)
}

async fn store_lines(
    tx: &TenantTx,
    id: CountId,
    found: &[(VariantId, NonNegative<Quantity>)],
    levels: &[LevelRow],
    actor: ActorId,
) -> Result<(), DbError> {
    const INSERT: &str = "
        INSERT INTO stock_count_lines (id, count_id, variant_id, counted, expected, position, counted_by,
                                       counted_at)
        SELECT id, $1, variant_id, counted, expected, position, $7, $8
          FROM unnest($2::uuid[], $3::uuid[], $4::numeric[], $5::numeric[], $6::bigint[])
               AS new (id, variant_id, counted, expected, position)
         ORDER BY variant_id
            ON CONFLICT (count_id, variant_id) DO UPDATE
               SET counted = EXCLUDED.counted, expected = EXCLUDED.expected, position = EXCLUDED.position,
                   counted_by = EXCLUDED.counted_by, counted_at = EXCLUDED.counted_at";
    let expected: BTreeMap<VariantId, (Quantity, i64)> =
        levels.iter().map(|level| (level.variant_id, (level.on_hand, level.position))).collect();
    let ids: Vec<CountLineId> = found.iter().map(|_| CountLineId::new()).collect();
    let variants: Vec<VariantId> = found.iter().map(|(variant, _)| *variant).collect();
    let counted: Vec<Quantity> = found.iter().map(|(_, counted)| counted.get()).collect();
    let (on_hand, positions): (Vec<Quantity>, Vec<i64>) =
        variants.iter().map(|variant| expected.get(variant).copied().unwrap_or_default()).unzip();
    let params: tenancy::Params<'_> =
        &[&id, &ids, &variants, &counted, &on_hand, &positions, &actor, &tx.now()];
    tx.execute(INSERT, params).await.map(drop)
}

/// Removes a line from an open stock count.
///
/// # Errors
/// [`CountError`].
pub async fn remove_line(tx: &TenantTx, id: CountId, line: CountLineId) -> Result<Count, CountError> {
    const REMOVE: &str = "DELETE FROM stock_count_lines WHERE id = $2 AND count_id = $1";
    lock_open(tx, id).await?;
    let (removed, ()) =
        all((tx.execute(REMOVE, &[&id, &line]), set_status(tx, id, CountStatus::Open))).await?;
    if removed == 0 {
        return Err(CountError::NoSuchLine);
    }
    find(tx, id).await?.ok_or(CountError::NotFound)
}

/// Gives up a stock count; nothing of it is posted.
///
/// # Errors
/// [`CountError`].
pub async fn cancel(tx: &TenantTx, id: CountId, actor: ActorId) -> Result<Count, CountError> {
    lock_open(tx, id).await?;
    let changes = json!({"status": {"from": CountStatus::Open, "to": CountStatus::Cancelled}});
    all((
        set_status(tx, id, CountStatus::Cancelled),
        audit::record(tx, actor, Action::CountCancelled, Subject::Count(id), &changes),
    ))
    .await?;
    find(tx, id).await?.ok_or(CountError::NotFound)
}

pub(super) async fn set_status(tx: &TenantTx, id: CountId, status: CountStatus) -> Result<(), DbError> {
    const SET: &str =
        "UPDATE stock_counts SET status = $2, version = version + 1, updated_at = $3 WHERE id = $1";
    tx.execute(SET, &[&id, &status, &tx.now()]).await.map(drop)
}

const SELECT: &str = "
    SELECT id, number, location_id, status, note, opened_by, version, opened_at, updated_at
      FROM stock_counts ";

/// The count, locked until the transaction ends, if it is open. Its lines are read under the lock.
pub(super) async fn lock_open(tx: &TenantTx, id: CountId) -> Result<Count, CountError> {
    const LOCK: &str = concatcp!(SELECT, "WHERE id = $1 FOR NO KEY UPDATE");
    let mut count: Count = tx.row_opt(LOCK, &[&id]).await?.ok_or(CountError::NotFound)?;
    if count.status != CountStatus::Open {
        return Err(CountError::NotOpen(count.status));
    }
    count.lines = lines(tx, id).await?;
    Ok(count)
}

async fn lines(tx: &TenantTx, id: CountId) -> Result<Vec<CountLine>, DbError> {
    const LINES: &str = "
        SELECT id, variant_id, counted, expected, posted, refusal, counted_by, counted_at
          FROM stock_count_lines WHERE count_id = $1 ORDER BY variant_id";
    tx.rows(LINES, &[&id]).await
}

/// The stock count with this id, and its lines.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &TenantTx, id: CountId) -> Result<Option<Count>, DbError> {
    const FIND: &str = concatcp!(SELECT, "WHERE id = $1");
    let head = async { tx.row_opt::<Count>(FIND, &[&id]).await };
    let (count, lines) = all((head, lines(tx, id))).await?;
    Ok(count.map(|count| Count { lines, ..count }))
}

/// A page of stock counts without their lines, newest first.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &TenantTx, page: &PageRequest<i64>) -> Result<Page<Count>, DbError> {
    const LIST: &str = concatcp!(SELECT, "WHERE number < $1 ORDER BY number DESC LIMIT $2");
    let counts = tx.rows(LIST, &[&page.below(), &page.limit.and_one()]).await?;
    Ok(page.page(counts, |count: &Count| count.number))
}
