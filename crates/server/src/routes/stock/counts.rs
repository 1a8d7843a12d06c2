//! Counts of stock.

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use inventory::count::{self, Count, CountLine, CountStatus, NewCount, Outcome};
use inventory::{CountId, CountLineId, LocationId, VariantId, counter};
use serde::{Deserialize, Serialize};
use tenancy::TenantTx;
use utoipa::ToSchema;
use uuid::Uuid;
use values::{Note, Quantity};

use crate::http::etag::{self, Tag};
use crate::http::extract::{Caller, Idempotency, Json, PathId, Query, may};
use crate::http::lists::{PageView, Paging, page_request};
use crate::http::once::{self, Answer, Key};
use crate::http::problem::Problem;
use crate::http::state::State;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenCount {
    /// Chosen by the client.
    #[schema(value_type = Option<Uuid>)]
    id: Option<CountId>,
    /// The default location unless named.
    #[schema(value_type = Option<Uuid>)]
    location_id: Option<LocationId>,
    #[schema(value_type = Option<String>, max_length = 2000)]
    note: Option<Note>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CountedLines {
    #[schema(min_items = 1, max_items = 500)]
    lines: Vec<CountedLine>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CountedLine {
    #[schema(value_type = Uuid)]
    variant_id: VariantId,
    /// What is really there.
    #[schema(value_type = String, example = "41")]
    counted: Quantity,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CountView {
    #[schema(value_type = Uuid)]
    id: CountId,
    /// Counts up from 1 without a gap.
    number: i64,
    #[schema(example = "SC-000002")]
    reference: String,
    #[schema(value_type = String, example = "open")]
    status: CountStatus,
    #[schema(value_type = Uuid)]
    location_id: LocationId,
    note: Option<String>,
    /// Left out of lists.
    lines: Vec<CountLineView>,
    opened_by: Option<Uuid>,
    opened_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CountLineView {
    #[schema(value_type = Uuid)]
    id: CountLineId,
    #[schema(value_type = Uuid)]
    variant_id: VariantId,
    #[schema(value_type = String)]
    counted: Quantity,
    /// On hand at the moment of counting.
    #[schema(value_type = String)]
    expected: Quantity,
    /// What the books change by when the count is posted.
    #[schema(value_type = String)]
    difference: Quantity,
    counted_by: Option<Uuid>,
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
            reference: counter::Counter::Count.reference(count.number),
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

/// Open a count
#[utoipa::path(tag = "stock", request_body = OpenCount, responses((status = 201, body = CountView)))]
#[post("/stock/counts")]
pub async fn open(
    state: web::Data<State>,
    caller: Caller<may::StockCount>,
    request: Idempotency,
    body: Json<OpenCount>,
) -> Result<HttpResponse, Problem> {
    let OpenCount { id, location_id, note } = body.value;
    let has_chosen_id = id.is_some();
    let (id, actor) = (id.unwrap_or_else(CountId::new), caller.actor());
    let new = NewCount { id, has_chosen_id, location_id, note };
    once::run(&state.database, &caller, &request, &body.bytes, Key::Required, async |tx| {
        let created = |count: Count| {
            let (location, tag) = (format!("/api/v1/stock/counts/{id}"), Tag::of_version(count.version));
            Answer::created(location, tag, &CountView::from(count))
        };
        match count::open(tx, &new, actor).await? {
            Outcome::Opened(count) => created(count),
            Outcome::Repeated(count) => Ok(created(count)?.repeated()),
        }
    })
    .await
}

/// Enter what was counted
///
/// Beside what the books expect at this moment; counted again, a variant's line is replaced. What is sold or bought until
/// the count is posted is not lost.
#[utoipa::path(tag = "stock", request_body = CountedLines, responses((status = 200, body = CountView)),
    params(("id" = Uuid, Path,)))]
#[post("/stock/counts/{id}/lines")]
pub async fn enter(
    state: web::Data<State>,
    caller: Caller<may::StockCount>,
    PathId(id): PathId<CountId>,
    request: Idempotency,
    body: Json<CountedLines>,
) -> Result<HttpResponse, Problem> {
    let found: Vec<_> = body.value.lines.iter().map(|line| (line.variant_id, line.counted)).collect();
    let actor = caller.actor();
    once::run(&state.database, &caller, &request, &body.bytes, Key::Required, async |tx| {
        ok(count::count(tx, id, &found, actor).await?)
    })
    .await
}

/// Post a count
///
/// The books change by counted less expected. Needs an Idempotency-Key header.
#[utoipa::path(tag = "stock", request_body = Nothing, responses((status = 200, body = CountView)),
    params(("id" = Uuid, Path,)))]
#[post("/stock/counts/{id}/post")]
pub async fn post_count(
    state: web::Data<State>,
    caller: Caller<may::StockCount>,
    PathId(id): PathId<CountId>,
    request: Idempotency,
    body: Json<Nothing>,
) -> Result<HttpResponse, Problem> {
    let actor = caller.actor();
    once::run(&state.database, &caller, &request, &body.bytes, Key::Required, async |tx| {
        ok(count::post(tx, id, actor).await?)
    })
    .await
}

/// Give a count up
///
/// Nothing of it is posted.
#[utoipa::path(tag = "stock", request_body = Nothing, responses((status = 200, body = CountView)),
    params(("id" = Uuid, Path,)))]
#[post("/stock/counts/{id}/cancel")]
pub async fn cancel(
    state: web::Data<State>,
    caller: Caller<may::StockCount>,
    PathId(id): PathId<CountId>,
    request: Idempotency,
    body: Json<Nothing>,
) -> Result<HttpResponse, Problem> {
    let actor = caller.actor();
    once::run(&state.database, &caller, &request, &body.bytes, Key::Optional, async |tx| {
        ok(count::cancel(tx, id, actor).await?)
    })
    .await
}

/// List counts
///
/// Without their lines, the latest first.
#[utoipa::path(tag = "stock", params(Paging), responses((status = 200, body = PageView<CountView>)))]
#[get("/stock/counts")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::StockRead>,
    Query(query): Query<Paging>,
) -> Result<HttpResponse, Problem> {
    let page = page_request(query.limit, query.cursor);
    let read = async |tx: &TenantTx| count::list(tx, &page).await;
    let page = state.database.read(&caller.scope(), read).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, CountView::from)))
}

/// Read a count
#[utoipa::path(tag = "stock", responses((status = 200, body = CountView)), params(("id" = Uuid, Path,)))]
#[get("/stock/counts/{id}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::StockRead>,
    PathId(id): PathId<CountId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let count = state.database.read_snapshot(&caller.scope(), async |tx| count::find(tx, id).await).await?;
    let count = count.ok_or_else(Problem::not_found)?;
    Ok(etag::respond(request.headers(), Tag::of_version(count.version), &CountView::from(count)))
}
