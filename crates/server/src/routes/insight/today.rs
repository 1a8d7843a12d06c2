//! The business today.

use actix_web::{HttpResponse, get, web};
use chrono::{DateTime, NaiveDate, Utc};
use insight::report::Report;
use insight::rounding::Exact;
use insight::sales_report::Sales;
use insight::today::{self, Today};
use inventory::settings;
use serde::Serialize;
use tenancy::{TenantTx, all};
use utoipa::ToSchema;
use values::{Amount, Currency, Money};

use crate::http::caller::{Caller, may};
use crate::http::extract::Query;
use crate::http::lists::NoParameters;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::routes::insight::reports::payments::PaymentsView;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TodayView {
    /// The day of the business.
    day: NaiveDate,
    /// The time of these figures.
    as_of: DateTime<Utc>,
    /// The currency of all amounts.
    #[schema(example = "EUR")]
    currency: Currency,
    /// Everything that was sold today, minus what came back.
    sales: SoldView,
    /// The sales seven days ago, until the same time of the day.
    week_before: SoldView,
    /// The sales of the whole day seven days ago.
    whole_day_before: SoldView,
    /// The sales by hour, 00 to 23. Hours without a sale are left out.
    hours: Vec<SoldView>,
    /// The sales by register. Orders are in the row without a key.
    registers: Vec<SoldView>,
    /// The sales by seller.
    sellers: Vec<SoldView>,
    /// The payments by method.
    methods: Vec<PaymentsView>,
    /// The number of registers with an open shift.
    open_shifts: i64,
}

/// The sales of one hour, register or seller, or of a day.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SoldView {
    /// The hour, or the id of the register or the seller. null for a day, for orders among registers, and for
    /// documents of the system among sellers.
    #[schema(example = "14")]
    key: Option<String>,
    /// The name of the register. null for other rows.
    name: Option<String>,
    /// The number of orders and receipts.
    #[schema(example = 12)]
    documents: i64,
    /// What was sold minus what was refunded, including taxes.
    #[schema(example = "230.00")]
    net: Amount,
    /// net minus taxes and cost.
    #[schema(example = "96.40")]
    margin: Amount,
}

impl SoldView {
    fn new(sales: Sales, currency: &Currency) -> Self {
        Self {
            documents: sales.orders,
            net: currency.format(sales.net()),
            margin: currency.format_rounded(sales.margin()),
            key: sales.key,
            name: sales.name,
        }
    }

    fn all(report: Report<Sales>, currency: &Currency) -> Vec<Self> {
        rounded(report, currency).rows.into_iter().map(|sales| Self::new(sales, currency)).collect()
    }

    /// A day alone, whose key says nothing.
    fn of_day(mut sales: Sales, currency: &Currency) -> Self {
        sales.key = None;
        for amount in sales.amounts() {
            let decimals = currency.decimals();
            *amount = Money::from_decimal(insight::rounding::round(amount.as_decimal(), decimals));
        }
        Self::new(sales, currency)
    }
}

fn rounded<T: Exact>(report: Report<T>, currency: &Currency) -> Report<T> {
    report.rounded(currency.decimals())
}

/// Read the figures of today
///
/// Returns what was sold and paid today so far, by hour, register, seller and method, beside the same day of
/// the week before. The documents behind a figure of what was sold are at `/api/v1/reports/sales/documents`.
#[utoipa::path(tag = "insight", operation_id = "readToday", responses((status = 200, body = TodayView)))]
#[get("/dashboard/today")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::ReportsRead>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let read = async |tx: &TenantTx| {
        let (currency, today) = all((settings::currency(tx), today::read(tx))).await?;
        Ok::<_, Problem>((currency, today, tx.now()))
    };
    let (currency, today, as_of) = state.database.read_snapshot(&caller.scope(), read).await?;
    let Today { day, hours, registers, sellers, methods, week_before, whole_day_before, open_shifts } = today;
    Ok(HttpResponse::Ok().json(TodayView {
        day,
        as_of,
        sales: SoldView::of_day(hours.total.clone(), &currency),
        week_before: SoldView::of_day(week_before, &currency),
        whole_day_before: SoldView::of_day(whole_day_before, &currency),
        hours: SoldView::all(hours, &currency),
        registers: SoldView::all(registers, &currency),
        sellers: SoldView::all(sellers, &currency),
        methods: rounded(methods, &currency)
            .rows
            .into_iter()
            .map(|payments| PaymentsView::new(payments, &currency))
            .collect(),
        open_shifts,
        currency: currency.clone(),
    }))
}
