//! What to order again: for each variant that is low or out and not covered, how much of it, from whom and at what price.

use chrono::TimeDelta;
use const_format::concatcp;
use rust_decimal::Decimal;
use tenancy::{DbError, TenantTx};
use tokio_postgres::Row;

use crate::ids::{LocationId, SupplierId, VariantId};
use crate::purchasing::purchase_order;
use crate::stock::alert::{COMING, IS_COVERED, TODAY};
use values::{Money, Quantity};

/// What one order to a supplier could be.
#[derive(Debug, Clone)]
pub struct Suggestion {
    /// `None` for what no supplier has a price for.
    pub supplier: Option<(SupplierId, String)>,
    pub location_id: LocationId,
    pub lines: Vec<SuggestedLine>,
}

/// A line of that order.
#[derive(Debug, Clone)]
pub struct SuggestedLine {
    pub variant_id: VariantId,
    pub sku: String,
    pub name: String,
    pub available: Quantity,
    pub incoming: Quantity,
    pub reorder_level: Quantity,
    /// Sold in the last 30 days, less what came back.
    pub sold: Quantity,
    /// How much to order.
    pub quantity: Quantity,
    pub price: Option<SuggestedPrice>,
}

/// The latest price of the supplier that asks least.
#[derive(Debug, Clone)]
pub struct SuggestedPrice {
    pub cost: Money,
    pub currency: String,
    pub supplier_sku: Option<String>,
    pub minimum_quantity: Option<Quantity>,
    pub lead_time_days: Option<i16>,
}

/// No more lines are suggested at once; the longest low come first.
pub const MAX_LINES: i64 = 1000;

/// Days of sales that an order is to last for.
const DAYS: i64 = 30;

/// Suggestions by supplier and location, for one location or all. Whether there are more than [`MAX_LINES`] comes with them.
///
/// Of several suppliers the one that asks least in the business's currency is taken, then the one that asks least at all.
///
/// # Errors
/// [`DbError`].
pub async fn suggest(
    tx: &TenantTx,
    location: Option<LocationId>,
) -> Result<(Vec<Suggestion>, bool), DbError> {
    const SUGGEST: &str = concatcp!(
        "WITH needed AS (
            SELECT a.id, a.variant_id, a.location_id, coming.incoming
              FROM low_stock_alerts a
             CROSS JOIN ",
        TODAY,
        " CROSS JOIN ",
        COMING,
        " WHERE a.closed_at IS NULL AND NOT ",
        IS_COVERED,
        "   AND ($4::uuid IS NULL OR a.location_id = $4)
            ORDER BY a.id
            LIMIT $3
        ), asked AS (
            SELECT DISTINCT ON (sp.variant_id, sp.supplier_id)
                   sp.variant_id, sp.supplier_id, s.name AS supplier_name, sp.cost, sp.currency, sp.supplier_sku,
                   sp.minimum_quantity, coalesce(sp.lead_time_days, s.lead_time_days) AS lead_time_days
              FROM supplier_prices sp JOIN suppliers s ON s.id = sp.supplier_id AND s.archived_at IS NULL
             WHERE sp.variant_id IN (SELECT variant_id FROM needed)
             ORDER BY sp.variant_id, sp.supplier_id, sp.id DESC
        ), best AS (
            SELECT DISTINCT ON (asked.variant_id) asked.*
              FROM asked CROSS JOIN settings
             ORDER BY asked.variant_id, asked.currency = settings.currency DESC, asked.cost, asked.supplier_id
        )
        SELECT n.variant_id, n.location_id, v.sku, p.name, s.on_hand - s.reserved AS available, n.incoming,
               coalesce(v.reorder_level, 0) AS reorder_level, sales.sold, b.supplier_id, b.supplier_name, b.cost, b.currency,
               b.supplier_sku, b.minimum_quantity, b.lead_time_days
          FROM needed n
          JOIN variants v ON v.id = n.variant_id
          JOIN products p ON p.id = v.product_id
          JOIN stock_levels s ON s.variant_id = n.variant_id AND s.location_id = n.location_id
          LEFT JOIN best b ON b.variant_id = n.variant_id
         CROSS JOIN LATERAL (
               SELECT coalesce(-sum(m.quantity), 0) AS sold FROM stock_movements m
                WHERE m.variant_id = n.variant_id AND m.location_id = n.location_id AND m.kind IN ('sale', 'return')
                  AND m.occurred_at >= $2) sales
         ORDER BY b.supplier_name, b.supplier_id, n.location_id, b.currency, n.id"
    );
    let since = tx.now() - TimeDelta::days(DAYS);
    let location = location.map(LocationId::as_uuid);
    let mut rows = tx.query(SUGGEST, &[&tx.now(), &since, &(MAX_LINES + 1), &location]).await?;
    let has_more = rows.len() as i64 > MAX_LINES;
    rows.truncate(MAX_LINES as usize);
    let mut suggestions: Vec<Suggestion> = Vec::new();
    for row in &rows {
        let supplier_id = row.try_get::<_, Option<_>>("supplier_id")?.map(SupplierId::from_uuid);
        let supplier = supplier_id.zip(row.try_get("supplier_name")?);
        let location_id = LocationId::from_uuid(row.try_get("location_id")?);
        let line = SuggestedLine::from_row(row)?;
        match suggestions.last_mut() {
            Some(last) if last.supplier == supplier && last.takes(location_id, &line) => {
                last.lines.push(line)
            }
            _ => suggestions.push(Suggestion { supplier, location_id, lines: vec![line] }),
        }
    }
    Ok((suggestions, has_more))
}

impl Suggestion {
    /// Whether one order can hold this line too: to one place, in one currency, and with no more lines than an order has.
    fn takes(&self, location_id: LocationId, line: &SuggestedLine) -> bool {
        let currency = |line: &SuggestedLine| line.price.as_ref().map(|price| price.currency.clone());
        self.location_id == location_id
            && self.lines.first().map(currency) == Some(currency(line))
            && self.lines.len() < purchase_order::MAX_LINES
    }
}

impl SuggestedLine {
    fn from_row(row: &Row) -> Result<Self, DbError> {
        let quantity = |column: &str| row.try_get(column).map(Quantity::from_decimal);
        let minimum_quantity = row.try_get::<_, Option<_>>("minimum_quantity")?.map(Quantity::from_decimal);
        let price = match row.try_get::<_, Option<Decimal>>("cost")? {
            Some(cost) => Some(SuggestedPrice {
                cost: Money::from_decimal(cost),
                currency: row.try_get("currency")?,
                supplier_sku: row.try_get("supplier_sku")?,
                minimum_quantity,
                lead_time_days: row.try_get("lead_time_days")?,
            }),
            None => None,
        };
        let (available, incoming) = (quantity("available")?, quantity("incoming")?);
        let (reorder_level, sold) = (quantity("reorder_level")?, quantity("sold")?);
        Ok(Self {
            variant_id: VariantId::from_uuid(row.try_get("variant_id")?),
            sku: row.try_get("sku")?,
            name: row.try_get("name")?,
            quantity: to_order(available, incoming, reorder_level, sold, minimum_quantity),
            available,
            incoming,
            reorder_level,
            sold,
            price,
        })
    }
}

/// So much that, once it is here, the reorder level is there and as much again: a month's sales, or the reorder level once
/// more where less is sold. In whole units, not less than the supplier's minimum, and never nothing.
fn to_order(
    available: Quantity,
    incoming: Quantity,
    reorder_level: Quantity,
    sold: Quantity,
    minimum: Option<Quantity>,
) -> Quantity {
    let target = reorder_level.as_decimal() + sold.max(reorder_level).as_decimal();
    let missing = (target - available.as_decimal() - incoming.as_decimal()).ceil();
    let least = minimum.map_or(Decimal::ONE, |minimum| minimum.as_decimal().max(Decimal::ONE));
    Quantity::from_decimal(missing.max(least))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ordered_lasts_for_a_month_of_sales() {
        let quantity = |text: &str| Quantity::parse(text).unwrap();
        let to_order = |available, incoming, level, sold, minimum: Option<&str>| {
            super::to_order(
                quantity(available),
                quantity(incoming),
                quantity(level),
                quantity(sold),
                minimum.map(quantity),
            )
            .to_string()
        };
        assert_eq!(to_order("3", "0", "10", "25", None), "32");
        assert_eq!(to_order("3", "4", "10", "25", None), "28");
        assert_eq!(to_order("3", "0", "10", "2", None), "17", "little is sold, so the level once more");
        assert_eq!(to_order("2.5", "0", "5", "0", None), "8", "whole units");
        assert_eq!(to_order("3", "0", "10", "25", Some("100")), "100");
        assert_eq!(to_order("0", "0", "0", "-4", None), "1", "more came back than was sold");
    }
}
