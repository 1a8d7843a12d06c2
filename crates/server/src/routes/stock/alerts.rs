//! Low-stock alerts.

use actix_web::{HttpResponse, get, web};
use chrono::{DateTime, NaiveDate, Utc};
use inventory::alert::{self, Alert, AlertFilter, AlertState};
use inventory::{AlertId, LocationId, VariantId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use values::{Cursor, Limit, Quantity};

use crate::http::extract::{Caller, Query, may};
use crate::http::lists::{PageView, page_request};
use crate::http::problem::Problem;
use crate::http::state::State;

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
