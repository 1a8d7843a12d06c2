//! Low-stock alerts.

use actix_web::{HttpResponse, get, web};
use chrono::{DateTime, NaiveDate, Utc};
use inventory::alert::{self, Alert, AlertFilter, AlertState};
use inventory::{AlertId, LocationId, VariantId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use values::Quantity;

use crate::http::caller::{Caller, may};
use crate::http::lists::{List, PageView, Paging};
use crate::http::problem::Problem;
use crate::http::state::State;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlertView {
    id: AlertId,
    variant_id: VariantId,
    location_id: LocationId,
    #[schema(example = "BOLT-M8")]
    sku: String,
    /// The name of the product.
    #[schema(example = "Hex bolt")]
    name: String,
    state: AlertState,
    /// Whether incoming stock will bring the available stock above the reorder level.
    covered: bool,
    /// The stock on hand minus the reserved stock at the location, in sale units.
    available: Quantity,
    /// The reorder level of the variant at the location, in sale units; zero if it has none.
    reorder_level: Quantity,
    /// The quantity on its way to the location, in sale units: ordered from suppliers, not received and not
    /// overdue, or in transit from other locations.
    incoming: Quantity,
    /// The first day on which incoming stock is expected; null if no day is known or nothing is incoming.
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
    /// Returns only alerts in this state. Defaults to the states low and out.
    state: Option<AlertState>,
    /// Returns only alerts of this location. Defaults to all.
    location_id: Option<LocationId>,
}

/// List low-stock alerts
///
/// Returns open alerts, newest first: by default those in the states low and out. Each variant has at most
/// one alert at each location. Alerts open and close automatically.
#[utoipa::path(tag = "insight", operation_id = "listLowStockAlerts", params(ListAlerts, Paging),
    responses((status = 200, body = PageView<AlertView>)))]
#[get("/alerts/low-stock")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::StockRead>,
    List { query, page }: List<ListAlerts>,
) -> Result<HttpResponse, Problem> {
    let filter = AlertFilter { state: query.state, location_id: query.location_id };
    let page = page.request()?;
    let page = state.database.read(&caller.scope(), async |tx| alert::list(tx, &filter, &page).await).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, AlertView::from)))
}
