//! The dashboard: a business's figures at one glance.

use tenancy::{DbError, TenantTx};

use crate::decimal::{Money, Quantity};

/// The figures.
#[derive(Debug, Clone)]
pub struct Dashboard {
    /// Active variants of active products.
    pub total_items: i64,
    /// On hand, over all variants and locations.
    pub total_stock: Quantity,
    /// On hand times sale price.
    pub inventory_value: Money,
    /// On hand times its moving average cost, or the catalogue's where nothing has come in at a cost; a variant without
    /// either counts as nothing.
    pub inventory_cost: Money,
}

/// The figures of this moment.
///
/// # Errors
/// [`DbError`].
pub async fn read(tx: &TenantTx) -> Result<Dashboard, DbError> {
    // Summed exactly and rounded once: four decimals fit the column type that a sum of products outgrows.
    const READ: &str = "
        SELECT (SELECT count(*)
                  FROM variants v JOIN products p ON p.id = v.product_id
                 WHERE v.archived_at IS NULL AND p.archived_at IS NULL) AS total_items,
               COALESCE(sum(l.on_hand), 0) AS total_stock,
               round(COALESCE(sum(l.on_hand * v.price), 0), 4) AS inventory_value,
               round(COALESCE(sum(l.on_hand * COALESCE(l.average_cost, v.cost)), 0), 4) AS inventory_cost
          FROM stock_levels l
          JOIN variants v ON v.id = l.variant_id";
    let row = tx.query_one(READ, &[]).await?;
    Ok(Dashboard {
        total_items: row.try_get("total_items")?,
        total_stock: Quantity::from_decimal(row.try_get("total_stock")?),
        inventory_value: Money::from_decimal(row.try_get("inventory_value")?),
        inventory_cost: Money::from_decimal(row.try_get("inventory_cost")?),
    })
}
