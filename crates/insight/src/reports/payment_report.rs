//! Payments of sales and orders in a span of days, by day, method, register and more.

use const_format::concatcp;
use inventory::clock_of_day;
use tenancy::{DbError, TenantTx};
use values::Money;

use crate::reports::report::{IN_SPAN, MaxRows, Report, Span};
use crate::reports::rounding::Exact;

values::words! {
    /// The group of each row of the report.
    pub enum PaymentsBy {
        /// The day of the payment, in the time zone of the business.
        Day = "day",
        /// The hour of the day in the time zone of the business, over all days together.
        Hour = "hour",
        /// The method of the payment.
        Method = "method",
        /// The register that took the payment. Payments of orders share one row.
        Register = "register",
        /// The user who took the payment. Payments of the system share one row.
        Cashier = "cashier",
    }
}

/// The payments of one day, method or other key, or of all.
#[derive(Debug, Clone, Default)]
pub struct Payments {
    /// The day, the hour (00 to 23), the method or the id. `None` for the total, for payments of orders and
    /// of the system.
    pub key: Option<String>,
    /// The name of the register. `None` for other keys, and where `key` is `None`.
    pub name: Option<String>,
    /// The number of payments.
    pub payments: i64,
    /// The sum of the payments that came in. Cash counts without change.
    pub received: Money,
    /// The sum of the payments that were paid back, or put into credit, as a positive amount.
    pub paid_back: Money,
}

tenancy::from_row!(Payments { key, name, payments, received, paid_back });

impl Exact for Payments {
    fn amounts(&mut self) -> Vec<&mut Money> {
        vec![&mut self.received, &mut self.paid_back]
    }
}

impl Payments {
    /// The received amount less the amount that was paid back.
    pub fn net(&self) -> Money {
        self.received - self.paid_back
    }
}

/// Begins the statement with the payments in the span, as table `paid`. Those of voided receipts do not
/// count. The columns `key` and `name` follow, then [`FROM`] and joins, and then an end.
const PAID: &str = concatcp!(
    "WITH paid AS (
        SELECT m.occurred_at AT TIME ZONE s.time_zone AS moment, ",
    clock_of_day!("m.occurred_at", "s"),
    " AS of_day, p.method, p.amount, m.register_id, m.actor_id
          FROM (SELECT id, register_id, sold_by AS actor_id, sold_at AS occurred_at FROM sales
                 WHERE voided_at IS NULL) m
          CROSS JOIN settings s
          JOIN sale_payments p ON p.sale_id = m.id
         WHERE ",
    IN_SPAN,
    "    UNION ALL
        SELECT m.occurred_at AT TIME ZONE s.time_zone, ",
    clock_of_day!("m.occurred_at", "s"),
    ", m.method, m.amount, NULL, m.actor_id
          FROM (SELECT method, amount, actor_id, paid_at AS occurred_at FROM order_payments) m
          CROSS JOIN settings s
         WHERE ",
    IN_SPAN,
    "), keyed AS (SELECT "
);

const FROM: &str = ", p.amount FROM paid p ";

const SUMS: &str = ")
    SELECT grouping(key) = 1 AS is_sum, key, name, count(*) AS payments,
           coalesce(sum(amount) FILTER (WHERE amount > 0), 0) AS received,
           coalesce(-sum(amount) FILTER (WHERE amount < 0), 0) AS paid_back
      FROM keyed
     GROUP BY GROUPING SETS ((key, name), ())
     ORDER BY is_sum DESC, ";
const IN_ORDER: &str = concatcp!(SUMS, "key LIMIT $3");
const BY_AMOUNT: &str = concatcp!(SUMS, "sum(amount) DESC, key LIMIT $3");

/// Reads the report of a span: days and hours in their order, everything else with the highest net first.
///
/// # Errors
/// [`DbError`].
pub async fn read(
    tx: &TenantTx,
    span: Span,
    by: PaymentsBy,
    max: MaxRows,
) -> Result<Report<Payments>, DbError> {
    const NO_NAME: &str = " AS key, NULL::text AS name";
    const BY_DAY: &str = concatcp!(PAID, "to_char(p.of_day, 'YYYY-MM-DD')", NO_NAME, FROM, IN_ORDER);
    const BY_HOUR: &str = concatcp!(PAID, "to_char(p.moment, 'HH24')", NO_NAME, FROM, IN_ORDER);
    const BY_METHOD: &str = concatcp!(PAID, "p.method", NO_NAME, FROM, BY_AMOUNT);
    const BY_CASHIER: &str = concatcp!(PAID, "p.actor_id::text", NO_NAME, FROM, BY_AMOUNT);
    const BY_REGISTER: &str = concatcp!(
        PAID,
        "p.register_id::text AS key, r.name AS name",
        FROM,
        "LEFT JOIN registers r ON r.id = p.register_id",
        BY_AMOUNT
    );
    let sql = match by {
        PaymentsBy::Day => BY_DAY,
        PaymentsBy::Hour => BY_HOUR,
        PaymentsBy::Method => BY_METHOD,
        PaymentsBy::Register => BY_REGISTER,
        PaymentsBy::Cashier => BY_CASHIER,
    };
    let rows = tx.rows(sql, &[&span.first, &span.end(), &max.and_two()]).await?;
    Ok(Report::of(rows, max))
}
