//! Whether the books hold: every level is the sum of its movements, and every balance that of the ones before it.

use serde::Serialize;
use tenancy::{DbError, TenantTx};

use crate::ids::{LocationId, VariantId};
use values::Quantity;

/// A level that is not what its movements or documents say.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    pub variant_id: VariantId,
    pub location_id: LocationId,
    pub on_hand: Quantity,
    /// The sum of its movements.
    pub ledger: Quantity,
    pub reserved: Quantity,
    /// What orders have open.
    pub promised: Quantity,
    /// Movements whose balance is not the sum of those before them, or whose place in the ledger is not the next one.
    pub broken_movements: i64,
}

/// What was looked at, and what does not hold.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    pub levels: i64,
    pub movements: i64,
    pub drifts: Vec<Drift>,
}

impl Verdict {
    pub fn holds(&self) -> bool {
        self.drifts.is_empty()
    }
}

/// Recomputes every level from the ledger and from what orders have open; reads all movements.
///
/// # Errors
/// [`DbError`].
pub async fn verify(tx: &TenantTx) -> Result<Verdict, DbError> {
    const TOTALS: &str = "
        SELECT (SELECT count(*) FROM stock_levels) AS levels, (SELECT count(*) FROM stock_movements) AS movements";
    const DRIFTS: &str = "
        WITH ledger AS (
            SELECT variant_id, location_id, sum(quantity) AS ledger, max(position) AS last,
                   count(*) FILTER (WHERE balance_after <> running OR position <> place) AS broken
              FROM (SELECT variant_id, location_id, quantity, balance_after, position,
                           sum(quantity) OVER line AS running, row_number() OVER line AS place
                      FROM stock_movements
                    WINDOW line AS (PARTITION BY variant_id, location_id ORDER BY position)) AS movement
             GROUP BY variant_id, location_id
        ), promised AS (
            SELECT l.variant_id, o.location_id, sum(l.quantity - l.fulfilled - l.cancelled) AS promised
              FROM order_lines l JOIN orders o ON o.id = l.order_id
             WHERE o.status IN ('reserved', 'partly_fulfilled')
             GROUP BY l.variant_id, o.location_id
        )
        SELECT variant_id, location_id, coalesce(s.on_hand, 0) AS on_hand, coalesce(ledger, 0) AS ledger,
               coalesce(s.reserved, 0) AS reserved, coalesce(promised, 0) AS promised, coalesce(broken, 0) AS broken
          FROM stock_levels s
          FULL JOIN ledger USING (variant_id, location_id)
          FULL JOIN promised USING (variant_id, location_id)
         WHERE coalesce(s.on_hand, 0) <> coalesce(ledger, 0) OR coalesce(s.reserved, 0) <> coalesce(promised, 0)
            OR coalesce(broken, 0) > 0 OR coalesce(s.position, 0) <> coalesce(last, 0)
         ORDER BY variant_id, location_id
         LIMIT 1000";
    let totals = tx.query_one(TOTALS, &[]).await?;
    let rows = tx.query(DRIFTS, &[]).await?;
    let drifts = rows.iter().map(|row| {
        let quantity = |column: &str| row.try_get(column).map(Quantity::from_decimal);
        Ok(Drift {
            variant_id: VariantId::from_uuid(row.try_get("variant_id")?),
            location_id: LocationId::from_uuid(row.try_get("location_id")?),
            on_hand: quantity("on_hand")?,
            ledger: quantity("ledger")?,
            reserved: quantity("reserved")?,
            promised: quantity("promised")?,
            broken_movements: row.try_get("broken")?,
        })
    });
    Ok(Verdict {
        levels: totals.try_get("levels")?,
        movements: totals.try_get("movements")?,
        drifts: drifts.collect::<Result<_, DbError>>()?,
    })
}
