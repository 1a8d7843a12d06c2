//! The dashboard.

use actix_web::{HttpResponse, get, web};
use inventory::{Currency, Quantity, dashboard, settings};
use serde::Serialize;
use serde_json::value::RawValue;
use tenancy::both;
use utoipa::ToSchema;

use crate::extract::{Caller, may};
use crate::problem::Problem;
use crate::state::State;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DashboardView {
    /// Active variants.
    total_items: i64,
    /// On hand, over all variants and locations.
    #[schema(value_type = String, example = "2715.5")]
    total_stock: Quantity,
    /// On hand times sale price.
    #[schema(example = "10350.40")]
    inventory_value: String,
    /// On hand times what it cost, on average.
    inventory_cost: String,
    #[schema(example = "EUR")]
    currency: String,
}

async fn figures(
    state: &State,
    caller: &Caller<may::DashboardRead>,
) -> Result<(Currency, dashboard::Dashboard), Problem> {
    let read = async |tx: &tenancy::TenantTx| both(settings::currency(tx), dashboard::read(tx)).await;
    Ok(state.database.read(&caller.scope(), read).await?)
}

/// The dashboard
#[utoipa::path(tag = "insight", responses((status = 200, body = DashboardView)))]
#[get("/dashboard")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::DashboardRead>,
) -> Result<HttpResponse, Problem> {
    let (currency, figures) = figures(&state, &caller).await?;
    Ok(HttpResponse::Ok().json(DashboardView {
        total_items: figures.total_items,
        total_stock: figures.total_stock,
        inventory_value: currency.format(figures.inventory_value),
        inventory_cost: currency.format(figures.inventory_cost),
        currency: currency.code().to_owned(),
    }))
}

/// Three figures, as JSON numbers written exactly: the digits are never those of a float.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlainDashboardView {
    total_items: i64,
    #[schema(value_type = f64, example = 2715.5)]
    total_stock: Box<RawValue>,
    #[schema(value_type = f64, example = 10350.40)]
    inventory_value: Box<RawValue>,
}

/// The dashboard, for clients of an older contract
///
/// Exactly three figures, as JSON numbers.
#[utoipa::path(tag = "insight", responses((status = 200, body = PlainDashboardView)))]
#[get("/api/dashboard")]
pub async fn show_plain(
    state: web::Data<State>,
    caller: Caller<may::DashboardRead>,
) -> Result<HttpResponse, Problem> {
    let (currency, figures) = figures(&state, &caller).await?;
    let number = |digits: String| RawValue::from_string(digits).map_err(Problem::internal);
    Ok(HttpResponse::Ok().json(PlainDashboardView {
        total_items: figures.total_items,
        total_stock: number(figures.total_stock.to_string())?,
        inventory_value: number(currency.format(figures.inventory_value))?,
    }))
}
