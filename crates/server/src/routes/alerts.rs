//! Low-stock alerts, and what to order of what they tell.

use actix_web::{HttpResponse, get, web};
use chrono::{DateTime, NaiveDate, Utc};
use inventory::alert::{self, Alert, AlertFilter, AlertState};
use inventory::reorder::{self, SuggestedLine, Suggestion};
use inventory::{AlertId, Cursor, Limit, LocationId, Quantity, SupplierId, VariantId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::extract::{Caller, Query, may};
use crate::problem::Problem;
use crate::routes::{PageView, page_request};
use crate::state::State;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlertView {
    #[schema(value_type = Uuid)]
    id: AlertId,
    #[schema(value_type = Uuid)]
    variant_id: VariantId,
    #[schema(value_type = Uuid)]
    location_id: LocationId,
    #[schema(example = "BOLT-M8")]
    sku: String,
    #[schema(example = "Hex bolt")]
    name: String,
    /// low, covered or out: available is at the reorder level or below, and what is on order does not change that; it does;
    /// or nothing is available, whether more is on order or not.
    #[schema(value_type = String, example = "low")]
    state: AlertState,
    /// Whether what is on order brings it above the reorder level.
    covered: bool,
    #[schema(value_type = String, example = "12")]
    available: Quantity,
    #[schema(value_type = String, example = "20")]
    reorder_level: Quantity,
    /// On order, and not overdue.
    #[schema(value_type = String, example = "5")]
    incoming: Quantity,
    /// When the first of that is expected.
    #[schema(example = "2026-12-01")]
    arrives_on: Option<NaiveDate>,
    opened_at: DateTime<Utc>,
}

impl From<Alert> for AlertView {
    fn from(alert: Alert) -> Self {
        Self {
            id: alert.id,
            variant_id: alert.variant_id,
            location_id: alert.location_id,
            sku: alert.sku,
            name: alert.name,
            state: alert.state,
            covered: alert.is_covered,
            available: alert.available,
            reorder_level: alert.reorder_level,
            incoming: alert.incoming,
            arrives_on: alert.arrives_on,
            opened_at: alert.opened_at,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListAlerts {
    /// low, covered or out; what is low or out when left out.
    #[param(value_type = Option<String>)]
    state: Option<AlertState>,
    #[param(value_type = Option<Uuid>)]
    location_id: Option<LocationId>,
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100)]
    limit: Option<Limit>,
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<1>>,
}

/// List low-stock alerts
///
/// The open ones, the latest first: one for each variant and location. They open and close by themselves.
#[utoipa::path(tag = "insight", params(ListAlerts), responses((status = 200, body = PageView<AlertView>)))]
#[get("/alerts/low-stock")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::StockRead>,
    Query(query): Query<ListAlerts>,
) -> Result<HttpResponse, Problem> {
    let filter = AlertFilter { state: query.state, location_id: query.location_id };
    let page = page_request(query.limit, query.cursor);
    let page = state.database.read(&caller.scope(), async |tx| alert::list(tx, &filter, &page).await).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, AlertView::from)))
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
            unit_cost: price.map(|price| price.cost.as_decimal().normalize().to_string()),
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
    let suggest = async |tx: &tenancy::TenantTx| reorder::suggest(tx, query.location_id).await;
    let (suggestions, more) = state.database.read(&caller.scope(), suggest).await?;
    let data = suggestions.into_iter().map(SuggestionView::from).collect();
    Ok(HttpResponse::Ok().json(ReorderView { data, more }))
}
