//! Purchase orders: drafted, changed, sent, confirmed, cancelled, closed short.

use actix_web::{HttpRequest, HttpResponse, get, patch, post, web};
use chrono::{DateTime, NaiveDate, Utc};
use inventory::counter::Counter;
use inventory::own_keys::{OwnKeys, OwnKeysChange};
use inventory::purchase_order::{
    self, NewLine, NewPurchaseOrder, PurchaseOrder, PurchaseOrderChange, PurchaseOrderLine, PurchaseStatus,
    ReceiptState,
};
use inventory::purchase_order_list::{self, PurchaseOrderFilter};
use inventory::{LocationId, PurchaseOrderId, PurchaseOrderLineId, SupplierId, VariantId};
use serde::{Deserialize, Serialize};
use tenancy::TenantTx;
use utoipa::{IntoParams, ToSchema};
use values::{
    ActorId, Amount, Barcode, Currency, Day, ExchangeRate, ExternalId, ExternalSource, Metadata,
    MetadataPatch, Money, Name, NonNegative, Note, Percent, Positive, Quantity, Share, Sku,
};

use crate::http::article::article;
use crate::http::caller::{Caller, may};
use crate::http::etag::{self, Tag};
use crate::http::extract::{IfMatch, Json, PathId};
use crate::http::listed::{Listed, Picks};
use crate::http::lists::{PageView, Paging};
use crate::http::own_keys::OwnKeysView;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::submission::{Answer, Key, Once, Submission};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DraftPurchaseOrder {
    /// Chosen by the client. The server recognises a repeated request by this id, even after its
    /// Idempotency-Key has expired. Defaults to a new id.
    id: Option<PurchaseOrderId>,
    supplier_id: SupplierId,
    /// The location at which the goods arrive. Defaults to the default location of the business.
    location_id: Option<LocationId>,
    /// The day on which the goods are expected. Defaults to no day.
    expected_on: Option<Day>,
    /// The currency of all amounts (ISO 4217). Defaults to the currency of the business.
    #[schema(example = "USD")]
    currency: Option<Currency>,
    /// The price of one unit of the currency in the currency of the business. Required if the currencies
    /// differ. Received goods are valued at this rate.
    #[schema(example = "0.92")]
    exchange_rate: Option<Positive<ExchangeRate>>,
    /// The ordered variants, each once.
    #[schema(min_items = 1, max_items = 500)]
    lines: Vec<DraftLine>,
    /// A note on the purchase order. Defaults to none.
    note: Option<Note>,
    /// The id of the purchase order in another program. It must be unique for each externalSource. Defaults
    /// to none.
    external_id: Option<ExternalId>,
    /// The program of the externalId, such as shopify. Defaults to `default`.
    external_source: Option<ExternalSource>,
    /// Notes of that program. Defaults to none.
    metadata: Option<Metadata>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "variantId": "01920000-0000-7000-8000-000000000000", "quantity": "40", "unitCost": "0.16",
    "taxPercent": "16",
}))]
pub struct DraftLine {
    /// The variant. Exactly one of variantId, sku and barcode is required.
    variant_id: Option<VariantId>,
    /// The SKU of the variant.
    sku: Option<Sku>,
    /// A barcode of the variant.
    barcode: Option<Barcode>,
    /// The ordered quantity, in sale units, greater than zero.
    quantity: Positive<Quantity>,
    /// The cost of one unit, without tax, in the currency of the purchase order.
    unit_cost: NonNegative<Money>,
    /// The tax that the supplier charges on top of the cost, in percent, 0 to 100. Defaults to 0.
    #[schema(value_type = Option<Share>)]
    tax_percent: Option<Percent>,
}

impl DraftLine {
    fn checked(self, index: usize) -> Result<NewLine, Problem> {
        Ok(NewLine {
            article: article(&format!("/lines/{index}"), self.variant_id, self.sku, self.barcode)?,
            quantity: self.quantity,
            unit_cost: self.unit_cost,
            tax_percent: self.tax_percent.unwrap_or(Percent::ZERO),
        })
    }
}

fn checked(lines: Vec<DraftLine>) -> Result<Vec<NewLine>, Problem> {
    lines.into_iter().enumerate().map(|(index, line)| line.checked(index)).collect()
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangePurchaseOrder {
    /// The day on which the goods are expected. null removes the day.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    expected_on: Option<Option<Day>>,
    /// null removes the note.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    note: Option<Option<Note>>,
    /// The id of the purchase order in another program. null removes it with its externalSource.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    external_id: Option<Option<ExternalId>>,
    /// The program of the externalId. null means `default`.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    external_source: Option<Option<ExternalSource>>,
    /// Changes of the notes of that program. null removes all notes.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    metadata: Option<Option<MetadataPatch>>,
    /// The exchange rate for goods that are received from now on.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    exchange_rate: Option<Positive<ExchangeRate>>,
    /// The new lines. They replace all present lines. Allowed only for a draft.
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
    /// The sequential number: it starts at 1 and has no gaps.
    number: i64,
    /// The number as it is printed on documents.
    #[schema(example = "PO-000009")]
    reference: String,
    status: PurchaseStatus,
    /// The received part of the goods: none, partial or full.
    receipt_state: ReceiptState,
    supplier_id: SupplierId,
    /// The location at which the goods arrive.
    location_id: LocationId,
    /// The day on which the goods are expected; null if no day is known.
    expected_on: Option<NaiveDate>,
    /// Whether the expected day has passed and goods are still missing.
    overdue: bool,
    /// The currency of all amounts.
    #[schema(example = "EUR")]
    currency: Currency,
    /// The price of one unit of the currency in the currency of the business. 1 if they are the same.
    exchange_rate: ExchangeRate,
    /// The total minus the tax.
    subtotal: Amount,
    /// The sum of the taxes of all lines.
    tax: Amount,
    /// The total of all lines, including tax.
    total: Amount,
    note: Option<Note>,
    #[serde(flatten)]
    own_keys: OwnKeysView,
    /// The user or program that drafted the purchase order; null for the platform.
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
    /// The SKU when the line was written.
    sku: Sku,
    /// The name of the product when the line was written.
    name: Name,
    /// The ordered quantity, in sale units.
    quantity: Quantity,
    /// The cost of one unit, without tax, with all decimals that were entered.
    unit_cost: Amount,
    /// The tax that the supplier charges on top of the cost, in percent, 0 to 100.
    tax_percent: Percent,
    /// The tax of the line.
    tax: Amount,
    /// The total of the line, including tax.
    total: Amount,
    /// The received quantity, in sale units.
    received: Quantity,
    /// The ordered quantity that has not been received, in sale units.
    open: Quantity,
}

impl PurchaseOrderView {
    pub(super) fn new(order: PurchaseOrder) -> Self {
        let receipt_state = order.receipt_state();
        let currency = order.currency;
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
            receipt_state,
            supplier_id: order.supplier_id,
            location_id: order.location_id,
            expected_on: order.expected_on,
            overdue: order.is_overdue,
            currency: currency.clone(),
            exchange_rate: order.exchange_rate,
            subtotal: currency.format(order.total - order.tax),
            tax: currency.format(order.tax),
            total: currency.format(order.total),
            note: order.note,
            own_keys: order.own_keys.into(),
            created_by: order.created_by,
            lines: order.lines.into_iter().map(line).collect(),
            created_at: order.created_at,
            updated_at: order.updated_at,
        }
    }
}

/// The tag changes when a purchase order becomes overdue, although the row does not change.
pub(super) fn tag(order: &PurchaseOrder) -> Tag {
    Tag::with_shown(order.version, order.is_overdue.into())
}

/// Draft a purchase order
///
/// A draft changes no stock. Send the purchase order when its lines are complete.
#[utoipa::path(tag = "purchasing", operation_id = "draftPurchaseOrder", request_body = DraftPurchaseOrder,
    responses((status = 201, body = PurchaseOrderView)))]
#[post("/purchase-orders")]
pub async fn draft(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::PurchasingWrite, DraftPurchaseOrder>,
) -> Result<HttpResponse, Problem> {
    let new = NewPurchaseOrder {
        request: once.requested(body.id, PurchaseOrderId::new),
        supplier_id: body.supplier_id,
        location_id: body.location_id,
        expected_on: body.expected_on.map(Day::date),
        currency: body.currency,
        exchange_rate: body.exchange_rate,
        lines: checked(body.lines)?,
        note: body.note,
        own_keys: OwnKeys::new(body.external_id, body.external_source, body.metadata)?,
    };
    once.run(&state.database, Key::Optional, async |tx| {
        Answer::to(purchase_order::draft(tx, &new, once.actor()).await?, |order| {
            let location = format!("/api/v1/purchase-orders/{}", order.id);
            Answer::created(location, tag(&order), &PurchaseOrderView::new(order))
        })
    })
    .await
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListPurchaseOrders {
    /// Returns only purchase orders with this status. Defaults to all.
    status: Option<PurchaseStatus>,
    /// Returns only purchase orders of this supplier. Defaults to all.
    supplier_id: Option<SupplierId>,
}

/// List purchase orders
///
/// Returns purchase orders with their lines, newest first.
#[utoipa::path(tag = "purchasing", operation_id = "listPurchaseOrders",
    params(ListPurchaseOrders, Picks, Paging),
    responses((status = 200, body = PageView<PurchaseOrderView>)))]
#[get("/purchase-orders")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::PurchasingReceive>,
    listed: Listed<ListPurchaseOrders>,
) -> Result<HttpResponse, Problem> {
    let scope = caller.scope();
    let (query, page) = match listed {
        Listed::Page { query, page } => (query, page.request()?),
        Listed::Changes(changes) => {
            let changed = changes.settled(&state.database, &scope).await?;
            let read = async |tx: &TenantTx| purchase_order_list::changed(tx, &changed).await;
            let page = state.database.read_snapshot(&scope, read).await?;
            return Ok(HttpResponse::Ok().json(PageView::new(page, PurchaseOrderView::new)));
        }
        Listed::Named(named) => {
            let read = async |tx: &TenantTx| purchase_order_list::named(tx, &named).await;
            let found = state.database.read_snapshot(&scope, read).await?;
            return Ok(HttpResponse::Ok().json(PageView::whole(found, PurchaseOrderView::new)));
        }
    };
    let filter = PurchaseOrderFilter { status: query.status, supplier_id: query.supplier_id };
    let read = async |tx: &TenantTx| purchase_order_list::list(tx, &filter, &page).await;
    let page = state.database.read_snapshot(&scope, read).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, PurchaseOrderView::new)))
}

/// Read a purchase order
///
/// Returns a purchase order with its lines, and with the quantities that have been received.
#[utoipa::path(tag = "purchasing", operation_id = "readPurchaseOrder",
    responses((status = 200, body = PurchaseOrderView)), params(("id" = PurchaseOrderId, Path,)))]
#[get("/purchase-orders/{id}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::PurchasingReceive>,
    PathId(id): PathId<PurchaseOrderId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let read = async |tx: &TenantTx| purchase_order_list::find(tx, id).await;
    let order = state.database.read_snapshot(&caller.scope(), read).await?;
    let order = order.ok_or_else(Problem::not_found)?;
    Ok(etag::respond(&request, tag(&order), &PurchaseOrderView::new(order)))
}

/// Change a purchase order
///
/// Changes the expected day, the note and the exchange rate of a draft or of an open purchase order, and the
/// lines of a draft.
/// The body is a JSON Merge Patch (RFC 7396): a field that is left out stays unchanged, and null removes a
/// value.
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
    let body = body.value;
    let change = PurchaseOrderChange {
        expected_on: body.expected_on.map(|day| day.map(Day::date)),
        note: body.note,
        own_keys: OwnKeysChange {
            external_id: body.external_id,
            external_source: body.external_source,
            metadata: body.metadata,
        },
        exchange_rate: body.exchange_rate,
        lines: body.lines.map(checked).transpose()?,
        if_version,
    };
    let update = async |tx: &TenantTx| purchase_order::update(tx, id, &change, caller.actor()).await;
    let order = state.database.write(&caller.scope(), update).await?;
    Ok(etag::changed(tag(&order), &PurchaseOrderView::new(order)))
}

/// Changes the status of a purchase order, for the four routes below.
async fn move_to(
    state: &State,
    once: &Once<may::PurchasingWrite>,
    id: PurchaseOrderId,
    to: PurchaseStatus,
) -> Result<HttpResponse, Problem> {
    once.run(&state.database, Key::Optional, async |tx| {
        let order = purchase_order::move_to(tx, id, to, once.actor()).await?;
        Answer::ok(tag(&order), &PurchaseOrderView::new(order))
    })
    .await
}

/// Send a purchase order
///
/// Changes the status from DRAFT to SENT. The lines cannot change afterwards. The server does not contact the
/// supplier.
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
/// Records that the supplier has confirmed the purchase order. Changes the status from SENT to CONFIRMED.
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
/// Allowed for a draft, and for an open purchase order before any goods have been received.
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
/// Records that the rest of the goods will not come. Allowed only after a part of the goods has been
/// received.
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
