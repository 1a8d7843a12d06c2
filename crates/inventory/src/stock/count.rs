//! Counts: what is really there, against what the books say; what is sold and bought meanwhile is not lost.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tenancy::{DbError, TenantTx, both, outbox};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::ids::{CountId, CountLineId, LocationId, VariantId};
use crate::records::audit::{self, Subject};
use crate::records::counter::{self, Counter, taken_number};
use crate::records::document;
use crate::stock::location;
use crate::stock::movement::Kind;
use crate::stock::posting::{self as stock, Posting, Source, StockError, UnitCost};
use values::Note;
use values::Quantity;
use values::{Page, PageRequest, number_key};

/// How far a count is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CountStatus {
    Open,
    /// Its differences are in the books.
    Posted,
    Cancelled,
}

impl CountStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Posted => "posted",
            Self::Cancelled => "cancelled",
        }
    }

    fn from_column(text: &str) -> Self {
        match text {
            "open" => Self::Open,
            "posted" => Self::Posted,
            // The CHECK of the column leaves only this one.
            _ => Self::Cancelled,
        }
    }
}

/// A stored count with its lines.
#[derive(Debug, Clone)]
pub struct Count {
    pub id: CountId,
    pub number: i64,
    pub location_id: LocationId,
    pub status: CountStatus,
    pub note: Option<String>,
    pub opened_by: Option<Uuid>,
    pub version: i32,
    pub opened_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub lines: Vec<CountLine>,
}

/// What was found of a variant.
#[derive(Debug, Clone)]
pub struct CountLine {
    pub id: CountLineId,
    pub variant_id: VariantId,
    pub counted: Quantity,
    /// On hand at the moment of counting.
    pub expected: Quantity,
    pub counted_by: Option<Uuid>,
    pub counted_at: DateTime<Utc>,
}

impl CountLine {
    /// What the books have to change by.
    pub fn difference(&self) -> Quantity {
        Quantity::from_decimal(self.counted.as_decimal() - self.expected.as_decimal())
    }
}

/// A count was not opened or changed.
#[derive(Debug, thiserror::Error)]
pub enum CountError {
    #[error("there is no such count")]
    NotFound,
    #[error("there is no such location")]
    UnknownLocation,
    #[error("there is no such variant")]
    UnknownVariant { index: usize },
    #[error("what was counted cannot be negative")]
    Negative { index: usize },
    #[error("1 to {MAX_LINES} lines are taken at once")]
    LineCount,
    #[error("a variant is counted twice in one request")]
    Twice { index: usize },
    #[error("the count is {}, and changes no more", .0.as_str())]
    NotOpen(CountStatus),
    #[error("nothing has been counted yet")]
    Empty,
    #[error("another count has the id {0} already")]
    IdTaken(CountId),
    #[error(transparent)]
    Stock(#[from] StockError),
    #[error("a count query failed")]
    Db(#[from] DbError),
}

/// So many lines are counted with one request.
pub const MAX_LINES: usize = 500;

/// A count to be opened.
#[derive(Debug, Clone)]
pub struct NewCount {
    pub id: CountId,
    /// Whether the client chose the id, so that it may have been used before.
    pub has_chosen_id: bool,
    /// The default location unless named.
    pub location_id: Option<LocationId>,
    pub note: Option<Note>,
}

impl NewCount {
    /// Whether it is what was opened, sent again.
    fn is(&self, stored: &Count) -> bool {
        self.location_id.is_none_or(|location| location == stored.location_id)
            && self.note.as_ref().map(Note::as_str) == stored.note.as_deref()
    }
}

/// Whether a count was opened now or had been before.
#[derive(Debug)]
pub enum Outcome {
    Opened(Count),
    Repeated(Count),
}

/// Opens a count; the same request once more gets the same count, however far it is.
///
/// # Errors
/// [`CountError`].
pub async fn open(tx: &TenantTx, new: &NewCount, actor: Option<Uuid>) -> Result<Outcome, CountError> {
    const INSERT: &str = concat!(
        "INSERT INTO stock_counts (id, number, location_id, status, note, opened_by, opened_at, updated_at)
         SELECT $1, ",
        taken_number!("count"),
        ", $2, 'open', $3, $4, $5, $5"
    );
    let id = new.id;
    if new.has_chosen_id {
        document::claim(tx, id.as_uuid()).await?;
        if let Some(found) = find(tx, id).await? {
            let is_same = new.is(&found) && found.opened_by == actor;
            return if is_same { Ok(Outcome::Repeated(found)) } else { Err(CountError::IdTaken(id)) };
        }
    }
    let location =
        location::find_or_default(tx, new.location_id).await?.ok_or(CountError::UnknownLocation)?;
    let (location, note) = (location.as_uuid(), new.note.as_ref().map(Note::as_str));
    let insert =
        async { tx.execute(INSERT, &[&id.as_uuid(), &location, &note, &actor, &tx.now()]).await.map(drop) };
    let opened = json!({"status": {"to": "open"}});
    let record = audit::record(tx, actor, "count.opened", subject(id), &opened);
    both(both(counter::take(tx, Counter::Count), insert), record).await?;
    find(tx, id).await?.map(Outcome::Opened).ok_or(CountError::NotFound)
}

fn subject(id: CountId) -> Subject {
    Subject { kind: "count", id: id.as_uuid() }
}

/// Keeps what was found of some variants, each beside what the books expect at this moment. Counted again, a variant's line
/// is replaced.
///
/// # Errors
/// [`CountError`].
pub async fn count(
    tx: &TenantTx,
    id: CountId,
    found: &[(VariantId, Quantity)],
    actor: Option<Uuid>,
) -> Result<Count, CountError> {
    // Under locks in key order, as everywhere: what is expected and where the ledger stands belong together.
    const EXPECTED: &str = "
        SELECT variant_id, on_hand, position FROM stock_levels
         WHERE location_id = $1 AND variant_id = ANY ($2)
         ORDER BY variant_id, location_id
           FOR NO KEY UPDATE";
    const KNOWN: &str = "SELECT id FROM variants WHERE id = ANY ($1)";
    const INSERT: &str = "
        INSERT INTO stock_count_lines (id, count_id, variant_id, counted, expected, position, counted_by, counted_at)
        SELECT id, $1, variant_id, counted, expected, position, $7, $8
          FROM unnest($2::uuid[], $3::uuid[], $4::numeric[], $5::numeric[], $6::bigint[])
               AS new (id, variant_id, counted, expected, position)
         ORDER BY variant_id
            ON CONFLICT (count_id, variant_id) DO UPDATE
               SET counted = EXCLUDED.counted, expected = EXCLUDED.expected, position = EXCLUDED.position,
                   counted_by = EXCLUDED.counted_by, counted_at = EXCLUDED.counted_at";
    if found.is_empty() || found.len() > MAX_LINES {
        return Err(CountError::LineCount);
    }
    for (index, (variant, counted)) in found.iter().enumerate() {
        if counted.is_negative() {
            return Err(CountError::Negative { index });
        }
        if found[..index].iter().any(|(other, _)| other == variant) {
            return Err(CountError::Twice { index });
        }
    }
    let stored = lock_open(tx, id).await?;
    let variants: Vec<Uuid> = found.iter().map(|(variant, _)| variant.as_uuid()).collect();
    let location = stored.location_id.as_uuid();
    let expected = async { tx.query(EXPECTED, &[&location, &variants]).await };
    let known = async { tx.query(KNOWN, &[&variants]).await };
    let (rows, known) = both(expected, known).await?;
    let known: BTreeSet<Uuid> =
        known.iter().map(|row| row.try_get("id")).collect::<Result<_, _>>().map_err(DbError::from)?;
    if let Some(index) = variants.iter().position(|variant| !known.contains(variant)) {
        return Err(CountError::UnknownVariant { index });
    }
    let mut expected: Vec<(Decimal, i64)> = vec![(Decimal::ZERO, 0); found.len()];
    for row in &rows {
        let variant: Uuid = row.try_get("variant_id").map_err(DbError::from)?;
        if let Some(at) = variants.iter().position(|wanted| *wanted == variant) {
            let position = row.try_get("position").map_err(DbError::from)?;
            expected[at] = (row.try_get("on_hand").map_err(DbError::from)?, position);
        }
    }
    let ids: Vec<Uuid> = found.iter().map(|_| CountLineId::new().as_uuid()).collect();
    let counted: Vec<Decimal> = found.iter().map(|(_, counted)| counted.as_decimal()).collect();
    let (on_hand, positions): (Vec<Decimal>, Vec<i64>) = expected.into_iter().unzip();
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 8] =
        [&id.as_uuid(), &ids, &variants, &counted, &on_hand, &positions, &actor, &tx.now()];
    tx.execute(INSERT, &parameters).await?;
    touch(tx, id, CountStatus::Open).await?;
    find(tx, id).await?.ok_or(CountError::NotFound)
}

/// Posts the differences that a count has found: counted less expected at the moment of counting, so that what moved since
/// stays as it is.
///
/// # Errors
/// [`CountError`]; a shortage when what has left since was not there to begin with.
pub async fn post(tx: &TenantTx, id: CountId, actor: Option<Uuid>) -> Result<Count, CountError> {
    let stored = lock_open(tx, id).await?;
    if stored.lines.is_empty() {
        return Err(CountError::Empty);
    }
    let postings: Vec<Posting> = stored
        .lines
        .iter()
        .filter(|line| !line.difference().is_zero())
        .map(|line| Posting {
            kind: Kind::Count,
            variant_id: line.variant_id,
            location_id: stored.location_id,
            quantity: line.difference(),
            reserved: Quantity::ZERO,
            unit_cost: UnitCost::Average,
            reason: None,
            line_id: line.id.as_uuid(),
        })
        .collect();
    let decided = stock::decide(tx, &postings).await?;
    let source = Source { kind: "count", id: id.as_uuid() };
    let changes = json!({
        "status": {"from": "open", "to": "posted"}, "lines": {"to": stored.lines.len()},
        "differences": {"to": postings.len()},
    });
    let told = json!({"countId": id, "differences": postings.len()});
    let tell = both(
        audit::record(tx, actor, "count.posted", subject(id), &changes),
        outbox::write(tx, "count.posted", &told),
    );
    both(both(decided.write(tx, source, actor), touch(tx, id, CountStatus::Posted)), tell).await?;
    find(tx, id).await?.ok_or(CountError::NotFound)
}

/// Gives a count up; nothing of it is posted.
///
/// # Errors
/// [`CountError`].
pub async fn cancel(tx: &TenantTx, id: CountId, actor: Option<Uuid>) -> Result<Count, CountError> {
    lock_open(tx, id).await?;
    let changes = json!({"status": {"from": "open", "to": "cancelled"}});
    let record = audit::record(tx, actor, "count.cancelled", subject(id), &changes);
    both(touch(tx, id, CountStatus::Cancelled), record).await?;
    find(tx, id).await?.ok_or(CountError::NotFound)
}

async fn touch(tx: &TenantTx, id: CountId, status: CountStatus) -> Result<(), DbError> {
    const TOUCH: &str =
        "UPDATE stock_counts SET status = $2, version = version + 1, updated_at = $3 WHERE id = $1";
    tx.execute(TOUCH, &[&id.as_uuid(), &status.as_str(), &tx.now()]).await.map(drop)
}

macro_rules! counts_where {
    ($condition:literal) => {
        concat!(
            "SELECT id, number, location_id, status, note, opened_by, version, opened_at, updated_at
               FROM stock_counts WHERE ",
            $condition
        )
    };
}

impl Count {
    fn from_row(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            id: CountId::from_uuid(row.try_get("id")?),
            number: row.try_get("number")?,
            location_id: LocationId::from_uuid(row.try_get("location_id")?),
            status: CountStatus::from_column(row.try_get("status")?),
            note: row.try_get("note")?,
            opened_by: row.try_get("opened_by")?,
            version: row.try_get("version")?,
            opened_at: row.try_get("opened_at")?,
            updated_at: row.try_get("updated_at")?,
            lines: Vec::new(),
        })
    }
}

/// The count, locked until the transaction ends, when it is open; its lines are read under the lock.
async fn lock_open(tx: &TenantTx, id: CountId) -> Result<Count, CountError> {
    const LOCK: &str = counts_where!("id = $1 FOR NO KEY UPDATE");
    let row = tx.query_opt(LOCK, &[&id.as_uuid()]).await?.ok_or(CountError::NotFound)?;
    let mut count = Count::from_row(&row)?;
    if count.status != CountStatus::Open {
        return Err(CountError::NotOpen(count.status));
    }
    count.lines = lines(tx, id).await?;
    Ok(count)
}

async fn lines(tx: &TenantTx, id: CountId) -> Result<Vec<CountLine>, DbError> {
    const LINES: &str = "
        SELECT id, variant_id, counted, expected, counted_by, counted_at
          FROM stock_count_lines WHERE count_id = $1 ORDER BY variant_id";
    let read = |row: &Row| {
        Ok(CountLine {
            id: CountLineId::from_uuid(row.try_get("id")?),
            variant_id: VariantId::from_uuid(row.try_get("variant_id")?),
            counted: Quantity::from_decimal(row.try_get("counted")?),
            expected: Quantity::from_decimal(row.try_get("expected")?),
            counted_by: row.try_get("counted_by")?,
            counted_at: row.try_get("counted_at")?,
        })
    };
    tx.query(LINES, &[&id.as_uuid()]).await?.iter().map(read).collect()
}

/// The count with this id, and its lines.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &TenantTx, id: CountId) -> Result<Option<Count>, DbError> {
    const FIND: &str = counts_where!("id = $1");
    let head = async { tx.query_opt(FIND, &[&id.as_uuid()]).await };
    let (row, lines) = both(head, lines(tx, id)).await?;
    let count = row.as_ref().map(Count::from_row).transpose()?;
    Ok(count.map(|count| Count { lines, ..count }))
}

/// A page of counts, the latest first, without their lines.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &TenantTx, page: &PageRequest<1>) -> Result<Page<Count, 1>, DbError> {
    const LIST: &str = counts_where!("number < $1 ORDER BY number DESC LIMIT $2");
    let rows = tx.query(LIST, &[&page.before_number(0), &page.limit.and_one()]).await?;
    let counts = rows.iter().map(Count::from_row).collect::<Result<Vec<_>, _>>()?;
    Ok(page.page(counts, |count| [number_key(count.number)]))
}
