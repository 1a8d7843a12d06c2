//! Stock levels and the ledger.

use actix_web::{HttpResponse, get, web};
use chrono::{DateTime, Utc};
use inventory::ledger::Drift;
use inventory::movement::{self, Kind, Movement, SourceKind};
use inventory::stock::level::{self, LevelFilter, StockLevel};
use inventory::{LocationId, MovementId, VariantId, settings};
use serde::{Deserialize, Serialize};
use tenancy::{TenantTx, all};
use till::books::{self, BookFault, Books, ChainSpan};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use values::{ActorId, Amount, Currency, Money, Quantity, StockValue};

use crate::http::caller::{Caller, may};
use crate::http::extract::Query;
use crate::http::lists::{List, NoParameters, PageView, Paging};
use crate::http::problem::Problem;
use crate::http::state::State;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StockLevelView {
    variant_id: VariantId,
    location_id: LocationId,
    /// The stock on hand at the location, in sale units.
    on_hand: Quantity,
    /// The part of the stock on hand that is reserved for orders, in sale units.
    reserved: Quantity,
    /// The stock on hand minus the reserved stock, in sale units.
    available: Quantity,
    /// Whether the location keeps the variant. Low stock opens an alert only there.
    kept: bool,
    /// The reorder level, in sale units: that of the location, or else that of the variant. null: no alert.
    reorder_level: Option<Quantity>,
    /// The stock that a reorder restores, in sale units: the target of the location, or else that of the
    /// variant. null: the reorder level plus the sales of 30 days.
    target_quantity: Option<Quantity>,
    updated_at: DateTime<Utc>,
}

impl From<StockLevel> for StockLevelView {
    fn from(level: StockLevel) -> Self {
        Self {
            variant_id: level.variant_id,
            location_id: level.location_id,
            on_hand: level.on_hand,
            reserved: level.reserved,
            available: level.available(),
            kept: level.is_kept,
            reorder_level: level.reorder_level,
            target_quantity: level.target_quantity,
            updated_at: level.updated_at,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListLevels {
    /// Returns only levels of this variant. Defaults to all.
    variant_id: Option<VariantId>,
    /// Returns only levels of this location. Defaults to all.
    location_id: Option<LocationId>,
}

/// List stock levels
///
/// Returns one stock level for each variant at each location.
#[utoipa::path(tag = "stock", operation_id = "listStockLevels", params(ListLevels, Paging),
    responses((status = 200, body = PageView<StockLevelView>)))]
#[get("/stock")]
pub async fn list_levels(
    state: web::Data<State>,
    caller: Caller<may::StockRead>,
    List { query, page }: List<ListLevels>,
) -> Result<HttpResponse, Problem> {
    let filter = LevelFilter { variant_id: query.variant_id, location_id: query.location_id };
    let page = page.request()?;
    let page = state.database.read(&caller.scope(), async |tx| level::list(tx, &filter, &page).await).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, StockLevelView::from)))
}

/// The document that caused a movement.
#[derive(Serialize, ToSchema)]
pub struct SourceView {
    /// The type of the document.
    r#type: SourceKind,
    /// The id of the document.
    id: Uuid,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MovementView {
    id: MovementId,
    variant_id: VariantId,
    location_id: LocationId,
    kind: Kind,
    /// The change of the stock on hand, in sale units. Negative if stock left.
    quantity: Quantity,
    /// The stock on hand at the location after the movement, in sale units.
    balance_after: Quantity,
    /// The cost of the goods, with the sign of the quantity, if known. For a revaluation, the change of the
    /// value. Exact.
    value: Option<Amount>,
    /// The cost of one unit, rounded to four decimals, if known. null for a revaluation.
    unit_cost: Option<Amount>,
    /// The currency of value and unitCost: that of the business.
    currency: Currency,
    /// The reason of an adjustment or a return, scrapped goods included; null for other movements.
    reason: Option<String>,
    /// The document that caused the movement.
    source: SourceView,
    /// The user or program that caused the movement; null for the platform.
    actor: ActorId,
    occurred_at: DateTime<Utc>,
}

impl MovementView {
    fn new(movement: Movement, currency: &Currency) -> Self {
        Self {
            id: movement.id,
            variant_id: movement.variant_id,
            location_id: movement.location_id,
            kind: movement.kind,
            quantity: movement.quantity,
            balance_after: movement.balance_after,
            value: movement.value.map(StockValue::plain),
            unit_cost: movement.unit_cost.map(Money::plain),
            currency: currency.clone(),
            reason: movement.reason,
            source: SourceView { r#type: movement.source_type, id: movement.source_id },
            actor: movement.actor_id,
            occurred_at: movement.occurred_at,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListMovements {
    /// Returns only movements of this variant. Defaults to all.
    variant_id: Option<VariantId>,
}

/// List stock movements
///
/// Returns the ledger of one variant or of all variants, newest first.
#[utoipa::path(tag = "stock", operation_id = "listStockMovements", params(ListMovements, Paging),
    responses((status = 200, body = PageView<MovementView>)))]
#[get("/stock/movements")]
pub async fn list_movements(
    state: web::Data<State>,
    caller: Caller<may::StockRead>,
    List { query, page }: List<ListMovements>,
) -> Result<HttpResponse, Problem> {
    let page = page.request()?;
    let read = async |tx: &TenantTx| {
        all((settings::currency(tx), movement::list(tx, query.variant_id, &page))).await
    };
    let (currency, page) = state.database.read(&caller.scope(), read).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, |movement| MovementView::new(movement, &currency))))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LedgerView {
    /// Whether nothing differs: every stock level and its value are the sums of its movements, every reserved
    /// quantity is the open quantity of the orders, and the receipts and the credit of the tills add up.
    holds: bool,
    /// The number of compared stock levels.
    levels: i64,
    /// The number of compared movements.
    movements: i64,
    /// The stock levels that differ, at most 1000.
    drifts: Vec<DriftView>,
    /// The number of compared receipts of the tills.
    receipts: i64,
    /// The number of compared vouchers and accounts of customers.
    credits: i64,
    /// The differences in receipts and credit, at most 1000.
    faults: Vec<BookFault>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DriftView {
    variant_id: VariantId,
    location_id: LocationId,
    /// The stock on hand of the stock level, in sale units.
    on_hand: Quantity,
    /// The sum of the movements, in sale units.
    ledger: Quantity,
    /// The reserved quantity of the stock level, in sale units.
    reserved: Quantity,
    /// The quantity that open orders reserve, in sale units.
    promised: Quantity,
    /// The cost of the stock on hand that the stock level stores.
    #[schema(example = "156.8")]
    value: Amount,
    /// The sum of the values of the movements.
    #[schema(example = "156.8")]
    ledger_value: Amount,
    /// The number of movements with a wrong balance or a wrong position.
    broken_movements: i64,
}

impl From<Books> for LedgerView {
    fn from(books: Books) -> Self {
        let drift = |drift: Drift| DriftView {
            variant_id: drift.variant_id,
            location_id: drift.location_id,
            on_hand: drift.on_hand,
            ledger: drift.ledger,
            reserved: drift.reserved,
            promised: drift.promised,
            value: drift.value.plain(),
            ledger_value: drift.ledger_value.plain(),
            broken_movements: drift.broken_movements,
        };
        Self {
            holds: books.holds(),
            levels: books.stock.levels,
            movements: books.stock.movements,
            drifts: books.stock.drifts.into_iter().map(drift).collect(),
            receipts: books.receipts,
            credits: books.credits,
            faults: books.faults,
        }
    }
}

/// Verify the ledger
///
/// Computes every stock level again from all movements, every reserved quantity from the open orders, and the
/// receipts and the credit of the tills. The hashes of receipts are computed again for the last 31 days; the
/// operator's command computes all of them.
#[utoipa::path(tag = "stock", operation_id = "verifyLedger", responses((status = 200, body = LedgerView)))]
#[get("/stock/ledger")]
pub async fn verify_ledger(
    state: web::Data<State>,
    caller: Caller<may::ReportsRead>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let books = state
        .database
        .read_snapshot(&caller.scope(), async |tx| books::verify(tx, ChainSpan::LastMonth).await)
        .await?;
    Ok(HttpResponse::Ok().json(LedgerView::from(books)))
}
