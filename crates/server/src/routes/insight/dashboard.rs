//! The dashboard.

use actix_web::{HttpResponse, get, web};
use chrono::NaiveDate;
use insight::dashboard::{self, Dashboard, MovementsOfDay, TopVariant};
use inventory::{VariantId, settings};
use serde::Serialize;
use serde_json::value::RawValue;
use tenancy::{TenantTx, all};
use utoipa::ToSchema;
use values::{Amount, Currency, Quantity, Sku};

use crate::http::caller::{Caller, may};
use crate::http::extract::Query;
use crate::http::lists::NoParameters;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::routes::insight::reports::stock::InTransitView;
use crate::routes::stock::alerts::AlertView;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DashboardView {
    /// The number of variants that are not archived and whose product is not archived.
    #[schema(example = 1250)]
    total_items: i64,
    /// The stock on hand of all variants at all locations, in sale units. Archived variants are included.
    total_stock: Quantity,
    /// The stock on hand at list prices.
    #[schema(example = "10350.40")]
    inventory_value: Amount,
    /// The cost of the stock on hand. Stock without a known cost has the cost zero.
    #[schema(example = "4920.15")]
    inventory_cost: Amount,
    /// The goods that left one location and have not arrived at another. The stock on hand does not include
    /// them.
    in_transit: InTransitView,
    /// The currency of all amounts.
    #[schema(example = "EUR")]
    currency: Currency,
    /// The open low-stock alerts.
    low_stock: LowStockView,
    /// The variants that sold most in the last 30 days, at most five.
    top_variants: Vec<TopVariantView>,
    /// The changes of stock on each of the last seven days, in the time zone of the business. Today is the
    /// last day.
    movements: Vec<MovementsOfDayView>,
}

#[derive(Serialize, ToSchema)]
pub struct LowStockView {
    /// The number of alerts in the state low: stock is available, but at or below the reorder level, and
    /// incoming stock does not cover it.
    #[schema(example = 3)]
    low: i64,
    /// The number of alerts in the state out: no stock is available.
    #[schema(example = 1)]
    out: i64,
    /// The number of alerts in the state covered: stock is available, but at or below the reorder level, and
    /// incoming stock covers it.
    #[schema(example = 2)]
    covered: i64,
    /// The newest alerts in the states low and out, at most five. GET /api/v1/alerts/low-stock returns all of
    /// them.
    items: Vec<AlertView>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TopVariantView {
    variant_id: VariantId,
    #[schema(example = "BOLT-M8")]
    sku: Sku,
    /// The name of the product.
    #[schema(example = "Hex bolt")]
    name: String,
    /// The quantity sold minus the quantity returned, in sale units.
    sold: Quantity,
}

#[derive(Serialize, ToSchema)]
pub struct MovementsOfDayView {
    /// The day, in the time zone of the business.
    #[schema(example = "2026-12-01")]
    day: NaiveDate,
    /// The quantity received from suppliers, minus reversed goods receipts, in sale units.
    purchased: Quantity,
    /// The quantity sold minus the quantity returned, in sale units.
    sold: Quantity,
    /// The change by adjustments, stock counts and transfers, in sale units. Negative if more stock left than
    /// arrived.
    adjusted: Quantity,
    /// The change of stock on this day, in sale units.
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
        let Dashboard { totals, in_transit, low_stock, top_variants, movements } = dashboard;
        let top = |top: TopVariant| TopVariantView {
            variant_id: top.variant_id,
            sku: top.sku,
            name: top.name,
            sold: top.sold,
        };
        Self {
            total_items: totals.items,
            total_stock: totals.stock,
            inventory_value: currency.format_rounded(totals.value),
            inventory_cost: currency.format_rounded(totals.cost),
            in_transit: InTransitView::new(&in_transit, currency),
            currency: currency.clone(),
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
/// Returns the current figures. Returns are subtracted from sales.
#[utoipa::path(tag = "insight", operation_id = "readDashboard",
    responses((status = 200, body = DashboardView)))]
#[get("/dashboard")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::DashboardRead>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let read = async |tx: &TenantTx| all((settings::currency(tx), dashboard::read(tx))).await;
    let (currency, dashboard) = state.database.read_snapshot(&caller.scope(), read).await?;
    Ok(HttpResponse::Ok().json(DashboardView::new(dashboard, &currency)))
}

/// Three figures as JSON numbers. The digits are exact, because they never pass through a float.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlainDashboardView {
    /// The number of variants that are not archived and whose product is not archived.
    total_items: i64,
    /// The stock on hand of all variants at all locations, in sale units. Archived variants are included.
    #[schema(value_type = f64, example = 2715.5)]
    total_stock: Box<RawValue>,
    /// The stock on hand at list prices, in the currency of the business.
    #[schema(value_type = f64, example = 10350.40)]
    inventory_value: Box<RawValue>,
}

/// Read the dashboard in its older form
///
/// Returns three figures as JSON numbers, for clients of the older contract. Deprecated: use
/// `GET /api/v1/dashboard`.
#[utoipa::path(tag = "insight", operation_id = "readPlainDashboard",
    responses((status = 200, body = PlainDashboardView)))]
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
        inventory_value: number(currency.format_rounded(totals.value).into())?,
    }))
}
