//! Adjustments of stock by hand.

use actix_web::{HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use inventory::adjustment::{self, Adjustment, AdjustmentLine, NewAdjustment, NewLine};
use inventory::{AdjustmentId, LocationId, VariantId, settings};
use serde::{Deserialize, Serialize};
use tenancy::{TenantTx, all};
use utoipa::ToSchema;
use values::{ActorId, Amount, Barcode, Currency, Money, NonNegative, Note, Quantity, Reason, Sku};

use crate::http::article::article;
use crate::http::caller::{Caller, may};
use crate::http::codes::Code;
use crate::http::etag::Tag;
use crate::http::extract::PathId;
use crate::http::money::with_currency;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::submission::{Answer, Key, RequiredKey, Submission};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "locationId": "01920000-0000-7000-8000-000000000000", "reason": "damaged", "note": "fell off the shelf",
    "lines": [{"variantId": "01920000-0000-7000-8000-000000000000", "quantity": "-2"}],
}))]
pub struct CreateAdjustment {
    /// Chosen by the client. The server recognises a repeated request by this id, even after its
    /// Idempotency-Key has expired. Defaults to a new id.
    id: Option<AdjustmentId>,
    /// Defaults to the default location of the business.
    location_id: Option<LocationId>,
    /// One of the adjustmentReasons in the settings. Any reason is allowed if the settings have none.
    reason: Reason,
    /// A note on the adjustment. Defaults to none.
    note: Option<Note>,
    /// The changes, of all lines or of none. Leave lines out to send the fields of one line instead.
    #[schema(min_items = 1, max_items = 200)]
    lines: Option<Vec<AdjustLine>>,
    /// The variant, without lines. Exactly one of variantId, sku and barcode is required.
    variant_id: Option<VariantId>,
    /// The SKU of the variant, without lines.
    sku: Option<Sku>,
    /// A barcode of the variant, without lines.
    barcode: Option<Barcode>,
    /// As in a line. Required without lines.
    quantity: Option<Quantity>,
    /// As in a line.
    unit_cost: Option<Money>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AdjustLine {
    /// The variant. Exactly one of variantId, sku and barcode is required.
    variant_id: Option<VariantId>,
    /// The SKU of the variant.
    sku: Option<Sku>,
    /// A barcode of the variant.
    barcode: Option<Barcode>,
    /// The change of the stock on hand, in sale units. Positive adds stock, and negative removes stock.
    quantity: Quantity,
    /// The cost of one unit of added stock. Defaults to the average cost, or to the cost in the catalogue
    /// where no average cost is known. Not allowed if stock is removed.
    unit_cost: Option<Money>,
}

impl AdjustLine {
    fn checked(self, at: &str) -> Result<NewLine, Problem> {
        let cost = self.unit_cost.map(NonNegative::new).transpose();
        let invalid = |error| Problem::invalid(format!("{at}/unitCost"), Code::InvalidCost, error);
        Ok(NewLine {
            article: article(at, self.variant_id, self.sku, self.barcode)?,
            quantity: self.quantity,
            unit_cost: cost.map_err(invalid)?,
        })
    }
}

/// The only line of a request, whose fields stand at the top of the body.
fn only_line(body: &CreateAdjustment) -> Result<AdjustLine, Problem> {
    let missing = || Problem::invalid("/quantity", Code::ZeroQuantity, "quantity is required without lines");
    Ok(AdjustLine {
        variant_id: body.variant_id,
        sku: body.sku.clone(),
        barcode: body.barcode.clone(),
        quantity: body.quantity.ok_or_else(missing)?,
        unit_cost: body.unit_cost,
    })
}

fn lines(body: &mut CreateAdjustment) -> Result<Vec<NewLine>, Problem> {
    let Some(lines) = body.lines.take() else { return Ok(vec![only_line(body)?.checked("")?]) };
    let is_single = body.variant_id.is_some()
        || body.sku.is_some()
        || body.barcode.is_some()
        || body.quantity.is_some()
        || body.unit_cost.is_some();
    if is_single {
        let message = "send either lines or the fields of one line";
        return Err(Problem::invalid("/lines", Code::InvalidLineCount, message));
    }
    let checked = |(index, line): (usize, AdjustLine)| line.checked(&format!("/lines/{index}"));
    lines.into_iter().enumerate().map(checked).collect()
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdjustmentView {
    id: AdjustmentId,
    location_id: LocationId,
    /// The reason of the adjustment.
    reason: Reason,
    note: Option<Note>,
    /// The user or program that made the adjustment; null for the platform.
    actor: ActorId,
    created_at: DateTime<Utc>,
    /// The currency of the unit costs.
    currency: Currency,
    lines: Vec<AdjustmentLineView>,
    /// The fields of the line, if the adjustment has only one.
    #[serde(flatten)]
    only: Option<AdjustmentLineView>,
}

#[derive(Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdjustmentLineView {
    variant_id: VariantId,
    /// The change of the stock on hand, in sale units.
    quantity: Quantity,
    /// The stock on hand at the location after the adjustment, in sale units.
    balance_after: Quantity,
    /// The cost of one unit, if known.
    #[schema(example = "0.16")]
    unit_cost: Option<Amount>,
}

impl AdjustmentView {
    fn new(adjustment: Adjustment, currency: &Currency) -> Self {
        let line = |line: AdjustmentLine| AdjustmentLineView {
            variant_id: line.variant_id,
            quantity: line.quantity,
            balance_after: line.balance_after,
            unit_cost: line.unit_cost.map(Money::plain),
        };
        let lines: Vec<AdjustmentLineView> = adjustment.lines.into_iter().map(line).collect();
        Self {
            id: adjustment.id,
            location_id: adjustment.location_id,
            reason: adjustment.reason,
            note: adjustment.note,
            actor: adjustment.actor_id,
            created_at: adjustment.created_at,
            currency: currency.clone(),
            only: lines.first().filter(|_| lines.len() == 1).cloned(),
            lines,
        }
    }
}

/// Adjust stock
///
/// Adds or removes stock by hand, with a reason, of all lines or of none. If more stock is removed than is
/// available, the answer is 409 with shortages. Requires an Idempotency-Key header.
#[utoipa::path(tag = "stock", operation_id = "adjustStock",
    params(RequiredKey), request_body = CreateAdjustment,
    responses((status = 201, body = AdjustmentView)))]
#[post("/stock/adjustments")]
pub async fn adjust(
    state: web::Data<State>,
    Submission { once, mut body }: Submission<may::StockAdjust, CreateAdjustment>,
) -> Result<HttpResponse, Problem> {
    let is_single = body.lines.is_none();
    let lines = lines(&mut body)?;
    let CreateAdjustment { id, location_id, reason, note, .. } = body;
    let request = once.requested(id, AdjustmentId::new);
    let new = NewAdjustment { request, location_id, lines, reason, note };
    let work = async |tx: &TenantTx| {
        let (currency, outcome) = with_currency(tx, adjustment::post(tx, &new, once.actor())).await?;
        Answer::to(outcome, |adjustment| {
            let location = format!("/api/v1/stock/adjustments/{}", adjustment.id);
            Answer::created(location, Tag::of_version(1), &AdjustmentView::new(adjustment, &currency))
        })
    };
    let answer = once.run(&state.database, Key::Required, work).await;
    answer.map_err(|problem| if is_single { problem.of_only_line() } else { problem })
}

/// Read an adjustment
///
/// Returns an adjustment with its lines.
#[utoipa::path(tag = "stock", operation_id = "readAdjustment",
    responses((status = 200, body = AdjustmentView)), params(("id" = AdjustmentId, Path,)))]
#[get("/stock/adjustments/{id}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::StockRead>,
    PathId(id): PathId<AdjustmentId>,
) -> Result<HttpResponse, Problem> {
    let read = async |tx: &TenantTx| all((settings::currency(tx), adjustment::find(tx, id))).await;
    let (currency, adjustment) = state.database.read(&caller.scope(), read).await?;
    let adjustment = adjustment.ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().json(AdjustmentView::new(adjustment, &currency)))
}
