//! Dead stock: variants on hand of which nothing was sold for a number of days.

use chrono::{DateTime, TimeDelta, Utc};
use tenancy::{DbError, TenantTx};
use values::{Money, Quantity};

use crate::reports::report::{MaxRows, Report};
use crate::reports::rounding::Exact;

/// The stock of a variant that nobody buys, or of all such variants.
#[derive(Debug, Clone, Default)]
pub struct DeadStock {
    /// The id of the variant; `None` for the total.
    pub key: Option<String>,
    /// The name of the product; `None` for the total.
    pub name: Option<String>,
    /// The SKU; `None` for the total.
    pub sku: Option<String>,
    /// The stock on hand at all locations, in sale units.
    pub on_hand: Quantity,
    /// The cost of the stock, with up to eight decimals. Stock of unknown cost counts as nothing.
    pub cost: Money,
    /// The stock at the list price, with every decimal.
    pub value: Money,
    /// The time of the last sale; `None` if nothing was ever sold, and for the total.
    pub last_sold_at: Option<DateTime<Utc>>,
}

tenancy::from_row!(DeadStock { key, name, sku, on_hand, cost, value, last_sold_at });

impl Exact for DeadStock {
    fn amounts(&mut self) -> Vec<&mut Money> {
        vec![&mut self.cost, &mut self.value]
    }
}

/// Reads the variants on hand that were in stock before the last `days` days, and of which nothing was sold
/// since, the highest cost first.
///
/// # Errors
/// [`DbError`].
pub async fn read(tx: &TenantTx, days: u16, max: MaxRows) -> Result<Report<DeadStock>, DbError> {
    const READ: &str = "
        WITH dead AS (
            SELECT l.variant_id, sum(l.on_hand) AS on_hand, sum(l.value) AS cost
              FROM stock_levels l
             WHERE l.on_hand > 0
               AND NOT EXISTS (SELECT FROM stock_movements m
                                WHERE m.variant_id = l.variant_id AND m.kind = 'sale' AND m.occurred_at >= $1)
               AND EXISTS (SELECT FROM stock_movements m
                            WHERE m.variant_id = l.variant_id AND m.occurred_at < $1)
             GROUP BY l.variant_id)
        SELECT true AS is_sum, NULL::text AS key, NULL::text AS name, NULL::text AS sku,
               coalesce(sum(d.on_hand), 0) AS on_hand, coalesce(sum(d.cost), 0) AS cost,
               coalesce(sum(d.on_hand * v.price), 0) AS value, NULL::timestamptz AS last_sold_at
          FROM dead d JOIN variants v ON v.id = d.variant_id
         UNION ALL
        (SELECT false, v.id::text, p.name, v.sku, d.on_hand, coalesce(d.cost, 0), d.on_hand * v.price,
                (SELECT max(m.occurred_at) FROM stock_movements m
                  WHERE m.variant_id = d.variant_id AND m.kind = 'sale')
           FROM dead d JOIN variants v ON v.id = d.variant_id JOIN products p ON p.id = v.product_id
          ORDER BY d.cost DESC NULLS LAST, d.variant_id LIMIT $2)
         ORDER BY is_sum DESC, cost DESC, key
         LIMIT $2";
    let since = tx.now() - TimeDelta::days(days.into());
    Ok(Report::of(tx.rows(READ, &[&since, &max.and_two()]).await?, max))
}
