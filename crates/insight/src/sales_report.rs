//! What was sold in a span of days, by day, variant, category and more, with its taxes and what it cost.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use tenancy::{DbError, TenantTx};
use tokio_postgres::Row;

use crate::report::{MaxRows, Report, Span, in_span};
use values::{Money, Quantity};

/// What each row is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SalesBy {
    Day,
    /// The hour of the day, of all days together.
    Hour,
    Variant,
    Category,
    Customer,
    /// Whoever placed the order.
    Seller,
    Location,
}

/// What was sold and came back, of one day, variant or other thing, or of all.
#[derive(Debug, Clone, Default)]
pub struct Sales {
    /// The day, the hour or the id; `None` of what has none, such as a category, and of the sum of all.
    pub key: Option<String>,
    pub name: Option<String>,
    pub sku: Option<String>,
    /// Of which something was sold or came back.
    pub orders: i64,
    pub sold: Quantity,
    pub returned: Quantity,
    /// What was taken off.
    pub discount: Money,
    /// What was to be paid for what was sold, taxes included.
    pub total: Money,
    /// What of it was given back.
    pub refunded: Money,
    /// The taxes in the total, less those in what was given back.
    pub tax: Money,
    /// What it had cost, at the moving average of the moment that it left; less what came back. What nobody knows a cost of
    /// counts as nothing.
    pub cost: Money,
}

impl Sales {
    /// What is left of the total.
    pub fn net(&self) -> Money {
        self.total.plus(self.refunded.negated())
    }

    /// What is earned.
    pub fn margin(&self) -> Money {
        self.net().plus(self.tax.negated()).plus(self.cost.negated())
    }

    fn from_row(row: &Row) -> Result<Self, DbError> {
        let money = |column: &str| row.try_get::<_, Decimal>(column).map(Money::from_decimal);
        let quantity = |column: &str| row.try_get::<_, Decimal>(column).map(Quantity::from_decimal);
        Ok(Self {
            key: row.try_get("key")?,
            name: row.try_get("name")?,
            sku: row.try_get("sku")?,
            orders: row.try_get("orders")?,
            sold: quantity("sold")?,
            returned: quantity("returned")?,
            discount: money("discount")?,
            total: money("total")?,
            refunded: money("refunded")?,
            tax: money("tax")?,
            cost: money("cost")?,
        })
    }
}

/// Sales are told as goods leave: those of a reserved order when they are fulfilled, returns when they come back. All amounts
/// are in the currency's decimals, costs rounded for each movement, so that rows add up to the sum.
macro_rules! sales_by {
    ($key:literal, $name:literal, $sku:literal, $joins:literal, $order:literal) => {
        concat!(
            "WITH moved AS (
                SELECT m.occurred_at AT TIME ZONE s.time_zone AS moment, m.variant_id, m.location_id, m.kind,
                       m.source_type, m.source_line_id, -m.quantity AS quantity, m.unit_cost, s.currency_decimals::integer AS decimals
                  FROM stock_movements m CROSS JOIN settings s
                 WHERE ",
            in_span!(),
            "      AND m.kind IN ('sale', 'return')
            ), traded AS (
                SELECT m.moment, m.variant_id, m.location_id, l.order_id, m.quantity AS sold, 0 AS returned,
                       coalesce(f.discount, l.discount * m.quantity / l.quantity) AS discount,
                       coalesce(f.total, l.total * m.quantity / l.quantity) AS total, 0 AS refunded,
                       coalesce(f.tax, l.tax * m.quantity / l.quantity) AS tax,
                       round(m.quantity * coalesce(m.unit_cost, 0), m.decimals) AS cost
                  FROM moved m
                  LEFT JOIN fulfilment_lines f ON m.source_type = 'fulfilment' AND f.id = m.source_line_id
                  JOIN order_lines l ON l.id = coalesce(f.order_line_id, m.source_line_id)
                 WHERE m.kind = 'sale'
                 UNION ALL
                SELECT m.moment, m.variant_id, m.location_id, l.order_id, 0, -m.quantity, 0, 0, r.refund,
                       -coalesce(r.tax, l.tax * r.refund / nullif(l.total, 0), 0),
                       round(m.quantity * coalesce(r.unit_cost, CASE WHEN r.tax IS NULL THEN m.unit_cost END, 0), m.decimals)
                  FROM moved m
                  JOIN order_return_lines r ON r.id = m.source_line_id
                  JOIN order_lines l ON l.id = r.order_line_id
                 WHERE m.kind = 'return'
            ), keyed AS (
                SELECT ",
            $key,
            " AS key, ",
            $name,
            " AS name, ",
            $sku,
            " AS sku, t.* FROM traded t ",
            $joins,
            ")
            SELECT grouping(key) = 1 AS is_sum, key, name, sku, count(DISTINCT order_id) AS orders,
                   coalesce(sum(sold), 0) AS sold, coalesce(sum(returned), 0) AS returned,
                   round(coalesce(sum(discount), 0), 4) AS discount, round(coalesce(sum(total), 0), 4) AS total,
                   round(coalesce(sum(refunded), 0), 4) AS refunded, round(coalesce(sum(tax), 0), 4) AS tax,
                   round(coalesce(sum(cost), 0), 4) AS cost
              FROM keyed
             GROUP BY GROUPING SETS ((key, name, sku), ())
             ORDER BY is_sum DESC, ",
            $order,
            " LIMIT $3"
        )
    };
}

/// Reads the report of a span: days and hours in their order, of all else what brings most first.
///
/// # Errors
/// [`DbError`].
pub async fn read(tx: &TenantTx, span: Span, by: SalesBy, max: MaxRows) -> Result<Report<Sales>, DbError> {
    macro_rules! in_order {
        ($key:literal) => {
            sales_by!($key, "NULL::text", "NULL::text", "", "key")
        };
    }
    macro_rules! most_first {
        ($key:literal, $name:literal, $sku:literal, $joins:literal) => {
            sales_by!($key, $name, $sku, $joins, "sum(total - refunded) DESC, key")
        };
    }
    const BY_DAY: &str = in_order!("to_char(t.moment, 'YYYY-MM-DD')");
    const BY_HOUR: &str = in_order!("to_char(t.moment, 'HH24')");
    const BY_VARIANT: &str = most_first!(
        "t.variant_id::text",
        "p.name",
        "v.sku",
        "JOIN variants v ON v.id = t.variant_id JOIN products p ON p.id = v.product_id"
    );
    const BY_CATEGORY: &str = most_first!(
        "p.category_id::text",
        "c.name",
        "NULL::text",
        "JOIN variants v ON v.id = t.variant_id JOIN products p ON p.id = v.product_id
         LEFT JOIN categories c ON c.id = p.category_id"
    );
    const BY_CUSTOMER: &str = most_first!(
        "o.customer_id::text",
        "c.name",
        "NULL::text",
        "JOIN orders o ON o.id = t.order_id LEFT JOIN customers c ON c.id = o.customer_id"
    );
    const BY_SELLER: &str =
        most_first!("o.placed_by::text", "NULL::text", "NULL::text", "JOIN orders o ON o.id = t.order_id");
    const BY_LOCATION: &str = most_first!(
        "t.location_id::text",
        "p.name",
        "NULL::text",
        "JOIN locations p ON p.id = t.location_id"
    );
    let sql = match by {
        SalesBy::Day => BY_DAY,
        SalesBy::Hour => BY_HOUR,
        SalesBy::Variant => BY_VARIANT,
        SalesBy::Category => BY_CATEGORY,
        SalesBy::Customer => BY_CUSTOMER,
        SalesBy::Seller => BY_SELLER,
        SalesBy::Location => BY_LOCATION,
    };
    let rows = tx.query(sql, &[&span.first, &span.end(), &max.and_two()]).await?;
    Report::of(&rows, max, Sales::from_row)
}
