//! Reports: sales, adjustments, the value of the stock, and reorder suggestions.

use actix_web::http::header;
use actix_web::{HttpResponse, get, web};
use chrono::NaiveDate;
use insight::adjustment_report::{self, Adjusted};
use insight::report::{MaxRows, Report, Span};
use insight::sales_report::{self, Sales, SalesBy};
use insight::stock_report::{self, Stock, StockBy};
use inventory::movement::Kind;
use inventory::reorder::{self, SuggestedLine, Suggestion, Suggestions};
use inventory::{LocationId, SupplierId, VariantId, settings};
use serde::{Deserialize, Serialize};
use tenancy::{DbError, TenantScope, TenantTx, all};
use utoipa::{IntoParams, ToSchema};
use values::{Currency, Quantity, Sku};

use crate::http::codes::Code;
use crate::http::extract::{Caller, Query, may};
use crate::http::problem::Problem;
use crate::http::state::State;

/// A report over a period of days.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpanReportView<T> {
    from: NaiveDate,
    to: NaiveDate,
    #[schema(example = "EUR")]
    currency: String,
    /// The sum of all rows, including those that are not in data.
    total: T,
    data: Vec<T>,
    /// Whether there are more rows than data has.
    more: bool,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StockReportView {
    #[schema(example = "EUR")]
    currency: String,
    /// The sum of all rows, including those that are not in data.
    total: StockView,
    data: Vec<StockView>,
    /// Whether there are more rows than data has.
    more: bool,
}

/// Sales and returns of one group. The key is a day, an hour or an id; it is null in the total.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SalesView {
    #[schema(example = "2026-11-25")]
    key: Option<String>,
    name: Option<String>,
    sku: Option<String>,
    /// Orders of which goods were sold or returned.
    #[schema(example = 12)]
    orders: i64,
    sold: Quantity,
    returned: Quantity,
    /// Discounts on what was sold.
    discount: String,
    /// The amount due for what was sold, taxes included.
    total: String,
    /// The part of the total that was refunded.
    #[schema(example = "0.00")]
    refunded: String,
    /// Total less refunded.
    #[schema(example = "11.60")]
    net: String,
    /// The taxes in net.
    tax: String,
    /// The cost of the goods, at their average cost when they left.
    #[schema(example = "3.20")]
    cost: String,
    /// Net less tax and cost.
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

/// Changes of stock by adjustments with one reason, or by counts. Kind and reason are null in the total.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdjustedView {
    kind: Option<Kind>,
    reason: Option<String>,
    #[schema(example = 3)]
    movements: i64,
    added: Quantity,
    removed: Quantity,
    /// Added less removed, at cost. A negative value is a loss.
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

/// The stock of one category, location or variant. The key is its id; it is null in the total.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StockView {
    key: Option<String>,
    name: Option<String>,
    sku: Option<String>,
    on_hand: Quantity,
    /// At the average cost; at the cost in the catalogue where no average is known.
    #[schema(example = "156.80")]
    cost: String,
    /// At the sale price.
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

values::words! {
    /// The format of a report.
    pub enum Format {
        /// A JSON document.
        Json = "json",
        /// The rows as a table for spreadsheets (RFC 4180).
        Csv = "csv",
    }
}

impl Format {
    fn max_rows(self) -> MaxRows {
        match self {
            Self::Json => MaxRows::PAGE,
            Self::Csv => MaxRows::TABLE,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReportSales {
    /// The first day, in the time zone of the business. Defaults to 29 days before the last day.
    from: Option<NaiveDate>,
    /// The last day. Defaults to today.
    to: Option<NaiveDate>,
    /// How the sales are grouped. Defaults to day.
    by: Option<SalesBy>,
    /// Defaults to json.
    format: Option<Format>,
}

/// Report sales
///
/// Counts sales when goods leave and returns when goods come back, with discounts, taxes and costs. Days and hours are in
/// order; other groups start with the largest net amount. JSON has at most a thousand rows; CSV has all of them. The movements
/// behind a row of a variant are at `GET stock/movements?variantId=`. Goods without a known cost have the cost zero.
#[utoipa::path(tag = "insight", operation_id = "reportSales", params(ReportSales), responses((status = 200, body = SpanReportView<SalesView>)))]
#[get("/reports/sales")]
pub async fn show_sales(
    state: web::Data<State>,
    caller: Caller<may::ReportsRead>,
    Query(query): Query<ReportSales>,
) -> Result<HttpResponse, Problem> {
    let (by, format) = (query.by.unwrap_or(SalesBy::Day), query.format.unwrap_or(Format::Json));
    let read = async |tx: &TenantTx, span| sales_report::read(tx, span, by, format.max_rows()).await;
    let days = (query.from, query.to);
    let view = SpanReportView::read(&state, &caller.scope(), days, read, SalesView::new).await?;
    match format {
        Format::Json => Ok(HttpResponse::Ok().json(view)),
        Format::Csv => {
            csv("sales", view.data, view.total, view.more, |row| vec![&mut row.name, &mut row.sku])
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReportAdjustments {
    /// The first day, in the time zone of the business. Defaults to 29 days before the last day.
    from: Option<NaiveDate>,
    /// The last day. Defaults to today.
    to: Option<NaiveDate>,
    /// Defaults to json.
    format: Option<Format>,
}

/// Report adjustments
///
/// Adds up, for each reason, the stock that adjustments, scrapped returns and counts added or removed. The largest loss is
/// first.
#[utoipa::path(tag = "insight", operation_id = "reportAdjustments", params(ReportAdjustments),
    responses((status = 200, body = SpanReportView<AdjustedView>)))]
#[get("/reports/adjustments")]
pub async fn show_adjustments(
    state: web::Data<State>,
    caller: Caller<may::ReportsRead>,
    Query(query): Query<ReportAdjustments>,
) -> Result<HttpResponse, Problem> {
    let format = query.format.unwrap_or(Format::Json);
    let read = async |tx: &TenantTx, span| adjustment_report::read(tx, span, format.max_rows()).await;
    let days = (query.from, query.to);
    let view = SpanReportView::read(&state, &caller.scope(), days, read, AdjustedView::new).await?;
    match format {
        Format::Json => Ok(HttpResponse::Ok().json(view)),
        Format::Csv => csv("adjustments", view.data, view.total, view.more, |row| vec![&mut row.reason]),
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReportStock {
    /// How the stock is grouped. Defaults to category.
    by: Option<StockBy>,
    /// Defaults to json.
    format: Option<Format>,
}

/// Report the value of the stock
///
/// Values the stock as of now, at cost and at the sale price. The largest cost is first. JSON has at most a thousand rows; CSV
/// has all of them.
#[utoipa::path(tag = "insight", operation_id = "reportStock", params(ReportStock), responses((status = 200, body = StockReportView)))]
#[get("/reports/stock")]
pub async fn show_stock(
    state: web::Data<State>,
    caller: Caller<may::ReportsRead>,
    Query(query): Query<ReportStock>,
) -> Result<HttpResponse, Problem> {
    let (by, format) = (query.by.unwrap_or(StockBy::Category), query.format.unwrap_or(Format::Json));
    let max = format.max_rows();
    let read = async |tx: &TenantTx| all((settings::currency(tx), stock_report::read(tx, by, max))).await;
    let (currency, report) = state.database.read(&caller.scope(), read).await?;
    let row = |stock| StockView::new(stock, &currency);
    let (total, data): (_, Vec<_>) = (row(report.total), report.rows.into_iter().map(row).collect());
    match format {
        Format::Json => {
            let currency = currency.code().to_owned();
            Ok(HttpResponse::Ok().json(StockReportView { currency, total, data, more: report.has_more }))
        }
        Format::Csv => csv("stock", data, total, report.has_more, |row| vec![&mut row.name, &mut row.sku]),
    }
}

impl<T> SpanReportView<T> {
    /// Reads a report over the requested days.
    async fn read<R>(
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

/// The rows as a file for spreadsheets, with the column names of the JSON document. A text that people wrote must not become
/// a formula, so a text that would be one gets an apostrophe (OWASP, CSV Injection).
fn csv<T: Serialize>(
    name: &str,
    mut rows: Vec<T>,
    total: T,
    has_more: bool,
    texts: impl Fn(&mut T) -> Vec<&mut Option<String>>,
) -> Result<HttpResponse, Problem> {
    if has_more {
        let detail = "The report has more rows than a table may have. Choose fewer days or another grouping.";
        return Err(Problem::new(Code::InvalidQuery, detail));
    }
    for text in rows.iter_mut().flat_map(&texts).filter_map(Option::as_mut) {
        let shown =
            text.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}'));
        if shown.starts_with(['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']) {
            text.insert(0, '\'');
        }
    }
    let table = |rows: &[T]| {
        let mut writer = csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .quote_style(csv::QuoteStyle::NonNumeric)
            .from_writer(Vec::new());
        rows.iter().try_for_each(|row| writer.serialize(row)).map_err(Problem::internal)?;
        writer.into_inner().map_err(|error| Problem::internal(error.into_error()))
    };
    // A table without rows still has its column names.
    let body = match rows.as_slice() {
        [] => table(&[total])?.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default().to_vec(),
        rows => table(rows)?,
    };
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/csv; charset=utf-8"))
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.csv\"")))
        .body(body))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReorderView {
    data: Vec<SuggestionView>,
    /// Whether there are more suggestions. Order these first, and read the report again.
    more: bool,
}

/// A purchase order that could be drafted.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SuggestionView {
    /// null for variants for which no supplier has a price.
    supplier_id: Option<SupplierId>,
    #[schema(example = "Bolts & Co")]
    supplier: Option<String>,
    location_id: LocationId,
    lines: Vec<SuggestedLineView>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SuggestedLineView {
    variant_id: VariantId,
    #[schema(example = "BOLT-M8")]
    sku: Sku,
    #[schema(example = "Hex bolt")]
    name: String,
    available: Quantity,
    /// Ordered from suppliers, not received yet, and not overdue.
    incoming: Quantity,
    reorder_level: Quantity,
    /// Sold in the last 30 days, less returns.
    sold: Quantity,
    /// The quantity to order, so that the reorder level and the sales of a month are in stock.
    quantity: Quantity,
    /// The price of the supplier, in the currency of the price.
    #[schema(example = "0.12")]
    unit_cost: Option<String>,
    #[schema(example = "EUR")]
    currency: Option<String>,
    #[schema(example = "HB-M8-100")]
    supplier_sku: Option<Sku>,
    minimum_quantity: Option<Quantity>,
    #[schema(example = 7)]
    lead_time_days: Option<i16>,
}

impl From<Suggestion> for SuggestionView {
    fn from(suggestion: Suggestion) -> Self {
        let (supplier_id, supplier) = suggestion.supplier.unzip();
        let lines = suggestion.lines.into_iter().map(SuggestedLineView::from).collect();
        Self { supplier_id, supplier, location_id: suggestion.location_id, lines }
    }
}

impl From<SuggestedLine> for SuggestedLineView {
    fn from(line: SuggestedLine) -> Self {
        let price = line.price.as_ref();
        Self {
            variant_id: line.variant_id,
            available: line.available,
            incoming: line.incoming,
            reorder_level: line.reorder_level,
            sold: line.sold,
            quantity: line.quantity,
            unit_cost: price.map(|price| price.cost.plain()),
            currency: price.map(|price| price.currency.clone()),
            supplier_sku: price.and_then(|price| price.supplier_sku.clone()),
            minimum_quantity: price.and_then(|price| price.minimum_quantity),
            lead_time_days: price.and_then(|price| price.lead_time_days),
            sku: line.sku,
            name: line.name,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct Reorder {
    location_id: Option<LocationId>,
}

/// Suggest purchase orders
///
/// Suggests quantities for variants that are low or out and not covered by incoming stock, grouped by supplier, location and
/// currency. Each group can become one purchase order with its `supplierId`, its `locationId`, and the `variantId`, `quantity` and
/// `unitCost` of each line. The cheapest supplier is suggested.
#[utoipa::path(tag = "insight", operation_id = "suggestPurchaseOrders", params(Reorder), responses((status = 200, body = ReorderView)))]
#[get("/reports/reorder")]
pub async fn suggest_orders(
    state: web::Data<State>,
    caller: Caller<may::ReportsRead>,
    Query(query): Query<Reorder>,
) -> Result<HttpResponse, Problem> {
    let suggest = async |tx: &TenantTx| reorder::suggest(tx, query.location_id).await;
    let Suggestions { suggestions, has_more: more } = state.database.read(&caller.scope(), suggest).await?;
    let data = suggestions.into_iter().map(SuggestionView::from).collect();
    Ok(HttpResponse::Ok().json(ReorderView { data, more }))
}
