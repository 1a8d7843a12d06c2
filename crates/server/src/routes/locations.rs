//! Where stock is kept.

use actix_web::{HttpResponse, get, web};
use inventory::LocationId;
use inventory::location::{self, Location};
use serde::Serialize;
use utoipa::ToSchema;

use crate::extract::{Caller, may};
use crate::problem::Problem;
use crate::routes::PageView;
use crate::state::State;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocationView {
    #[schema(value_type = uuid::Uuid)]
    id: LocationId,
    name: String,
    is_default: bool,
}

impl From<Location> for LocationView {
    fn from(location: Location) -> Self {
        Self { id: location.id, name: location.name, is_default: location.is_default }
    }
}

/// List locations
///
/// The default one first.
#[utoipa::path(tag = "stock", responses((status = 200, body = PageView<LocationView>)))]
#[get("/locations")]
pub async fn list(state: web::Data<State>, caller: Caller<may::StockRead>) -> Result<HttpResponse, Problem> {
    let locations = state.database.read(&caller.scope(), async |tx| location::list(tx).await).await?;
    let data = locations.into_iter().map(LocationView::from).collect();
    Ok(HttpResponse::Ok().json(PageView { data, next_cursor: None }))
}
