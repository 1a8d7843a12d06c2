//! Stock adjustments: changes of stock that somebody enters by hand, with a reason.

use chrono::{DateTime, Utc};
use const_format::concatcp;
use serde_json::json;
use tenancy::{DbError, TenantTx, all, outbox};
use values::{ActorId, Money, NonNegative, Note, Quantity, Reason};

use crate::business::settings::{self, UnknownReason};
use crate::column;
use crate::ids::{AdjustmentId, AdjustmentLineId, LocationId, VariantId};
use crate::records::audit::{self, Action, Subject};
use crate::records::document::{self, IdTaken, Outcome, Requested};
use crate::records::event::{AdjustedLine, Event, StockAdjusted};
use crate::stock::article::{self, ArticleError, ArticleName};
use crate::stock::location;
use crate::stock::movement::{self, Kind, Source};
use crate::stock::posting::{Cost, Posted, Posting, StockError, decide};

/// An adjustment to be posted.
#[derive(Debug, Clone)]
pub struct NewAdjustment {
    /// The chosen or new id of the adjustment, and the fingerprint of the request.
    pub request: Requested<AdjustmentId>,
    /// Defaults to the default location.
    pub location_id: Option<LocationId>,
    /// 1 to [`MAX_LINES`] lines; a variant may have several.
    pub lines: Vec<NewLine>,
    /// One of the reasons in the settings. If the settings have none, any reason is allowed.
    pub reason: Reason,
    /// Free text; `None` without a note.
    pub note: Option<Note>,
}

/// A line of an adjustment to be posted.
#[derive(Debug, Clone)]
pub struct NewLine {
    /// The variant whose stock changes.
    pub article: ArticleName,
    /// The change of on hand, in sale units; negative takes stock out. It must not be zero.
    pub quantity: Quantity,
    /// The unit cost of stock that is put in. Defaults to the average cost, or to the catalogue's cost where
    /// no average cost is known. It must be `None` if stock is taken out.
    pub unit_cost: Option<NonNegative<Money>>,
}

/// A posted adjustment.
#[derive(Debug, Clone)]
pub struct Adjustment {
    /// The id that the request chose or was given.
    pub id: AdjustmentId,
    /// The location where the stock changed.
    pub location_id: LocationId,
    /// Why the stock changed.
    pub reason: Reason,
    /// Free text; `None` without a note.
    pub note: Option<Note>,
    /// The user or program that made the adjustment, or the system.
    pub actor_id: ActorId,
    /// When the row was stored.
    pub created_at: DateTime<Utc>,
    /// The lines, in the order of the request.
    pub lines: Vec<AdjustmentLine>,
}

tenancy::from_row!(Adjustment {
    id, location_id, reason, note, actor_id, created_at,
} with { lines: Vec::new() });

/// A line of a posted adjustment.
#[derive(Debug, Clone)]
pub struct AdjustmentLine {
    id: AdjustmentLineId,
    /// The variant whose stock changed.
    pub variant_id: VariantId,
    /// The change of on hand, in sale units; negative took stock out.
    pub quantity: Quantity,
    /// On hand at the location after the line, in sale units.
    pub balance_after: Quantity,
    /// The cost of one unit, if known.
    pub unit_cost: Option<Money>,
}

tenancy::from_row!(AdjustmentLine { id, variant_id, quantity, balance_after, unit_cost });

/// An adjustment was not posted. `index` is the line's position in the request.
#[derive(Debug, thiserror::Error)]
pub enum AdjustmentError {
    /// The request has no lines or too many lines.
    #[error("an adjustment must have 1 to {MAX_LINES} lines")]
    LineCount,
    /// The quantity of a line is zero.
    #[error("the quantity must not be zero")]
    Zero {
        /// The position of the line, from 0.
        index: usize,
    },
    /// A unit cost came with a negative quantity.
    #[error("a unit cost is allowed only if stock is added; leave unitCost out")]
    Cost {
        /// The position of the line, from 0.
        index: usize,
    },
    /// A line names a SKU or a barcode that no variant has.
    #[error(transparent)]
    Article(#[from] ArticleError),
    /// The location does not exist or is archived.
    #[error("there is no such location")]
    UnknownLocation,
    /// The settings do not allow the reason.
    #[error(transparent)]
    UnknownReason(#[from] UnknownReason),
    /// A different adjustment already has the chosen id.
    #[error(transparent)]
    IdTaken(#[from] IdTaken),
    /// A line cannot be posted.
    #[error("{error}")]
    Line {
        /// The position of the line, from 0.
        index: usize,
        /// Why the line cannot be posted.
        error: StockError,
    },
    /// The posting was refused, for example because stock is short.
    #[error(transparent)]
    Stock(#[from] StockError),
    /// A query failed.
    #[error("an adjustment query failed")]
    Db(#[from] DbError),
}

/// The largest number of lines of an adjustment.
pub const MAX_LINES: usize = 200;

/// Posts an adjustment: the document, its movements and the changes of the stock levels, of all lines or of
/// none. A repeated request gets the adjustment of the first one, and changes nothing.
///
/// # Errors
/// [`AdjustmentError`]; the caller rolls back.
pub async fn post(
    tx: &TenantTx,
    new: &NewAdjustment,
    actor: ActorId,
) -> Result<Outcome<Adjustment>, AdjustmentError> {
    if new.lines.is_empty() || new.lines.len() > MAX_LINES {
        return Err(AdjustmentError::LineCount);
    }
    for (index, line) in new.lines.iter().enumerate() {
        if line.quantity.is_zero() {
            return Err(AdjustmentError::Zero { index });
        }
        if line.unit_cost.is_some() && line.quantity.is_negative() {
            return Err(AdjustmentError::Cost { index });
        }
    }
    document::once(tx, &new.request, find_repeated(tx, &new.request), post_new(tx, new, actor)).await
}

async fn find_repeated(
    tx: &TenantTx,
    request: &Requested<AdjustmentId>,
) -> Result<Option<Adjustment>, AdjustmentError> {
    const IS_SAME: &str =
        "SELECT request_hash IS NULL OR request_hash = $2 FROM stock_adjustments WHERE id = $1";
    let params: tenancy::Params<'_> = &[&request.id, &request.fingerprint];
    if document::is_repeated::<AdjustmentError>(tx, request.id, IS_SAME, params).await? {
        Ok(find(tx, request.id).await?)
    } else {
        Ok(None)
    }
}

async fn post_new(tx: &TenantTx, new: &NewAdjustment, actor: ActorId) -> Result<Adjustment, AdjustmentError> {
    let variants = article::find(tx, new.lines.iter().map(|line| &line.article)).await?;
    let location = location::find_or_default(tx, new.location_id);
    let (location, reason) = all((location, settings::allowed_reason(tx, &new.reason))).await?;
    let location_id = location.ok_or(AdjustmentError::UnknownLocation)?;
    let reason = reason?;
    let ids: Vec<AdjustmentLineId> = variants.iter().map(|_| AdjustmentLineId::new()).collect();
    let posting = |((line, variant), id): ((&NewLine, &VariantId), &AdjustmentLineId)| Posting {
        kind: Kind::Adjustment,
        variant_id: *variant,
        has_stock: true,
        location_id,
        quantity: line.quantity,
        reserved: Quantity::ZERO,
        cost: line.unit_cost.map_or(Cost::Average, |cost| Cost::PerUnit(cost.get())),
        reason: Some(reason.clone()),
        line_id: (*id).into(),
    };
    let postings: Vec<Posting> = new.lines.iter().zip(&variants).zip(&ids).map(posting).collect();
    let decided = decide(tx, &postings).await.map_err(|error| at_line(error, &variants))?;
    let line = |((posting, posted), id): ((&Posting, &Posted), AdjustmentLineId)| {
        let quantity = if posting.quantity.is_negative() { -posting.quantity } else { posting.quantity };
        AdjustmentLine {
            id,
            variant_id: posting.variant_id,
            quantity: posting.quantity,
            balance_after: posted.balance_after,
            unit_cost: posted.cost.map(|cost| cost.per_unit(quantity)),
        }
    };
    let adjustment = Adjustment {
        id: new.request.id,
        location_id,
        reason,
        note: new.note.clone(),
        actor_id: actor,
        created_at: tx.now(),
        lines: postings.iter().zip(&decided.posted).zip(ids).map(line).collect(),
    };
    all((
        decided.write(tx, Source::Adjustment(adjustment.id), actor),
        insert(tx, &adjustment, &new.request),
        tell(tx, &adjustment, actor),
    ))
    .await?;
    Ok(adjustment)
}

/// Names the line of an error about one variant.
fn at_line(error: StockError, variants: &[VariantId]) -> AdjustmentError {
    let at = match &error {
        StockError::TooFine { variant_id, .. }
        | StockError::TooMuch { variant_id }
        | StockError::NotStocked { variant_id } => variants.iter().position(|variant| variant == variant_id),
        _ => None,
    };
    match at {
        Some(index) => AdjustmentError::Line { index, error },
        None => error.into(),
    }
}

/// Stores the audit entry and the event of an adjustment.
async fn tell(tx: &TenantTx, adjustment: &Adjustment, actor: ActorId) -> Result<(), DbError> {
    let shown = |line: &AdjustmentLine| {
        let (id, change, after) = (line.variant_id, line.quantity, line.balance_after);
        json!({"variantId": id, "quantity": change, "balanceAfter": after})
    };
    let lines: Vec<_> = adjustment.lines.iter().map(shown).collect();
    let changes = json!({"lines": {"to": lines}, "reason": {"to": adjustment.reason}});
    let line = |line: &AdjustmentLine| AdjustedLine { variant_id: line.variant_id, quantity: line.quantity };
    let lines = adjustment.lines.iter().map(line).collect();
    let event = Event::StockAdjusted(StockAdjusted { adjustment_id: adjustment.id, lines });
    let subject = Subject::Adjustment(adjustment.id);
    let record = audit::record(tx, actor, Action::StockAdjusted, subject, &changes);
    all((record, outbox::write(tx, &event))).await.map(drop)
}

async fn insert(tx: &TenantTx, new: &Adjustment, request: &Requested<AdjustmentId>) -> Result<(), DbError> {
    const INSERT: &str = "
        INSERT INTO stock_adjustments (id, location_id, reason, note, request_hash, actor_id, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    const INSERT_LINES: &str = "
        INSERT INTO stock_adjustment_lines (id, adjustment_id, position, variant_id, quantity)
        SELECT id, $1, position, variant_id, quantity
          FROM unnest($2::uuid[], $3::uuid[], $4::numeric[])
               WITH ORDINALITY AS new (id, variant_id, quantity, position)";
    let head: tenancy::Params<'_> = &[
        &new.id,
        &new.location_id,
        &new.reason,
        &new.note,
        &request.fingerprint,
        &new.actor_id,
        &new.created_at,
    ];
    let ids = column(&new.lines, |line| line.id);
    let variants = column(&new.lines, |line| line.variant_id);
    let quantities = column(&new.lines, |line| line.quantity);
    let head = async { tx.execute(INSERT, head).await };
    let lines = async { tx.execute(INSERT_LINES, &[&new.id, &ids, &variants, &quantities]).await };
    all((head, lines)).await.map(drop)
}

/// The adjustment with this id.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &TenantTx, id: AdjustmentId) -> Result<Option<Adjustment>, DbError> {
    const FIND: &str = "
        SELECT id, location_id, reason, note, actor_id, created_at FROM stock_adjustments WHERE id = $1";
    const LINES: &str = concatcp!(
        "SELECT l.id, l.variant_id, l.quantity, m.balance_after, ",
        movement::UNIT_COST,
        " AS unit_cost
          FROM stock_adjustment_lines l
          JOIN stock_movements m
            ON m.source_type = 'adjustment' AND m.source_id = l.adjustment_id AND m.source_line_id = l.id
           AND m.kind = 'adjustment'
         WHERE l.adjustment_id = $1
         ORDER BY l.position"
    );
    let head = async { tx.row_opt::<Adjustment>(FIND, &[&id]).await };
    let lines = async { tx.rows::<AdjustmentLine>(LINES, &[&id]).await };
    let (head, lines) = all((head, lines)).await?;
    Ok(head.map(|head| Adjustment { lines, ..head }))
}
