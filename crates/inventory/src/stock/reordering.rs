//! How a location reorders a variant: whether it keeps the variant at all, at which stock it reorders, and
//! which stock a reorder restores.

use serde_json::json;
use tenancy::{DbError, TenantTx, all};
use values::{ActorId, IfVersion, NonNegative, Quantity};

use crate::ids::{LocationId, VariantId};
use crate::records::audit::{Action, Subject};
use crate::records::edit::{Edit, Stale};
use crate::stock::posting::StockError;
use crate::stock::{alert_review, location, locked_level, unstocked};

/// How one location reorders one variant.
#[derive(Debug, Clone)]
pub struct Reordering {
    /// Whether the location keeps the variant, so that low stock there opens an alert. A location keeps a
    /// variant as soon as it has had stock of it.
    pub is_kept: bool,
    /// The location's own reorder level, in sale units. `None`: that of the variant.
    pub reorder_level: Option<Quantity>,
    /// The stock that a reorder restores, in sale units. `None`: that of the variant.
    pub target_quantity: Option<Quantity>,
    /// Counts the changes. Clients see it as the ETag.
    pub version: i32,
}

tenancy::from_row!(Reordering { is_kept, reorder_level, target_quantity, version: "reordering_version" });

impl Reordering {
    /// Where a variant has never been.
    const NONE: Self = Self { is_kept: false, reorder_level: None, target_quantity: None, version: 0 };
}

/// What to change; `None` leaves a field as it is. `Some(None)` takes the variant's own value.
#[derive(Debug, Clone, Default)]
pub struct ReorderingChange {
    /// Whether the location keeps the variant.
    pub is_kept: Option<bool>,
    /// The location's own reorder level, in sale units.
    pub reorder_level: Option<Option<NonNegative<Quantity>>>,
    /// The location's own target quantity, in sale units.
    pub target_quantity: Option<Option<NonNegative<Quantity>>>,
    /// Change it only if it has this version.
    pub if_version: IfVersion,
}

/// The reordering of a variant at a location was not read or changed.
#[derive(Debug, thiserror::Error)]
pub enum ReorderingError {
    /// The variant or the location does not exist.
    #[error("there is no such variant or location")]
    NotFound,
    /// The variant has no stock.
    #[error("the variant is a service, a fee or a bundle, which has no stock and is not reordered")]
    NotStocked,
    /// It has another version than `if_version`.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// A query failed.
    #[error("a reordering query failed")]
    Db(#[from] DbError),
}

impl From<StockError> for ReorderingError {
    fn from(error: StockError) -> Self {
        match error {
            StockError::Db(error) => Self::Db(error),
            _ => Self::NotFound,
        }
    }
}

/// How a location reorders a variant.
///
/// # Errors
/// [`ReorderingError::NotFound`], [`ReorderingError::Db`].
pub async fn find(
    tx: &TenantTx,
    variant: VariantId,
    location: LocationId,
) -> Result<Reordering, ReorderingError> {
    const FIND: &str = "
        SELECT is_kept, reorder_level, target_quantity, reordering_version
          FROM stock_levels WHERE variant_id = $1 AND location_id = $2";
    let stored = async { tx.row_opt(FIND, &[&variant, &location]).await };
    let has_stock = unstocked::has_stock(tx, variant);
    let (stored, has_stock, location) = all((stored, has_stock, location::find(tx, location))).await?;
    match has_stock {
        Some(_) if location.is_some() => Ok(stored.unwrap_or(Reordering::NONE)),
        _ => Err(ReorderingError::NotFound),
    }
}

/// Changes how a location reorders a variant, and reviews the low-stock alert there. A location that gets a
/// reorder level or a target for the first time keeps the variant from then on.
///
/// # Errors
/// [`ReorderingError`].
pub async fn update(
    tx: &TenantTx,
    variant: VariantId,
    location: LocationId,
    change: &ReorderingChange,
    actor: ActorId,
) -> Result<(), ReorderingError> {
    const LOCK: &str = "
        SELECT is_kept, reorder_level, target_quantity, reordering_version
          FROM stock_levels WHERE variant_id = $1 AND location_id = $2 FOR NO KEY UPDATE";
    const UPDATE: &str = "
        UPDATE stock_levels
           SET is_kept = $3, reorder_level = $4, target_quantity = $5,
               reordering_version = reordering_version + 1
         WHERE variant_id = $1 AND location_id = $2";
    let key = (variant, location);
    let before = find(tx, variant, location).await?;
    let is_new = before.version == Reordering::NONE.version;
    if is_new {
        if !change.if_version.allows(before.version) {
            return Err(Stale.into());
        }
        let (level, target) = (change.reorder_level.flatten(), change.target_quantity.flatten());
        if change.is_kept != Some(true) && level.is_none() && target.is_none() {
            return Ok(());
        }
        if unstocked::has_stock(tx, variant).await? == Some(false) {
            return Err(ReorderingError::NotStocked);
        }
        locked_level::make(tx, &[key]).await?;
    }
    let mut stored: Reordering = tx.row(LOCK, &[&variant, &location]).await?;
    stored.is_kept &= !is_new;
    let if_version = if is_new { IfVersion::ANY } else { change.if_version };
    let mut edit = Edit::begin(tx, actor, if_version, stored.version)?;
    let number = |new: Option<Option<NonNegative<Quantity>>>| new.map(|new| new.map(NonNegative::get));
    let (reorder_level, target) = (number(change.reorder_level), number(change.target_quantity));
    let is_kept = change.is_kept.or(is_new.then_some(true));
    let is_kept = edit.field("kept", &stored.is_kept, is_kept.as_ref());
    let reorder_level = edit.field("reorderLevel", &stored.reorder_level, reorder_level.as_ref());
    let target = edit.field("targetQuantity", &stored.target_quantity, target.as_ref());
    if edit.is_empty() {
        return Ok(());
    }
    edit.note("locationId", json!(null), json!(location));
    tx.execute(UPDATE, &[&variant, &location, is_kept, reorder_level, target]).await?;
    alert_review::reconsider(tx, &[key]).await?;
    Ok(edit.record(Action::ReorderingChanged, Subject::Variant(variant)).await?)
}
