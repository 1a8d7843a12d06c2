//! Reports: sales, adjustments, and the value of the stock.

use actix_web::{HttpResponse, get, web};
use chrono::NaiveDate;
use insight::adjustment_report::{self, Adjusted};
use insight::report::{MaxRows, Report, Span};
use insight::rounding::Exact;
use insight::sales_report::{self, Sales, SalesBy};
use insight::stock_report::{self, InTransit, Stock, StockBy};
use inventory::movement::Kind;
use inventory::settings;
use serde::{Deserialize, Serialize};
use tenancy::{DbError, TenantScope, TenantTx, all};
use utoipa::{IntoParams, ToSchema};
use values::{Currency, Quantity, is_plain_day};

use crate::http::caller::{Caller, may};
use crate::http::codes::Code;
use crate::http::csv::{self, Format};
use crate::http::extract::Query;
use crate::http::problem::Problem;
use crate::http::state::State;

/// A report over a period of days.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpanReportView<T> {
    /// The first day, in the time zone of the business.
    from: NaiveDate,
    /// The last day, which is included.
    to: NaiveDate,
    /// The currency of all amounts.
    #[schema(example = "EUR")]
    currency: String,
    /// The sum of all rows, including rows that are not in data.
    total: T,
    /// The rows of the report.
    data: Vec<T>,
    /// Whether the report has more rows than data.
    more: bool,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StockReportView {
    /// The currency of all amounts.
    #[schema(example = "EUR")]
    currency: String,
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
    cost: String,
    /// The goods at list prices.
    #[schema(example = "9.00")]
    value: String,
}

impl InTransitView {
    pub(in crate::routes) fn new(goods: &InTransit, currency: &Currency) -> Self {
        let (cost, value) = (currency.format_rounded(goods.cost), currency.format_rounded(goods.value));
        Self { quantity: goods.quantity, cost, value }
    }
}

/// Sales and returns of one group, such as a day or a variant.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SalesView {
    /// The day, the week, the month, the hour (00 to 23), the tax rate or the id of the group. null in the
    /// total, and for sales without a category, a customer, a seller, a supplier or a tax.
    #[schema(example = "2026-11-25")]
    key: Option<String>,
    /// The name of the product, category, supplier, customer or location. null for other groups and where key
    /// is null.
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
    discount: String,
    /// The amount due for the sold goods, including taxes.
    total: String,
    /// The amount refunded for the returned goods, including taxes.
    #[schema(example = "0.00")]
    refunded: String,
    /// total minus refunded.
    #[schema(example = "11.60")]
    net: String,
    /// The taxes in net.
    tax: String,
    /// The cost of the sold goods, at their average cost when they left, minus the cost of the returned
    /// goods. Services and fees have the cost that the catalogue had when they were sold.
    #[schema(example = "3.20")]
    cost: String,
    /// net minus tax minus cost.
    #[schema(example = "6.80")]
    margin: String,
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

/// Changes of stock by adjustments with one reason, or by stock counts.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdjustedView {
    /// adjustment, count or revaluation; null in the total.
    kind: Option<Kind>,
    /// The reason of the adjustments; null for stock counts, for revaluations and in the total.
    reason: Option<String>,
    /// The number of stock movements.
    #[schema(example = 3)]
    movements: i64,
    /// The quantity added, in sale units.
    added: Quantity,
    /// The quantity removed, in sale units.
    removed: Quantity,
    /// The added stock minus the removed stock, at the cost of each movement. A negative value is a loss.
    /// Stock without a known cost has the cost zero.
    #[schema(example = "-0.80")]
    value: String,
}

impl AdjustedView {
    fn new(adjusted: Adjusted, currency: &Currency) -> Self {
        Self {
            kind: adjusted.kind,
            reason: adjusted.reason.map(|reason| reason.to_string()),
            movements: adjusted.movements,
            added: adjusted.added,
            removed: adjusted.removed,
            value: currency.format(adjusted.value),
        }
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
    cost: String,
    /// The stock at list prices.
    #[schema(example = "441.00")]
    value: String,
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

fn max_rows(format: Format) -> MaxRows {
    match format {
        Format::Json => MaxRows::PAGE,
        Format::Csv => MaxRows::TABLE,
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReportSales {
    /// The first day, in the time zone of the business. Defaults to 29 days before the last day.
    from: Option<NaiveDate>,
    /// The last day, which is included. Defaults to today.
    to: Option<NaiveDate>,
    /// The group of sales for each row. Defaults to day.
    by: Option<SalesBy>,
    /// The format of the response. Defaults to json.
    format: Option<Format>,
}

/// Report sales
///
/// A sale counts on the day when the goods leave, and a return on the day when the goods come back. Days,
/// weeks, months and hours are in order; other groups start with the largest net amount. Goods without a
/// known cost have the cost zero. A report covers 1 to 366 days. JSON returns at most 1000 rows. CSV returns
/// all rows, and a report of more than 100000 rows is refused. The movements of goods are at
/// `/api/v1/stock/movements?variantId=`; services and fees have none.
#[utoipa::path(tag = "insight", operation_id = "reportSales", params(ReportSales),
    responses((status = 200, body = SpanReportView<SalesView>)))]
#[get("/reports/sales")]
pub async fn show_sales(
    state: web::Data<State>,
    caller: Caller<may::ReportsRead>,
    Query(query): Query<ReportSales>,
) -> Result<HttpResponse, Problem> {
    let (by, format) = (query.by.unwrap_or(SalesBy::Day), query.format.unwrap_or(Format::Json));
    let read = async |tx: &TenantTx, span| sales_report::read(tx, span, by, max_rows(format)).await;
    let days = (query.from, query.to);
    let view = SpanReportView::read(&state, &caller.scope(), days, read, SalesView::new).await?;
    match format {
        Format::Json => Ok(HttpResponse::Ok().json(view)),
        Format::Csv => {
            table("sales", view.data, &view.total, view.more, |row| vec![&mut row.name, &mut row.sku])
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReportAdjustments {
    /// The first day, in the time zone of the business. Defaults to 29 days before the last day.
    from: Option<NaiveDate>,
    /// The last day, which is included. Defaults to today.
    to: Option<NaiveDate>,
    /// The format of the response. Defaults to json.
    format: Option<Format>,
}

/// Report adjustments
///
/// Adds up the stock that adjustments, scrapped returns and stock counts added or removed, for each reason.
/// Changes of value without goods (revaluation) are a row, too. The row with the largest loss is first. A
/// report covers 1 to 366 days.
#[utoipa::path(tag = "insight", operation_id = "reportAdjustments", params(ReportAdjustments),
    responses((status = 200, body = SpanReportView<AdjustedView>)))]
#[get("/reports/adjustments")]
pub async fn show_adjustments(
    state: web::Data<State>,
    caller: Caller<may::ReportsRead>,
    Query(query): Query<ReportAdjustments>,
) -> Result<HttpResponse, Problem> {
    let format = query.format.unwrap_or(Format::Json);
    let read = async |tx: &TenantTx, span| adjustment_report::read(tx, span, max_rows(format)).await;
    let days = (query.from, query.to);
    let view = SpanReportView::read(&state, &caller.scope(), days, read, AdjustedView::new).await?;
    match format {
        Format::Json => Ok(HttpResponse::Ok().json(view)),
        Format::Csv => table("adjustments", view.data, &view.total, view.more, |row| vec![&mut row.reason]),
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReportStock {
    /// The group of stock for each row. Defaults to category.
    by: Option<StockBy>,
    /// The day at whose end the stock is valued, in the time zone of the business. Defaults to this moment.
    on: Option<NaiveDate>,
    /// The format of the response. Defaults to json.
    format: Option<Format>,
}

/// Report the value of the stock
///
/// Values the stock at cost and at list prices, now or at the end of a past day. The row with the largest
/// cost is first. JSON returns at most 1000 rows. CSV returns all rows, and a report of more than 100000 rows
/// is refused.
#[utoipa::path(tag = "insight", operation_id = "reportStock", params(ReportStock),
    responses((status = 200, body = StockReportView)))]
#[get("/reports/stock")]
pub async fn show_stock(
    state: web::Data<State>,
    caller: Caller<may::ReportsRead>,
    Query(query): Query<ReportStock>,
) -> Result<HttpResponse, Problem> {
    let (by, format) = (query.by.unwrap_or(StockBy::Category), query.format.unwrap_or(Format::Json));
    let max = max_rows(format);
    if query.on.is_some_and(|day| !is_plain_day(day)) {
        let detail = "Change the query parameter on: the day must be from 2000-01-01 to 9999-12-31.";
        return Err(Problem::new(Code::InvalidQuery, detail));
    }
    let read = async |tx: &TenantTx| match query.on {
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
    let row = |stock| StockView::new(stock, &currency);
    let (total, data): (_, Vec<_>) = (row(report.total), report.rows.into_iter().map(row).collect());
    match format {
        Format::Json => {
            let in_transit = InTransitView::new(&in_transit, &currency);
            let (currency, more) = (currency.code().to_owned(), report.has_more);
            Ok(HttpResponse::Ok().json(StockReportView { currency, total, in_transit, data, more }))
        }
        Format::Csv => table("stock", data, &total, report.has_more, |row| vec![&mut row.name, &mut row.sku]),
    }
}

impl<T> SpanReportView<T> {
    /// Reads a report over the requested days.
    async fn read<R: Exact>(
        state: &State,
        scope: &TenantScope,
        (from, to): (Option<NaiveDate>, Option<NaiveDate>),
        read: impl AsyncFn(&TenantTx, Span) -> Result<Report<R>, DbError>,
        row: impl Fn(R, &Currency) -> T,
    ) -> Result<Self, Problem> {
        let work = async |tx: &TenantTx| {
            let (currency, today) = all((settings::currency(tx), settings::today(tx))).await?;
            let span = Span::of(from, to, today).map_err(|error| {
                Problem::new(Code::InvalidQuery, format!("Change the query parameter from or to: {error}."))
            })?;
            Ok::<_, Problem>((currency, span, read(tx, span).await?))
        };
        let (currency, span, report) = state.database.read_snapshot(scope, work).await?;
        let report = report.rounded(currency.decimals());
        Ok(Self {
            from: span.first,
            to: span.last,
            currency: currency.code().to_owned(),
            total: row(report.total, &currency),
            data: report.rows.into_iter().map(|of| row(of, &currency)).collect(),
            more: report.has_more,
        })
    }
}

/// The rows as a file for spreadsheets. `texts` are those that people wrote.
fn table<T: Serialize>(
    name: &str,
    mut rows: Vec<T>,
    total: &T,
    has_more: bool,
    texts: impl Fn(&mut T) -> Vec<&mut Option<String>>,
) -> Result<HttpResponse, Problem> {
    if has_more {
        let detail = "The report has too many rows for a CSV file. Choose fewer days or another grouping.";
        return Err(Problem::new(Code::InvalidQuery, detail));
    }
    rows.iter_mut().flat_map(&texts).filter_map(Option::as_mut).for_each(csv::guard);
    let body = if rows.is_empty() { csv::names(total)? } else { csv::table(&rows, true)? };
    Ok(csv::response(name).body(body))
}
