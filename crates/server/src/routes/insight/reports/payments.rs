//! The report on payments.

use actix_web::{HttpResponse, get, web};
use insight::payment_report::{self, Payments, PaymentsBy};
use serde::{Deserialize, Serialize};
use tenancy::TenantTx;
use utoipa::{IntoParams, ToSchema};
use values::{Amount, Currency, Day};

use crate::http::caller::{Caller, may};
use crate::http::extract::Query;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::routes::insight::reports::{Compare, ReportFormat, SpanReportView, read_span, respond};

/// The payments of one group, such as a method or a register.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentsView {
    /// The day, the hour (00 to 23), the method or the id of the group. null in the total, for payments of
    /// orders if the report is grouped by register, and for payments of the system.
    #[schema(example = "cash")]
    key: Option<String>,
    /// The name of the register. null for other groups and where key is null.
    name: Option<String>,
    /// The number of payments.
    #[schema(example = 12)]
    payments: i64,
    /// The payments that came in. Cash counts without change.
    #[schema(example = "230.00")]
    received: Amount,
    /// The payments that were paid back, or put into credit.
    #[schema(example = "10.00")]
    paid_back: Amount,
    /// received minus paidBack.
    #[schema(example = "220.00")]
    net: Amount,
}

impl PaymentsView {
    pub(in crate::routes::insight) fn new(payments: Payments, currency: &Currency) -> Self {
        Self {
            payments: payments.payments,
            received: currency.format(payments.received),
            paid_back: currency.format(payments.paid_back),
            net: currency.format(payments.net()),
            key: payments.key,
            name: payments.name,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReportPayments {
    /// The first day, in the time zone of the business. Defaults to 29 days before the last day.
    from: Option<Day>,
    /// The last day, which is included. Defaults to today.
    to: Option<Day>,
    /// The group of payments for each row. Defaults to method.
    by: Option<PaymentsBy>,
    /// previous: the JSON response also has the report of the same number of days before. Defaults to no
    /// comparison.
    compare: Option<Compare>,
    /// The format of the response. Defaults to json.
    format: Option<ReportFormat>,
}

/// Report payments
///
/// Adds up the payments of sales and orders. Payments of voided sales do not count. Days and hours are in
/// order; other groups start with the largest net amount. The documents are at `/api/v1/sales` and
/// `/api/v1/orders`.
#[utoipa::path(tag = "insight", operation_id = "reportPayments", params(ReportPayments),
    responses((status = 200, body = SpanReportView<PaymentsView>)))]
#[get("/reports/payments")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::ReportsRead>,
    Query(query): Query<ReportPayments>,
) -> Result<HttpResponse, Problem> {
    let by = query.by.unwrap_or(PaymentsBy::Method);
    let format = query.format.unwrap_or(ReportFormat::Json);
    let read = async |tx: &TenantTx, span| payment_report::read(tx, span, by, format.max_rows()).await;
    let days = (query.from, query.to);
    let report = read_span(&state, &caller.scope(), days, query.compare, read).await?;
    respond(report, format, PaymentsView::new)
}
