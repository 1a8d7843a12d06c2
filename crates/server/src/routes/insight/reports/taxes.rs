//! The report on taxes.

use actix_web::{HttpResponse, get, web};
use insight::tax_report::{self, Taxes};
use serde::{Deserialize, Serialize};
use tenancy::TenantTx;
use utoipa::{IntoParams, ToSchema};
use values::{Amount, Currency, Day};

use crate::http::caller::{Caller, may};
use crate::http::extract::Query;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::routes::insight::reports::{Compare, ReportFormat, SpanReportView, read_span, respond};

/// The sales and the taxes at one rate.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaxesView {
    /// The name of the rate. null in the total, and for sales without a tax.
    #[schema(example = "VAT")]
    name: Option<String>,
    /// The rate in percent. null where name is null.
    #[schema(example = "16")]
    percent: Option<String>,
    /// The sales minus the refunds, without any tax. A line with several rates is in the row of
    /// each, and once in the total.
    #[schema(example = "100.00")]
    net: Amount,
    /// The taxes. The rows add up to the total.
    #[schema(example = "16.00")]
    tax: Amount,
}

impl TaxesView {
    fn new(taxes: Taxes, currency: &Currency) -> Self {
        Self {
            name: taxes.name,
            percent: taxes.percent.map(|percent| percent.normalize().to_string()),
            net: currency.format_rounded(taxes.net),
            tax: currency.format(taxes.tax),
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReportTaxes {
    /// The first day, in the time zone of the business. Defaults to 29 days before the last day.
    from: Option<Day>,
    /// The last day, which is included. Defaults to today.
    to: Option<Day>,
    /// previous: the JSON response also has the report of the same number of days before. Defaults to no
    /// comparison.
    compare: Option<Compare>,
    /// The format of the response. Defaults to json.
    format: Option<ReportFormat>,
}

/// Report taxes
///
/// Adds up the taxes by rate, as the report on sales counts them. The documents are at
/// `/api/v1/reports/sales/documents?by=taxRate`. The parameter key names all rates of a line, such as VAT 16%
/// or VAT 10% + Levy 2%.
#[utoipa::path(tag = "insight", operation_id = "reportTaxes", params(ReportTaxes),
    responses((status = 200, body = SpanReportView<TaxesView>)))]
#[get("/reports/taxes")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::ReportsRead>,
    Query(query): Query<ReportTaxes>,
) -> Result<HttpResponse, Problem> {
    let format = query.format.unwrap_or(ReportFormat::Json);
    let read = async |tx: &TenantTx, span| tax_report::read(tx, span, format.max_rows()).await;
    let days = (query.from, query.to);
    let report = read_span(&state, &caller.scope(), days, query.compare, read).await?;
    respond(report, format, TaxesView::new)
}
