//! Corrections of what the stock is worth.

use actix_web::{HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use inventory::revaluation::{self, NewRevaluation, Revaluation};
use inventory::{LocationId, RevaluationId, VariantId, settings};
use serde::{Deserialize, Serialize};
use tenancy::{TenantTx, all};
use utoipa::ToSchema;
use values::{
    ActorId, Amount, Barcode, Currency, Money, NonNegative, Note, Quantity, Reason, Sku, StockValue,
};

use crate::http::article::article;
use crate::http::caller::{Caller, may};
use crate::http::etag::Tag;
use crate::http::extract::PathId;
use crate::http::money::with_currency;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::submission::{Answer, Key, RequiredKey, Submission};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "variantId": "01920000-0000-7000-8000-000000000000", "locationId": "01920000-0000-7000-8000-000000000000",
    "unitCost": "0.1850", "reason": "wrong invoice", "note": "the supplier corrected invoice 4711",
}))]
pub struct CreateRevaluation {
    /// Chosen by the client. The server recognises a repeated request by this id, even after its
    /// Idempotency-Key has expired. Defaults to a new id.
    id: Option<RevaluationId>,
    /// The variant. Exactly one of variantId, sku and barcode is required.
    variant_id: Option<VariantId>,
    /// The SKU of the variant.
    sku: Option<Sku>,
    /// A barcode of the variant.
    barcode: Option<Barcode>,
    /// Defaults to the default location of the business.
    location_id: Option<LocationId>,
    /// The right cost of one unit of the stock on hand, in the currency of the business.
    unit_cost: NonNegative<Money>,
    /// One of the adjustmentReasons in the settings. Any reason is allowed if the settings have none.
    reason: Reason,
    /// A note on the correction. Defaults to none.
    note: Option<Note>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevaluationView {
    id: RevaluationId,
    variant_id: VariantId,
    location_id: LocationId,
    /// The stock on hand at the location, in sale units.
    on_hand: Quantity,
    /// The currency of the values.
    currency: Currency,
    /// The cost of the stock on hand before. null if it was not known.
    #[schema(example = "15.68")]
    value_before: Option<Amount>,
    /// The cost of the stock on hand after: onHand times the unit cost.
    #[schema(example = "18.13")]
    value_after: Amount,
    /// The reason of the correction.
    reason: Reason,
    note: Option<Note>,
    /// The user or program that made the correction; null for the platform.
    actor: ActorId,
    created_at: DateTime<Utc>,
}

impl RevaluationView {
    fn new(revaluation: Revaluation, currency: &Currency) -> Self {
        Self {
            id: revaluation.id,
            variant_id: revaluation.variant_id,
            location_id: revaluation.location_id,
            on_hand: revaluation.on_hand,
            currency: currency.clone(),
            value_before: revaluation.value_before.map(StockValue::plain),
            value_after: revaluation.value_after.plain(),
            reason: revaluation.reason,
            note: revaluation.note,
            actor: revaluation.actor_id,
            created_at: revaluation.created_at,
        }
    }
}

/// Correct the cost of stock
///
/// Sets the cost of one unit of the stock that is on hand at a location, with a reason. No goods move. The
/// difference is a movement of the kind revaluation and a row of the report on adjustments. Goods that were
/// sold before keep their cost. Requires an Idempotency-Key header.
#[utoipa::path(tag = "stock", operation_id = "revalueStock",
    params(RequiredKey), request_body = CreateRevaluation,
    responses((status = 201, body = RevaluationView)))]
#[post("/stock/revaluations")]
pub async fn revalue(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::PurchasingWrite, CreateRevaluation>,
) -> Result<HttpResponse, Problem> {
    let new = NewRevaluation {
        request: once.requested(body.id, RevaluationId::new),
        article: article("", body.variant_id, body.sku, body.barcode)?,
        location_id: body.location_id,
        unit_cost: body.unit_cost,
        reason: body.reason,
        note: body.note,
    };
    let work = async |tx: &TenantTx| {
        let (currency, outcome) = with_currency(tx, revaluation::post(tx, &new, once.actor())).await?;
        Answer::to(outcome, |posted| {
            let location = format!("/api/v1/stock/revaluations/{}", posted.id);
            Answer::created(location, Tag::of_version(1), &RevaluationView::new(posted, &currency))
        })
    };
    once.run(&state.database, Key::Required, work).await.map_err(Problem::of_only_line)
}

/// Read a correction of the cost of stock
///
/// Returns a correction of the cost of stock, with the value before and after it.
#[utoipa::path(tag = "stock", operation_id = "readRevaluation",
    responses((status = 200, body = RevaluationView)), params(("id" = RevaluationId, Path,)))]
#[get("/stock/revaluations/{id}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::StockRead>,
    PathId(id): PathId<RevaluationId>,
) -> Result<HttpResponse, Problem> {
    let read = async |tx: &TenantTx| all((settings::currency(tx), revaluation::find(tx, id))).await;
    let (currency, found) = state.database.read(&caller.scope(), read).await?;
    let found = found.ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().json(RevaluationView::new(found, &currency)))
}
