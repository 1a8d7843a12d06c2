//! Stock counts: counted quantities against the expected quantities.

use actix_web::{HttpRequest, HttpResponse, delete, get, post, web};
use chrono::{DateTime, Utc};
use inventory::count::{self, Count, CountLine, CountRefusal, CountStatus, NewCount};
use inventory::counter::Counter;
use inventory::short_order::{self, ShortOrder};
use inventory::{CountId, CountLineId, LocationId, OrderId, VariantId};
use serde::{Deserialize, Serialize};
use tenancy::TenantTx;
use utoipa::ToSchema;
use values::{ActorId, Barcode, NonNegative, Note, Quantity, Sku};

use crate::http::article::article;
use crate::http::caller::{Caller, may};
use crate::http::etag::{self, Tag};
use crate::http::extract::PathId;
use crate::http::lists::{List, NoParameters, PageView, Paging};
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::submission::{Answer, Key, RequiredKey, Submission};

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
#[schema(example = json!({"variantId": "01920000-0000-7000-8000-000000000000", "counted": "98"}))]
pub struct CountedLine {
    /// The variant. Exactly one of variantId, sku and barcode is required.
    variant_id: Option<VariantId>,
    /// The SKU of the variant.
    sku: Option<Sku>,
    /// A barcode of the variant.
    barcode: Option<Barcode>,
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
    /// The user or program that opened the stock count; null for the platform.
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
    /// What the counting found more or less than expected, in sale units: counted minus expected.
    difference: Quantity,
    /// The change of stock that posting the stock count made, in sale units. It is not the difference if
    /// another stock count of the variant was posted after the counting. null until the stock count is
    /// posted, and for a refused line.
    posted: Option<Quantity>,
    /// Why the line was not posted. null for all other lines.
    refusal: Option<CountRefusal>,
    /// The user or program that entered the quantity; null for the platform.
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
            posted: line.posted,
            refusal: line.refusal,
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

/// A posted stock count.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PostedCountView {
    #[serde(flatten)]
    count: CountView,
    /// The orders that have reserved more than the stock count found, in the order in which they were placed.
    short_orders: Vec<ShortOrderView>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShortOrderView {
    order_id: OrderId,
    /// The number as it is printed on documents.
    #[schema(example = "SO-000042")]
    reference: String,
    variant_id: VariantId,
    /// The reserved quantity that is not there, in sale units.
    missing: Quantity,
}

impl From<ShortOrder> for ShortOrderView {
    fn from(order: ShortOrder) -> Self {
        let reference = Counter::Order.reference(order.number);
        let ShortOrder { order_id, variant_id, missing, .. } = order;
        Self { order_id, reference, variant_id, missing }
    }
}

fn ok(count: Count) -> Result<Answer, Problem> {
    Answer::ok(Tag::of_version(count.version), &CountView::from(count))
}

/// Open a stock count
///
/// Enter counted quantities next, and then post the stock count. Requires an Idempotency-Key header.
#[utoipa::path(tag = "stock", operation_id = "openCount", params(RequiredKey), request_body = OpenCount,
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
    responses((status = 200, body = CountView)), params(RequiredKey, ("id" = CountId, Path,)))]
#[post("/stock/counts/{id}/lines")]
pub async fn enter(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::StockCount, CountedLines>,
    PathId(id): PathId<CountId>,
) -> Result<HttpResponse, Problem> {
    let line = |(index, line): (usize, CountedLine)| {
        let article = article(&format!("/lines/{index}"), line.variant_id, line.sku, line.barcode)?;
        Ok((article, line.counted))
    };
    let counted: Vec<_> = body.lines.into_iter().enumerate().map(line).collect::<Result<_, Problem>>()?;
    once.run(&state.database, Key::Required, async |tx| {
        ok(count::count(tx, id, &counted, once.actor()).await?)
    })
    .await
}

/// Remove a line from a stock count
///
/// The stock count must be open.
#[utoipa::path(tag = "stock", operation_id = "removeCountedLine",
    responses((status = 200, body = CountView)),
    params(("id" = CountId, Path,), ("lineId" = CountLineId, Path,)))]
#[delete("/stock/counts/{id}/lines/{lineId}")]
pub async fn remove(
    state: web::Data<State>,
    caller: Caller<may::StockCount>,
    PathId((id, line)): PathId<(CountId, CountLineId)>,
) -> Result<HttpResponse, Problem> {
    let work = async |tx: &TenantTx| count::remove_line(tx, id, line).await;
    let count = state.database.write(&caller.scope(), work).await?;
    Ok(HttpResponse::Ok().json(CountView::from(count)))
}

/// Post a stock count
///
/// Changes the stock to what was counted. Goods that moved since the counting keep their effect. If another
/// stock count of the same variant is posted already, the later counting holds. A line that cannot be posted
/// does not hold up the other lines: it keeps its `refusal`. If the stock count finds less than orders have
/// reserved, `shortOrders` lists the orders that cannot be fulfilled. Requires an Idempotency-Key header.
#[utoipa::path(tag = "stock", operation_id = "postCount", request_body = Nothing,
    responses((status = 200, body = PostedCountView)), params(RequiredKey, ("id" = CountId, Path,)))]
#[post("/stock/counts/{id}/post")]
pub async fn post_count(
    state: web::Data<State>,
    Submission { once, .. }: Submission<may::StockCount, Nothing>,
    PathId(id): PathId<CountId>,
) -> Result<HttpResponse, Problem> {
    once.run(&state.database, Key::Required, async |tx| {
        let count = count::post(tx, id, once.actor()).await?;
        let variants: Vec<VariantId> = count.lines.iter().map(|line| line.variant_id).collect();
        let short = short_order::at(tx, count.location_id, &variants).await?;
        let tag = Tag::of_version(count.version);
        let short_orders = short.into_iter().map(ShortOrderView::from).collect();
        Answer::ok(tag, &PostedCountView { count: CountView::from(count), short_orders })
    })
    .await
}

/// Cancel a stock count
///
/// Closes the stock count without a change of stock.
#[utoipa::path(tag = "stock", operation_id = "cancelCount", request_body = Nothing,
    responses((status = 200, body = CountView)), params(RequiredKey, ("id" = CountId, Path,)))]
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
    List { page, .. }: List<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let page = page.request()?;
    let read = async |tx: &TenantTx| count::list(tx, &page).await;
    let page = state.database.read(&caller.scope(), read).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, CountView::from)))
}

/// Read a stock count
///
/// Returns a stock count with its lines.
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
