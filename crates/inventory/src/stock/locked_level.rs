//! Stock levels that the transaction has locked, and how a posting changes one of them.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use tenancy::{DbError, TenantTx, all};
use values::{Money, Quantity, QuantityDecimals, StockValue};

use crate::ids::{LocationId, VariantId};
use crate::stock::level::Key;
use crate::stock::level_value::{Cost, LevelValue, Moved};
use crate::stock::posting::{Posting, StockError};

/// A stock level whose row is locked until the transaction ends.
pub(crate) struct LockedLevel {
    /// The goods on hand and their value.
    pub goods: LevelValue,
    pub reserved: Quantity,
    /// The position of its last movement in the level's ledger.
    pub position: i64,
    /// How often its reserved quantity has changed.
    pub reservations: i64,
    /// At this quantity or below, stock is low. `None` if no alert can open: no reorder level is set, the
    /// location does not keep the variant, or the variant, its product or the location is archived.
    pub reorder_level: Option<Quantity>,
    /// Whether its location is archived.
    pub is_closed: bool,
    /// Whether the variant or its product is archived.
    pub is_archived: bool,
    /// Whether the variant has stock. A level of one that has none must not stay.
    pub has_stock: bool,
    /// How finely the product is divided.
    pub quantity_decimals: QuantityDecimals,
    /// When the level last changed. Time never goes back within one level.
    pub updated_at: DateTime<Utc>,
}

struct LevelRow {
    variant_id: VariantId,
    location_id: LocationId,
    on_hand: Quantity,
    reserved: Quantity,
    position: i64,
    reservations: i64,
    value: Option<StockValue>,
    last_cost: Option<StockValue>,
    is_kept: bool,
    reorder_level: Option<Quantity>,
    updated_at: DateTime<Utc>,
}

tenancy::from_row!(LevelRow {
    variant_id,
    location_id,
    on_hand,
    reserved,
    position,
    reservations,
    value,
    last_cost,
    is_kept,
    reorder_level,
    updated_at,
});

struct CatalogueRow {
    variant_id: VariantId,
    location_id: LocationId,
    cost: Option<Money>,
    is_closed: bool,
    is_archived: bool,
    has_stock: bool,
    reorder_level: Option<Quantity>,
    quantity_decimals: QuantityDecimals,
}

tenancy::from_row!(CatalogueRow {
    variant_id,
    location_id,
    cost,
    is_closed,
    is_archived,
    has_stock,
    reorder_level,
    quantity_decimals,
});

/// Makes the levels that are missing, in key order. Their locations are
/// locked first, before any level, so that nobody archives a location while a document is posted there.
///
/// Only goods have levels, which [`lock`] tells: whoever made one of another article must roll it back.
///
/// # Errors
/// [`StockError::UnknownVariant`].
pub(crate) async fn make(tx: &TenantTx, keys: &[Key]) -> Result<(), StockError> {
    const MAKE: &str = "
        INSERT INTO stock_levels (variant_id, location_id, on_hand, reserved, position, updated_at)
        SELECT wanted.variant_id, l.id, 0, 0, 0, $3
          FROM unnest($1::uuid[], $2::uuid[]) AS wanted (variant_id, location_id)
          JOIN locations l ON l.id = wanted.location_id
         ORDER BY wanted.variant_id, l.id
           FOR KEY SHARE OF l
            ON CONFLICT (variant_id, location_id) DO NOTHING";
    let (variants, locations): (Vec<VariantId>, Vec<LocationId>) = keys.iter().copied().unzip();
    let made = tx.execute(MAKE, &[&variants, &locations, &tx.now()]).await;
    made.map(drop).map_err(|error| match error.constraint() {
        Some("stock_levels_variant_id_fkey") => StockError::UnknownVariant,
        _ => error.into(),
    })
}

/// Makes the levels that are missing, and locks all of them, in key order and in one flight.
///
/// # Errors
/// [`StockError::UnknownVariant`], [`StockError::Db`].
pub(crate) async fn make_and_lock(
    tx: &TenantTx,
    keys: &[Key],
) -> Result<BTreeMap<Key, LockedLevel>, StockError> {
    let lock = async { Ok(lock(tx, keys).await?) };
    let ((), levels) = all((make(tx, keys), lock)).await?;
    Ok(levels)
}

/// Locks the levels that exist, in key order. This is a statement of its own: it must see what [`make`], or
/// another transaction that it waited for, has made.
///
/// # Errors
/// [`DbError`].
pub(crate) async fn lock(tx: &TenantTx, keys: &[Key]) -> Result<BTreeMap<Key, LockedLevel>, DbError> {
    const LOCK: &str = "
        SELECT l.variant_id, l.location_id, l.on_hand, l.reserved, l.position, l.reservations, l.value,
               l.last_cost, l.is_kept, l.reorder_level, l.updated_at
          FROM stock_levels l
          JOIN unnest($1::uuid[], $2::uuid[]) AS wanted (variant_id, location_id)
            ON l.variant_id = wanted.variant_id AND l.location_id = wanted.location_id
         ORDER BY l.variant_id, l.location_id
           FOR NO KEY UPDATE OF l";
    // A second statement: PostgreSQL reads a row again after it has waited for its lock, but not the rows
    // joined to it. Code that changes these columns locks the levels afterwards, and reviews their alerts.
    const CATALOGUE: &str = "
        SELECT wanted.variant_id, wanted.location_id, v.cost, l.archived_at IS NOT NULL AS is_closed,
               v.archived_at IS NOT NULL OR p.archived_at IS NOT NULL AS is_archived,
               p.kind = 'goods' AS has_stock, v.reorder_level, p.quantity_decimals
          FROM unnest($1::uuid[], $2::uuid[]) AS wanted (variant_id, location_id)
          JOIN variants v ON v.id = wanted.variant_id
          JOIN products p ON p.id = v.product_id
          JOIN locations l ON l.id = wanted.location_id";
    let (variants, locations): (Vec<VariantId>, Vec<LocationId>) = keys.iter().copied().unzip();
    let lock = async { tx.rows::<LevelRow>(LOCK, &[&variants, &locations]).await };
    let catalogue = async { tx.rows::<CatalogueRow>(CATALOGUE, &[&variants, &locations]).await };
    let (locked, catalogue) = all((lock, catalogue)).await?;
    let mut catalogue: HashMap<Key, CatalogueRow> =
        catalogue.into_iter().map(|row| ((row.variant_id, row.location_id), row)).collect();
    let level = |row: LevelRow| {
        let key = (row.variant_id, row.location_id);
        Some((key, LockedLevel::of(row, catalogue.remove(&key)?)))
    };
    Ok(locked.into_iter().filter_map(level).collect())
}

impl LockedLevel {
    fn of(row: LevelRow, catalogue: CatalogueRow) -> Self {
        let is_watched = row.is_kept && !catalogue.is_archived && !catalogue.is_closed;
        Self {
            goods: LevelValue {
                on_hand: row.on_hand,
                value: row.value,
                last_cost: row.last_cost,
                catalogue_cost: catalogue.cost,
            },
            reserved: row.reserved,
            position: row.position,
            reservations: row.reservations,
            reorder_level: row.reorder_level.or(catalogue.reorder_level).filter(|_| is_watched),
            is_closed: catalogue.is_closed,
            is_archived: catalogue.is_archived,
            has_stock: catalogue.has_stock,
            quantity_decimals: catalogue.quantity_decimals,
            updated_at: row.updated_at,
        }
    }

    pub fn available(&self) -> Quantity {
        self.goods.on_hand - self.reserved
    }

    pub fn is_low(&self) -> bool {
        self.reorder_level.is_some_and(|level| self.available() <= level)
    }

    /// The moment of a change that is decided now: after the last one, whichever transaction began first.
    pub fn moment(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now.max(self.updated_at + TimeDelta::microseconds(1))
    }

    /// Changes the level, and returns the cost of the goods.
    pub fn apply(&mut self, posting: &Posting) -> Moved {
        let moved = match posting.quantity {
            change if change.is_positive() => self.goods.arrive(change, posting.cost),
            change if change.is_negative() => self.goods.leave(-change, posting.cost),
            _ => match posting.cost {
                Cost::Revalued(cost) => self.goods.revalue(cost),
                _ => Moved::default(),
            },
        };
        if !posting.quantity.is_zero() {
            self.position += 1;
        }
        if !posting.reserved.is_zero() {
            self.reservations += 1;
        }
        self.reserved += posting.reserved;
        moved
    }
}
