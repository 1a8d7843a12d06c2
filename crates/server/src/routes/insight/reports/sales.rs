//! The report on sales.

use actix_web::{HttpResponse, get, web};
use insight::sales_report::{self, Sales, SalesBy};
use serde::{Deserialize, Serialize};
use tenancy::TenantTx;
use utoipa::{IntoParams, ToSchema};
use values::{Amount, Currency, Day, Quantity};

use crate::http::caller::{Caller, may};
use crate::http::extract::Query;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::routes::insight::reports::{Compare, ReportFormat, SpanReportView, read_span, respond};

/// Sales and returns of one group, such as a day or a variant.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SalesView {
    /// The day, the week, the month, the hour (00 to 23), the kind, the tax rate or the id of the group. null
    /// in the total, and for sales without a category, a customer, a seller, a supplier, a register or a tax.
    #[schema(example = "2026-11-25")]
    key: Option<String>,
    /// The name of the product, category, supplier, customer, register or location. null for other groups
    /// and where key is null.
    name: Option<String>,
    /// The SKU, if the report is grouped by variant.
    sku: Option<String>,
    /// The number of orders and receipts with sold or returned articles.
    #[schema(example = 12)]
    orders: i64,
    /// The quantity sold, in sale units.
    sold: Quantity,
    /// The quantity returned, in sale units.
    returned: Quantity,
    /// The discounts on the sold goods.
    discount: Amount,
    /// The amount due for the sold goods, including taxes.
    total: Amount,
    /// The amount refunded for the returned goods, including taxes.
    #[schema(example = "0.00")]
    refunded: Amount,
    /// total minus refunded.
    #[schema(example = "11.60")]
    net: Amount,
    /// The taxes in net.
    tax: Amount,
    /// The cost of the sold goods, at their average cost when they left, minus the cost of the returned
    /// goods. Services and fees have the cost that the catalogue had when they were sold.
    #[schema(example = "3.20")]
    cost: Amount,
    /// net minus tax minus cost.
    #[schema(example = "6.80")]
    margin: Amount,
}

impl SalesView {
    fn new(sales: Sales, currency: &Currency) -> Self {
        Self {
            orders: sales.orders,
            sold: sales.sold,
            returned: sales.returned,
            discount: currency.format(sales.discount),
            total: currency.format(sales.total),
            refunded: currency.format(sales.refunded),
            net: currency.format(sales.net()),
            tax: currency.format(sales.tax),
            cost: currency.format(sales.cost),
            margin: currency.format(sales.margin()),
            key: sales.key,
            name: sales.name,
            sku: sales.sku,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReportSales {
    /// The first day, in the time zone of the business. Defaults to 29 days before the last day.
    from: Option<Day>,
    /// The last day, which is included. Defaults to today.
    to: Option<Day>,
    /// The group of sales for each row. Defaults to day.
    by: Option<SalesBy>,
    /// previous: the JSON response also has the report of the same number of days before. Defaults to no
    /// comparison.
    compare: Option<Compare>,
    /// The format of the response. Defaults to json.
    format: Option<ReportFormat>,
}

/// Report sales
///
/// A sale counts on the day when the goods leave, and a return on the day when the goods come back. Days,
/// weeks, months and hours are in order; other groups start with the largest net amount. Goods without a
/// known cost have the cost zero. A report covers 1 to 366 days. JSON returns at most 1000 rows. CSV and XLSX
/// return all rows, and a report of more than 100000 rows is refused. The documents behind a row are at
/// `/api/v1/reports/sales/documents`.
#[utoipa::path(tag = "insight", operation_id = "reportSales", params(ReportSales),
    responses((status = 200, body = SpanReportView<SalesView>)))]
#[get("/reports/sales")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::ReportsRead>,
    Query(query): Query<ReportSales>,
) -> Result<HttpResponse, Problem> {
    let (by, format) = (query.by.unwrap_or(SalesBy::Day), query.format.unwrap_or(ReportFormat::Json));
    let read = async |tx: &TenantTx, span| sales_report::read(tx, span, by, format.max_rows()).await;
    let days = (query.from, query.to);
    let report = read_span(&state, &caller.scope(), days, query.compare, read).await?;
    respond(report, format, SalesView::new)
}
