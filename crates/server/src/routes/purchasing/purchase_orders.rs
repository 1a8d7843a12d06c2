//! Purchase orders: drafted, changed, sent, confirmed, cancelled, closed short.

use actix_web::{HttpRequest, HttpResponse, get, patch, post, web};
use chrono::{DateTime, NaiveDate, Utc};
use inventory::counter::Counter;
use inventory::purchase_order::{
    self, NewLine, NewPurchaseOrder, PurchaseOrder, PurchaseOrderChange, PurchaseOrderLine, PurchaseStatus,
    ReceiptState,
};
use inventory::purchase_order_list::{self, PurchaseOrderFilter};
use inventory::{LocationId, PurchaseOrderId, PurchaseOrderLineId, SupplierId, VariantId, settings};
use serde::{Deserialize, Serialize};
use tenancy::{TenantTx, all};
use utoipa::{IntoParams, ToSchema};
use values::{
    ActorId, Currency, Cursor, Limit, Money, Name, NonNegative, Note, Percent, Positive, Quantity, Sku,
};

use crate::http::etag::{self, Tag};
use crate::http::extract::{Caller, IfMatch, Json, PathId, Query, may};
use crate::http::lists::{PageView, page_request};
use crate::http::money::with_currency;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::submission::{Answer, Key, Once, Submission};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DraftPurchaseOrder {
    /// Chosen by the client, so that a repeated request is recognised after its Idempotency-Key has expired.
    id: Option<PurchaseOrderId>,
    supplier_id: SupplierId,
    /// Where the goods arrive. Defaults to the default location.
    location_id: Option<LocationId>,
    /// The day on which the goods are expected.
    expected_on: Option<NaiveDate>,
    #[schema(min_items = 1, max_items = 500)]
    lines: Vec<DraftLine>,
    note: Option<Note>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DraftLine {
    variant_id: VariantId,
    quantity: Positive<Quantity>,
    unit_cost: NonNegative<Money>,
    /// The tax that the supplier charges on top of the cost. Defaults to 0.
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
    expected_on: Option<Option<NaiveDate>>,
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    note: Option<Option<Note>>,
    /// All lines that the purchase order has from now on. Only the lines of a draft can change.
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
    id: PurchaseOrderId,
    /// Counts up from 1 without a gap.
    number: i64,
    #[schema(example = "PO-000009")]
    reference: String,
    status: PurchaseStatus,
    receipt_state: ReceiptState,
    supplier_id: SupplierId,
    location_id: LocationId,
    expected_on: Option<NaiveDate>,
    /// Whether the goods were expected on an earlier day and have not all arrived.
    overdue: bool,
    #[schema(example = "EUR")]
    currency: String,
    /// The total less the tax.
    subtotal: String,
    tax: String,
    /// Includes the tax.
    total: String,
    note: Option<Note>,
    created_by: ActorId,
    lines: Vec<PurchaseOrderLineView>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PurchaseOrderLineView {
    id: PurchaseOrderLineId,
    variant_id: VariantId,
    sku: Sku,
    name: Name,
    quantity: Quantity,
    /// Exactly as it was entered.
    unit_cost: String,
    tax_percent: Percent,
    tax: String,
    /// Includes the tax.
    total: String,
    received: Quantity,
    /// Ordered and not received yet.
    open: Quantity,
}

impl PurchaseOrderView {
    pub(super) fn new(order: PurchaseOrder, currency: &Currency) -> Self {
        let line = |line: PurchaseOrderLine| PurchaseOrderLineView {
            open: line.open(),
            id: line.id,
            variant_id: line.variant_id,
            sku: line.sku,
            name: line.name,
            quantity: line.quantity,
            unit_cost: line.unit_cost.plain(),
            tax_percent: line.tax_percent,
            tax: currency.format(line.tax),
            total: currency.format(line.total),
            received: line.received,
        };
        Self {
            id: order.id,
            number: order.number,
            reference: Counter::PurchaseOrder.reference(order.number),
            status: order.status,
            receipt_state: order.receipt_state(),
            supplier_id: order.supplier_id,
            location_id: order.location_id,
            expected_on: order.expected_on,
            overdue: order.is_overdue,
            currency: currency.code().to_owned(),
            subtotal: currency.format(order.total - order.tax),
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

/// An order that becomes overdue gets another tag, although its row does not change.
pub(super) fn tag(order: &PurchaseOrder) -> Tag {
    Tag::with_shown(order.version, order.is_overdue.into())
}

/// Draft a purchase order
#[utoipa::path(tag = "purchasing", operation_id = "draftPurchaseOrder", request_body = DraftPurchaseOrder,
    responses((status = 201, body = PurchaseOrderView)))]
#[post("/purchase-orders")]
pub async fn draft(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::PurchasingWrite, DraftPurchaseOrder>,
) -> Result<HttpResponse, Problem> {
    let DraftPurchaseOrder { id, supplier_id, location_id, expected_on, lines, note } = body;
    let new = NewPurchaseOrder {
        request: once.requested(id, PurchaseOrderId::new),
        supplier_id,
        location_id,
        expected_on,
        lines: lines.into_iter().map(NewLine::from).collect(),
        note,
    };
    once.run(&state.database, Key::Optional, async |tx| {
        let (currency, outcome) = with_currency(tx, purchase_order::draft(tx, &new, once.actor())).await?;
        Answer::to(outcome, |order| {
            let location = format!("/api/v1/purchase-orders/{}", order.id);
            Answer::created(location, tag(&order), &PurchaseOrderView::new(order, &currency))
        })
    })
    .await
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListPurchaseOrders {
    status: Option<PurchaseStatus>,
    supplier_id: Option<SupplierId>,
    /// How many rows the page has; defaults to 50.
    limit: Option<Limit>,
    /// nextCursor of the page before.
    cursor: Option<Cursor>,
}

/// List purchase orders
///
/// Returns purchase orders with their lines, latest first.
#[utoipa::path(tag = "purchasing", operation_id = "listPurchaseOrders", params(ListPurchaseOrders),
    responses((status = 200, body = PageView<PurchaseOrderView>)))]
#[get("/purchase-orders")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::PurchasingReceive>,
    Query(query): Query<ListPurchaseOrders>,
) -> Result<HttpResponse, Problem> {
    let filter = PurchaseOrderFilter { status: query.status, supplier_id: query.supplier_id };
    let page = page_request(query.limit, query.cursor.as_ref())?;
    let read = async |tx: &TenantTx| {
        all((settings::currency(tx), purchase_order_list::list(tx, &filter, &page))).await
    };
    let (currency, page) = state.database.read_snapshot(&caller.scope(), read).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, |order| PurchaseOrderView::new(order, &currency))))
}

/// Read a purchase order
#[utoipa::path(tag = "purchasing", operation_id = "readPurchaseOrder",
    responses((status = 200, body = PurchaseOrderView)), params(("id" = PurchaseOrderId, Path,)))]
#[get("/purchase-orders/{id}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::PurchasingReceive>,
    PathId(id): PathId<PurchaseOrderId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let read = async |tx: &TenantTx| all((settings::currency(tx), purchase_order_list::find(tx, id))).await;
    let (currency, order) = state.database.read_snapshot(&caller.scope(), read).await?;
    let order = order.ok_or_else(Problem::not_found)?;
    Ok(etag::respond(&request, tag(&order), &PurchaseOrderView::new(order, &currency)))
}

/// Change a purchase order
///
/// Changes the expected day and the note of an open purchase order, and the lines of a draft.
#[utoipa::path(tag = "purchasing", operation_id = "changePurchaseOrder", request_body = ChangePurchaseOrder,
    responses((status = 200, body = PurchaseOrderView)), params(("id" = PurchaseOrderId, Path,)))]
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
    let update = async |tx: &TenantTx| {
        with_currency(tx, purchase_order::update(tx, id, &change, caller.actor())).await
    };
    let (currency, order) = state.database.write(&caller.scope(), update).await?;
    Ok(etag::changed(tag(&order), &PurchaseOrderView::new(order, &currency)))
}

/// Changes the status of a purchase order, for the four routes below.
async fn move_to(
    state: &State,
    once: &Once<may::PurchasingWrite>,
    id: PurchaseOrderId,
    to: PurchaseStatus,
) -> Result<HttpResponse, Problem> {
    once.run(&state.database, Key::Optional, async |tx| {
        let (currency, order) = with_currency(tx, purchase_order::move_to(tx, id, to, once.actor())).await?;
        Answer::ok(tag(&order), &PurchaseOrderView::new(order, &currency))
    })
    .await
}

/// Send a purchase order
///
/// Only a draft can be sent. Its lines cannot change afterwards.
#[utoipa::path(tag = "purchasing", operation_id = "sendPurchaseOrder", request_body = MovePurchaseOrder,
    responses((status = 200, body = PurchaseOrderView)), params(("id" = PurchaseOrderId, Path,)))]
#[post("/purchase-orders/{id}/send")]
pub async fn send(
    state: web::Data<State>,
    Submission { once, .. }: Submission<may::PurchasingWrite, MovePurchaseOrder>,
    PathId(id): PathId<PurchaseOrderId>,
) -> Result<HttpResponse, Problem> {
    move_to(&state, &once, id, PurchaseStatus::Sent).await
}

/// Confirm a purchase order
///
/// The supplier has confirmed it.
#[utoipa::path(tag = "purchasing", operation_id = "confirmPurchaseOrder", request_body = MovePurchaseOrder,
    responses((status = 200, body = PurchaseOrderView)), params(("id" = PurchaseOrderId, Path,)))]
#[post("/purchase-orders/{id}/confirm")]
pub async fn confirm(
    state: web::Data<State>,
    Submission { once, .. }: Submission<may::PurchasingWrite, MovePurchaseOrder>,
    PathId(id): PathId<PurchaseOrderId>,
) -> Result<HttpResponse, Problem> {
    move_to(&state, &once, id, PurchaseStatus::Confirmed).await
}

/// Cancel a purchase order
///
/// Only a purchase order without receipts can be cancelled.
#[utoipa::path(tag = "purchasing", operation_id = "cancelPurchaseOrder", request_body = MovePurchaseOrder,
    responses((status = 200, body = PurchaseOrderView)), params(("id" = PurchaseOrderId, Path,)))]
#[post("/purchase-orders/{id}/cancel")]
pub async fn cancel(
    state: web::Data<State>,
    Submission { once, .. }: Submission<may::PurchasingWrite, MovePurchaseOrder>,
    PathId(id): PathId<PurchaseOrderId>,
) -> Result<HttpResponse, Problem> {
    move_to(&state, &once, id, PurchaseStatus::Cancelled).await
}

/// Close a purchase order short
///
/// Part of the goods has been received, and no more will come.
#[utoipa::path(tag = "purchasing", operation_id = "closePurchaseOrder", request_body = MovePurchaseOrder,
    responses((status = 200, body = PurchaseOrderView)), params(("id" = PurchaseOrderId, Path,)))]
#[post("/purchase-orders/{id}/close")]
pub async fn close(
    state: web::Data<State>,
    Submission { once, .. }: Submission<may::PurchasingWrite, MovePurchaseOrder>,
    PathId(id): PathId<PurchaseOrderId>,
) -> Result<HttpResponse, Problem> {
    move_to(&state, &once, id, PurchaseStatus::ClosedShort).await
}
