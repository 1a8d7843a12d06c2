//! Reports: each as JSON, as CSV and as XLSX.

pub mod adjustments;
pub mod documents;
pub mod payments;
pub mod sales;
pub mod saved;
pub mod stock;
pub mod taxes;

use actix_web::HttpResponse;
use actix_web::http::header;
use chrono::NaiveDate;
use insight::report::{MaxRows, Report, Span};
use insight::rounding::Exact;
use insight::table::{Table, TableRow};
use inventory::settings;
use serde::Serialize;
use tenancy::{DbError, TenantScope, TenantTx, all};
use utoipa::ToSchema;
use values::{Currency, Day};

use crate::http::csv;
use crate::http::problem::Problem;
use crate::http::state::State;

values::words! {
    /// The format of a report.
    pub enum ReportFormat {
        /// A JSON document.
        Json = "json",
        /// The rows as a table for spreadsheets (RFC 4180).
        Csv = "csv",
        /// An XLSX workbook with the rows and their total.
        Xlsx = "xlsx",
    }

    /// The report with which a report is compared.
    pub enum Compare {
        /// The report of the same number of days before.
        Previous = "previous",
    }
}

impl ReportFormat {
    fn max_rows(self) -> MaxRows {
        match self {
            Self::Json => MaxRows::PAGE,
            Self::Csv | Self::Xlsx => MaxRows::TABLE,
        }
    }
}

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
    currency: Currency,
    /// The sum of all rows, including rows that are not in data.
    total: T,
    /// The rows of the report.
    data: Vec<T>,
    /// Whether the report has more rows than data.
    more: bool,
    /// The same report of the days before. null without the parameter compare.
    previous: Option<PreviousView<T>>,
}

/// The report of the same number of days before.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreviousView<T> {
    /// The first day, in the time zone of the business.
    from: NaiveDate,
    /// The last day, which is included.
    to: NaiveDate,
    /// The sum of all rows, including rows that are not in data.
    total: T,
    /// The rows of the report.
    data: Vec<T>,
}

/// A report over days, as it was read.
struct SpanReport<R> {
    span: Span,
    currency: Currency,
    report: Report<R>,
    previous: Option<(Span, Report<R>)>,
}

/// Reads a report over the requested days, and that of the days before if it is to be compared.
async fn read_span<R: Exact>(
    state: &State,
    scope: &TenantScope,
    (from, to): (Option<Day>, Option<Day>),
    compare: Option<Compare>,
    read: impl AsyncFn(&TenantTx, Span) -> Result<Report<R>, DbError>,
) -> Result<SpanReport<R>, Problem> {
    let work = async |tx: &TenantTx| {
        let (currency, today) = all((settings::currency(tx), settings::today(tx))).await?;
        let span = span_of(from, to, today)?;
        let report = read(tx, span).await?;
        let previous = match compare {
            Some(Compare::Previous) => Some((span.before(), read(tx, span.before()).await?)),
            None => None,
        };
        Ok::<_, Problem>(SpanReport { span, currency, report, previous })
    };
    let read = state.database.read_snapshot(scope, work).await?;
    let decimals = read.currency.decimals();
    Ok(SpanReport {
        report: read.report.rounded(decimals),
        previous: read.previous.map(|(span, report)| (span, report.rounded(decimals))),
        ..read
    })
}

fn span_of(from: Option<Day>, to: Option<Day>, today: NaiveDate) -> Result<Span, Problem> {
    Span::of(from.map(Day::date), to.map(Day::date), today)
        .map_err(|error| Problem::invalid_parameter(if from.is_some() { "from" } else { "to" }, error))
}

/// Answers with a report over days.
fn respond<R: TableRow, T: Serialize>(
    read: SpanReport<R>,
    format: ReportFormat,
    row: impl Fn(R, &Currency) -> T,
) -> Result<HttpResponse, Problem> {
    let SpanReport { span, currency, report, previous } = read;
    if format != ReportFormat::Json {
        return file(&Table::of(&report, &currency), format);
    }
    let rows = |report: Report<R>| -> (T, Vec<T>) {
        (row(report.total, &currency), report.rows.into_iter().map(|of| row(of, &currency)).collect())
    };
    let more = report.has_more;
    let (total, data) = rows(report);
    let previous = previous.map(|(span, report)| {
        let (total, data) = rows(report);
        PreviousView { from: span.first, to: span.last, total, data }
    });
    let (from, to, currency) = (span.first, span.last, currency.clone());
    Ok(HttpResponse::Ok().json(SpanReportView { from, to, currency, total, data, more, previous }))
}

/// A report as a file for spreadsheets.
fn file(table: &Table, format: ReportFormat) -> Result<HttpResponse, Problem> {
    const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    if table.has_more {
        let message = "the report has too many rows for a file; choose fewer days or another grouping";
        return Err(Problem::invalid_parameter("format", message));
    }
    if format == ReportFormat::Csv {
        return Ok(csv::response(table.name).body(table.csv().map_err(Problem::internal)?));
    }
    let body = table.xlsx().map_err(Problem::internal)?;
    let name = format!("attachment; filename=\"{}.xlsx\"", table.name);
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CONTENT_TYPE, XLSX)).insert_header((header::CONTENT_DISPOSITION, name));
    Ok(response.body(body))
}
