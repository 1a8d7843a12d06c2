//! The dashboard: a business's figures at one glance, each as the books have it at this moment.

use chrono::NaiveDate;
use const_format::concatcp;
use tenancy::{DbError, TenantTx, both};
use tokio_postgres::Row;

use inventory::VariantId;
use inventory::alert::{self, Alert, AlertFilter, IS_COVERED, TODAY};
use values::{Limit, PageRequest};
use values::{Money, Quantity};

/// All figures.
#[derive(Debug, Clone)]
pub struct Dashboard {
    pub totals: Totals,
    pub low_stock: LowStock,
    /// What sold most in the last 30 days, at most five.
    pub top_variants: Vec<TopVariant>,
    /// The last seven days, today last.
    pub movements: Vec<MovementsOfDay>,
}

/// How much there is, and what it is worth.
#[derive(Debug, Clone)]
pub struct Totals {
    /// Active variants of active products.
    pub items: i64,
    /// On hand, over all variants and locations.
    pub stock: Quantity,
    /// On hand times sale price.
    pub value: Money,
    /// On hand times its moving average cost, or the catalogue's where nothing has come in at a cost; a variant without
    /// either counts as nothing.
    pub cost: Money,
}

/// How many alerts are open, and the latest of those that ask somebody to act.
#[derive(Debug, Clone)]
pub struct LowStock {
    pub low: i64,
    pub out: i64,
    pub covered: i64,
    pub items: Vec<Alert>,
}

/// A variant that sells.
#[derive(Debug, Clone)]
pub struct TopVariant {
    pub variant_id: VariantId,
    pub sku: String,
    pub name: String,
    /// Sold, less what came back.
    pub sold: Quantity,
}

/// What one day, where the business is, has changed of its stock.
#[derive(Debug, Clone)]
pub struct MovementsOfDay {
    pub day: NaiveDate,
    /// Received from suppliers, less what was taken back.
    pub purchased: Quantity,
    /// Sold, less what came back.
    pub sold: Quantity,
    /// Adjustments, counts and transfers; negative where more went than came.
    pub adjusted: Quantity,
}

impl MovementsOfDay {
    /// The change of stock over the day.
    pub fn net(&self) -> Quantity {
        self.purchased.plus(self.sold.negated()).plus(self.adjusted)
    }
}

/// The totals alone.
///
/// # Errors
/// [`DbError`].
pub async fn totals(tx: &TenantTx) -> Result<Totals, DbError> {
    // Summed exactly and rounded once: four decimals fit the column type that a sum of products outgrows.
    const TOTALS: &str = "
        SELECT (SELECT count(*)
                  FROM variants v JOIN products p ON p.id = v.product_id
                 WHERE v.archived_at IS NULL AND p.archived_at IS NULL) AS items,
               coalesce(sum(l.on_hand), 0) AS stock,
               round(coalesce(sum(l.on_hand * v.price), 0), 4) AS value,
               round(coalesce(sum(l.on_hand * coalesce(l.average_cost, v.cost)), 0), 4) AS cost
          FROM stock_levels l
          JOIN variants v ON v.id = l.variant_id";
    let row = tx.query_one(TOTALS, &[]).await?;
    Ok(Totals {
        items: row.try_get("items")?,
        stock: Quantity::from_decimal(row.try_get("stock")?),
        value: Money::from_decimal(row.try_get("value")?),
        cost: Money::from_decimal(row.try_get("cost")?),
    })
}

/// All figures of this moment, in one round trip.
///
/// # Errors
/// [`DbError`].
pub async fn read(tx: &TenantTx) -> Result<Dashboard, DbError> {
    let sales = both(top_variants(tx), movements(tx));
    let ((totals, low_stock), (top_variants, movements)) =
        both(both(totals(tx), low_stock(tx)), sales).await?;
    Ok(Dashboard { totals, low_stock, top_variants, movements })
}

async fn low_stock(tx: &TenantTx) -> Result<LowStock, DbError> {
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
    let (filter, first) = (AlertFilter::default(), PageRequest { limit: FIRST, after: None });
    let counts = async { tx.query_one(COUNTS, &[&tx.now()]).await };
    let (counts, first) = both(counts, alert::list(tx, &filter, &first)).await?;
    Ok(LowStock {
        low: counts.try_get("low")?,
        out: counts.try_get("out")?,
        covered: counts.try_get("covered")?,
        items: first.data,
    })
}

/// The business's midnight that began the day of the moment `$1`, as table `s` with its time zone.
const MIDNIGHT: &str =
    "(SELECT time_zone, date_trunc('day', $1::timestamptz AT TIME ZONE time_zone) AS midnight
                           FROM settings) s";

/// Whether movement `m` was made in the 7 days that end with the day of [`MIDNIGHT`]. Bounded on both sides: a plan that
/// knows no values takes an open range for a third of the ledger.
const IN_7_DAYS: &str = "m.occurred_at >= (s.midnight - interval '6 days') AT TIME ZONE s.time_zone
                 AND m.occurred_at < (s.midnight + interval '1 day') AT TIME ZONE s.time_zone";

/// As [`IN_7_DAYS`], for 30 days.
const IN_30_DAYS: &str = "m.occurred_at >= (s.midnight - interval '29 days') AT TIME ZONE s.time_zone
                 AND m.occurred_at < (s.midnight + interval '1 day') AT TIME ZONE s.time_zone";

async fn top_variants(tx: &TenantTx) -> Result<Vec<TopVariant>, DbError> {
    const TOP: &str = concatcp!(
        "SELECT top.variant_id, v.sku, p.name, top.sold
           FROM (SELECT m.variant_id, -sum(m.quantity) AS sold
                   FROM stock_movements m CROSS JOIN ",
        MIDNIGHT,
        "         WHERE ",
        IN_30_DAYS,
        "         AND m.kind IN ('sale', 'return')
                GROUP BY m.variant_id
               HAVING sum(m.quantity) < 0
                ORDER BY sold DESC, m.variant_id
                LIMIT 5) top
           JOIN variants v ON v.id = top.variant_id
           JOIN products p ON p.id = v.product_id
          ORDER BY top.sold DESC, top.variant_id"
    );
    let read = |row: &Row| {
        Ok(TopVariant {
            variant_id: VariantId::from_uuid(row.try_get("variant_id")?),
            sku: row.try_get("sku")?,
            name: row.try_get("name")?,
            sold: Quantity::from_decimal(row.try_get("sold")?),
        })
    };
    tx.query(TOP, &[&tx.now()]).await?.iter().map(read).collect()
}

async fn movements(tx: &TenantTx) -> Result<Vec<MovementsOfDay>, DbError> {
    const DAYS: &str = concatcp!(
        "WITH moved AS (
             SELECT (m.occurred_at AT TIME ZONE s.time_zone)::date AS day, m.kind, sum(m.quantity) AS quantity
               FROM stock_movements m CROSS JOIN ",
        MIDNIGHT,
        "     WHERE ",
        IN_7_DAYS,
        "     GROUP BY 1, 2)
         SELECT today.today - ago AS day,
                coalesce(sum(quantity) FILTER (WHERE kind = 'purchase'), 0) AS purchased,
                coalesce(-sum(quantity) FILTER (WHERE kind IN ('sale', 'return')), 0) AS sold,
                coalesce(sum(quantity) FILTER (WHERE kind IN ('adjustment', 'count', 'transfer')), 0) AS adjusted
           FROM ",
        TODAY,
        " CROSS JOIN generate_series(0, 6) ago
           LEFT JOIN moved ON moved.day = today.today - ago
          GROUP BY 1
          ORDER BY 1"
    );
    let read = |row: &Row| {
        let quantity = |column: &str| row.try_get(column).map(Quantity::from_decimal);
        Ok(MovementsOfDay {
            day: row.try_get("day")?,
            purchased: quantity("purchased")?,
            sold: quantity("sold")?,
            adjusted: quantity("adjusted")?,
        })
    };
    tx.query(DAYS, &[&tx.now()]).await?.iter().map(read).collect()
}
