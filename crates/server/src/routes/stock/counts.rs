//! Stock counts: counted quantities against the expected quantities.

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use inventory::count::{self, Count, CountLine, CountStatus, NewCount};
use inventory::counter::Counter;
use inventory::{CountId, CountLineId, LocationId, VariantId};
use serde::{Deserialize, Serialize};
use tenancy::TenantTx;
use utoipa::ToSchema;
use values::{ActorId, NonNegative, Note, Quantity};

use crate::http::etag::{self, Tag};
use crate::http::extract::{Caller, PathId, Query, may};
use crate::http::lists::{PageView, Paging, page_request};
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::submission::{Answer, Key, Submission};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenCount {
    /// Chosen by the client. The server recognises a repeated request by this id, even after its
    /// Idempotency-Key has expired. Defaults to a new id.
    id: Option<CountId>,
    /// The location that is counted. Defaults to the default location of the business.
    location_id: Option<LocationId>,
    /// A note on the stock count. Defaults to none.
    note: Option<Note>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CountedLines {
    /// The counted variants, each once.
    #[schema(min_items = 1, max_items = 500)]
    lines: Vec<CountedLine>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CountedLine {
    variant_id: VariantId,
    /// The counted quantity, in sale units, zero or more.
    counted: NonNegative<Quantity>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CountView {
    id: CountId,
    /// The sequential number: it starts at 1 and has no gaps.
    number: i64,
    /// The number as it is printed on documents.
    #[schema(example = "SC-000002")]
    reference: String,
    status: CountStatus,
    /// The location that is counted.
    location_id: LocationId,
    note: Option<Note>,
    /// The counted variants. Always empty in lists.
    lines: Vec<CountLineView>,
    /// The user or API key that opened the stock count; null for the system.
    opened_by: ActorId,
    opened_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CountLineView {
    id: CountLineId,
    variant_id: VariantId,
    /// The counted quantity, in sale units.
    counted: Quantity,
    /// The stock on hand at the time of counting, in sale units.
    expected: Quantity,
    /// The change of stock that posting the stock count makes, in sale units: counted minus expected.
    difference: Quantity,
    /// The user or API key that entered the quantity; null for the system.
    counted_by: ActorId,
    counted_at: DateTime<Utc>,
}

impl From<Count> for CountView {
    fn from(count: Count) -> Self {
        let line = |line: CountLine| CountLineView {
            difference: line.difference(),
            id: line.id,
            variant_id: line.variant_id,
            counted: line.counted,
            expected: line.expected,
            counted_by: line.counted_by,
            counted_at: line.counted_at,
        };
        Self {
            id: count.id,
            number: count.number,
            reference: Counter::Count.reference(count.number),
            status: count.status,
            location_id: count.location_id,
            note: count.note,
            lines: count.lines.into_iter().map(line).collect(),
            opened_by: count.opened_by,
            opened_at: count.opened_at,
            updated_at: count.updated_at,
        }
    }
}

fn ok(count: Count) -> Result<Answer, Problem> {
    Answer::ok(Tag::of_version(count.version), &CountView::from(count))
}

/// Open a stock count
///
/// Enter counted quantities next, and then post the stock count. Requires an Idempotency-Key header.
#[utoipa::path(tag = "stock", operation_id = "openCount", request_body = OpenCount,
    responses((status = 201, body = CountView)))]
#[post("/stock/counts")]
pub async fn open(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::StockCount, OpenCount>,
) -> Result<HttpResponse, Problem> {
    let OpenCount { id, location_id, note } = body;
    let new = NewCount { request: once.requested(id, CountId::new), location_id, note };
    once.run(&state.database, Key::Required, async |tx| {
        Answer::to(count::open(tx, &new, once.actor()).await?, |count| {
            let location = format!("/api/v1/stock/counts/{}", count.id);
            Answer::created(location, Tag::of_version(count.version), &CountView::from(count))
        })
    })
    .await
}

/// Enter counted quantities
///
/// Stores each counted quantity with the quantity that is expected now. Counting a variant again replaces its
/// line. Movements between counting and posting are not lost. Requires an Idempotency-Key header.
#[utoipa::path(tag = "stock", operation_id = "enterCountedLines", request_body = CountedLines,
    responses((status = 200, body = CountView)), params(("id" = CountId, Path,)))]
#[post("/stock/counts/{id}/lines")]
pub async fn enter(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::StockCount, CountedLines>,
    PathId(id): PathId<CountId>,
) -> Result<HttpResponse, Problem> {
    let counted: Vec<_> = body.lines.iter().map(|line| (line.variant_id, line.counted)).collect();
    once.run(&state.database, Key::Required, async |tx| {
        ok(count::count(tx, id, &counted, once.actor()).await?)
    })
    .await
}

/// Post a stock count
///
/// Changes the stock by the differences between counted and expected quantities. Requires an Idempotency-Key
/// header.
#[utoipa::path(tag = "stock", operation_id = "postCount", request_body = Nothing,
    responses((status = 200, body = CountView)), params(("id" = CountId, Path,)))]
#[post("/stock/counts/{id}/post")]
pub async fn post_count(
    state: web::Data<State>,
    Submission { once, .. }: Submission<may::StockCount, Nothing>,
    PathId(id): PathId<CountId>,
) -> Result<HttpResponse, Problem> {
    once.run(&state.database, Key::Required, async |tx| ok(count::post(tx, id, once.actor()).await?)).await
}

/// Cancel a stock count
///
/// Closes the stock count without a change of stock.
#[utoipa::path(tag = "stock", operation_id = "cancelCount", request_body = Nothing,
    responses((status = 200, body = CountView)), params(("id" = CountId, Path,)))]
#[post("/stock/counts/{id}/cancel")]
pub async fn cancel(
    state: web::Data<State>,
    Submission { once, .. }: Submission<may::StockCount, Nothing>,
    PathId(id): PathId<CountId>,
) -> Result<HttpResponse, Problem> {
    once.run(&state.database, Key::Optional, async |tx| ok(count::cancel(tx, id, once.actor()).await?)).await
}

/// List stock counts
///
/// Returns stock counts without their lines, newest first.
#[utoipa::path(tag = "stock", operation_id = "listCounts", params(Paging),
    responses((status = 200, body = PageView<CountView>)))]
#[get("/stock/counts")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::StockRead>,
    Query(query): Query<Paging>,
) -> Result<HttpResponse, Problem> {
    let page = page_request(query.limit, query.cursor.as_ref())?;
    let read = async |tx: &TenantTx| count::list(tx, &page).await;
    let page = state.database.read(&caller.scope(), read).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, CountView::from)))
}

/// Read a stock count
#[utoipa::path(tag = "stock", operation_id = "readCount", responses((status = 200, body = CountView)),
    params(("id" = CountId, Path,)))]
#[get("/stock/counts/{id}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::StockRead>,
    PathId(id): PathId<CountId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let count = state.database.read_snapshot(&caller.scope(), async |tx| count::find(tx, id).await).await?;
    let count = count.ok_or_else(Problem::not_found)?;
    Ok(etag::respond(&request, Tag::of_version(count.version), &CountView::from(count)))
}
