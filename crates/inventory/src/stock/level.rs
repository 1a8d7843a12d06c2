//! Stock levels: how much of a variant is at a location.

use chrono::{DateTime, Utc};
use const_format::concatcp;
use tenancy::{DbError, TenantTx};
use values::{Page, PageRequest, Quantity};

use crate::ids::{LocationId, VariantId};

/// How much of a variant is at a location.
#[derive(Debug, Clone)]
pub struct StockLevel {
    /// The variant that is kept.
    pub variant_id: VariantId,
    /// The location that keeps the variant.
    pub location_id: LocationId,
    /// The stock at the location, in sale units: the sum of the movements.
    pub on_hand: Quantity,
    /// The part of on hand that orders have reserved, in sale units.
    pub reserved: Quantity,
    /// Whether the location keeps the variant, so that low stock opens an alert.
    pub is_kept: bool,
    /// The reorder level of the variant at the location, in sale units: the location's own, or else that of
    /// the variant. `None` if neither is set.
    pub reorder_level: Option<Quantity>,
    /// The stock that a reorder restores, in sale units: the location's own target, or else that of the
    /// variant. `None` if neither is set.
    pub target_quantity: Option<Quantity>,
    /// When a document last changed the stock level; at first, when the stock level was made.
    pub updated_at: DateTime<Utc>,
}

tenancy::from_row!(StockLevel {
    variant_id,
    location_id,
    on_hand,
    reserved,
    is_kept,
    reorder_level,
    target_quantity,
    updated_at,
});

impl StockLevel {
    /// On hand less reserved, in sale units.
    pub fn available(&self) -> Quantity {
        self.on_hand - self.reserved
    }
}

/// The key of a stock level: levels are listed and locked in this order.
pub(crate) type Key = (VariantId, LocationId);

/// A row that holds the key of a stock level.
pub(crate) struct KeyRow {
    variant_id: VariantId,
    location_id: LocationId,
}

tenancy::from_row!(KeyRow { variant_id, location_id });

impl From<KeyRow> for Key {
    fn from(row: KeyRow) -> Self {
        (row.variant_id, row.location_id)
    }
}

/// Reads keys of stock levels.
///
/// # Errors
/// [`DbError`].
pub(crate) async fn keys(
    tx: &TenantTx,
    sql: &'static str,
    params: tenancy::Params<'_>,
) -> Result<Vec<Key>, DbError> {
    Ok(tx.rows::<KeyRow>(sql, params).await?.into_iter().map(Key::from).collect())
}

/// Which stock levels a list holds.
#[derive(Debug, Clone, Copy, Default)]
pub struct LevelFilter {
    /// Only levels of this variant; `None` lists those of all variants.
    pub variant_id: Option<VariantId>,
    /// Only levels of this location; `None` lists those of all locations.
    pub location_id: Option<LocationId>,
}

/// A page of stock levels, by variant and location.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &TenantTx,
    filter: &LevelFilter,
    page: &PageRequest<(VariantId, LocationId)>,
) -> Result<Page<StockLevel>, DbError> {
    const SELECT: &str = "
        SELECT s.variant_id, s.location_id, s.on_hand, s.reserved, s.is_kept,
               coalesce(s.reorder_level, v.reorder_level) AS reorder_level,
               coalesce(s.target_quantity, v.target_quantity) AS target_quantity, s.updated_at
          FROM stock_levels s JOIN variants v ON v.id = s.variant_id ";
    // One text for each filter, because a prepared statement has one plan.
    const ALL: &str = concatcp!(
        SELECT,
        "WHERE (s.variant_id, s.location_id) > ($1, $2) ORDER BY s.variant_id, s.location_id LIMIT $3"
    );
    const OF_LOCATION: &str =
        concatcp!(SELECT, "WHERE s.variant_id > $1 AND s.location_id = $3 ORDER BY s.variant_id LIMIT $2");
    const OF_VARIANT: &str = concatcp!(
        SELECT,
        "WHERE (s.variant_id, s.location_id) > ($1, $2) AND ($3::uuid IS NULL OR s.location_id = $3)
           AND s.variant_id = $5
         ORDER BY s.variant_id, s.location_id
         LIMIT $4"
    );
    let ((variant, after), limit) = (page.above(), page.limit.and_one());
    let levels = match (filter.variant_id, filter.location_id) {
        (None, None) => tx.rows(ALL, &[&variant, &after, &limit]).await?,
        (None, Some(location)) => tx.rows(OF_LOCATION, &[&variant, &limit, &location]).await?,
        (Some(only), location) => tx.rows(OF_VARIANT, &[&variant, &after, &location, &limit, &only]).await?,
    };
    Ok(page.page(levels, |level: &StockLevel| (level.variant_id, level.location_id)))
}
