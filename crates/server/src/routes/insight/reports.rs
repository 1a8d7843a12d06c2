//! Reports: what was sold, what was written off, what the stock is worth, and what to order again.

use actix_web::http::header;
use actix_web::{HttpResponse, get, web};
use chrono::NaiveDate;
use insight::adjustment_report::{self, Adjusted};
use insight::report::{MaxRows, Report, Span};
use insight::sales_report::{self, Sales, SalesBy};
use insight::stock_report::{self, Stock, StockBy};
use inventory::movement::Kind;
use inventory::reorder::{self, SuggestedLine, Suggestion};
use inventory::settings::Currency;
use inventory::{LocationId, SupplierId, VariantId, settings};
use serde::{Deserialize, Serialize};
use tenancy::{DbError, TenantScope, TenantTx, both};
use utoipa::{IntoParams, ToSchema};
use values::Quantity;

use crate::http::extract::{Caller, Query, may};
use crate::http::money::plain;
use crate::http::problem::Problem;
use crate::http::state::State;

/// A report of some days.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpanReportView<T> {
    from: NaiveDate,
    to: NaiveDate,
    #[schema(example = "EUR")]
    currency: String,
    /// All together, whatever the rows.
    total: T,
    data: Vec<T>,
    /// There are more rows than are told.
    more: bool,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StockReportView {
    #[schema(example = "EUR")]
    currency: String,
    /// All together, whatever the rows.
    total: StockView,
    data: Vec<StockView>,
    /// There are more rows than are told.
    more: bool,
}

/// What was sold and came back; its key is the day, the hour, or the id of what it is of, and null in the total.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SalesView {
    #[schema(example = "2026-11-25")]
    key: Option<String>,
    name: Option<String>,
    sku: Option<String>,
    /// Of which something was sold or came back.
    #[schema(example = 12)]
    orders: i64,
    #[schema(value_type = String, example = "20")]
    sold: Quantity,
    #[schema(value_type = String)]
    returned: Quantity,
    /// Taken off.
    discount: String,
    /// To be paid for what was sold, taxes included.
    total: String,
    /// Given back of it.
    #[schema(example = "0.00")]
    refunded: String,
    /// What is left of the total.
    #[schema(example = "11.60")]
    net: String,
    /// The taxes in that.
    tax: String,
    /// What had been paid for the goods, at their average cost when they left.
    #[schema(example = "3.20")]
    cost: String,
    /// What is earned: net less tax and cost.
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

/// What adjustments for one reason, or counts, have changed; without either in the total.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdjustedView {
    /// adjustment or count
    #[schema(value_type = Option<String>, example = "adjustment")]
    kind: Option<&'static str>,
    reason: Option<String>,
    #[schema(example = 3)]
    movements: i64,
    #[schema(value_type = String, example = "0")]
    added: Quantity,
    #[schema(value_type = String, example = "5")]
    removed: Quantity,
    /// Added less removed, at cost; negative where the business has lost.
    #[schema(example = "-0.80")]
    value: String,
}

impl AdjustedView {
    fn new(adjusted: Adjusted, currency: &Currency) -> Self {
        Self {
            kind: adjusted.kind.map(Kind::as_str),
            reason: adjusted.reason,
            movements: adjusted.movements,
            added: adjusted.added,
            removed: adjusted.removed,
            value: currency.format(adjusted.value),
        }
    }
}

/// The stock of one category, location or variant; the key is its id, and null in the total.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StockView {
    key: Option<String>,
    name: Option<String>,
    sku: Option<String>,
    #[schema(value_type = String)]
    on_hand: Quantity,
    /// At the moving average, or at what the catalogue says where there is none.
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

/// How a report is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Json,
    /// The rows as a table (RFC 4180), for spreadsheets.
    Csv,
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
    /// The first day, as the business counts its days; 29 days before the last one when left out.
    from: Option<NaiveDate>,
    /// The last day; today when left out.
    to: Option<NaiveDate>,
    /// day, hour, variant, category, customer, seller or location; day when left out.
    #[param(value_type = Option<String>)]
    by: Option<SalesBy>,
    /// json or csv
    #[param(value_type = Option<String>)]
    format: Option<Format>,
}

/// Report sales
///
/// As goods leave and come back, with discounts, taxes and costs. Days and hours come in order, of all else what brings most
/// first; a thousand rows at most, and all of them in a table. What is behind a row of a variant:
/// `GET stock/movements?variantId=`. What nobody knows a cost of counts as costing nothing.
#[utoipa::path(tag = "insight", params(ReportSales), responses((status = 200, body = SpanReportView<SalesView>)))]
#[get("/reports/sales")]
pub async fn show_sales(
    state: web::Data<State>,
    caller: Caller<may::ReportsRead>,
    Query(query): Query<ReportSales>,
) -> Result<HttpResponse, Problem> {
    let (by, format) = (query.by.unwrap_or(SalesBy::Day), query.format.unwrap_or_default());
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
    /// The first day, as the business counts its days; 29 days before the last one when left out.
    from: Option<NaiveDate>,
    /// The last day; today when left out.
    to: Option<NaiveDate>,
    /// json or csv
    #[param(value_type = Option<String>)]
    format: Option<Format>,
}

/// Report adjustments
///
/// What was put in and written off by hand, by returns that were wasted and by counts, for each reason; what has cost most
/// comes first.
#[utoipa::path(tag = "insight", params(ReportAdjustments),
    responses((status = 200, body = SpanReportView<AdjustedView>)))]
#[get("/reports/adjustments")]
pub async fn show_adjustments(
    state: web::Data<State>,
    caller: Caller<may::ReportsRead>,
    Query(query): Query<ReportAdjustments>,
) -> Result<HttpResponse, Problem> {
    let format = query.format.unwrap_or_default();
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
    /// category, location or variant; category when left out.
    #[param(value_type = Option<String>)]
    by: Option<StockBy>,
    /// json or csv
    #[param(value_type = Option<String>)]
    format: Option<Format>,
}

/// Report what the stock is worth
///
/// At this moment, at cost and at the sale price; what has cost most comes first, a thousand rows at most, and all
/// of them in a table.
#[utoipa::path(tag = "insight", params(ReportStock), responses((status = 200, body = StockReportView)))]
#[get("/reports/stock")]
pub async fn show_stock(
    state: web::Data<State>,
    caller: Caller<may::ReportsRead>,
    Query(query): Query<ReportStock>,
) -> Result<HttpResponse, Problem> {
    let (by, format) = (query.by.unwrap_or(StockBy::Category), query.format.unwrap_or_default());
    let max = format.max_rows();
    let read = async |tx: &TenantTx| both(settings::currency(tx), stock_report::read(tx, by, max)).await;
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
    /// Reads a report of the days that are asked for, from the first to the last.
    async fn read<R>(
        state: &State,
        scope: &TenantScope,
        (from, to): (Option<NaiveDate>, Option<NaiveDate>),
        read: impl AsyncFn(&TenantTx, Span) -> Result<Report<R>, DbError>,
        row: impl Fn(R, &Currency) -> T,
    ) -> Result<Self, Problem> {
        let work = async |tx: &TenantTx| {
            let (currency, today) = both(settings::currency(tx), settings::today(tx)).await?;
            let span = Span::of(from, to, today).map_err(|error| {
                Problem::malformed("invalid_query", format!("Change from or to: {error}."))
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

/// The rows as a file for spreadsheets, its columns named as in JSON. Those that people have written are shown and not
/// reckoned: a text that would be a formula gets an apostrophe (OWASP, CSV Injection).
fn csv<T: Serialize>(
    name: &str,
    mut rows: Vec<T>,
    total: T,
    has_more: bool,
    texts: impl Fn(&mut T) -> Vec<&mut Option<String>>,
) -> Result<HttpResponse, Problem> {
    if has_more {
        let detail = "There are more rows than a table holds; ask for fewer days, or by something else.";
        return Err(Problem::malformed("invalid_query", detail));
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
    // The names of the columns are there when no row is.
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
    /// There is more than is suggested at once; order this, and ask again.
    more: bool,
}

/// One order to a supplier, as it could be drafted.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SuggestionView {
    /// Null for what no supplier has a price for.
    #[schema(value_type = Option<Uuid>)]
    supplier_id: Option<SupplierId>,
    #[schema(example = "Bolts & Co")]
    supplier: Option<String>,
    #[schema(value_type = Uuid)]
    location_id: LocationId,
    lines: Vec<SuggestedLineView>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SuggestedLineView {
    #[schema(value_type = Uuid)]
    variant_id: VariantId,
    #[schema(example = "BOLT-M8")]
    sku: String,
    #[schema(example = "Hex bolt")]
    name: String,
    #[schema(value_type = String, example = "12")]
    available: Quantity,
    /// On order, and not overdue.
    #[schema(value_type = String, example = "0")]
    incoming: Quantity,
    #[schema(value_type = String, example = "20")]
    reorder_level: Quantity,
    /// Sold in the last 30 days, less what came back.
    #[schema(value_type = String, example = "55")]
    sold: Quantity,
    /// How much to order: then the reorder level is there, and a month's sales.
    #[schema(value_type = String, example = "63")]
    quantity: Quantity,
    /// What the supplier asked last, in its currency.
    #[schema(example = "0.12")]
    unit_cost: Option<String>,
    #[schema(example = "EUR")]
    currency: Option<String>,
    #[schema(example = "HB-M8-100")]
    supplier_sku: Option<String>,
    #[schema(value_type = Option<String>, example = "50")]
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
            unit_cost: price.map(|price| plain(price.cost)),
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
    #[param(value_type = Option<Uuid>)]
    location_id: Option<LocationId>,
}

/// What to order again
///
/// What is low or out and not covered by orders under way, grouped by supplier, location and currency: each group can be one
/// order, of its `supplierId`, its `locationId`, and of each line `variantId`, `quantity` and `unitCost`. Of several suppliers, the
/// one that asks least.
#[utoipa::path(tag = "insight", params(Reorder), responses((status = 200, body = ReorderView)))]
#[get("/reports/reorder")]
pub async fn suggest_orders(
    state: web::Data<State>,
    caller: Caller<may::ReportsRead>,
    Query(query): Query<Reorder>,
) -> Result<HttpResponse, Problem> {
    let suggest = async |tx: &TenantTx| reorder::suggest(tx, query.location_id).await;
    let (suggestions, more) = state.database.read(&caller.scope(), suggest).await?;
    let data = suggestions.into_iter().map(SuggestionView::from).collect();
    Ok(HttpResponse::Ok().json(ReorderView { data, more }))
}
