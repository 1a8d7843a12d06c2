//! Orders that wait for more goods than are there.

use tenancy::{DbError, TenantTx};
use values::Quantity;

use crate::ids::{LocationId, OrderId, VariantId};

/// An order that has reserved more of a variant than is left for it. Orders are served in the order in which
/// they were placed.
#[derive(Debug, Clone)]
pub struct ShortOrder {
    /// The order.
    pub order_id: OrderId,
    /// The number of the order.
    pub number: i64,
    /// The variant of which there is too little.
    pub variant_id: VariantId,
    /// The quantity that is missing, in sale units.
    pub missing: Quantity,
}

tenancy::from_row!(ShortOrder { order_id, number, variant_id, missing });

/// The orders that are short of these variants at a location, in the order in which they were placed; at most
/// 1000.
///
/// # Errors
/// [`DbError`].
pub async fn at(
    tx: &TenantTx,
    location: LocationId,
    variants: &[VariantId],
) -> Result<Vec<ShortOrder>, DbError> {
    const SHORT: &str = "
        SELECT order_id, number, variant_id, least(open, running - on_hand) AS missing
          FROM (SELECT o.id AS order_id, o.number, l.variant_id, s.on_hand, sum(l.open) AS open,
                       sum(sum(l.open)) OVER (PARTITION BY l.variant_id ORDER BY o.number) AS running
                  FROM stock_levels s
                  JOIN (SELECT order_id, variant_id, quantity - fulfilled - cancelled AS open
                          FROM order_lines) l ON l.variant_id = s.variant_id
                  JOIN orders o ON o.id = l.order_id AND o.location_id = s.location_id
                 WHERE s.location_id = $1 AND s.variant_id = ANY ($2) AND s.reserved > s.on_hand
                   AND o.status IN ('reserved', 'partly_fulfilled') AND l.open > 0
                 GROUP BY o.id, o.number, l.variant_id, s.on_hand) waiting
         WHERE running > on_hand
         ORDER BY number, variant_id
         LIMIT 1000";
    tx.rows(SHORT, &[&location, &variants]).await
}
