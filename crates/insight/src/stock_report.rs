//! What the stock is worth, by category, location or variant, at this moment.

use serde::{Deserialize, Serialize};
use tenancy::{DbError, TenantTx};
use tokio_postgres::Row;

use crate::report::{MaxRows, Report};
use values::{Money, Quantity};

/// What each row is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StockBy {
    Category,
    Location,
    Variant,
}

/// The stock of one category, location or variant, or of all.
#[derive(Debug, Clone, Default)]
pub struct Stock {
    /// The id; `None` of products without a category, and of the sum of all.
    pub key: Option<String>,
    pub name: Option<String>,
    pub sku: Option<String>,
    pub on_hand: Quantity,
    /// At the moving average, or what the catalogue says where there is none.
    pub cost: Money,
    /// At the sale price.
    pub value: Money,
}

impl Stock {
    fn from_row(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            key: row.try_get("key")?,
            name: row.try_get("name")?,
            sku: row.try_get("sku")?,
            on_hand: Quantity::from_decimal(row.try_get("on_hand")?),
            cost: Money::from_decimal(row.try_get("cost")?),
            value: Money::from_decimal(row.try_get("value")?),
        })
    }
}

macro_rules! stock_by {
    ($key:literal, $name:literal, $sku:literal, $joins:literal) => {
        concat!(
            "SELECT grouping(key) = 1 AS is_sum, key, name, sku, coalesce(sum(on_hand), 0) AS on_hand,
                    round(coalesce(sum(on_hand * cost), 0), 4) AS cost, round(coalesce(sum(on_hand * price), 0), 4) AS value
               FROM (SELECT ",
            $key,
            "::text AS key, ",
            $name,
            " AS name, ",
            $sku,
            " AS sku, s.on_hand, coalesce(s.average_cost, v.cost) AS cost, v.price
                       FROM stock_levels s
                       JOIN variants v ON v.id = s.variant_id
                       JOIN products p ON p.id = v.product_id ",
            $joins,
            "         WHERE s.on_hand <> 0) stock
              GROUP BY GROUPING SETS ((key, name, sku), ())
              ORDER BY is_sum DESC, cost DESC, key
              LIMIT $1"
        )
    };
}

/// Reads the report: what has cost most first. Its sums are the dashboard's.
///
/// # Errors
/// [`DbError`].
pub async fn read(tx: &TenantTx, by: StockBy, max: MaxRows) -> Result<Report<Stock>, DbError> {
    const BY_CATEGORY: &str =
        stock_by!("p.category_id", "c.name", "NULL::text", "LEFT JOIN categories c ON c.id = p.category_id");
    const BY_LOCATION: &str =
        stock_by!("s.location_id", "l.name", "NULL::text", "JOIN locations l ON l.id = s.location_id");
    const BY_VARIANT: &str = stock_by!("s.variant_id", "p.name", "v.sku", "");
    let sql = match by {
        StockBy::Category => BY_CATEGORY,
        StockBy::Location => BY_LOCATION,
        StockBy::Variant => BY_VARIANT,
    };
    Report::of(&tx.query(sql, &[&max.and_two()]).await?, max, Stock::from_row)
}
