//! Stock: levels, the ledger and whether it holds, adjustments.

use actix_web::{HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use inventory::adjustment::{self, Adjustment, NewAdjustment, Outcome};
use inventory::ledger::{self, Drift, Verdict};
use inventory::movement::{self, Movement};
use inventory::stock::{self, LevelFilter, StockLevel};
use inventory::{AdjustmentId, LocationId, MovementId, VariantId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use values::{Cursor, Limit, Money, Note, Quantity, Reason};

use crate::http::etag::Tag;
use crate::http::extract::{Caller, Idempotency, Json, PathId, Query, may};
use crate::http::lists::{NoParameters, PageView, page_request};
use crate::http::money::plain;
use crate::http::once::{self, Answer, Key};
use crate::http::problem::Problem;
use crate::http::state::State;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StockLevelView {
    #[schema(value_type = Uuid)]
    variant_id: VariantId,
    #[schema(value_type = Uuid)]
    location_id: LocationId,
    #[schema(value_type = String)]
    on_hand: Quantity,
    #[schema(value_type = String)]
    reserved: Quantity,
    #[schema(value_type = String)]
    available: Quantity,
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
            updated_at: level.updated_at,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListLevels {
    #[param(value_type = Option<Uuid>)]
    variant_id: Option<VariantId>,
    #[param(value_type = Option<Uuid>)]
    location_id: Option<LocationId>,
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100)]
    limit: Option<Limit>,
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<2>>,
}

/// List stock levels
///
/// By variant and location.
#[utoipa::path(tag = "stock", params(ListLevels), responses((status = 200, body = PageView<StockLevelView>)))]
#[get("/stock")]
pub async fn list_levels(
    state: web::Data<State>,
    caller: Caller<may::StockRead>,
    Query(query): Query<ListLevels>,
) -> Result<HttpResponse, Problem> {
    let filter = LevelFilter { variant_id: query.variant_id, location_id: query.location_id };
    let page = page_request(query.limit, query.cursor);
    let page = state.database.read(&caller.scope(), async |tx| stock::list(tx, &filter, &page).await).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, StockLevelView::from)))
}

/// The document behind a movement.
#[derive(Serialize, ToSchema)]
pub struct SourceView {
    #[schema(example = "adjustment")]
    r#type: String,
    id: Uuid,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MovementView {
    #[schema(value_type = Uuid)]
    id: MovementId,
    #[schema(value_type = Uuid)]
    variant_id: VariantId,
    #[schema(value_type = Uuid)]
    location_id: LocationId,
    #[schema(example = "adjustment")]
    kind: String,
    /// Negative went out.
    #[schema(value_type = String)]
    quantity: Quantity,
    #[schema(value_type = String)]
    balance_after: Quantity,
    /// What one unit cost, exactly, where anything was known of that.
    #[schema(value_type = Option<String>, example = "4.25")]
    unit_cost: Option<String>,
    reason: Option<String>,
    source: SourceView,
    /// The user's id; null is the platform.
    actor: Option<Uuid>,
    occurred_at: DateTime<Utc>,
}

impl From<Movement> for MovementView {
    fn from(movement: Movement) -> Self {
        Self {
            id: movement.id,
            variant_id: movement.variant_id,
            location_id: movement.location_id,
            kind: movement.kind,
            quantity: movement.quantity,
            balance_after: movement.balance_after,
            unit_cost: movement.unit_cost.map(plain),
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
    #[param(value_type = Option<Uuid>)]
    variant_id: Option<VariantId>,
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100)]
    limit: Option<Limit>,
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<1>>,
}

/// Read the stock ledger
///
/// Of one variant or of all, newest first.
#[utoipa::path(tag = "stock", params(ListMovements), responses((status = 200, body = PageView<MovementView>)))]
#[get("/stock/movements")]
pub async fn list_movements(
    state: web::Data<State>,
    caller: Caller<may::StockRead>,
    Query(query): Query<ListMovements>,
) -> Result<HttpResponse, Problem> {
    let page = page_request(query.limit, query.cursor);
    let page = state
        .database
        .read(&caller.scope(), async |tx| movement::list(tx, query.variant_id, &page).await)
        .await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, MovementView::from)))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateAdjustment {
    /// Chosen by the client, so that a repetition is recognised even after its Idempotency-Key has expired.
    #[schema(value_type = Option<Uuid>)]
    id: Option<AdjustmentId>,
    #[schema(value_type = Uuid)]
    variant_id: VariantId,
    /// The default location unless named.
    #[schema(value_type = Option<Uuid>)]
    location_id: Option<LocationId>,
    /// The change, a decimal string; negative takes out.
    #[schema(value_type = String, example = "12")]
    quantity: Quantity,
    /// What one unit of what is put in cost; the average of what is there unless given.
    #[schema(value_type = Option<String>)]
    unit_cost: Option<Money>,
    /// Free text, in the shop's own words.
    #[schema(value_type = String, max_length = 100, example = "damaged")]
    reason: Reason,
    #[schema(value_type = Option<String>, max_length = 2000)]
    note: Option<Note>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdjustmentView {
    #[schema(value_type = Uuid)]
    id: AdjustmentId,
    #[schema(value_type = Uuid)]
    variant_id: VariantId,
    #[schema(value_type = Uuid)]
    location_id: LocationId,
    #[schema(value_type = String)]
    quantity: Quantity,
    /// On hand at the location afterwards.
    #[schema(value_type = String)]
    balance_after: Quantity,
    /// What one unit cost, where anything is known of that.
    #[schema(example = "0.16")]
    unit_cost: Option<String>,
    reason: String,
    note: Option<String>,
    actor: Option<Uuid>,
    created_at: DateTime<Utc>,
}

impl From<Adjustment> for AdjustmentView {
    fn from(adjustment: Adjustment) -> Self {
        Self {
            id: adjustment.id,
            variant_id: adjustment.variant_id,
            location_id: adjustment.location_id,
            quantity: adjustment.quantity,
            balance_after: adjustment.balance_after,
            unit_cost: adjustment.unit_cost.map(plain),
            reason: adjustment.reason,
            note: adjustment.note,
            actor: adjustment.actor_id,
            created_at: adjustment.created_at,
        }
    }
}

/// Adjust stock
///
/// By hand, with a reason. Needs an Idempotency-Key header. Taking out more than is available is a 409 with
/// `shortages`.
#[utoipa::path(tag = "stock", request_body = CreateAdjustment, responses((status = 201, body = AdjustmentView)),
    params(("Idempotency-Key" = String, Header, description = "A new UUID, and the same one for a repetition")))]
#[post("/stock/adjustments")]
pub async fn adjust(
    state: web::Data<State>,
    caller: Caller<may::StockAdjust>,
    request: Idempotency,
    body: Json<CreateAdjustment>,
) -> Result<HttpResponse, Problem> {
    let CreateAdjustment { id, variant_id, location_id, quantity, unit_cost, reason, note } = body.value;
    let has_chosen_id = id.is_some();
    let id = id.unwrap_or_else(AdjustmentId::new);
    let new = NewAdjustment { id, has_chosen_id, variant_id, location_id, quantity, unit_cost, reason, note };
    let actor = caller.actor();
    once::run(&state.database, &caller, &request, &body.bytes, Key::Required, async |tx| {
        let created = |adjustment| {
            let location = format!("/api/v1/stock/adjustments/{id}");
            Answer::created(location, Tag::of_version(1), &AdjustmentView::from(adjustment))
        };
        match adjustment::post(tx, &new, actor).await? {
            Outcome::Posted(adjustment) => created(adjustment),
            Outcome::Repeated(adjustment) => Ok(created(adjustment)?.repeated()),
        }
    })
    .await
}

/// Read an adjustment
#[utoipa::path(tag = "stock", responses((status = 200, body = AdjustmentView)), params(("id" = Uuid, Path,)))]
#[get("/stock/adjustments/{id}")]
pub async fn show_adjustment(
    state: web::Data<State>,
    caller: Caller<may::StockRead>,
    PathId(id): PathId<AdjustmentId>,
) -> Result<HttpResponse, Problem> {
    let adjustment = state.database.read(&caller.scope(), async |tx| adjustment::find(tx, id).await).await?;
    Ok(HttpResponse::Ok().json(AdjustmentView::from(adjustment.ok_or_else(Problem::not_found)?)))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LedgerView {
    /// Whether every level is the sum of its movements, and every reservation what orders have open.
    holds: bool,
    levels: i64,
    movements: i64,
    drifts: Vec<DriftView>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DriftView {
    #[schema(value_type = Uuid)]
    variant_id: VariantId,
    #[schema(value_type = Uuid)]
    location_id: LocationId,
    #[schema(value_type = String)]
    on_hand: Quantity,
    /// The sum of the movements.
    #[schema(value_type = String)]
    ledger: Quantity,
    #[schema(value_type = String)]
    reserved: Quantity,
    /// What orders have open.
    #[schema(value_type = String)]
    promised: Quantity,
    broken_movements: i64,
}

impl From<Verdict> for LedgerView {
    fn from(verdict: Verdict) -> Self {
        let drift = |drift: Drift| DriftView {
            variant_id: drift.variant_id,
            location_id: drift.location_id,
            on_hand: drift.on_hand,
            ledger: drift.ledger,
            reserved: drift.reserved,
            promised: drift.promised,
            broken_movements: drift.broken_movements,
        };
        Self {
            holds: verdict.holds(),
            levels: verdict.levels,
            movements: verdict.movements,
            drifts: verdict.drifts.into_iter().map(drift).collect(),
        }
    }
}

/// Verify the ledger
///
/// Recomputes every level from all movements, and every reservation from what orders have open.
#[utoipa::path(tag = "stock", responses((status = 200, body = LedgerView)))]
#[get("/stock/ledger")]
pub async fn verify_ledger(
    state: web::Data<State>,
    caller: Caller<may::ReportsRead>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let verdict = state.database.read_snapshot(&caller.scope(), async |tx| ledger::verify(tx).await).await?;
    Ok(HttpResponse::Ok().json(LedgerView::from(verdict)))
}
