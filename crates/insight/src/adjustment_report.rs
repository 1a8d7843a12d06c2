//! What was put in and written off in a span of days, by reason: adjustments, goods that came back as waste, counts.

use tenancy::{DbError, TenantTx};
use tokio_postgres::Row;

use crate::report::{MaxRows, Report, Span, in_span};
use inventory::movement::Kind;
use values::{Money, Quantity};

/// What adjustments for one reason, counts, or all of them have changed.
#[derive(Debug, Clone, Default)]
pub struct Adjusted {
    /// `None` of the sum of all.
    pub kind: Option<Kind>,
    /// `None` of counts, and of the sum of all.
    pub reason: Option<String>,
    pub movements: i64,
    pub added: Quantity,
    pub removed: Quantity,
    /// What was added less what was removed, at cost: negative where the business has lost.
    pub value: Money,
}

impl Adjusted {
    fn from_row(row: &Row) -> Result<Self, DbError> {
        let kind = row.try_get::<_, Option<&str>>("kind")?;
        Ok(Self {
            kind: kind.map(|kind| if kind == "count" { Kind::Count } else { Kind::Adjustment }),
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
pub async fn read(tx: &TenantTx, span: Span, max: MaxRows) -> Result<Report<Adjusted>, DbError> {
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
    let rows = tx.query(READ, &[&span.first, &span.end(), &max.and_two()]).await?;
    Report::of(&rows, max, Adjusted::from_row)
}
