//! Orders to suppliers, and the receipts of their goods.

use actix_web::{HttpRequest, HttpResponse, get, patch, post, web};
use chrono::{DateTime, NaiveDate, Utc};
use identity::Permission;
use inventory::document::Part;
use inventory::goods_receipt::{self, Arrival, NewReceipt, Outcome, Receipt};
use inventory::purchase_order::{
    self, NewLine, NewPurchaseOrder, PurchaseOrder, PurchaseOrderChange, PurchaseOrderLine, PurchaseStatus,
    ReceiptState,
};
use inventory::settings::Currency;
use inventory::{
    LocationId, PurchaseOrderId, PurchaseOrderLineId, ReceiptId, SupplierId, VariantId, counter, settings,
};
use serde::{Deserialize, Serialize};
use tenancy::{TenantTx, both};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use values::{Cursor, Limit, Money, Note, Percent, Quantity, ShortText};

use crate::http::etag::{self, Tag};
use crate::http::extract::{Caller, Idempotency, IfMatch, Json, PathId, Query, may};
use crate::http::lists::{NoParameters, PageView, page_request};
use crate::http::money::{plain, with_currency};
use crate::http::once::{self, Answer, Key};
use crate::http::problem::Problem;
use crate::http::state::State;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DraftPurchaseOrder {
    /// Chosen by the client, so that a repetition is recognised even after its Idempotency-Key has expired.
    #[schema(value_type = Option<Uuid>)]
    id: Option<PurchaseOrderId>,
    #[schema(value_type = Uuid)]
    supplier_id: SupplierId,
    /// Where the goods go; the default location unless named.
    #[schema(value_type = Option<Uuid>)]
    location_id: Option<LocationId>,
    #[schema(example = "2026-12-01")]
    expected_on: Option<NaiveDate>,
    #[schema(min_items = 1, max_items = 500)]
    lines: Vec<DraftLine>,
    #[schema(value_type = Option<String>, max_length = 2000)]
    note: Option<Note>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DraftLine {
    #[schema(value_type = Uuid)]
    variant_id: VariantId,
    #[schema(value_type = String, example = "100")]
    quantity: Quantity,
    #[schema(value_type = String, example = "0.12")]
    unit_cost: Money,
    /// What the supplier charges on top; nothing when left out.
    #[schema(value_type = Option<String>, example = "16")]
    tax_percent: Option<Percent>,
}

impl From<DraftLine> for NewLine {
    fn from(line: DraftLine) -> Self {
        Self {
            variant_id: line.variant_id,
            quantity: line.quantity,
            unit_cost: line.unit_cost,
            tax_percent: line.tax_percent.unwrap_or(Percent::ZERO),
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangePurchaseOrder {
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    #[schema(value_type = Option<NaiveDate>)]
    expected_on: Option<Option<NaiveDate>>,
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    #[schema(value_type = Option<String>, max_length = 2000)]
    note: Option<Option<Note>>,
    /// All lines from now on; of a draft only.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    lines: Option<Vec<DraftLine>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MovePurchaseOrder {}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PurchaseOrderView {
    #[schema(value_type = Uuid)]
    id: PurchaseOrderId,
    /// Counts up from 1 without a gap.
    number: i64,
    #[schema(example = "PO-000009")]
    reference: String,
    #[schema(value_type = String, example = "SENT")]
    status: PurchaseStatus,
    /// none, partial or full.
    #[schema(value_type = String, example = "partial")]
    receipt_state: ReceiptState,
    #[schema(value_type = Uuid)]
    supplier_id: SupplierId,
    #[schema(value_type = Uuid)]
    location_id: LocationId,
    expected_on: Option<NaiveDate>,
    overdue: bool,
    #[schema(example = "EUR")]
    currency: String,
    subtotal: String,
    tax: String,
    total: String,
    note: Option<String>,
    created_by: Option<Uuid>,
    lines: Vec<PurchaseOrderLineView>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PurchaseOrderLineView {
    #[schema(value_type = Uuid)]
    id: PurchaseOrderLineId,
    #[schema(value_type = Uuid)]
    variant_id: VariantId,
    sku: String,
    name: String,
    #[schema(value_type = String)]
    quantity: Quantity,
    /// Exactly as it was given.
    unit_cost: String,
    #[schema(value_type = String)]
    tax_percent: Percent,
    tax: String,
    /// With the tax in it.
    total: String,
    #[schema(value_type = String)]
    received: Quantity,
    /// Still to come.
    #[schema(value_type = String)]
    open: Quantity,
}

impl PurchaseOrderView {
    fn new(order: PurchaseOrder, currency: &Currency) -> Self {
        let line = |line: PurchaseOrderLine| PurchaseOrderLineView {
            open: line.open(),
            id: line.id,
            variant_id: line.variant_id,
            sku: line.sku,
            name: line.name,
            quantity: line.quantity,
            unit_cost: plain(line.unit_cost),
            tax_percent: line.tax_percent,
            tax: currency.format(line.tax),
            total: currency.format(line.total),
            received: line.received,
        };
        Self {
            id: order.id,
            number: order.number,
            reference: counter::Counter::PurchaseOrder.reference(order.number),
            status: order.status,
            receipt_state: order.receipt_state(),
            supplier_id: order.supplier_id,
            location_id: order.location_id,
            expected_on: order.expected_on,
            overdue: order.is_overdue,
            currency: currency.code().to_owned(),
            subtotal: currency.format(order.total.plus(order.tax.negated())),
            tax: currency.format(order.tax),
            total: currency.format(order.total),
            note: order.note,
            created_by: order.created_by,
            lines: order.lines.into_iter().map(line).collect(),
            created_at: order.created_at,
            updated_at: order.updated_at,
        }
    }
}

/// An order that becomes overdue looks otherwise, though nobody has changed it.
fn tag(order: &PurchaseOrder) -> Tag {
    Tag::with_shown(order.version, order.is_overdue.into())
}

/// Draft an order to a supplier
#[utoipa::path(tag = "purchasing", request_body = DraftPurchaseOrder,
    responses((status = 201, body = PurchaseOrderView)))]
#[post("/purchase-orders")]
pub async fn draft(
    state: web::Data<State>,
    caller: Caller<may::PurchasingWrite>,
    request: Idempotency,
    body: Json<DraftPurchaseOrder>,
) -> Result<HttpResponse, Problem> {
    let request_hash = once::fingerprint(&request.target, &body.bytes);
    let DraftPurchaseOrder { id, supplier_id, location_id, expected_on, lines, note } = body.value;
    let new = NewPurchaseOrder {
        id: id.unwrap_or_else(PurchaseOrderId::new),
        has_chosen_id: id.is_some(),
        supplier_id,
        location_id,
        expected_on,
        lines: lines.into_iter().map(NewLine::from).collect(),
        note,
        request_hash,
    };
    let actor = caller.actor();
    once::run(&state.database, &caller, &request, &body.bytes, Key::Optional, async |tx| {
        let (currency, outcome) = with_currency(tx, purchase_order::draft(tx, &new, actor)).await?;
        let created = |order: PurchaseOrder| {
            let location = format!("/api/v1/purchase-orders/{}", order.id);
            Answer::created(location, tag(&order), &PurchaseOrderView::new(order, &currency))
        };
        match outcome {
            purchase_order::Outcome::Drafted(order) => created(order),
            purchase_order::Outcome::Repeated(order) => Ok(created(order)?.repeated()),
        }
    })
    .await
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListPurchaseOrders {
    /// DRAFT, SENT, CONFIRMED, RECEIVED, CANCELLED or CLOSED_SHORT.
    #[param(value_type = Option<String>)]
    status: Option<PurchaseStatus>,
    #[param(value_type = Option<Uuid>)]
    supplier_id: Option<SupplierId>,
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100)]
    limit: Option<Limit>,
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<1>>,
}

/// List orders to suppliers
///
/// With their lines, the latest first.
#[utoipa::path(tag = "purchasing", params(ListPurchaseOrders),
    responses((status = 200, body = PageView<PurchaseOrderView>)))]
#[get("/purchase-orders")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::PurchasingReceive>,
    Query(query): Query<ListPurchaseOrders>,
) -> Result<HttpResponse, Problem> {
    let page = page_request(query.limit, query.cursor);
    let (currency, page) = state
        .database
        .read_snapshot(&caller.scope(), async |tx| {
            let list = purchase_order::list(tx, query.status, query.supplier_id, &page);
            both(settings::currency(tx), list).await
        })
        .await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, |order| PurchaseOrderView::new(order, &currency))))
}

/// Read an order to a supplier
#[utoipa::path(tag = "purchasing", responses((status = 200, body = PurchaseOrderView)), params(("id" = Uuid, Path,)))]
#[get("/purchase-orders/{id}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::PurchasingReceive>,
    PathId(id): PathId<PurchaseOrderId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (currency, order) = state
        .database
        .read_snapshot(&caller.scope(), async |tx| {
            both(settings::currency(tx), purchase_order::find(tx, id)).await
        })
        .await?;
    let order = order.ok_or_else(Problem::not_found)?;
    let tag = tag(&order);
    Ok(etag::respond(request.headers(), tag, &PurchaseOrderView::new(order, &currency)))
}

/// Change an order to a supplier
///
/// Its date and note while it is open; its lines while it is a draft.
#[utoipa::path(tag = "purchasing", request_body = ChangePurchaseOrder,
    responses((status = 200, body = PurchaseOrderView)), params(("id" = Uuid, Path,)))]
#[patch("/purchase-orders/{id}")]
pub async fn edit(
    state: web::Data<State>,
    caller: Caller<may::PurchasingWrite>,
    PathId(id): PathId<PurchaseOrderId>,
    IfMatch(if_version): IfMatch,
    body: Json<ChangePurchaseOrder>,
) -> Result<HttpResponse, Problem> {
    let ChangePurchaseOrder { expected_on, note, lines } = body.value;
    let lines = lines.map(|lines| lines.into_iter().map(NewLine::from).collect());
    let change = PurchaseOrderChange { expected_on, note, lines, if_version };
    let actor = caller.actor();
    let work = async |tx: &TenantTx| with_currency(tx, purchase_order::update(tx, id, &change, actor)).await;
    let (currency, order) = state.database.write(&caller.scope(), work).await?;
    Ok(etag::changed(tag(&order), &PurchaseOrderView::new(order, &currency)))
}

/// What the four routes below do.
async fn bring_to(
    state: &State,
    caller: &Caller<may::PurchasingWrite>,
    id: PurchaseOrderId,
    request: &Idempotency,
    body: &Json<MovePurchaseOrder>,
    to: PurchaseStatus,
) -> Result<HttpResponse, Problem> {
    let actor = caller.actor();
    once::run(&state.database, caller, request, &body.bytes, Key::Optional, async |tx| {
        let (currency, order) = with_currency(tx, purchase_order::bring_to(tx, id, to, actor)).await?;
        Answer::ok(tag(&order), &PurchaseOrderView::new(order, &currency))
    })
    .await
}

/// Send an order
///
/// A draft; its lines stay as they are from now on.
#[utoipa::path(tag = "purchasing", request_body = MovePurchaseOrder,
    responses((status = 200, body = PurchaseOrderView)), params(("id" = Uuid, Path,)))]
#[post("/purchase-orders/{id}/send")]
pub async fn send(
    state: web::Data<State>,
    caller: Caller<may::PurchasingWrite>,
    PathId(id): PathId<PurchaseOrderId>,
    request: Idempotency,
    body: Json<MovePurchaseOrder>,
) -> Result<HttpResponse, Problem> {
    bring_to(&state, &caller, id, &request, &body, PurchaseStatus::Sent).await
}

/// Confirm an order
///
/// The supplier has promised it.
#[utoipa::path(tag = "purchasing", request_body = MovePurchaseOrder,
    responses((status = 200, body = PurchaseOrderView)), params(("id" = Uuid, Path,)))]
#[post("/purchase-orders/{id}/confirm")]
pub async fn confirm(
    state: web::Data<State>,
    caller: Caller<may::PurchasingWrite>,
    PathId(id): PathId<PurchaseOrderId>,
    request: Idempotency,
    body: Json<MovePurchaseOrder>,
) -> Result<HttpResponse, Problem> {
    bring_to(&state, &caller, id, &request, &body, PurchaseStatus::Confirmed).await
}

/// Cancel an order
///
/// Of which nothing has come.
#[utoipa::path(tag = "purchasing", request_body = MovePurchaseOrder,
    responses((status = 200, body = PurchaseOrderView)), params(("id" = Uuid, Path,)))]
#[post("/purchase-orders/{id}/cancel")]
pub async fn cancel(
    state: web::Data<State>,
    caller: Caller<may::PurchasingWrite>,
    PathId(id): PathId<PurchaseOrderId>,
    request: Idempotency,
    body: Json<MovePurchaseOrder>,
) -> Result<HttpResponse, Problem> {
    bring_to(&state, &caller, id, &request, &body, PurchaseStatus::Cancelled).await
}

/// Close an order short
///
/// Part of it has come, and no more will.
#[utoipa::path(tag = "purchasing", request_body = MovePurchaseOrder,
    responses((status = 200, body = PurchaseOrderView)), params(("id" = Uuid, Path,)))]
#[post("/purchase-orders/{id}/close")]
pub async fn close(
    state: web::Data<State>,
    caller: Caller<may::PurchasingWrite>,
    PathId(id): PathId<PurchaseOrderId>,
    request: Idempotency,
    body: Json<MovePurchaseOrder>,
) -> Result<HttpResponse, Problem> {
    bring_to(&state, &caller, id, &request, &body, PurchaseStatus::ClosedShort).await
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReceiveGoods {
    /// Chosen by the client, so that a repetition is recognised even after its Idempotency-Key has expired.
    #[schema(value_type = Option<Uuid>)]
    id: Option<ReceiptId>,
    /// How much of which lines has come; all that is still to come when left out.
    lines: Option<Vec<ArrivedPart>>,
    /// The supplier's number of the delivery: booked once.
    #[schema(value_type = Option<String>, max_length = 200)]
    delivery_note: Option<ShortText>,
    /// Instead of lines: an earlier receipt that was wrong, and is taken back; for who may order (purchasing.write).
    #[schema(value_type = Option<Uuid>)]
    reverses: Option<ReceiptId>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ArrivedPart {
    #[schema(value_type = Uuid)]
    line_id: PurchaseOrderLineId,
    #[schema(value_type = String, example = "40")]
    quantity: Quantity,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptView {
    #[schema(value_type = Uuid)]
    id: ReceiptId,
    /// Counts up from 1 without a gap.
    number: i64,
    #[schema(example = "GR-000012")]
    reference: String,
    #[schema(value_type = Uuid)]
    purchase_order_id: PurchaseOrderId,
    delivery_note: Option<String>,
    #[schema(value_type = Option<Uuid>)]
    reverses: Option<ReceiptId>,
    reversed: bool,
    lines: Vec<ArrivedPartView>,
    actor: Option<Uuid>,
    received_at: DateTime<Utc>,
    /// The order as it is afterwards; left out of lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<PurchaseOrderView>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ArrivedPartView {
    #[schema(value_type = Uuid)]
    line_id: PurchaseOrderLineId,
    /// Negative was taken back.
    #[schema(value_type = String)]
    quantity: Quantity,
}

impl ReceiptView {
    fn new(receipt: Receipt, order: Option<PurchaseOrderView>) -> Self {
        let part = |part: Part<PurchaseOrderLineId>| ArrivedPartView {
            line_id: part.line_id,
            quantity: part.quantity,
        };
        Self {
            id: receipt.id,
            number: receipt.number,
            reference: counter::Counter::GoodsReceipt.reference(receipt.number),
            purchase_order_id: receipt.order_id,
            delivery_note: receipt.delivery_note,
            reverses: receipt.reverses,
            reversed: receipt.is_reversed,
            lines: receipt.lines.into_iter().map(part).collect(),
            actor: receipt.actor_id,
            received_at: receipt.received_at,
            order,
        }
    }
}

/// Receive goods
///
/// All that is still to come of an order, or part of it; as often as it takes, and never more than was ordered and is
/// tolerated. Needs an Idempotency-Key header.
#[utoipa::path(tag = "purchasing", request_body = ReceiveGoods, responses((status = 201, body = ReceiptView)),
    params(("id" = Uuid, Path,)))]
#[post("/purchase-orders/{id}/receipts")]
pub async fn receive(
    state: web::Data<State>,
    caller: Caller<may::PurchasingReceive>,
    PathId(order_id): PathId<PurchaseOrderId>,
    request: Idempotency,
    body: Json<ReceiveGoods>,
) -> Result<HttpResponse, Problem> {
    let request_hash = once::fingerprint(&request.target, &body.bytes);
    let ReceiveGoods { id, lines, delivery_note, reverses } = body.value;
    let part = |part: ArrivedPart| Part { line_id: part.line_id, quantity: part.quantity };
    if reverses.is_some() && !caller.principal.may(Permission::PurchasingWrite) {
        let detail =
            "Your role does not include the permission purchasing.write, which taking a receipt back needs.";
        return Err(Problem::forbidden("permission_denied", detail));
    }
    let what = match (reverses, lines) {
        (Some(_), Some(_)) => {
            let message = "a receipt is taken back as a whole, so it goes without lines";
            return Err(Problem::invalid("/lines", "lines_not_allowed", message));
        }
        (Some(receipt), None) => Arrival::Reversal(receipt),
        (None, Some(lines)) if lines.is_empty() => {
            let message = "name lines, or leave them out to receive all that is still to come";
            return Err(Problem::invalid("/lines", "invalid_line_count", message));
        }
        (None, lines) => {
            let parts = lines.unwrap_or_default().into_iter().map(part).collect();
            Arrival::Goods { parts, delivery_note }
        }
    };
    let new = NewReceipt {
        id: id.unwrap_or_else(ReceiptId::new),
        has_chosen_id: id.is_some(),
        order_id,
        what,
        request_hash,
    };
    let actor = caller.actor();
    once::run(&state.database, &caller, &request, &body.bytes, Key::Required, async |tx| {
        let (currency, outcome) = with_currency(tx, goods_receipt::post(tx, &new, actor)).await?;
        let created = |receipt: Receipt, order: PurchaseOrder| {
            let location = format!("/api/v1/purchase-orders/{order_id}/receipts");
            let tag = tag(&order);
            let order = PurchaseOrderView::new(order, &currency);
            Answer::created(location, tag, &ReceiptView::new(receipt, Some(order)))
        };
        match outcome {
            Outcome::Posted(receipt, order) => created(receipt, order),
            Outcome::Repeated(receipt, order) => Ok(created(receipt, order)?.repeated()),
        }
    })
    .await
}

/// List an order's receipts
///
/// The first one first; all of them.
#[utoipa::path(tag = "purchasing", responses((status = 200, body = PageView<ReceiptView>)),
    params(("id" = Uuid, Path,)))]
#[get("/purchase-orders/{id}/receipts")]
pub async fn list_receipts(
    state: web::Data<State>,
    caller: Caller<may::PurchasingReceive>,
    PathId(id): PathId<PurchaseOrderId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let (order, receipts) = state
        .database
        .read_snapshot(&caller.scope(), async |tx| {
            both(purchase_order::find(tx, id), goods_receipt::of_order(tx, id)).await
        })
        .await?;
    order.ok_or_else(Problem::not_found)?;
    let data = receipts.into_iter().map(|receipt| ReceiptView::new(receipt, None)).collect();
    Ok(HttpResponse::Ok().json(PageView { data, next_cursor: None }))
}
