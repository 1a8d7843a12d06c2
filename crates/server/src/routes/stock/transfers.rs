//! Transfers of stock between locations.

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use inventory::counter::Counter;
use inventory::transfer::{self, NewStep, NewTransfer, StepKind, Transfer, TransferLine, TransferStatus};
use inventory::{LocationId, Outcome, Part, StepId, TransferId, TransferLineId, VariantId};
use serde::{Deserialize, Serialize};
use tenancy::TenantTx;
use utoipa::{IntoParams, ToSchema};
use values::{ActorId, Barcode, Note, Positive, Quantity, Reason, Sku};

use crate::http::article::article;
use crate::http::caller::{Caller, may};
use crate::http::codes::Code;
use crate::http::etag::{self, Tag};
use crate::http::extract::PathId;
use crate::http::lists::{List, PageView, Paging};
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::submission::{Answer, Key, RequiredKey, Submission};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SendTransfer {
    /// Chosen by the client. The server recognises a repeated request by this id, even after its
    /// Idempotency-Key has expired. Defaults to a new id.
    id: Option<TransferId>,
    /// The location that the stock leaves.
    from_location_id: LocationId,
    /// The location that receives the stock.
    to_location_id: LocationId,
    /// The variants to send.
    #[schema(min_items = 1, max_items = 200)]
    lines: Vec<SendLine>,
    /// A note on the transfer. Defaults to none.
    note: Option<Note>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"variantId": "01920000-0000-7000-8000-000000000000", "quantity": "2"}))]
pub struct SendLine {
    /// The variant. Exactly one of variantId, sku and barcode is required.
    variant_id: Option<VariantId>,
    /// The SKU of the variant.
    sku: Option<Sku>,
    /// A barcode of the variant.
    barcode: Option<Barcode>,
    /// The quantity to send, in sale units, greater than zero.
    quantity: Positive<Quantity>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransferView {
    id: TransferId,
    /// The sequential number: it starts at 1 and has no gaps.
    number: i64,
    /// The number as it is printed on documents.
    #[schema(example = "ST-000003")]
    reference: String,
    status: TransferStatus,
    /// The location that the stock leaves.
    from_location_id: LocationId,
    /// The location that receives the stock.
    to_location_id: LocationId,
    lines: Vec<TransferLineView>,
    note: Option<Note>,
    /// The user or program that sent the transfer; null for the platform.
    sent_by: ActorId,
    sent_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransferLineView {
    id: TransferLineId,
    variant_id: VariantId,
    /// The sent quantity, in sale units.
    quantity: Quantity,
    /// The quantity that has arrived, in sale units.
    received: Quantity,
    /// The quantity that did not arrive and returned to the sender, in sale units.
    sent_back: Quantity,
    /// The quantity that was lost in transit and written off, in sale units.
    written_off: Quantity,
    /// The quantity that has neither arrived, returned nor been written off, in sale units.
    in_transit: Quantity,
}

impl From<Transfer> for TransferView {
    fn from(transfer: Transfer) -> Self {
        let line = |line: TransferLine| TransferLineView {
            in_transit: line.in_transit(),
            id: line.id,
            variant_id: line.variant_id,
            quantity: line.quantity,
            received: line.received,
            sent_back: line.sent_back,
            written_off: line.written_off,
        };
        Self {
            id: transfer.id,
            number: transfer.number,
            reference: Counter::Transfer.reference(transfer.number),
            status: transfer.status,
            from_location_id: transfer.from,
            to_location_id: transfer.to,
            lines: transfer.lines.into_iter().map(line).collect(),
            note: transfer.note,
            sent_by: transfer.sent_by,
            sent_at: transfer.sent_at,
            updated_at: transfer.updated_at,
        }
    }
}

/// The parts that a step names. Without lines, everything that is in transit is meant.
fn parts(lines: Option<Vec<TransferPart>>) -> Result<Vec<Part<TransferLineId>>, Problem> {
    if lines.as_ref().is_some_and(Vec::is_empty) {
        let message = "at least one line is required; leave lines out for everything that is in transit";
        return Err(Problem::invalid("/lines", Code::InvalidLineCount, message));
    }
    let part = |part: TransferPart| Part { line_id: part.line_id, quantity: part.quantity };
    Ok(lines.unwrap_or_default().into_iter().map(part).collect())
}

fn answer(outcome: Outcome<Transfer>) -> Result<Answer, Problem> {
    Answer::to(outcome, |transfer| {
        let location = format!("/api/v1/stock/transfers/{}", transfer.id);
        Answer::created(location, Tag::of_version(transfer.version), &TransferView::from(transfer))
    })
}

/// Send a transfer
///
/// The stock leaves the first location now, and is in transit until the other location receives it. Requires
/// an Idempotency-Key header.
#[utoipa::path(tag = "stock", operation_id = "sendTransfer", params(RequiredKey), request_body = SendTransfer,
    responses((status = 201, body = TransferView)))]
#[post("/stock/transfers")]
pub async fn send(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::StockTransfer, SendTransfer>,
) -> Result<HttpResponse, Problem> {
    let SendTransfer { id, from_location_id, to_location_id, lines, note } = body;
    let line = |(index, line): (usize, SendLine)| {
        let article = article(&format!("/lines/{index}"), line.variant_id, line.sku, line.barcode)?;
        Ok((article, line.quantity))
    };
    let lines = lines.into_iter().enumerate().map(line).collect::<Result<_, Problem>>()?;
    let new = NewTransfer {
        request: once.requested(id, TransferId::new),
        from: from_location_id,
        to: to_location_id,
        lines,
        note,
    };
    once.run(&state.database, Key::Required, async |tx| answer(transfer::send(tx, &new, once.actor()).await?))
        .await
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReceiveTransfer {
    /// Chosen by the client. The server recognises a repeated request by this id, even after its
    /// Idempotency-Key has expired. Defaults to a new id.
    id: Option<StepId>,
    /// The quantities that arrived. Defaults to everything that is in transit.
    lines: Option<Vec<TransferPart>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TransferPart {
    /// The line of the transfer.
    line_id: TransferLineId,
    /// The quantity that arrived or was lost, in sale units, greater than zero.
    quantity: Positive<Quantity>,
}

/// Receive a transfer
///
/// Receives everything that is in transit, or a part of it. A transfer can be received in several parts.
/// Requires an Idempotency-Key header.
#[utoipa::path(tag = "stock", operation_id = "receiveTransfer", request_body = ReceiveTransfer,
    responses((status = 201, body = TransferView)), params(RequiredKey, ("id" = TransferId, Path,)))]
#[post("/stock/transfers/{id}/receive")]
pub async fn receive(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::StockTransfer, ReceiveTransfer>,
    PathId(transfer_id): PathId<TransferId>,
) -> Result<HttpResponse, Problem> {
    let ReceiveTransfer { id, lines } = body;
    let kind = StepKind::Receive(parts(lines)?);
    let new = NewStep { request: once.requested(id, StepId::new), transfer_id, kind };
    once.run(&state.database, Key::Required, async |tx| answer(transfer::step(tx, &new, once.actor()).await?))
        .await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SendBackTransfer {
    /// Chosen by the client. The server recognises a repeated request by this id, even after its
    /// Idempotency-Key has expired. Defaults to a new id.
    id: Option<StepId>,
}

/// Send the rest of a transfer back
///
/// Everything that is in transit returns to the location that sent it. Requires an Idempotency-Key header.
#[utoipa::path(tag = "stock", operation_id = "sendTransferBack", request_body = SendBackTransfer,
    responses((status = 201, body = TransferView)), params(RequiredKey, ("id" = TransferId, Path,)))]
#[post("/stock/transfers/{id}/send-back")]
pub async fn send_back(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::StockTransfer, SendBackTransfer>,
    PathId(transfer_id): PathId<TransferId>,
) -> Result<HttpResponse, Problem> {
    let new =
        NewStep { request: once.requested(body.id, StepId::new), transfer_id, kind: StepKind::SendBack };
    once.run(&state.database, Key::Required, async |tx| answer(transfer::step(tx, &new, once.actor()).await?))
        .await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteOffTransfer {
    /// Chosen by the client. The server recognises a repeated request by this id, even after its
    /// Idempotency-Key has expired. Defaults to a new id.
    id: Option<StepId>,
    /// The lost quantities. Defaults to everything that is in transit.
    #[schema(min_items = 1)]
    lines: Option<Vec<TransferPart>>,
    /// One of the adjustmentReasons in the settings. Any reason is allowed if the settings have none.
    reason: Reason,
}

/// Write off goods that were lost in transit
///
/// Writes off everything that is in transit, or a part of it. The loss is an adjustment of the location that
/// sent the goods: the ledger shows their return and their write-off. Requires an Idempotency-Key header.
#[utoipa::path(tag = "stock", operation_id = "writeOffTransfer", request_body = WriteOffTransfer,
    responses((status = 201, body = TransferView)), params(RequiredKey, ("id" = TransferId, Path,)))]
#[post("/stock/transfers/{id}/write-off")]
pub async fn write_off(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::StockAdjust, WriteOffTransfer>,
    PathId(transfer_id): PathId<TransferId>,
) -> Result<HttpResponse, Problem> {
    let WriteOffTransfer { id, lines, reason } = body;
    let kind = StepKind::WriteOff { parts: parts(lines)?, reason };
    let new = NewStep { request: once.requested(id, StepId::new), transfer_id, kind };
    once.run(&state.database, Key::Required, async |tx| answer(transfer::step(tx, &new, once.actor()).await?))
        .await
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListTransfers {
    /// Returns only transfers with this status. Defaults to all.
    status: Option<TransferStatus>,
}

/// List transfers
///
/// Returns transfers with their lines, newest first.
#[utoipa::path(tag = "stock", operation_id = "listTransfers", params(ListTransfers, Paging),
    responses((status = 200, body = PageView<TransferView>)))]
#[get("/stock/transfers")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::StockRead>,
    List { query, page }: List<ListTransfers>,
) -> Result<HttpResponse, Problem> {
    let page = page.request()?;
    let read = async |tx: &TenantTx| transfer::list(tx, query.status, &page).await;
    let page = state.database.read_snapshot(&caller.scope(), read).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, TransferView::from)))
}

/// Read a transfer
///
/// Returns a transfer with its lines, and with the quantities that are still in transit.
#[utoipa::path(tag = "stock", operation_id = "readTransfer", responses((status = 200, body = TransferView)),
    params(("id" = TransferId, Path,)))]
#[get("/stock/transfers/{id}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::StockRead>,
    PathId(id): PathId<TransferId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let transfer =
        state.database.read_snapshot(&caller.scope(), async |tx| transfer::find(tx, id).await).await?;
    let transfer = transfer.ok_or_else(Problem::not_found)?;
    Ok(etag::respond(&request, Tag::of_version(transfer.version), &TransferView::from(transfer)))
}
