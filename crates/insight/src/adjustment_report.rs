//! Adjustments, stock counts and revaluations in a span of days, by reason: what was put in and what was
//! written off, including scrapped returns.

use const_format::concatcp;
use inventory::movement::{self, Kind};
use tenancy::{DbError, TenantTx};
use values::{Money, Quantity, Reason};

use crate::report::{IN_SPAN, MaxRows, Report, Span};
use crate::rounding::Exact;

/// The effect of adjustments with one reason, of counts, or of all of them.
#[derive(Debug, Clone, Default)]
pub struct Adjusted {
    /// Adjustment, count or revaluation; `None` for the total.
    pub kind: Option<Kind>,
    /// The reason of the adjustments; `None` for counts, for revaluations and for the total.
    pub reason: Option<Reason>,
    /// The number of stock movements.
    pub movements: i64,
    /// The sum of all increases, in sale units.
    pub added: Quantity,
    /// The sum of all decreases, in sale units, as a positive number.
    pub removed: Quantity,
    /// Added less removed, at the cost of each movement, with up to eight decimals. Negative where the
    /// business has lost value. Stock of unknown cost counts as nothing.
    pub value: Money,
}

tenancy::from_row!(Adjusted { kind, reason, movements, added, removed, value });

impl Exact for Adjusted {
    fn amounts(&mut self) -> Vec<&mut Money> {
        vec![&mut self.value]
    }
}

/// Reads the report of a span, the largest loss first.
///
/// # Errors
/// [`DbError`].
pub async fn read(tx: &TenantTx, span: Span, max: MaxRows) -> Result<Report<Adjusted>, DbError> {
    const READ: &str = concatcp!(
        "SELECT grouping(kind) = 1 AS is_sum, kind, reason, count(*) AS movements,
                coalesce(sum(quantity) FILTER (WHERE quantity > 0), 0) AS added,
                coalesce(-sum(quantity) FILTER (WHERE quantity < 0), 0) AS removed,
                coalesce(sum(value), 0) AS value
           FROM (SELECT m.kind, m.reason, m.quantity, ",
        movement::VALUE,
        " AS value
                   FROM stock_movements m CROSS JOIN settings s
                  WHERE ",
        IN_SPAN,
        "           AND m.kind IN ('adjustment', 'count', 'revaluation')) moved
          GROUP BY GROUPING SETS ((kind, reason), ())
          ORDER BY is_sum DESC, value, kind, reason
          LIMIT $3"
    );
    let rows = tx.rows(READ, &[&span.first, &span.end(), &max.and_two()]).await?;
    Ok(Report::of(rows, max))
}
