//! Adjustments, stock counts and revaluations in a span of days, by reason, variant, category or location:
//! what was put in and what was written off, including scrapped returns.

use const_format::concatcp;
use inventory::movement::{self, Kind};
use tenancy::{DbError, TenantTx};
use values::{Money, Quantity, Reason};

use crate::reports::report::{IN_SPAN, MaxRows, Report, Span};
use crate::reports::rounding::Exact;

values::words! {
    /// The group of each row of the report.
    pub enum AdjustedBy {
        /// The reason of the adjustments, or the stock counts, or the revaluations.
        Reason = "reason",
        /// The variant.
        Variant = "variant",
        /// The category of the product. Products without a category share one row.
        Category = "category",
        /// The location.
        Location = "location",
    }
}

/// The effect of adjustments with one reason, of counts, of all changes of one variant, or of all.
#[derive(Debug, Clone, Default)]
pub struct Adjusted {
    /// The id of the variant, the category or the location. `None` for rows by reason, for products without a
    /// category and for the total.
    pub key: Option<String>,
    /// The name of the product, the category or the location. `None` where `key` is `None`.
    pub name: Option<String>,
    /// The SKU, if the rows are variants.
    pub sku: Option<String>,
    /// Adjustment, count or revaluation, if the rows are reasons; `None` for the total.
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

tenancy::from_row!(Adjusted { key, name, sku, kind, reason, movements, added, removed, value });

impl Exact for Adjusted {
    fn amounts(&mut self) -> Vec<&mut Money> {
        vec![&mut self.value]
    }
}

/// Begins the statement; joins follow, and then [`END`].
const SELECT: &str = "
    SELECT grouping(key) = 1 AS is_sum, key, name, sku, kind, reason, count(*) AS movements,
           coalesce(sum(quantity) FILTER (WHERE quantity > 0), 0) AS added,
           coalesce(-sum(quantity) FILTER (WHERE quantity < 0), 0) AS removed,
           coalesce(sum(value), 0) AS value
      FROM (SELECT ";

const FROM: &str =
    concatcp!(", m.quantity, ", movement::VALUE, " AS value FROM stock_movements m CROSS JOIN settings s ");

const END: &str = concatcp!(
    " WHERE ",
    IN_SPAN,
    "  AND m.kind IN ('adjustment', 'count', 'revaluation')) moved
     GROUP BY GROUPING SETS ((key, name, sku, kind, reason), ())
     ORDER BY is_sum DESC, value, kind, reason, key
     LIMIT $3"
);

/// Reads the report of a span, the largest loss first.
///
/// # Errors
/// [`DbError`].
pub async fn read(
    tx: &TenantTx,
    span: Span,
    by: AdjustedBy,
    max: MaxRows,
) -> Result<Report<Adjusted>, DbError> {
    const NO_REASON: &str = ", NULL::text AS kind, NULL::text AS reason";
    const PRODUCTS: &str = "JOIN variants v ON v.id = m.variant_id JOIN products p ON p.id = v.product_id ";
    const BY_REASON: &str = concatcp!(
        SELECT,
        "NULL::text AS key, NULL::text AS name, NULL::text AS sku, m.kind, m.reason",
        FROM,
        END
    );
    const BY_VARIANT: &str =
        concatcp!(SELECT, "v.id::text AS key, p.name AS name, v.sku AS sku", NO_REASON, FROM, PRODUCTS, END);
    const BY_CATEGORY: &str = concatcp!(
        SELECT,
        "c.id::text AS key, c.name AS name, NULL::text AS sku",
        NO_REASON,
        FROM,
        PRODUCTS,
        "LEFT JOIN categories c ON c.id = p.category_id",
        END
    );
    const BY_LOCATION: &str = concatcp!(
        SELECT,
        "l.id::text AS key, l.name AS name, NULL::text AS sku",
        NO_REASON,
        FROM,
        "JOIN locations l ON l.id = m.location_id",
        END
    );
    let sql = match by {
        AdjustedBy::Reason => BY_REASON,
        AdjustedBy::Variant => BY_VARIANT,
        AdjustedBy::Category => BY_CATEGORY,
        AdjustedBy::Location => BY_LOCATION,
    };
    let rows = tx.rows(sql, &[&span.first, &span.end(), &max.and_two()]).await?;
    Ok(Report::of(rows, max))
}
