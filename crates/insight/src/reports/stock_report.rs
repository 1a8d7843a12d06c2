//! The value of the stock now or at the end of a past day, by category, location or variant.

use chrono::NaiveDate;
use const_format::concatcp;
use inventory::{day_of, movement, start_of_day};
use tenancy::{DbError, TenantTx};
use values::{Money, Quantity};

use crate::reports::report::{MaxRows, Report};
use crate::reports::rounding::Exact;

values::words! {
    /// The group of each row of the report.
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

/// Reads the goods in transit at the end of a day, in the time zone of the business: what left by transfers
/// until then and did not come back or arrive.
///
/// # Errors
/// [`DbError`].
pub async fn in_transit_on(tx: &TenantTx, day: NaiveDate) -> Result<InTransit, DbError> {
    const IN_TRANSIT: &str = concatcp!(
        "SELECT coalesce(-sum(moved.quantity), 0) AS quantity, coalesce(-sum(moved.cost), 0) AS cost,
                coalesce(-sum(moved.quantity * coalesce(priced.price, v.price)), 0) AS value
           FROM (SELECT m.variant_id, sum(m.quantity) AS quantity, sum(",
        movement::VALUE,
        ") AS cost
                   FROM stock_movements m CROSS JOIN settings z
                  WHERE m.kind = 'transfer' AND ",
        day_of!("m.occurred_at", "z"),
        " <= $1
                  GROUP BY m.variant_id) moved
           JOIN variants v ON v.id = moved.variant_id ",
        PRICE_THEN
    );
    tx.row(IN_TRANSIT, &[&day]).await
}

/// Joins the list price of variant `v` at the end of day `$1`, as `priced`.
const PRICE_THEN: &str = concatcp!(
    "
           LEFT JOIN LATERAL (SELECT c.price FROM price_changes c CROSS JOIN settings z
                               WHERE c.variant_id = v.id
                                 AND ",
    day_of!("c.changed_at", "z"),
    " <= $1
                               ORDER BY c.changed_at DESC, c.id DESC LIMIT 1) priced ON true "
);

/// Begins the statement; the columns `key`, `name` and `sku` follow, and then [`NOW`] or [`THEN`].
const SELECT: &str = "
    SELECT grouping(key) = 1 AS is_sum, key, name, sku, coalesce(sum(on_hand), 0) AS on_hand,
           coalesce(sum(cost), 0) AS cost, coalesce(sum(on_hand * price), 0) AS value
      FROM (SELECT ";

/// Goes on with the levels and their variants; joins follow, and then [`END`].
const NOW: &str = ", s.on_hand, s.value AS cost, v.price
              FROM stock_levels s
              JOIN variants v ON v.id = s.variant_id
              JOIN products p ON p.id = v.product_id ";

/// As [`NOW`], at the end of day `$1`: the levels without what moved since.
const THEN: &str = concatcp!(
    ", s.on_hand - coalesce(since.quantity, 0) AS on_hand,
       coalesce(s.value, 0) - coalesce(since.cost, 0) AS cost, coalesce(priced.price, v.price) AS price
              FROM stock_levels s
              LEFT JOIN (SELECT m.variant_id, m.location_id, sum(m.quantity) AS quantity, sum(",
    movement::VALUE,
    ") AS cost
                           FROM stock_movements m CROSS JOIN settings z
                          WHERE ",
    day_of!("m.occurred_at", "z"),
    " > $1
                            AND m.occurred_at >= ",
    start_of_day!("$1::date", "z"),
    "
                          GROUP BY m.variant_id, m.location_id) since
                     ON since.variant_id = s.variant_id AND since.location_id = s.location_id
              JOIN variants v ON v.id = s.variant_id
              JOIN products p ON p.id = v.product_id ",
    PRICE_THEN
);

const END: &str = ") stock
     WHERE on_hand <> 0
     GROUP BY GROUPING SETS ((key, name, sku), ())
     ORDER BY is_sum DESC, cost DESC, key
     LIMIT ";

/// The statements of a report: one for each group of rows.
macro_rules! by {
    ($by:expr, $of:expr, $limit:literal) => {{
        const BY_CATEGORY: &str = concatcp!(
            SELECT,
            "p.category_id::text AS key, c.name AS name, NULL::text AS sku",
            $of,
            "LEFT JOIN categories c ON c.id = p.category_id",
            END,
            $limit
        );
        const BY_LOCATION: &str = concatcp!(
            SELECT,
            "s.location_id::text AS key, l.name AS name, NULL::text AS sku",
            $of,
            "JOIN locations l ON l.id = s.location_id",
            END,
            $limit
        );
        const BY_VARIANT: &str =
            concatcp!(SELECT, "s.variant_id::text AS key, p.name AS name, v.sku AS sku", $of, END, $limit);
        match $by {
            StockBy::Category => BY_CATEGORY,
            StockBy::Location => BY_LOCATION,
            StockBy::Variant => BY_VARIANT,
        }
    }};
}

/// Reads the report, the highest cost first. Levels without stock are left out. The total has the same stock,
/// cost and value as the dashboard.
///
/// # Errors
/// [`DbError`].
pub async fn read(tx: &TenantTx, by: StockBy, max: MaxRows) -> Result<Report<Stock>, DbError> {
    Ok(Report::of(tx.rows(by!(by, NOW, "$1"), &[&max.and_two()]).await?, max))
}

/// As [`read`], with the stock and the list prices at the end of a day in the time zone of the business.
///
/// # Errors
/// [`DbError`].
pub async fn read_on(
    tx: &TenantTx,
    day: NaiveDate,
    by: StockBy,
    max: MaxRows,
) -> Result<Report<Stock>, DbError> {
    Ok(Report::of(tx.rows(by!(by, THEN, "$2"), &[&day, &max.and_two()]).await?, max))
}
