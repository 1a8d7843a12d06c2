//! Taxes by rate in a span of days: what was sold and came back, and the taxes in it.

use const_format::concatcp;
use rust_decimal::Decimal;
use tenancy::{DbError, TenantTx};
use values::Money;

use crate::reports::report::{MaxRows, Report, Span};
use crate::reports::rounding::Exact;
use crate::reports::sales_report::TRADED;

/// The sales and the taxes at one rate, or all of them.
#[derive(Debug, Clone, Default)]
pub struct Taxes {
    /// The name of the rate; `None` for the total, and for sales without a tax.
    pub name: Option<String>,
    /// The rate in percent; `None` where `name` is `None`.
    pub percent: Option<Decimal>,
    /// The sales less the refunds, without any tax. A line with several rates is in the row of
    /// each, and once in the total.
    pub net: Money,
    /// The taxes. The rows add up to the total, which is that of the report on sales.
    pub tax: Money,
}

tenancy::from_row!(Taxes { name, percent, net, tax });

/// The taxes alone: the net amounts of rows need not add up to the total.
impl Exact for Taxes {
    fn amounts(&mut self) -> Vec<&mut Money> {
        vec![&mut self.tax]
    }
}

/// Reads the report of a span, the rate with the highest tax first. The tax of a line, or of what came back
/// to a till, is divided among its rates as the document says.
///
/// # Errors
/// [`DbError`].
pub async fn read(tx: &TenantTx, span: Span, max: MaxRows) -> Result<Report<Taxes>, DbError> {
    const READ: &str = concatcp!(
        TRADED,
        ", lines AS (
            SELECT t.total - t.refunded - t.tax AS net, t.tax,
                   coalesce(r.taxes, l.taxes, s.taxes) AS taxes,
                   coalesce(r.tax, l.tax, s.tax) AS line_tax
              FROM traded t
              LEFT JOIN sale_returns r ON r.id = t.return_id
              LEFT JOIN order_lines l ON l.id = t.line_id
              LEFT JOIN sale_lines s ON s.id = t.line_id
        ), rated AS (
            SELECT r.name, r.percent, l.net,
                   CASE WHEN l.line_tax <> 0 THEN l.tax * r.amount / l.line_tax ELSE 0 END AS tax
              FROM lines l
              LEFT JOIN LATERAL jsonb_to_recordset(l.taxes) AS r (name text, percent numeric, amount numeric)
                ON true)
        SELECT true AS is_sum, NULL::text AS name, NULL::numeric AS percent,
               round(coalesce(sum(net), 0), 4) AS net, coalesce(sum(tax), 0) AS tax
          FROM lines
         UNION ALL
        SELECT false, name, percent, round(sum(net), 4), sum(tax) FROM rated GROUP BY name, percent
         ORDER BY is_sum DESC, tax DESC, name, percent
         LIMIT $3"
    );
    let rows = tx.rows(READ, &[&span.first, &span.end(), &max.and_two()]).await?;
    Ok(Report::of(rows, max))
}
