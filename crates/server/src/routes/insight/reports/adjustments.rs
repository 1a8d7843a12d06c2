//! The report on adjustments: shrinkage, and its reasons.

use actix_web::{HttpResponse, get, web};
use insight::adjustment_report::{self, Adjusted, AdjustedBy};
use inventory::movement::Kind;
use serde::{Deserialize, Serialize};
use tenancy::TenantTx;
use utoipa::{IntoParams, ToSchema};
use values::{Amount, Currency, Day, Quantity};

use crate::http::caller::{Caller, may};
use crate::http::extract::Query;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::routes::insight::reports::{Compare, ReportFormat, SpanReportView, read_span, respond};

/// Changes of stock by adjustments with one reason, by stock counts, or of one variant.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdjustedView {
    /// adjustment, count or revaluation, if the report is grouped by reason; null in the total.
    kind: Option<Kind>,
    /// The reason of the adjustments; null for other groups, for stock counts, for revaluations and in the
    /// total.
    reason: Option<String>,
    /// The id of the variant, the category or the location. null for reasons, for products without a category
    /// and in the total.
    key: Option<String>,
    /// The name of the product, the category or the location. null where key is null.
    name: Option<String>,
    /// The SKU, if the report is grouped by variant.
    sku: Option<String>,
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
    value: Amount,
}

impl AdjustedView {
    fn new(adjusted: Adjusted, currency: &Currency) -> Self {
        Self {
            kind: adjusted.kind,
            reason: adjusted.reason.map(|reason| reason.to_string()),
            key: adjusted.key,
            name: adjusted.name,
            sku: adjusted.sku,
            movements: adjusted.movements,
            added: adjusted.added,
            removed: adjusted.removed,
            value: currency.format(adjusted.value),
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReportAdjustments {
    /// The first day, in the time zone of the business. Defaults to 29 days before the last day.
    from: Option<Day>,
    /// The last day, which is included. Defaults to today.
    to: Option<Day>,
    /// The group of changes for each row. Defaults to reason.
    by: Option<AdjustedBy>,
    /// previous: the JSON response also has the report of the same number of days before. Defaults to no
    /// comparison.
    compare: Option<Compare>,
    /// The format of the response. Defaults to json.
    format: Option<ReportFormat>,
}

/// Report adjustments
///
/// Adds up the stock that adjustments, scrapped returns and stock counts added or removed: the shrinkage, by
/// its reasons, or by variant, category or location. Changes of value without goods (revaluation) count, too.
/// The row with the largest loss is first. A report covers 1 to 366 days. The movements of a variant are at
/// `/api/v1/stock/movements?variantId=`.
#[utoipa::path(tag = "insight", operation_id = "reportAdjustments", params(ReportAdjustments),
    responses((status = 200, body = SpanReportView<AdjustedView>)))]
#[get("/reports/adjustments")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::ReportsRead>,
    Query(query): Query<ReportAdjustments>,
) -> Result<HttpResponse, Problem> {
    let by = query.by.unwrap_or(AdjustedBy::Reason);
    let format = query.format.unwrap_or(ReportFormat::Json);
    let read = async |tx: &TenantTx, span| adjustment_report::read(tx, span, by, format.max_rows()).await;
    let days = (query.from, query.to);
    let report = read_span(&state, &caller.scope(), days, query.compare, read).await?;
    respond(report, format, AdjustedView::new)
}
