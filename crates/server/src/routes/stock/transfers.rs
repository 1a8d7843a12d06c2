//! Transfers of stock between locations.

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use inventory::document::Part;
use inventory::transfer::{
    self, NewStep, NewTransfer, Outcome, StepKind, Transfer, TransferLine, TransferStatus,
};
use inventory::{LocationId, StepId, TransferId, TransferLineId, VariantId, counter};
use serde::{Deserialize, Serialize};
use tenancy::TenantTx;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use values::{Cursor, Limit, Note, Quantity};

use crate::http::etag::{self, Tag};
use crate::http::extract::{Caller, Idempotency, Json, PathId, Query, may};
use crate::http::lists::{PageView, page_request};
use crate::http::once::{self, Answer, Key};
use crate::http::problem::Problem;
use crate::http::state::State;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SendTransfer {
    /// Chosen by the client, so that a repetition is recognised even after its Idempotency-Key has expired.
    #[schema(value_type = Option<Uuid>)]
    id: Option<TransferId>,
    #[schema(value_type = Uuid)]
    from_location_id: LocationId,
    #[schema(value_type = Uuid)]
    to_location_id: LocationId,
    #[schema(min_items = 1, max_items = 200)]
    lines: Vec<SendLine>,
    #[schema(value_type = Option<String>, max_length = 2000)]
    note: Option<Note>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SendLine {
    #[schema(value_type = Uuid)]
    variant_id: VariantId,
    #[schema(value_type = String, example = "5")]
    quantity: Quantity,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransferView {
    #[schema(value_type = Uuid)]
    id: TransferId,
    /// Counts up from 1 without a gap.
    number: i64,
    #[schema(example = "ST-000003")]
    reference: String,
    #[schema(value_type = String, example = "in_transit")]
    status: TransferStatus,
    #[schema(value_type = Uuid)]
    from_location_id: LocationId,
    #[schema(value_type = Uuid)]
    to_location_id: LocationId,
    lines: Vec<TransferLineView>,
    note: Option<String>,
    sent_by: Option<Uuid>,
    sent_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransferLineView {
    #[schema(value_type = Uuid)]
    id: TransferLineId,
    #[schema(value_type = Uuid)]
    variant_id: VariantId,
    #[schema(value_type = String)]
    quantity: Quantity,
    #[schema(value_type = String)]
    received: Quantity,
    /// What never arrived and went back.
    #[schema(value_type = String)]
    sent_back: Quantity,
    #[schema(value_type = String)]
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
        };
        Self {
            id: transfer.id,
            number: transfer.number,
            reference: counter::Counter::Transfer.reference(transfer.number),
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

fn answer(outcome: Outcome) -> Result<Answer, Problem> {
    let created = |transfer: Transfer| {
        let location = format!("/api/v1/stock/transfers/{}", transfer.id);
        Answer::created(location, Tag::of_version(transfer.version), &TransferView::from(transfer))
    };
    match outcome {
        Outcome::Posted(transfer) => created(transfer),
        Outcome::Repeated(transfer) => Ok(created(transfer)?.repeated()),
    }
}

/// Send a transfer
///
/// Its stock leaves the one location now, and is at no location until it is received. Needs an Idempotency-Key header.
#[utoipa::path(tag = "stock", request_body = SendTransfer, responses((status = 201, body = TransferView)))]
#[post("/stock/transfers")]
pub async fn send(
    state: web::Data<State>,
    caller: Caller<may::StockTransfer>,
    request: Idempotency,
    body: Json<SendTransfer>,
) -> Result<HttpResponse, Problem> {
    let request_hash = once::fingerprint(&request.target, &body.bytes);
    let SendTransfer { id, from_location_id, to_location_id, lines, note } = body.value;
    let new = NewTransfer {
        id: id.unwrap_or_else(TransferId::new),
        has_chosen_id: id.is_some(),
        from: from_location_id,
        to: to_location_id,
        lines: lines.into_iter().map(|line| (line.variant_id, line.quantity)).collect(),
        note,
        request_hash,
    };
    let actor = caller.actor();
    once::run(&state.database, &caller, &request, &body.bytes, Key::Required, async |tx| {
        answer(transfer::send(tx, &new, actor).await?)
    })
    .await
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReceiveTransfer {
    /// Chosen by the client, so that a repetition is recognised even after its Idempotency-Key has expired.
    #[schema(value_type = Option<Uuid>)]
    id: Option<StepId>,
    /// How much of which lines has arrived; all that is on its way when left out.
    lines: Option<Vec<ReceivedPart>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReceivedPart {
    #[schema(value_type = Uuid)]
    line_id: TransferLineId,
    #[schema(value_type = String, example = "5")]
    quantity: Quantity,
}

/// Receive a transfer
///
/// All that is on its way, or part of it; as often as it takes. Needs an Idempotency-Key header.
#[utoipa::path(tag = "stock", request_body = ReceiveTransfer, responses((status = 201, body = TransferView)),
    params(("id" = Uuid, Path,)))]
#[post("/stock/transfers/{id}/receive")]
pub async fn receive(
    state: web::Data<State>,
    caller: Caller<may::StockTransfer>,
    PathId(transfer_id): PathId<TransferId>,
    request: Idempotency,
    body: Json<ReceiveTransfer>,
) -> Result<HttpResponse, Problem> {
    let request_hash = once::fingerprint(&request.target, &body.bytes);
    let ReceiveTransfer { id, lines } = body.value;
    if lines.as_ref().is_some_and(Vec::is_empty) {
        let message = "name lines, or leave them out to receive all that is on its way";
        return Err(Problem::invalid("/lines", "invalid_line_count", message));
    }
    let part = |part: ReceivedPart| Part { line_id: part.line_id, quantity: part.quantity };
    let new = NewStep {
        id: id.unwrap_or_else(StepId::new),
        has_chosen_id: id.is_some(),
        transfer_id,
        kind: StepKind::Receive(lines.unwrap_or_default().into_iter().map(part).collect()),
        request_hash,
    };
    let actor = caller.actor();
    once::run(&state.database, &caller, &request, &body.bytes, Key::Required, async |tx| {
        answer(transfer::step(tx, &new, actor).await?)
    })
    .await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SendBackTransfer {
    /// Chosen by the client, so that a repetition is recognised even after its Idempotency-Key has expired.
    #[schema(value_type = Option<Uuid>)]
    id: Option<StepId>,
}

/// Send the rest of a transfer back
///
/// What has not arrived is at the location again that it came from. Needs an Idempotency-Key header.
#[utoipa::path(tag = "stock", request_body = SendBackTransfer, responses((status = 201, body = TransferView)),
    params(("id" = Uuid, Path,)))]
#[post("/stock/transfers/{id}/send-back")]
pub async fn send_back(
    state: web::Data<State>,
    caller: Caller<may::StockTransfer>,
    PathId(transfer_id): PathId<TransferId>,
    request: Idempotency,
    body: Json<SendBackTransfer>,
) -> Result<HttpResponse, Problem> {
    let new = NewStep {
        id: body.value.id.unwrap_or_else(StepId::new),
        has_chosen_id: body.value.id.is_some(),
        transfer_id,
        kind: StepKind::SendBack,
        request_hash: once::fingerprint(&request.target, &body.bytes),
    };
    let actor = caller.actor();
    once::run(&state.database, &caller, &request, &body.bytes, Key::Required, async |tx| {
        answer(transfer::step(tx, &new, actor).await?)
    })
    .await
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListTransfers {
    /// in_transit, partly_received, received or closed.
    #[param(value_type = Option<String>)]
    status: Option<TransferStatus>,
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100)]
    limit: Option<Limit>,
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<1>>,
}

/// List transfers
///
/// With their lines, the latest first.
#[utoipa::path(tag = "stock", params(ListTransfers), responses((status = 200, body = PageView<TransferView>)))]
#[get("/stock/transfers")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::StockRead>,
    Query(query): Query<ListTransfers>,
) -> Result<HttpResponse, Problem> {
    let page = page_request(query.limit, query.cursor);
    let read = async |tx: &TenantTx| transfer::list(tx, query.status, &page).await;
    let page = state.database.read_snapshot(&caller.scope(), read).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, TransferView::from)))
}

/// Read a transfer
#[utoipa::path(tag = "stock", responses((status = 200, body = TransferView)), params(("id" = Uuid, Path,)))]
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
    Ok(etag::respond(request.headers(), Tag::of_version(transfer.version), &TransferView::from(transfer)))
}
