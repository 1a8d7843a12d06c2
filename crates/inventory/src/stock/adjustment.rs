//! Stock adjustments: changes of stock that somebody enters by hand, with a reason.

use chrono::{DateTime, Utc};
use serde_json::json;
use tenancy::{DbError, TenantTx, both, outbox};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::business::settings;
use crate::ids::{AdjustmentId, LocationId, VariantId};
use crate::records::audit::{self, Subject};
use crate::records::document;
use crate::stock::location;
use crate::stock::movement::Kind;
use crate::stock::posting::{self as stock, Posting, Source, StockError};
use values::{Money, Quantity};
use values::{Note, Reason};

/// An adjustment to be posted.
#[derive(Debug, Clone)]
pub struct NewAdjustment {
    pub id: AdjustmentId,
    /// Whether the client chose the id, so that it may have been used before.
    pub has_chosen_id: bool,
    pub variant_id: VariantId,
    /// The default location unless named.
    pub location_id: Option<LocationId>,
    /// The change; negative takes out.
    pub quantity: Quantity,
    /// What one unit of what is put in cost; the average unless given.
    pub unit_cost: Option<Money>,
    pub reason: Reason,
    pub note: Option<Note>,
}

/// A posted adjustment.
#[derive(Debug, Clone)]
pub struct Adjustment {
    pub id: AdjustmentId,
    pub variant_id: VariantId,
    pub location_id: LocationId,
    pub quantity: Quantity,
    pub balance_after: Quantity,
    /// What one unit cost, where anything is known of that.
    pub unit_cost: Option<Money>,
    pub reason: String,
    pub note: Option<String>,
    pub actor_id: Option<Uuid>,
    pub created_at: DateTime<Utc>,
}

/// An adjustment was not posted.
#[derive(Debug, thiserror::Error)]
pub enum AdjustmentError {
    #[error("the quantity of an adjustment is not zero")]
    Zero,
    #[error("what something cost is not negative, and is told of what is put in alone")]
    Cost,
    #[error("there is no such location")]
    UnknownLocation,
    #[error("a reason is one of: {}", .0.join(", "))]
    UnknownReason(Vec<String>),
    /// The client's id is in use, by an adjustment that says something else.
    #[error("another adjustment has the id {0} already")]
    IdTaken(AdjustmentId),
    #[error(transparent)]
    Stock(#[from] StockError),
    #[error("an adjustment query failed")]
    Db(#[from] DbError),
}

/// Whether an adjustment was posted now or had been before.
#[derive(Debug)]
pub enum Outcome {
    Posted(Adjustment),
    /// The same adjustment under the same client-chosen id: nothing was changed again.
    Repeated(Adjustment),
}

impl Adjustment {
    fn from_row(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            id: AdjustmentId::from_uuid(row.try_get("id")?),
            variant_id: VariantId::from_uuid(row.try_get("variant_id")?),
            location_id: LocationId::from_uuid(row.try_get("location_id")?),
            quantity: Quantity::from_decimal(row.try_get("quantity")?),
            balance_after: Quantity::from_decimal(row.try_get("balance_after")?),
            unit_cost: row.try_get::<_, Option<_>>("unit_cost")?.map(Money::from_decimal),
            reason: row.try_get("reason")?,
            note: row.try_get("note")?,
            actor_id: row.try_get("actor_id")?,
            created_at: row.try_get("created_at")?,
        })
    }
}

/// Posts an adjustment: document, movement and level in one.
///
/// # Errors
/// [`AdjustmentError`]; the caller rolls back.
pub async fn post(
    tx: &TenantTx,
    new: &NewAdjustment,
    actor: Option<Uuid>,
) -> Result<Outcome, AdjustmentError> {
    if new.quantity.is_zero() {
        return Err(AdjustmentError::Zero);
    }
    if new.unit_cost.is_some_and(|cost| cost.is_negative() || new.quantity.is_negative()) {
        return Err(AdjustmentError::Cost);
    }
    if new.has_chosen_id {
        document::claim(tx, new.id.as_uuid()).await?;
        if let Some(stored) = find(tx, new.id).await? {
            let is_same = new.is(&stored);
            return if is_same {
                Ok(Outcome::Repeated(stored))
            } else {
                Err(AdjustmentError::IdTaken(new.id))
            };
        }
    }
    let (location, reasons) =
        both(location::find_or_default(tx, new.location_id), settings::adjustment_reasons(tx)).await?;
    let location = location.ok_or(AdjustmentError::UnknownLocation)?;
    if !reasons.is_empty() && !reasons.iter().any(|known| known == new.reason.as_str()) {
        return Err(AdjustmentError::UnknownReason(reasons));
    }
    let id = new.id.as_uuid();
    let posting = Posting {
        kind: Kind::Adjustment,
        variant_id: new.variant_id,
        location_id: location,
        quantity: new.quantity,
        reserved: Quantity::ZERO,
        unit_cost: new.unit_cost.into(),
        reason: Some(new.reason.clone()),
        line_id: id,
    };
    let source = Source { kind: "adjustment", id };
    let decided = stock::decide(tx, &[posting]).await?;
    let balance_after = decided.posted.first().map_or(Quantity::ZERO, |posted| posted.balance_after);
    let changes = json!({
        "variantId": {"to": new.variant_id}, "quantity": {"to": new.quantity}, "balanceAfter": {"to": balance_after},
        "reason": {"to": new.reason.as_str()},
    });
    let told = json!({"adjustmentId": id, "variantId": new.variant_id, "quantity": new.quantity});
    let subject = Subject { kind: "adjustment", id };
    let tell = both(
        audit::record(tx, actor, "stock.adjusted", subject, &changes),
        outbox::write(tx, "stock.adjusted", &told),
    );
    both(both(decided.write(tx, source, actor), insert(tx, new, location, actor)), tell).await?;
    Ok(Outcome::Posted(Adjustment {
        id: new.id,
        variant_id: new.variant_id,
        location_id: location,
        quantity: new.quantity,
        balance_after,
        unit_cost: decided.posted.first().and_then(|posted| posted.unit_cost),
        reason: new.reason.to_string(),
        note: new.note.as_ref().map(ToString::to_string),
        actor_id: actor,
        created_at: tx.now(),
    }))
}

async fn insert(
    tx: &TenantTx,
    new: &NewAdjustment,
    location: LocationId,
    actor: Option<Uuid>,
) -> Result<(), DbError> {
    const INSERT: &str = "
        INSERT INTO stock_adjustments (id, variant_id, location_id, quantity, reason, note, actor_id, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let (id, variant, location) = (new.id.as_uuid(), new.variant_id.as_uuid(), location.as_uuid());
    let (quantity, note) = (new.quantity.as_decimal(), new.note.as_ref().map(Note::as_str));
    tx.execute(INSERT, &[&id, &variant, &location, &quantity, &new.reason.as_str(), &note, &actor, &tx.now()])
        .await
        .map(drop)
}

impl NewAdjustment {
    /// Whether it is what was posted, sent again.
    fn is(&self, stored: &Adjustment) -> bool {
        stored.variant_id == self.variant_id
            && self.location_id.is_none_or(|location| location == stored.location_id)
            && stored.quantity == self.quantity
            && (self.unit_cost.is_none() || stored.unit_cost == self.unit_cost)
            && stored.reason == self.reason.as_str()
            && stored.note.as_deref() == self.note.as_ref().map(Note::as_str)
    }
}

/// The adjustment with this id.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &TenantTx, id: AdjustmentId) -> Result<Option<Adjustment>, DbError> {
    const FIND: &str = "
        SELECT a.id, a.variant_id, a.location_id, a.quantity, m.balance_after, m.unit_cost, a.reason, a.note, a.actor_id, a.created_at
          FROM stock_adjustments a
          JOIN stock_movements m
            ON m.source_type = 'adjustment' AND m.source_id = a.id AND m.source_line_id = a.id AND m.kind = 'adjustment'
         WHERE a.id = $1";
    tx.query_opt(FIND, &[&id.as_uuid()]).await?.as_ref().map(Adjustment::from_row).transpose()
}
