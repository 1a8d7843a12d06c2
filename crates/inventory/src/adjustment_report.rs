//! What was put in and written off in a span of days, by reason: adjustments, goods that came back as waste, counts.

use serde::Serialize;
use tenancy::{DbError, TenantTx};
use tokio_postgres::Row;

use crate::decimal::{Money, Quantity};
use crate::report::{self, Report, Span, in_span};

/// What adjustments for one reason, counts, or all of them have changed.
#[derive(Debug, Clone, Default)]
pub struct Adjusted {
    /// `None` of the sum of all.
    pub by: Option<AdjustedBy>,
    /// `None` of counts, and of the sum of all.
    pub reason: Option<String>,
    pub movements: i64,
    pub added: Quantity,
    pub removed: Quantity,
    /// What was added less what was removed, at cost: negative where the business has lost.
    pub value: Money,
}

/// What has changed the stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AdjustedBy {
    Adjustment,
    Count,
}

impl Adjusted {
    fn from_row(row: &Row) -> Result<Self, DbError> {
        let by = match row.try_get::<_, Option<&str>>("kind")? {
            Some("count") => Some(AdjustedBy::Count),
            Some(_) => Some(AdjustedBy::Adjustment),
            None => None,
        };
        Ok(Self {
            by,
            reason: row.try_get("reason")?,
            movements: row.try_get("movements")?,
            added: Quantity::from_decimal(row.try_get("added")?),
            removed: Quantity::from_decimal(row.try_get("removed")?),
            value: Money::from_decimal(row.try_get("value")?),
        })
    }
}

/// Reads the report of a span: what has cost most first.
///
/// # Errors
/// [`DbError`].
pub async fn read(tx: &TenantTx, span: Span) -> Result<Report<Adjusted>, DbError> {
    const READ: &str = concat!(
        "SELECT grouping(kind) = 1 AS is_sum, kind, reason, count(*) AS movements,
                coalesce(sum(quantity) FILTER (WHERE quantity > 0), 0) AS added,
                coalesce(-sum(quantity) FILTER (WHERE quantity < 0), 0) AS removed,
                round(coalesce(sum(quantity * coalesce(unit_cost, 0)), 0), 4) AS value
           FROM (SELECT m.kind, m.reason, m.quantity, m.unit_cost
                   FROM stock_movements m CROSS JOIN settings s
                  WHERE ",
        in_span!(),
        "           AND m.kind IN ('adjustment', 'count')) moved
          GROUP BY GROUPING SETS ((kind, reason), ())
          ORDER BY is_sum DESC, value, kind, reason
          LIMIT $3"
    );
    let rows = tx.query(READ, &[&span.first, &span.end(), &report::LIMIT]).await?;
    Report::of(&rows, Adjusted::from_row)
}
