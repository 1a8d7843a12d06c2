//! Goods receipts: goods of a purchase order that arrived, and reversals of receipts that were wrong.

use actix_web::{HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use identity::Permission;
use inventory::counter::Counter;
use inventory::goods_receipt::{
    self, ArrivedPart, Content, LineName, NewReceipt, Receipt, ReceiptLine, Received,
};
use inventory::{
    Part, PurchaseOrderId, PurchaseOrderLineId, ReceiptId, VariantId, purchase_order_list, settings,
};
use serde::{Deserialize, Serialize};
use tenancy::{TenantTx, all};
use utoipa::ToSchema;
use values::{ActorId, Amount, Barcode, Currency, Money, NonNegative, Positive, Quantity, ShortText, Sku};

use crate::http::article::article;
use crate::http::caller::{Caller, may};
use crate::http::codes::Code;
use crate::http::extract::{PathId, Query};
use crate::http::lists::{NoParameters, PageView};
use crate::http::money::with_currency;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::submission::{Answer, Key, RequiredKey, Submission};
use crate::routes::purchasing::purchase_orders::{PurchaseOrderView, tag};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReceiveGoods {
    /// Chosen by the client. The server recognises a repeated request by this id, even after its
    /// Idempotency-Key has expired. Defaults to a new id.
    id: Option<ReceiptId>,
    /// The quantities that arrived, or those of the earlier receipt that are taken back. Defaults to
    /// everything that is open, or to all that is left of the earlier receipt.
    lines: Option<Vec<ReceivedPart>>,
    /// The number of the supplier's delivery note. Each number of a supplier can be booked once, and again
    /// after its receipt was reversed. Defaults to none.
    delivery_note: Option<ShortText>,
    /// What it cost to bring all the goods in, such as freight and customs, in the currency of the business.
    /// It is divided among the goods by their cost, and is part of their value. Defaults to none.
    landed_cost: Option<NonNegative<Money>>,
    /// The id of an earlier receipt that was wrong, and whose goods are taken back. deliveryNote and
    /// landedCost are ignored. Requires the permission purchasing.write.
    reverses: Option<ReceiptId>,
}

impl ReceiveGoods {
    fn into_content(self) -> Result<(Option<ReceiptId>, Content), Problem> {
        if self.lines.as_ref().is_some_and(Vec::is_empty) {
            let message = "at least one line is required; leave lines out to receive or take back everything";
            return Err(Problem::invalid("/lines", Code::InvalidLineCount, message));
        }
        let lines = self.lines.unwrap_or_default().into_iter().enumerate();
        let content = match self.reverses {
            Some(receipt) => {
                let parts = lines.map(|(index, part)| part.taken_back(index)).collect::<Result<_, _>>()?;
                Content::Reversal { receipt, parts }
            }
            None => Content::Goods {
                parts: lines.map(|(index, part)| part.arrived(index)).collect::<Result<_, _>>()?,
                delivery_note: self.delivery_note,
                landed_cost: self.landed_cost,
            },
        };
        Ok((self.id, content))
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "lineId": "01920000-0000-7000-8000-000000000000", "quantity": "2", "unitCost": "0.1650",
}))]
pub struct ReceivedPart {
    /// The line of the purchase order. Exactly one of lineId, variantId, sku and barcode is required; to take
    /// goods back, lineId is required.
    line_id: Option<PurchaseOrderLineId>,
    /// The variant of the line.
    variant_id: Option<VariantId>,
    /// The SKU of the variant.
    sku: Option<Sku>,
    /// A barcode of the variant.
    barcode: Option<Barcode>,
    /// The quantity that arrived or is taken back, in sale units, greater than zero.
    quantity: Positive<Quantity>,
    /// The cost of one unit as invoiced, in the currency of the purchase order. Defaults to the unit cost of
    /// the purchase order.
    unit_cost: Option<NonNegative<Money>>,
}

impl ReceivedPart {
    fn arrived(self, index: usize) -> Result<ArrivedPart, Problem> {
        let at = format!("/lines/{index}");
        let line = match (self.line_id, self.variant_id, self.sku, self.barcode) {
            (Some(id), None, None, None) => LineName::Line(id),
            (None, variant_id, sku, barcode) => LineName::Article(article(&at, variant_id, sku, barcode)?),
            _ => {
                let message = "exactly one of lineId, variantId, sku and barcode is required";
                return Err(Problem::invalid(format!("{at}/lineId"), Code::ArticleNotNamed, message));
            }
        };
        Ok(ArrivedPart { line, quantity: self.quantity, unit_cost: self.unit_cost })
    }

    fn taken_back(self, index: usize) -> Result<Part<PurchaseOrderLineId>, Problem> {
        match self {
            Self {
                line_id: Some(line_id),
                variant_id: None,
                sku: None,
                barcode: None,
                quantity,
                unit_cost: None,
            } => Ok(Part { line_id, quantity }),
            _ => {
                let message =
                    "only lineId and quantity are allowed, and both are required, to take goods back";
                let pointer = format!("/lines/{index}/lineId");
                Err(Problem::invalid(pointer, Code::ArticleNotNamed, message))
            }
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptView {
    id: ReceiptId,
    /// The sequential number: it starts at 1 and has no gaps.
    number: i64,
    /// The number as it is printed on documents.
    #[schema(example = "GR-000012")]
    reference: String,
    purchase_order_id: PurchaseOrderId,
    /// The number of the supplier's delivery note.
    delivery_note: Option<ShortText>,
    /// The receipt that this receipt takes back; null for a receipt of goods.
    reverses: Option<ReceiptId>,
    /// Whether later receipts take all of this receipt back.
    reversed: bool,
    /// The currency of the values: that of the business.
    #[schema(example = "EUR")]
    currency: Currency,
    /// The received quantities.
    lines: Vec<ArrivedPartView>,
    /// The user or program that posted the receipt; null for the platform.
    actor: ActorId,
    received_at: DateTime<Utc>,
    /// The purchase order after the receipt. Left out in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<PurchaseOrderView>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ArrivedPartView {
    /// The line of the purchase order.
    line_id: PurchaseOrderLineId,
    /// The received quantity, in sale units. Negative if goods are taken back.
    quantity: Quantity,
    /// The cost of one unit as invoiced, in the currency of the purchase order. null: the unit cost of the
    /// purchase order.
    #[schema(example = "0.165")]
    unit_cost: Option<Amount>,
    /// The share of the landed cost in value.
    #[schema(example = "0.5")]
    landed_cost: Amount,
    /// The cost of the goods, exactly, in the currency of the business: quantity times the unit cost, times
    /// the exchange rate when the goods arrived, plus the landed cost. Negative if goods are taken back.
    #[schema(example = "12.5")]
    value: Amount,
    /// The quantity that later receipts took back, in sale units.
    reversed: Quantity,
}

impl ReceiptView {
    fn new(receipt: Receipt, currency: &Currency, order: Option<PurchaseOrderView>) -> Self {
        let part = |line: ReceiptLine| ArrivedPartView {
            line_id: line.line_id,
            quantity: line.quantity,
            unit_cost: line.unit_cost.map(Money::plain),
            landed_cost: line.landed_cost.plain(),
            value: line.value.plain(),
            reversed: line.reversed,
        };
        Self {
            id: receipt.id,
            number: receipt.number,
            reference: Counter::GoodsReceipt.reference(receipt.number),
            purchase_order_id: receipt.order_id,
            delivery_note: receipt.delivery_note,
            reverses: receipt.reverses,
            reversed: receipt.is_reversed,
            currency: currency.clone(),
            lines: receipt.lines.into_iter().map(part).collect(),
            actor: receipt.actor_id,
            received_at: receipt.received_at,
            order,
        }
    }
}

/// Receive goods
///
/// Receives everything that is open, or a part of it. A purchase order can be received in several parts. At
/// most the ordered quantity plus the over-receipt tolerance can be received. The tolerance is the one of
/// the settings when the line was written. Requires an Idempotency-Key header.
#[utoipa::path(tag = "purchasing", operation_id = "receiveGoods", request_body = ReceiveGoods,
    responses((status = 201, body = ReceiptView)), params(RequiredKey, ("id" = PurchaseOrderId, Path,)))]
#[post("/purchase-orders/{id}/receipts")]
pub async fn receive(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::PurchasingReceive, ReceiveGoods>,
    PathId(order_id): PathId<PurchaseOrderId>,
) -> Result<HttpResponse, Problem> {
    if body.reverses.is_some() && !once.caller.may(Permission::PurchasingWrite) {
        let detail = "To reverse a receipt, your role must include the permission purchasing.write.";
        return Err(Problem::new(Code::PermissionDenied, detail));
    }
    let (id, content) = body.into_content()?;
    let new = NewReceipt { request: once.requested(id, ReceiptId::new), order_id, content };
    once.run(&state.database, Key::Required, async |tx| {
        let (currency, outcome) = with_currency(tx, goods_receipt::post(tx, &new, once.actor())).await?;
        Answer::to(outcome, |Received { receipt, order }| {
            let location = format!("/api/v1/purchase-orders/{order_id}/receipts");
            let tag = tag(&order);
            let order = PurchaseOrderView::new(order);
            Answer::created(location, tag, &ReceiptView::new(receipt, &currency, Some(order)))
        })
    })
    .await
}

/// List the receipts of a purchase order
///
/// Returns all receipts on one page, oldest first.
#[utoipa::path(tag = "purchasing", operation_id = "listReceipts",
    responses((status = 200, body = PageView<ReceiptView>)), params(("id" = PurchaseOrderId, Path,)))]
#[get("/purchase-orders/{id}/receipts")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::PurchasingReceive>,
    PathId(id): PathId<PurchaseOrderId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let read = async |tx: &TenantTx| {
        let order = purchase_order_list::find(tx, id);
        all((settings::currency(tx), order, goods_receipt::of_order(tx, id))).await
    };
    let (currency, order, receipts) = state.database.read_snapshot(&caller.scope(), read).await?;
    order.ok_or_else(Problem::not_found)?;
    let view = |receipt| ReceiptView::new(receipt, &currency, None);
    Ok(HttpResponse::Ok().json(PageView::whole(receipts, view)))
}
