//! Goods receipts: goods of a purchase order that arrived, and reversals of receipts that were wrong.

use actix_web::{HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use identity::Permission;
use inventory::counter::Counter;
use inventory::goods_receipt::{self, Content, NewReceipt, Receipt, ReceiptLine, Received};
use inventory::{Part, PurchaseOrderId, PurchaseOrderLineId, ReceiptId, purchase_order_list};
use serde::{Deserialize, Serialize};
use tenancy::{TenantTx, all};
use utoipa::ToSchema;
use values::{ActorId, Positive, Quantity, ShortText};

use crate::http::codes::Code;
use crate::http::extract::{Caller, PathId, Query, may};
use crate::http::lists::{NoParameters, PageView};
use crate::http::money::with_currency;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::submission::{Answer, Key, Submission};
use crate::routes::purchasing::purchase_orders::{PurchaseOrderView, tag};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReceiveGoods {
    /// Chosen by the client, so that a repeated request is recognised after its Idempotency-Key has expired.
    id: Option<ReceiptId>,
    /// The quantities that arrived. Defaults to everything that is open.
    lines: Option<Vec<ArrivedPart>>,
    /// The number of the supplier's delivery note. Each number is booked once.
    delivery_note: Option<ShortText>,
    /// Instead of lines: an earlier receipt that was wrong and is taken back. Needs the permission purchasing.write.
    reverses: Option<ReceiptId>,
}

impl ReceiveGoods {
    fn into_content(self) -> Result<(Option<ReceiptId>, Content), Problem> {
        let part = |part: ArrivedPart| Part { line_id: part.line_id, quantity: part.quantity };
        let content = match (self.reverses, self.lines) {
            (Some(_), Some(_)) => {
                let message = "a receipt is reversed as a whole, so lines must be left out";
                return Err(Problem::invalid("/lines", Code::LinesNotAllowed, message));
            }
            (Some(receipt), None) => Content::Reversal(receipt),
            (None, Some(lines)) if lines.is_empty() => {
                let message =
                    "at least one line is required; leave lines out to receive everything that is open";
                return Err(Problem::invalid("/lines", Code::InvalidLineCount, message));
            }
            (None, lines) => Content::Goods {
                parts: lines.unwrap_or_default().into_iter().map(part).collect(),
                delivery_note: self.delivery_note,
            },
        };
        Ok((self.id, content))
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ArrivedPart {
    line_id: PurchaseOrderLineId,
    quantity: Positive<Quantity>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptView {
    id: ReceiptId,
    /// Counts up from 1 without a gap.
    number: i64,
    #[schema(example = "GR-000012")]
    reference: String,
    purchase_order_id: PurchaseOrderId,
    delivery_note: Option<ShortText>,
    /// The receipt that this one takes back.
    reverses: Option<ReceiptId>,
    /// Whether a later receipt takes this one back.
    reversed: bool,
    lines: Vec<ArrivedPartView>,
    actor: ActorId,
    received_at: DateTime<Utc>,
    /// The purchase order after the receipt. Lists leave it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<PurchaseOrderView>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ArrivedPartView {
    line_id: PurchaseOrderLineId,
    /// Negative where goods are taken back.
    quantity: Quantity,
}

impl ReceiptView {
    fn new(receipt: Receipt, order: Option<PurchaseOrderView>) -> Self {
        let part = |line: ReceiptLine| ArrivedPartView { line_id: line.line_id, quantity: line.quantity };
        Self {
            id: receipt.id,
            number: receipt.number,
            reference: Counter::GoodsReceipt.reference(receipt.number),
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
/// Receives everything that is open of a purchase order, or a part of it. A purchase order can be received in several parts,
/// and never beyond the ordered quantity plus the over-receipt tolerance. Requires an Idempotency-Key header.
#[utoipa::path(tag = "purchasing", operation_id = "receiveGoods", request_body = ReceiveGoods,
    responses((status = 201, body = ReceiptView)), params(("id" = PurchaseOrderId, Path,)))]
#[post("/purchase-orders/{id}/receipts")]
pub async fn receive(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::PurchasingReceive, ReceiveGoods>,
    PathId(order_id): PathId<PurchaseOrderId>,
) -> Result<HttpResponse, Problem> {
    if body.reverses.is_some() && !once.caller.principal.may(Permission::PurchasingWrite) {
        let detail = "Your role does not include the permission purchasing.write, which is needed to reverse a receipt.";
        return Err(Problem::new(Code::PermissionDenied, detail));
    }
    let (id, content) = body.into_content()?;
    let new = NewReceipt { request: once.requested(id, ReceiptId::new), order_id, content };
    once.run(&state.database, Key::Required, async |tx| {
        let (currency, outcome) = with_currency(tx, goods_receipt::post(tx, &new, once.actor())).await?;
        Answer::to(outcome, |Received { receipt, order }| {
            let location = format!("/api/v1/purchase-orders/{order_id}/receipts");
            let tag = tag(&order);
            let order = PurchaseOrderView::new(order, &currency);
            Answer::created(location, tag, &ReceiptView::new(receipt, Some(order)))
        })
    })
    .await
}

/// List the receipts of a purchase order
///
/// Returns all of them, earliest first.
#[utoipa::path(tag = "purchasing", operation_id = "listReceipts",
    responses((status = 200, body = PageView<ReceiptView>)), params(("id" = PurchaseOrderId, Path,)))]
#[get("/purchase-orders/{id}/receipts")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::PurchasingReceive>,
    PathId(id): PathId<PurchaseOrderId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let read =
        async |tx: &TenantTx| all((purchase_order_list::find(tx, id), goods_receipt::of_order(tx, id))).await;
    let (order, receipts) = state.database.read_snapshot(&caller.scope(), read).await?;
    order.ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().json(PageView::whole(receipts, |receipt| ReceiptView::new(receipt, None))))
}
