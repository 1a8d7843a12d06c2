//! Parked sales: put aside at one register, and taken up again at any.

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use inventory::CustomerId;
use serde::{Deserialize, Serialize};
use till::parked_sale::{self, NewParkedSale, ParkedLine, ParkedSale};
use till::{ParkedSaleId, RegisterId};
use utoipa::ToSchema;
use values::{ActorId, Note, ShortText};

use crate::http::caller::{Caller, may};
use crate::http::etag::{self, Tag};
use crate::http::extract::PathId;
use crate::http::lists::{List, NoParameters, PageView, Paging};
use crate::http::prices::DiscountText;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::submission::{Answer, Key, RequiredKey, Submission};
use crate::routes::till::sales::SellLine;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "registerId": "01920000-0000-7000-8000-000000000000", "label": "table 4",
    "lines": [{"variantId": "01920000-0000-7000-8000-000000000000", "quantity": "2"}],
}))]
pub struct ParkSale {
    /// Chosen by the client. The server recognises a repeated request by this id, even after its
    /// Idempotency-Key has expired. Defaults to a new id.
    id: Option<ParkedSaleId>,
    /// The register at which the sale is parked.
    register_id: RegisterId,
    /// Defaults to no customer.
    customer_id: Option<CustomerId>,
    /// The name by which cashiers find the parked sale, such as a table. Defaults to none.
    label: Option<ShortText>,
    /// The lines. An agreed price is kept; the list prices are those at the time of the sale.
    #[schema(min_items = 1, max_items = 200)]
    lines: Vec<SellLine>,
    /// A discount on the whole sale. Defaults to no discount.
    discount: Option<DiscountText>,
    /// A note on the receipt. Defaults to none.
    note: Option<Note>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecallSale {}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParkedSaleView {
    id: ParkedSaleId,
    /// The register at which the sale was parked.
    register_id: RegisterId,
    customer_id: Option<CustomerId>,
    /// The name by which cashiers find the parked sale. null if none was given.
    #[schema(example = "table 4")]
    label: Option<ShortText>,
    /// The lines, in the form of POST /api/v1/sales.
    lines: Vec<ParkedLine>,
    /// The discount on the whole sale. null for none.
    #[schema(example = "10%")]
    discount: Option<String>,
    /// The note on the receipt. null for none.
    note: Option<Note>,
    /// The user or program that parked the sale; null for the platform.
    parked_by: ActorId,
    parked_at: DateTime<Utc>,
    /// The user or program that recalled the sale. null before the recall.
    recalled_by: Option<ActorId>,
    /// The time of the recall. null before the recall.
    recalled_at: Option<DateTime<Utc>>,
}

impl From<ParkedSale> for ParkedSaleView {
    fn from(parked: ParkedSale) -> Self {
        Self {
            id: parked.id,
            register_id: parked.register_id,
            customer_id: parked.customer_id,
            label: parked.label,
            lines: parked.lines.0,
            discount: parked.discount,
            note: parked.note,
            parked_by: parked.parked_by,
            parked_at: parked.parked_at,
            recalled_by: parked.recalled_by,
            recalled_at: parked.recalled_at,
        }
    }
}

/// Park a sale
///
/// Stores the lines of a sale that is completed later. A parked sale has no number and moves no stock. An
/// agreed price is kept, the list prices are not. Any register can recall it. Requires an Idempotency-Key
/// header.
#[utoipa::path(tag = "till", operation_id = "parkSale", params(RequiredKey), request_body = ParkSale,
    responses((status = 201, body = ParkedSaleView)))]
#[post("/parked-sales")]
pub async fn park(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::TillSell, ParkSale>,
) -> Result<HttpResponse, Problem> {
    let lines = body.lines.into_iter().enumerate().map(|(index, line)| line.checked(index));
    let new = NewParkedSale {
        request: once.requested(body.id, ParkedSaleId::new),
        register_id: body.register_id,
        customer_id: body.customer_id,
        label: body.label,
        lines: lines.collect::<Result<_, _>>()?,
        discount: body.discount.map(|text| text.0),
        note: body.note,
    };
    once.run(&state.database, Key::Required, async |tx| {
        Answer::to(parked_sale::park(tx, &new, once.actor()).await?, |parked| {
            let (location, tag) =
                (format!("/api/v1/parked-sales/{}", parked.id), Tag::of_version(parked.version));
            Answer::created(location, tag, &ParkedSaleView::from(parked))
        })
    })
    .await
}

/// List parked sales
///
/// Returns the parked sales that nobody has recalled, newest first.
#[utoipa::path(tag = "till", operation_id = "listParkedSales", params(Paging),
    responses((status = 200, body = PageView<ParkedSaleView>)))]
#[get("/parked-sales")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::TillRead>,
    List { page, .. }: List<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let page = page.request()?;
    let page = state.database.read(&caller.scope(), async |tx| parked_sale::list(tx, &page).await).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, ParkedSaleView::from)))
}

/// Read a parked sale
///
/// Returns a parked sale, even after it was recalled.
#[utoipa::path(tag = "till", operation_id = "readParkedSale",
    responses((status = 200, body = ParkedSaleView)), params(("id" = ParkedSaleId, Path,)))]
#[get("/parked-sales/{id}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::TillRead>,
    PathId(id): PathId<ParkedSaleId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let parked = state.database.read(&caller.scope(), async |tx| parked_sale::find(tx, id).await).await?;
    let parked = parked.ok_or_else(Problem::not_found)?;
    Ok(etag::respond(&request, Tag::of_version(parked.version), &ParkedSaleView::from(parked)))
}

/// Recall a parked sale
///
/// Returns a parked sale and removes it from the list. Complete the sale with POST /api/v1/sales. If two
/// registers recall the same sale, the second one gets 409. Requires an Idempotency-Key header.
#[utoipa::path(tag = "till", operation_id = "recallSale", request_body = RecallSale,
    responses((status = 200, body = ParkedSaleView)), params(("id" = ParkedSaleId, Path,)))]
#[post("/parked-sales/{id}/recall")]
pub async fn recall(
    state: web::Data<State>,
    Submission { once, .. }: Submission<may::TillSell, RecallSale>,
    PathId(id): PathId<ParkedSaleId>,
) -> Result<HttpResponse, Problem> {
    once.run(&state.database, Key::Required, async |tx| {
        let parked = parked_sale::recall(tx, id, once.actor()).await?;
        Answer::ok(Tag::of_version(parked.version), &ParkedSaleView::from(parked))
    })
    .await
}
