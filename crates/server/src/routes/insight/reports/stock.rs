//! The reports on the stock: its value, and the part that nobody buys.

use actix_web::{HttpResponse, get, web};
use chrono::{DateTime, Utc};
use insight::choice::{DEAD_DAYS, MAX_DEAD_DAYS};
use insight::dead_stock_report::{self, DeadStock};
use insight::stock_report::{self, InTransit, Stock, StockBy};
use insight::table::Table;
use inventory::settings;
use serde::{Deserialize, Serialize};
use tenancy::{TenantTx, all};
use utoipa::{IntoParams, ToSchema};
use values::{Amount, Currency, Day, Quantity};

use crate::http::caller::{Caller, may};
use crate::http::extract::Query;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::routes::insight::reports::{ReportFormat, file};

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StockReportView {
    /// The currency of all amounts.
    #[schema(example = "EUR")]
    currency: Currency,
    /// The sum of all rows, including rows that are not in data. It has no goods in transit.
    total: StockView,
    /// The goods that left one location and have not arrived at another.
    in_transit: InTransitView,
    /// The rows of the report.
    data: Vec<StockView>,
    /// Whether the report has more rows than data.
    more: bool,
}

/// Goods in transit between locations.
#[derive(Serialize, ToSchema)]
pub struct InTransitView {
    /// The quantity in transit, in sale units.
    quantity: Quantity,
    /// The cost of the goods. Goods without a known cost have the cost zero.
    #[schema(example = "3.20")]
    cost: Amount,
    /// The goods at list prices.
    #[schema(example = "9.00")]
    value: Amount,
}

impl InTransitView {
    pub(in crate::routes) fn new(goods: &InTransit, currency: &Currency) -> Self {
        let (cost, value) = (currency.format_rounded(goods.cost), currency.format_rounded(goods.value));
        Self { quantity: goods.quantity, cost, value }
    }
}

/// The stock of one category, location or variant.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StockView {
    /// The id of the group. null in the total, and for products without a category.
    key: Option<String>,
    /// The name of the category, location or product. null where key is null.
    name: Option<String>,
    /// The SKU, if the report is grouped by variant.
    sku: Option<String>,
    /// The stock on hand, in sale units.
    on_hand: Quantity,
    /// The cost of the stock. Stock without a known cost has the cost zero.
    #[schema(example = "156.80")]
    cost: Amount,
    /// The stock at list prices.
    #[schema(example = "441.00")]
    value: Amount,
}

impl StockView {
    fn new(stock: Stock, currency: &Currency) -> Self {
        Self {
            on_hand: stock.on_hand,
            cost: currency.format(stock.cost),
            value: currency.format(stock.value),
            key: stock.key,
            name: stock.name,
            sku: stock.sku,
        }
    }
}

/// The stock of a variant of which nothing was sold for a while.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadStockView {
    /// The id of the variant. null in the total.
    key: Option<String>,
    /// The name of the product. null in the total.
    name: Option<String>,
    /// The SKU. null in the total.
    sku: Option<String>,
    /// The stock on hand at all locations, in sale units.
    on_hand: Quantity,
    /// The cost of the stock. Stock without a known cost has the cost zero.
    #[schema(example = "156.80")]
    cost: Amount,
    /// The stock at list prices.
    #[schema(example = "441.00")]
    value: Amount,
    /// The time of the last sale. null if nothing was ever sold, and in the total.
    last_sold_at: Option<DateTime<Utc>>,
}

impl DeadStockView {
    fn new(stock: DeadStock, currency: &Currency) -> Self {
        Self {
            key: stock.key,
            name: stock.name,
            sku: stock.sku,
            on_hand: stock.on_hand,
            cost: currency.format(stock.cost),
            value: currency.format(stock.value),
            last_sold_at: stock.last_sold_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadStockReportView {
    /// The currency of all amounts.
    #[schema(example = "EUR")]
    currency: Currency,
    /// The sum of all rows, including rows that are not in data.
    total: DeadStockView,
    /// The rows of the report.
    data: Vec<DeadStockView>,
    /// Whether the report has more rows than data.
    more: bool,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReportStock {
    /// The group of stock for each row. Defaults to category.
    by: Option<StockBy>,
    /// The day at whose end the stock is valued, in the time zone of the business. Defaults to this moment.
    on: Option<Day>,
    /// The format of the response. Defaults to json.
    format: Option<ReportFormat>,
}

/// Report the value of the stock
///
/// Values the stock at cost and at list prices, now or at the end of a past day. The row with the largest
/// cost is first. JSON returns at most 1000 rows. CSV and XLSX return all rows, and a report of more than
/// 100000 rows is refused.
#[utoipa::path(tag = "insight", operation_id = "reportStock", params(ReportStock),
    responses((status = 200, body = StockReportView)))]
#[get("/reports/stock")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::ReportsRead>,
    Query(query): Query<ReportStock>,
) -> Result<HttpResponse, Problem> {
    let (by, format) = (query.by.unwrap_or(StockBy::Category), query.format.unwrap_or(ReportFormat::Json));
    let max = format.max_rows();
    let read = async |tx: &TenantTx| match query.on.map(Day::date) {
        None => {
            all((settings::currency(tx), stock_report::read(tx, by, max), stock_report::in_transit(tx))).await
        }
        Some(day) => {
            let report = stock_report::read_on(tx, day, by, max);
            all((settings::currency(tx), report, stock_report::in_transit_on(tx, day))).await
        }
    };
    let (currency, report, in_transit) = state.database.read_snapshot(&caller.scope(), read).await?;
    let report = report.rounded(currency.decimals());
    if format != ReportFormat::Json {
        return file(&Table::of(&report, &currency), format);
    }
    let row = |stock| StockView::new(stock, &currency);
    Ok(HttpResponse::Ok().json(StockReportView {
        currency: currency.clone(),
        total: row(report.total),
        in_transit: InTransitView::new(&in_transit, &currency),
        data: report.rows.into_iter().map(row).collect(),
        more: report.has_more,
    }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReportDeadStock {
    /// The days without a sale, 1 to 1000. Defaults to 90.
    days: Option<i16>,
    /// The format of the response. Defaults to json.
    format: Option<ReportFormat>,
}

/// Report dead stock
///
/// Lists the variants on hand that had a stock movement before the last `days` days, and no sale since then.
/// The row with the largest cost is first. The movements of a variant are at
/// `/api/v1/stock/movements?variantId=`.
#[utoipa::path(tag = "insight", operation_id = "reportDeadStock", params(ReportDeadStock),
    responses((status = 200, body = DeadStockReportView)))]
#[get("/reports/dead-stock")]
pub async fn show_dead(
    state: web::Data<State>,
    caller: Caller<may::ReportsRead>,
    Query(query): Query<ReportDeadStock>,
) -> Result<HttpResponse, Problem> {
    let format = query.format.unwrap_or(ReportFormat::Json);
    let days = query.days.unwrap_or(DEAD_DAYS);
    if !(1..=MAX_DEAD_DAYS).contains(&days) {
        return Err(Problem::invalid_parameter("days", format!("it must be from 1 to {MAX_DEAD_DAYS}")));
    }
    let read = async |tx: &TenantTx| {
        let report = dead_stock_report::read(tx, days.unsigned_abs(), format.max_rows());
        all((settings::currency(tx), report)).await
    };
    let (currency, report) = state.database.read_snapshot(&caller.scope(), read).await?;
    let report = report.rounded(currency.decimals());
    if format != ReportFormat::Json {
        return file(&Table::of(&report, &currency), format);
    }
    let row = |stock| DeadStockView::new(stock, &currency);
    Ok(HttpResponse::Ok().json(DeadStockReportView {
        currency: currency.clone(),
        total: row(report.total),
        data: report.rows.into_iter().map(row).collect(),
        more: report.has_more,
    }))
}
