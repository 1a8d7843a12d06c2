//! The value of the stock at this moment, by category, location or variant.

use const_format::concatcp;
use tenancy::{DbError, TenantTx};
use values::{Money, Quantity};

use crate::report::{MaxRows, Report};
use crate::rounding::Exact;

values::words! {
    /// What each row of the report stands for.
    pub enum StockBy {
        /// The category of the product. Products without a category share one row.
        Category = "category",
        /// The location that holds the stock.
        Location = "location",
        /// The variant, with its stock at all locations.
        Variant = "variant",
    }
}

/// The stock of one category, location or variant, or of all.
#[derive(Debug, Clone, Default)]
pub struct Stock {
    /// The id of the category, location or variant. `None` for products without a category and for the total.
    pub key: Option<String>,
    /// The name of the category or location, or of the product of a variant. `None` where `key` is
    /// `None`.
    pub name: Option<String>,
    /// The SKU, if the rows are variants. `None` for other keys and for the total.
    pub sku: Option<String>,
    /// The stock on hand, in sale units.
    pub on_hand: Quantity,
    /// The cost of the stock on hand, with up to eight decimals. Stock of unknown cost counts as nothing.
    pub cost: Money,
    /// The stock on hand at the list price, with every decimal.
    pub value: Money,
}

tenancy::from_row!(Stock { key, name, sku, on_hand, cost, value });

impl Exact for Stock {
    fn amounts(&mut self) -> Vec<&mut Money> {
        vec![&mut self.cost, &mut self.value]
    }
}

/// Goods that left one location and have not arrived at another.
#[derive(Debug, Clone, Default)]
pub struct InTransit {
    /// The quantity in transit, in sale units.
    pub quantity: Quantity,
    /// The cost of the goods, with up to eight decimals. Goods of unknown cost count as nothing.
    pub cost: Money,
    /// The goods at the list price, with every decimal.
    pub value: Money,
}

tenancy::from_row!(InTransit { quantity, cost, value });

/// Reads the goods in transit.
///
/// # Errors
/// [`DbError`].
pub async fn in_transit(tx: &TenantTx) -> Result<InTransit, DbError> {
    const IN_TRANSIT: &str = "
        SELECT coalesce(sum(l.quantity - l.received - l.sent_back - l.written_off), 0) AS quantity,
               coalesce(sum(l.transit_value), 0) AS cost,
               coalesce(sum((l.quantity - l.received - l.sent_back - l.written_off) * v.price), 0) AS value
          FROM stock_transfers t
          JOIN stock_transfer_lines l ON l.transfer_id = t.id
          JOIN variants v ON v.id = l.variant_id
         WHERE t.status IN ('in_transit', 'partly_received')";
    tx.row(IN_TRANSIT, &[]).await
}

/// Begins the statement; the columns `key`, `name` and `sku` follow, and then [`FROM`].
const SELECT: &str = "
    SELECT grouping(key) = 1 AS is_sum, key, name, sku, coalesce(sum(on_hand), 0) AS on_hand,
           coalesce(sum(cost), 0) AS cost, coalesce(sum(on_hand * price), 0) AS value
      FROM (SELECT ";

/// Goes on with the levels and their variants; joins follow, and then [`END`].
const FROM: &str = ", s.on_hand, s.value AS cost, v.price
              FROM stock_levels s
              JOIN variants v ON v.id = s.variant_id
              JOIN products p ON p.id = v.product_id ";

const END: &str = "
             WHERE s.on_hand <> 0) stock
     GROUP BY GROUPING SETS ((key, name, sku), ())
     ORDER BY is_sum DESC, cost DESC, key
     LIMIT $1";

/// Reads the report, the highest cost first. Levels without stock are left out. The total has the same stock,
/// cost and value as the dashboard.
///
/// # Errors
/// [`DbError`].
pub async fn read(tx: &TenantTx, by: StockBy, max: MaxRows) -> Result<Report<Stock>, DbError> {
    const BY_CATEGORY: &str = concatcp!(
        SELECT,
        "p.category_id::text AS key, c.name AS name, NULL::text AS sku",
        FROM,
        "LEFT JOIN categories c ON c.id = p.category_id",
        END
    );
    const BY_LOCATION: &str = concatcp!(
        SELECT,
        "s.location_id::text AS key, l.name AS name, NULL::text AS sku",
        FROM,
        "JOIN locations l ON l.id = s.location_id",
        END
    );
    const BY_VARIANT: &str =
        concatcp!(SELECT, "s.variant_id::text AS key, p.name AS name, v.sku AS sku", FROM, END);
    let sql = match by {
        StockBy::Category => BY_CATEGORY,
        StockBy::Location => BY_LOCATION,
        StockBy::Variant => BY_VARIANT,
    };
    Ok(Report::of(tx.rows(sql, &[&max.and_two()]).await?, max))
}
