//! The business today: what was sold and paid so far, by hour, register, seller and method, and the same
//! day of the week before.

use chrono::{Days, NaiveDate};
use inventory::settings;
use tenancy::{DbError, TenantTx, all};

use crate::reports::payment_report::{self, Payments, PaymentsBy};
use crate::reports::report::{MaxRows, Report, Span};
use crate::reports::sales_report::{self, Sales, SalesBy};

/// The figures of today.
#[derive(Debug, Clone)]
pub struct Today {
    /// The day of the business.
    pub day: NaiveDate,
    /// The sales by hour, and their total.
    pub hours: Report<Sales>,
    /// The sales by register. Orders share one row.
    pub registers: Report<Sales>,
    /// The sales by seller.
    pub sellers: Report<Sales>,
    /// The payments by method.
    pub methods: Report<Payments>,
    /// The sales of the same day of the week before, until this time of the day.
    pub week_before: Sales,
    /// The sales of the whole day of the week before.
    pub whole_day_before: Sales,
    /// The registers with an open shift.
    pub open_shifts: i64,
}

/// Reads the figures.
///
/// # Errors
/// [`DbError`].
pub async fn read(tx: &TenantTx) -> Result<Today, DbError> {
    const OPEN: &str = "SELECT count(*) FROM shifts WHERE status = 'open'";
    const MAX: MaxRows = MaxRows::PAGE;
    let day = settings::today(tx).await?;
    let today = Span { first: day, last: day };
    let before = day.checked_sub_days(Days::new(7)).unwrap_or(day);
    let before = Span { first: before, last: before };
    let (hours, registers, sellers, methods, (week_before, whole, open_shifts)) = all((
        sales_report::read(tx, today, SalesBy::Hour, MAX),
        sales_report::read(tx, today, SalesBy::Register, MAX),
        sales_report::read(tx, today, SalesBy::Seller, MAX),
        payment_report::read(tx, today, PaymentsBy::Method, MAX),
        all((
            sales_report::until_now(tx, before),
            sales_report::read(tx, before, SalesBy::Day, MAX),
            async { tx.value::<i64>(OPEN, &[]).await },
        )),
    ))
    .await?;
    let whole_day_before = whole.total;
    Ok(Today { day, hours, registers, sellers, methods, week_before, whole_day_before, open_shifts })
}
