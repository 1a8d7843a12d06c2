//! Goods that go back to their supplier.

use actix_web::{HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use inventory::counter::Counter;
use inventory::supplier_return::{self, NewLine, NewSupplierReturn, SupplierReturn, SupplierReturnLine};
use inventory::{LocationId, SupplierId, SupplierReturnId, VariantId, settings, supplier};
use serde::{Deserialize, Serialize};
use tenancy::{TenantTx, all};
use utoipa::ToSchema;
use values::{
    ActorId, Amount, Barcode, Currency, Money, NonNegative, Note, Positive, Quantity, Reason, Sku, StockValue,
};

use crate::http::article::article;
use crate::http::caller::{Caller, may};
use crate::http::etag::Tag;
use crate::http::extract::PathId;
use crate::http::lists::{List, NoParameters, PageView, Paging};
use crate::http::money::with_currency;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::submission::{Answer, Key, RequiredKey, Submission};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReturnToSupplier {
    /// Chosen by the client. The server recognises a repeated request by this id, even after its
    /// Idempotency-Key has expired. Defaults to a new id.
    id: Option<SupplierReturnId>,
    /// The location that the goods leave. Defaults to the default location of the business.
    location_id: Option<LocationId>,
    /// The reason of the return.
    reason: Reason,
    /// A note on the return. Defaults to none.
    note: Option<Note>,
    /// The goods that go back.
    #[schema(min_items = 1, max_items = 200)]
    lines: Vec<ReturnedGoods>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "variantId": "01920000-0000-7000-8000-000000000000", "quantity": "2", "unitCost": "0.16",
}))]
pub struct ReturnedGoods {
    /// The variant. Exactly one of variantId, sku and barcode is required.
    variant_id: Option<VariantId>,
    /// The SKU of the variant.
    sku: Option<Sku>,
    /// A barcode of the variant.
    barcode: Option<Barcode>,
    /// The quantity that goes back, in sale units, greater than zero.
    quantity: Positive<Quantity>,
    /// The amount that the supplier credits for one unit, in the currency of the business. Defaults to the
    /// average cost.
    unit_cost: Option<NonNegative<Money>>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SupplierReturnView {
    id: SupplierReturnId,
    /// The sequential number: it starts at 1 and has no gaps.
    number: i64,
    /// The number as it is printed on documents.
    #[schema(example = "VR-000002")]
    reference: String,
    supplier_id: SupplierId,
    /// The location that the goods left.
    location_id: LocationId,
    /// The reason of the return.
    reason: Reason,
    note: Option<Note>,
    /// The currency of the values: that of the business.
    currency: Currency,
    lines: Vec<SupplierReturnLineView>,
    /// The user or program that posted the return; null for the platform.
    actor: ActorId,
    returned_at: DateTime<Utc>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SupplierReturnLineView {
    variant_id: VariantId,
    /// The quantity that went back, in sale units.
    quantity: Quantity,
    /// The amount that the supplier credits for the goods. null if no cost is known.
    #[schema(example = "0.32")]
    value: Option<Amount>,
}

impl SupplierReturnView {
    fn new(of: SupplierReturn, currency: &Currency) -> Self {
        let line = |line: SupplierReturnLine| SupplierReturnLineView {
            variant_id: line.variant_id,
            quantity: line.quantity,
            value: line.value.map(StockValue::plain),
        };
        Self {
            id: of.id,
            number: of.number,
            reference: Counter::SupplierReturn.reference(of.number),
            supplier_id: of.supplier_id,
            location_id: of.location_id,
            reason: of.reason,
            note: of.note,
            currency: currency.clone(),
            lines: of.lines.into_iter().map(line).collect(),
            actor: of.actor_id,
            returned_at: of.returned_at,
        }
    }
}

/// Return goods to a supplier
///
/// The goods leave the stock at the amount that the supplier credits. To take back a receipt that was wrong,
/// post a receipt with reverses instead. Requires an Idempotency-Key header.
#[utoipa::path(tag = "purchasing", operation_id = "returnToSupplier", request_body = ReturnToSupplier,
    responses((status = 201, body = SupplierReturnView)), params(RequiredKey, ("id" = SupplierId, Path,)))]
#[post("/suppliers/{id}/returns")]
pub async fn give_back(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::PurchasingWrite, ReturnToSupplier>,
    PathId(supplier_id): PathId<SupplierId>,
) -> Result<HttpResponse, Problem> {
    let ReturnToSupplier { id, location_id, reason, note, lines } = body;
    let line = |(index, line): (usize, ReturnedGoods)| {
        let article = article(&format!("/lines/{index}"), line.variant_id, line.sku, line.barcode)?;
        Ok(NewLine { article, quantity: line.quantity, unit_cost: line.unit_cost })
    };
    let lines = lines.into_iter().enumerate().map(line).collect::<Result<_, Problem>>()?;
    let request = once.requested(id, SupplierReturnId::new);
    let new = NewSupplierReturn { request, supplier_id, location_id, reason, note, lines };
    once.run(&state.database, Key::Required, async |tx| {
        let (currency, outcome) = with_currency(tx, supplier_return::post(tx, &new, once.actor())).await?;
        Answer::to(outcome, |posted| {
            let location = format!("/api/v1/suppliers/{supplier_id}/returns");
            Answer::created(location, Tag::of_version(1), &SupplierReturnView::new(posted, &currency))
        })
    })
    .await
}

/// List the returns to a supplier
///
/// Returns them with their lines, newest first.
#[utoipa::path(tag = "purchasing", operation_id = "listSupplierReturns",
    params(("id" = SupplierId, Path,), Paging),
    responses((status = 200, body = PageView<SupplierReturnView>)))]
#[get("/suppliers/{id}/returns")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::PurchasingReceive>,
    PathId(id): PathId<SupplierId>,
    List { page, .. }: List<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let page = page.request()?;
    let read = async |tx: &TenantTx| {
        let returns = supplier_return::list(tx, id, &page);
        all((settings::currency(tx), supplier::find(tx, id), returns)).await
    };
    let (currency, supplier, page) = state.database.read_snapshot(&caller.scope(), read).await?;
    supplier.ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().json(PageView::new(page, |of| SupplierReturnView::new(of, &currency))))
}
