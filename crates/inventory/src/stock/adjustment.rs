//! Stock adjustments: changes of stock that somebody enters by hand, with a reason.

use chrono::{DateTime, Utc};
use const_format::concatcp;
use serde_json::json;
use tenancy::{DbError, TenantTx, all, outbox};
use values::{ActorId, Money, NonNegative, Note, Quantity, Reason};

use crate::business::settings::{self, UnknownReason};
use crate::ids::{AdjustmentId, LocationId, VariantId};
use crate::records::audit::{self, Action, Subject};
use crate::records::document::{self, IdTaken, Outcome, Requested};
use crate::records::event::{Event, StockAdjusted};
use crate::stock::location;
use crate::stock::movement::{self, Kind, Source};
use crate::stock::posting::{Cost, Posting, StockError, decide};

/// An adjustment to be posted.
#[derive(Debug, Clone)]
pub struct NewAdjustment {
    /// The chosen or new id of the adjustment, and the fingerprint of the request.
    pub request: Requested<AdjustmentId>,
    /// The variant whose stock changes.
    pub variant_id: VariantId,
    /// Defaults to the default location.
    pub location_id: Option<LocationId>,
    /// The change of on hand, in sale units; negative takes stock out. It must not be zero.
    pub quantity: Quantity,
    /// The unit cost of stock that is put in. Defaults to the average cost, or to the catalogue's cost where
    /// no average cost is known. It must be `None` if stock is taken out.
    pub unit_cost: Option<NonNegative<Money>>,
    /// One of the reasons in the settings. If the settings have none, any reason is allowed.
    pub reason: Reason,
    /// Free text; `None` without a note.
    pub note: Option<Note>,
}

/// A posted adjustment.
#[derive(Debug, Clone)]
pub struct Adjustment {
    /// The id that the request chose or was given.
    pub id: AdjustmentId,
    /// The variant whose stock changed.
    pub variant_id: VariantId,
    /// The location where the stock changed.
    pub location_id: LocationId,
    /// The change of on hand, in sale units; negative took stock out.
    pub quantity: Quantity,
    /// On hand at the location after the adjustment, in sale units.
    pub balance_after: Quantity,
    /// The cost of one unit, if known.
    pub unit_cost: Option<Money>,
    /// Why the stock changed.
    pub reason: Reason,
    /// Free text; `None` without a note.
    pub note: Option<Note>,
    /// The user or API key that made the adjustment, or the system.
    pub actor_id: ActorId,
    /// When the row was stored.
    pub created_at: DateTime<Utc>,
}

tenancy::from_row!(Adjustment {
    id,
    variant_id,
    location_id,
    quantity,
    balance_after,
    unit_cost,
    reason,
    note,
    actor_id,
    created_at,
});

/// An adjustment was not posted.
#[derive(Debug, thiserror::Error)]
pub enum AdjustmentError {
    /// The quantity is zero.
    #[error("the quantity must not be zero")]
    Zero,
    /// A unit cost came with a negative quantity.
    #[error("a unit cost is allowed only if stock is added; leave unitCost out")]
    Cost,
    /// The location does not exist or is archived.
    #[error("there is no such location")]
    UnknownLocation,
    /// The settings do not allow the reason.
    #[error(transparent)]
    UnknownReason(#[from] UnknownReason),
    /// A different adjustment already has the chosen id.
    #[error(transparent)]
    IdTaken(#[from] IdTaken),
    /// The posting was refused, for example because stock is short.
    #[error(transparent)]
    Stock(#[from] StockError),
    /// A query failed.
    #[error("an adjustment query failed")]
    Db(#[from] DbError),
}

/// Posts an adjustment: the document, its movement and the change of the stock level. A repeated request gets
/// the adjustment of the first one, and changes nothing.
///
/// # Errors
/// [`AdjustmentError`]; the caller rolls back.
pub async fn post(
    tx: &TenantTx,
    new: &NewAdjustment,
    actor: ActorId,
) -> Result<Outcome<Adjustment>, AdjustmentError> {
    if new.quantity.is_zero() {
        return Err(AdjustmentError::Zero);
    }
    if new.unit_cost.is_some() && new.quantity.is_negative() {
        return Err(AdjustmentError::Cost);
    }
    document::once(tx, &new.request, find_repeated(tx, new), post_new(tx, new, actor)).await
}

async fn find_repeated(tx: &TenantTx, new: &NewAdjustment) -> Result<Option<Adjustment>, AdjustmentError> {
    let id = new.request.id;
    match find(tx, id).await? {
        Some(stored) if !new.is(&stored) => Err(IdTaken(id.into()).into()),
        found => Ok(found),
    }
}

async fn post_new(tx: &TenantTx, new: &NewAdjustment, actor: ActorId) -> Result<Adjustment, AdjustmentError> {
    let location = location::find_or_default(tx, new.location_id);
    let (location, reason) = all((location, settings::allowed_reason(tx, &new.reason))).await?;
    let location_id = location.ok_or(AdjustmentError::UnknownLocation)?;
    let reason = reason?;
    let id = new.request.id;
    let posting = Posting {
        kind: Kind::Adjustment,
        variant_id: new.variant_id,
        location_id,
        quantity: new.quantity,
        reserved: Quantity::ZERO,
        cost: new.unit_cost.map_or(Cost::Average, |cost| Cost::PerUnit(cost.get())),
        reason: Some(reason.clone()),
        line_id: id.into(),
    };
    let decided = decide(tx, &[posting]).await?;
    let posted = decided.posted.first();
    let balance_after = posted.map_or(Quantity::ZERO, |posted| posted.balance_after);
    let changes = json!({
        "variantId": {"to": new.variant_id},
        "quantity": {"to": new.quantity},
        "balanceAfter": {"to": balance_after},
        "reason": {"to": reason},
    });
    let event = Event::StockAdjusted(StockAdjusted {
        adjustment_id: id,
        variant_id: new.variant_id,
        quantity: new.quantity,
    });
    let quantity = if new.quantity.is_negative() { -new.quantity } else { new.quantity };
    let adjustment = Adjustment {
        id,
        variant_id: new.variant_id,
        location_id,
        quantity: new.quantity,
        balance_after,
        unit_cost: posted.and_then(|posted| posted.cost).map(|cost| cost.per_unit(quantity)),
        reason,
        note: new.note.clone(),
        actor_id: actor,
        created_at: tx.now(),
    };
    all((
        decided.write(tx, Source::Adjustment(id), actor),
        insert(tx, &adjustment),
        audit::record(tx, actor, Action::StockAdjusted, Subject::Adjustment(id), &changes),
        outbox::write(tx, &event),
    ))
    .await?;
    Ok(adjustment)
}

async fn insert(tx: &TenantTx, new: &Adjustment) -> Result<(), DbError> {
    const INSERT: &str = "
        INSERT INTO stock_adjustments (id, variant_id, location_id, quantity, reason, note, actor_id,
                                       created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let params: tenancy::Params<'_> = &[
        &new.id,
        &new.variant_id,
        &new.location_id,
        &new.quantity,
        &new.reason,
        &new.note,
        &new.actor_id,
        &new.created_at,
    ];
    tx.execute(INSERT, params).await.map(drop)
}

impl NewAdjustment {
    /// Whether the stored adjustment is this one, sent before.
    fn is(&self, stored: &Adjustment) -> bool {
        stored.variant_id == self.variant_id
            && self.location_id.is_none_or(|location| location == stored.location_id)
            && stored.quantity == self.quantity
            && (self.unit_cost.is_none() || stored.unit_cost == self.unit_cost.map(NonNegative::get))
            && stored.reason.key() == self.reason.key()
            && stored.note == self.note
    }
}

/// The adjustment with this id.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &TenantTx, id: AdjustmentId) -> Result<Option<Adjustment>, DbError> {
    const FIND: &str = concatcp!(
        "SELECT a.id, a.variant_id, a.location_id, a.quantity, m.balance_after, ",
        movement::UNIT_COST,
        " AS unit_cost, a.reason, a.note, a.actor_id, a.created_at
          FROM stock_adjustments a
          JOIN stock_movements m
            ON m.source_type = 'adjustment' AND m.source_id = a.id AND m.source_line_id = a.id
           AND m.kind = 'adjustment'
         WHERE a.id = $1"
    );
    tx.row_opt(FIND, &[&id]).await
}
