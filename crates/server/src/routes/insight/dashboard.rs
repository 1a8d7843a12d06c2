//! The dashboard.

use actix_web::{HttpResponse, get, web};
use chrono::NaiveDate;
use insight::dashboard::{self, Dashboard, MovementsOfDay, TopVariant};
use inventory::{VariantId, settings};
use serde::Serialize;
use serde_json::value::RawValue;
use tenancy::{TenantTx, all};
use utoipa::ToSchema;
use values::{Currency, Quantity, Sku};

use crate::http::extract::{Caller, Query, may};
use crate::http::lists::NoParameters;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::routes::stock::alerts::AlertView;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DashboardView {
    /// Active variants.
    #[schema(example = 1250)]
    total_items: i64,
    /// On hand, over all variants and locations.
    total_stock: Quantity,
    /// On hand times sale price.
    #[schema(example = "10350.40")]
    inventory_value: String,
    /// On hand times average cost.
    #[schema(example = "4920.15")]
    inventory_cost: String,
    #[schema(example = "EUR")]
    currency: String,
    low_stock: LowStockView,
    /// The variants that sold most in the last 30 days, at most five.
    top_variants: Vec<TopVariantView>,
    /// The changes of stock on each of the last seven days of the business; today is last.
    movements: Vec<MovementsOfDayView>,
}

#[derive(Serialize, ToSchema)]
pub struct LowStockView {
    /// At the reorder level or below it, and not covered by incoming stock.
    #[schema(example = 3)]
    low: i64,
    /// No stock is available.
    #[schema(example = 1)]
    out: i64,
    /// At the reorder level or below it, and covered by incoming stock.
    #[schema(example = 2)]
    covered: i64,
    /// The latest alerts that are low or out, at most five. GET /api/v1/alerts/low-stock returns all of them.
    items: Vec<AlertView>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TopVariantView {
    variant_id: VariantId,
    #[schema(example = "BOLT-M8")]
    sku: Sku,
    #[schema(example = "Hex bolt")]
    name: String,
    /// Sold less returned.
    sold: Quantity,
}

#[derive(Serialize, ToSchema)]
pub struct MovementsOfDayView {
    #[schema(example = "2026-12-01")]
    day: NaiveDate,
    /// Received from suppliers, less reversed receipts.
    purchased: Quantity,
    /// Sold less returned.
    sold: Quantity,
    /// Adjustments, counts and transfers.
    adjusted: Quantity,
    /// The change of stock on this day.
    net: Quantity,
}

impl From<MovementsOfDay> for MovementsOfDayView {
    fn from(day: MovementsOfDay) -> Self {
        let net = day.net();
        Self { day: day.day, purchased: day.purchased, sold: day.sold, adjusted: day.adjusted, net }
    }
}

impl DashboardView {
    fn new(dashboard: Dashboard, currency: &Currency) -> Self {
        let Dashboard { totals, low_stock, top_variants, movements } = dashboard;
        let top = |top: TopVariant| TopVariantView {
            variant_id: top.variant_id,
            sku: top.sku,
            name: top.name,
            sold: top.sold,
        };
        Self {
            total_items: totals.items,
            total_stock: totals.stock,
            inventory_value: currency.format(totals.value),
            inventory_cost: currency.format(totals.cost),
            currency: currency.code().to_owned(),
            low_stock: LowStockView {
                low: low_stock.low,
                out: low_stock.out,
                covered: low_stock.covered,
                items: low_stock.items.into_iter().map(AlertView::from).collect(),
            },
            top_variants: top_variants.into_iter().map(top).collect(),
            movements: movements.into_iter().map(MovementsOfDayView::from).collect(),
        }
    }
}

/// Read the dashboard
///
/// Returns the figures as of now. Returns are subtracted from sales.
#[utoipa::path(tag = "insight", operation_id = "readDashboard", responses((status = 200, body = DashboardView)))]
#[get("/dashboard")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::DashboardRead>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let read = async |tx: &TenantTx| all((settings::currency(tx), dashboard::read(tx))).await;
    let (currency, dashboard) = state.database.read(&caller.scope(), read).await?;
    Ok(HttpResponse::Ok().json(DashboardView::new(dashboard, &currency)))
}

/// Three figures as JSON numbers with exact digits, never those of a float.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlainDashboardView {
    total_items: i64,
    #[schema(value_type = f64, example = 2715.5)]
    total_stock: Box<RawValue>,
    #[schema(value_type = f64, example = 10350.40)]
    inventory_value: Box<RawValue>,
}

/// Read the dashboard in its older form
///
/// Returns three figures as JSON numbers, for clients of the older contract.
#[utoipa::path(tag = "insight", operation_id = "readPlainDashboard", responses((status = 200, body = PlainDashboardView)))]
#[get("/api/dashboard")]
pub async fn show_plain(
    state: web::Data<State>,
    caller: Caller<may::DashboardRead>,
) -> Result<HttpResponse, Problem> {
    let read = async |tx: &TenantTx| all((settings::currency(tx), dashboard::totals(tx))).await;
    let (currency, totals) = state.database.read(&caller.scope(), read).await?;
    let number = |digits: String| RawValue::from_string(digits).map_err(Problem::internal);
    Ok(HttpResponse::Ok().json(PlainDashboardView {
        total_items: totals.items,
        total_stock: number(totals.stock.to_string())?,
        inventory_value: number(currency.format(totals.value))?,
    }))
}
