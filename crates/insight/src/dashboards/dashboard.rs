//! The dashboard: a business's figures at this moment.

use chrono::NaiveDate;
use const_format::concatcp;
use inventory::VariantId;
use inventory::alert::{self, Alert, AlertFilter, IS_COVERED, TODAY};
use inventory::{day_of, movement, start_of_day};
use tenancy::{DbError, TenantTx, all};
use values::{Limit, Money, PageRequest, Quantity, Sku};

use crate::reports::stock_report::{InTransit, in_transit};

/// All figures of the dashboard.
#[derive(Debug, Clone)]
pub struct Dashboard {
    /// The number of variants, and the quantity and the value of the stock on hand.
    pub totals: Totals,
    /// The goods that left one location and have not arrived at another.
    pub in_transit: InTransit,
    /// The open low-stock alerts.
    pub low_stock: LowStock,
    /// The variants that sold most in the last 30 days, without fees, at most five.
    pub top_variants: Vec<TopVariant>,
    /// The changes of stock on each of the last seven days, today last.
    pub movements: Vec<MovementsOfDay>,
}

/// The number of variants, and the quantity and the value of the stock.
#[derive(Debug, Clone)]
pub struct Totals {
    /// The number of variants that are not archived, of products that are not archived.
    pub items: i64,
    /// On hand, over all variants and locations, archived ones included, in sale units.
    pub stock: Quantity,
    /// On hand times list price, with every decimal.
    pub value: Money,
    /// The cost of the stock on hand, with up to eight decimals. Stock of unknown cost counts as nothing.
    pub cost: Money,
}

tenancy::from_row!(Totals { items, stock, value, cost });

/// The number of open low-stock alerts in each state, and the newest alerts in the states low and out.
#[derive(Debug, Clone)]
pub struct LowStock {
    /// The number of alerts in the state low: stock is available, but not more than the reorder level, and
    /// incoming stock does not cover it.
    pub low: i64,
    /// The number of alerts in the state out: no stock is available.
    pub out: i64,
    /// The number of alerts in the state covered: stock is available, but not more than the reorder level,
    /// and incoming stock covers it.
    pub covered: i64,
    /// The newest alerts in the states low and out, at most five.
    pub items: Vec<Alert>,
}

/// A variant with its sales of the last 30 days, today included.
#[derive(Debug, Clone)]
pub struct TopVariant {
    /// The id of the variant.
    pub variant_id: VariantId,
    /// The SKU of the variant.
    pub sku: Sku,
    /// The name of the product.
    pub name: String,
    /// The quantity sold, less the quantity returned, in sale units.
    pub sold: Quantity,
}

tenancy::from_row!(TopVariant { variant_id, sku, name, sold });

/// The changes of stock on one day, at all locations together.
#[derive(Debug, Clone)]
pub struct MovementsOfDay {
    /// The day in the business's time zone.
    pub day: NaiveDate,
    /// The quantity received from suppliers, less reversed receipts, in sale units.
    pub purchased: Quantity,
    /// The quantity sold, less the quantity returned, in sale units.
    pub sold: Quantity,
    /// The change by adjustments, stock counts and transfers, in sale units; negative where more left than
    /// arrived.
    pub adjusted: Quantity,
}

tenancy::from_row!(MovementsOfDay { day, purchased, sold, adjusted });

impl MovementsOfDay {
    /// The change of stock on the day, in sale units: purchased less sold, plus adjusted.
    pub fn net(&self) -> Quantity {
        self.purchased - self.sold + self.adjusted
    }
}

/// Reads the totals without the other figures.
///
/// # Errors
/// [`DbError`].
pub async fn totals(tx: &TenantTx) -> Result<Totals, DbError> {
    const TOTALS: &str = "
        SELECT (SELECT count(*)
                  FROM variants v JOIN products p ON p.id = v.product_id
                 WHERE v.archived_at IS NULL AND p.archived_at IS NULL) AS items,
               coalesce(sum(l.on_hand), 0) AS stock,
               coalesce(sum(l.on_hand * v.price), 0) AS value, coalesce(sum(l.value), 0) AS cost
          FROM stock_levels l
          JOIN variants v ON v.id = l.variant_id";
    tx.row(TOTALS, &[]).await
}

/// Reads all figures in one round trip.
///
/// # Errors
/// [`DbError`].
pub async fn read(tx: &TenantTx) -> Result<Dashboard, DbError> {
    let figures = (totals(tx), in_transit(tx), low_stock(tx), top_variants(tx), movements(tx));
    let (totals, in_transit, low_stock, top_variants, movements) = all(figures).await?;
    Ok(Dashboard { totals, in_transit, low_stock, top_variants, movements })
}

async fn low_stock(tx: &TenantTx) -> Result<LowStock, DbError> {
    struct Counts {
        low: i64,
        out: i64,
        covered: i64,
    }
    tenancy::from_row!(Counts { low, out, covered });
    const COUNTS: &str = concatcp!(
        "SELECT count(*) FILTER (WHERE NOT a.is_out AND NOT ",
        IS_COVERED,
        ") AS low, count(*) FILTER (WHERE a.is_out) AS out, count(*) FILTER (WHERE NOT a.is_out AND ",
        IS_COVERED,
        ") AS covered FROM low_stock_alerts a, ",
        TODAY,
        " WHERE a.closed_at IS NULL"
    );
    const FIRST: Limit = Limit::of(5);
    let (filter, first) = (AlertFilter::default(), PageRequest { limit: FIRST, ..PageRequest::default() });
    let counts = async { tx.row::<Counts>(COUNTS, &[&tx.now()]).await };
    let (Counts { low, out, covered }, first) = all((counts, alert::list(tx, &filter, &first))).await?;
    Ok(LowStock { low, out, covered, items: first.data })
}

/// The last 7 days of the business until the moment `$1`, as table `s` with its time zone.
const LAST_7_DAYS: &str = concatcp!(DAYS_FROM, "6 AS first, ", TODAY_OF_SETTINGS);

/// As [`LAST_7_DAYS`], for 30 days.
const LAST_30_DAYS: &str = concatcp!(DAYS_FROM, "29 AS first, ", TODAY_OF_SETTINGS);

const DAYS_FROM: &str = "(SELECT time_zone, day_starts_at, today - ";
const TODAY_OF_SETTINGS: &str = concatcp!(
    "today
     FROM settings c, LATERAL (SELECT ",
    day_of!("$1::timestamptz", "c"),
    " AS today) t) s"
);

/// Whether movement `m` was made in the days of `s`. The day of each movement decides, because a day may have
/// 23 or 25 hours. The index is searched by moments. That range has two bounds: with one, PostgreSQL assumes
/// that it contains a third of the ledger. It is two hours wider, because clocks may show a midnight twice.
const IN_DAYS: &str = concatcp!(
    "m.occurred_at >= ",
    start_of_day!("s.first", "s"),
    " - interval '2 hours'
                 AND m.occurred_at < ",
    start_of_day!("(s.today + 1)", "s"),
    " + interval '2 hours'
                 AND ",
    day_of!("m.occurred_at", "s"),
    " BETWEEN s.first AND s.today"
);

async fn top_variants(tx: &TenantTx) -> Result<Vec<TopVariant>, DbError> {
    const TOP: &str = concatcp!(
        "SELECT top.variant_id, v.sku, p.name, top.sold
           FROM (SELECT m.variant_id, -sum(m.quantity) AS sold
                   FROM ",
        movement::WITH_UNSTOCKED,
        " m CROSS JOIN ",
        LAST_30_DAYS,
        "         WHERE ",
        IN_DAYS,
        "         AND m.kind IN ('sale', 'return') AND NOT m.is_fee
                GROUP BY m.variant_id
               HAVING sum(m.quantity) < 0
                ORDER BY sold DESC, m.variant_id
                LIMIT 5) top
           JOIN variants v ON v.id = top.variant_id
           JOIN products p ON p.id = v.product_id
          ORDER BY top.sold DESC, top.variant_id"
    );
    tx.rows(TOP, &[&tx.now()]).await
}

async fn movements(tx: &TenantTx) -> Result<Vec<MovementsOfDay>, DbError> {
    const DAYS: &str = concatcp!(
        "WITH moved AS (
             SELECT ",
        day_of!("m.occurred_at", "s"),
        " AS day, m.kind, sum(m.quantity) AS quantity
               FROM stock_movements m CROSS JOIN ",
        LAST_7_DAYS,
        "     WHERE ",
        IN_DAYS,
        "     GROUP BY 1, 2)
         SELECT today.today - ago AS day,
                coalesce(sum(quantity) FILTER (WHERE kind = 'purchase'), 0) AS purchased,
                coalesce(-sum(quantity) FILTER (WHERE kind IN ('sale', 'return')), 0) AS sold,
                coalesce(sum(quantity) FILTER (WHERE kind IN ('adjustment', 'count', 'transfer')), 0)
                AS adjusted
           FROM ",
        TODAY,
        " CROSS JOIN generate_series(0, 6) ago
           LEFT JOIN moved ON moved.day = today.today - ago
          GROUP BY 1
          ORDER BY 1"
    );
    tx.rows(DAYS, &[&tx.now()]).await
}
