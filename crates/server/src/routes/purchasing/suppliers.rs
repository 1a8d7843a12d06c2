//! Suppliers and what they ask.

use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, web};
use chrono::{DateTime, Utc};
use inventory::settings::Currency;
use inventory::supplier::{self, NewPrice, Supplier, SupplierChange, SupplierPrice};
use inventory::{SupplierId, VariantId, settings};
use serde::{Deserialize, Serialize};
use tenancy::{TenantTx, both};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use values::{Cursor, Limit, Money, Name, Note, Quantity, ShortText, Sku};

use crate::http::etag::{self, Tag};
use crate::http::extract::{Caller, Idempotency, IfMatch, Json, PathId, Query, may};
use crate::http::lists::{PageView, Paging, page_request};
use crate::http::money::plain;
use crate::http::once::{self, Answer, Key};
use crate::http::problem::Problem;
use crate::http::state::State;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateSupplier {
    #[schema(value_type = String, max_length = 200, example = "Bolts & Co")]
    name: Name,
    #[schema(value_type = Option<String>, max_length = 200)]
    email: Option<ShortText>,
    #[schema(value_type = Option<String>, max_length = 200)]
    phone: Option<ShortText>,
    #[schema(value_type = Option<String>, max_length = 2000)]
    note: Option<Note>,
    /// Days from sending an order to its arrival.
    #[schema(minimum = 0, maximum = 1000)]
    lead_time_days: Option<i16>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeSupplier {
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false, value_type = Option<String>, max_length = 200)]
    name: Option<Name>,
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    #[schema(value_type = Option<String>, max_length = 200)]
    email: Option<Option<ShortText>>,
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    #[schema(value_type = Option<String>, max_length = 200)]
    phone: Option<Option<ShortText>>,
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    #[schema(value_type = Option<String>, max_length = 2000)]
    note: Option<Option<Note>>,
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    #[schema(value_type = Option<i16>)]
    lead_time_days: Option<Option<i16>>,
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    archived: Option<bool>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SupplierView {
    #[schema(value_type = Uuid)]
    id: SupplierId,
    name: String,
    email: Option<String>,
    phone: Option<String>,
    note: Option<String>,
    lead_time_days: Option<i16>,
    archived: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Supplier> for SupplierView {
    fn from(supplier: Supplier) -> Self {
        Self {
            id: supplier.id,
            name: supplier.name,
            email: supplier.email,
            phone: supplier.phone,
            note: supplier.note,
            lead_time_days: supplier.lead_time_days,
            archived: supplier.is_archived,
            created_at: supplier.created_at,
            updated_at: supplier.updated_at,
        }
    }
}

/// List suppliers
///
/// Those in use, newest first.
#[utoipa::path(tag = "purchasing", params(Paging), responses((status = 200, body = PageView<SupplierView>)))]
#[get("/suppliers")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::PurchasingReceive>,
    Query(query): Query<Paging>,
) -> Result<HttpResponse, Problem> {
    let page = page_request(query.limit, query.cursor);
    let read = async |tx: &TenantTx| supplier::list(tx, &page).await;
    let page = state.database.read(&caller.scope(), read).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, SupplierView::from)))
}

/// Create a supplier
#[utoipa::path(tag = "purchasing", request_body = CreateSupplier, responses((status = 201, body = SupplierView)))]
#[post("/suppliers")]
pub async fn create(
    state: web::Data<State>,
    caller: Caller<may::PurchasingWrite>,
    request: Idempotency,
    body: Json<CreateSupplier>,
) -> Result<HttpResponse, Problem> {
    let CreateSupplier { name, email, phone, note, lead_time_days } = body.value;
    let new = SupplierChange {
        name: Some(name),
        email: Some(email),
        phone: Some(phone),
        note: Some(note),
        lead_time_days: Some(lead_time_days),
        ..SupplierChange::default()
    };
    let actor = caller.actor();
    once::run(&state.database, &caller, &request, &body.bytes, Key::Optional, async |tx| {
        let id = supplier::insert(tx, &new, actor).await?;
        let supplier = supplier::find(tx, id).await?.ok_or_else(Problem::not_found)?;
        let tag = Tag::of_version(supplier.version);
        Answer::created(format!("/api/v1/suppliers/{id}"), tag, &SupplierView::from(supplier))
    })
    .await
}

/// Read a supplier
#[utoipa::path(tag = "purchasing", responses((status = 200, body = SupplierView)), params(("id" = Uuid, Path,)))]
#[get("/suppliers/{id}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::PurchasingReceive>,
    PathId(id): PathId<SupplierId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let supplier = state.database.read(&caller.scope(), async |tx| supplier::find(tx, id).await).await?;
    let supplier = supplier.ok_or_else(Problem::not_found)?;
    Ok(etag::respond(request.headers(), Tag::of_version(supplier.version), &SupplierView::from(supplier)))
}

/// Change a supplier
#[utoipa::path(tag = "purchasing", request_body = ChangeSupplier, responses((status = 200, body = SupplierView)),
    params(("id" = Uuid, Path,)))]
#[patch("/suppliers/{id}")]
pub async fn edit(
    state: web::Data<State>,
    caller: Caller<may::PurchasingWrite>,
    PathId(id): PathId<SupplierId>,
    IfMatch(if_version): IfMatch,
    body: Json<ChangeSupplier>,
) -> Result<HttpResponse, Problem> {
    let ChangeSupplier { name, email, phone, note, lead_time_days, archived } = body.value;
    let change =
        SupplierChange { name, email, phone, note, lead_time_days, is_archived: archived, if_version };
    let supplier = update(&state, &caller, id, &change).await?;
    Ok(etag::changed(Tag::of_version(supplier.version), &SupplierView::from(supplier)))
}

/// Archive a supplier
///
/// It leaves the lists; orders keep it. PATCH `{"archived": false}` brings it back.
#[utoipa::path(tag = "purchasing", responses((status = 204, description = "Archived")), params(("id" = Uuid, Path,)))]
#[delete("/suppliers/{id}")]
pub async fn archive(
    state: web::Data<State>,
    caller: Caller<may::PurchasingWrite>,
    PathId(id): PathId<SupplierId>,
    IfMatch(if_version): IfMatch,
) -> Result<HttpResponse, Problem> {
    let change = SupplierChange { is_archived: Some(true), if_version, ..SupplierChange::default() };
    update(&state, &caller, id, &change).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn update(
    state: &State,
    caller: &Caller<may::PurchasingWrite>,
    id: SupplierId,
    change: &SupplierChange,
) -> Result<Supplier, Problem> {
    let actor = caller.actor();
    let work = async |tx: &TenantTx| {
        supplier::update(tx, id, change, actor).await?;
        supplier::find(tx, id).await?.ok_or_else(Problem::not_found)
    };
    state.database.write(&caller.scope(), work).await
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetPrice {
    #[schema(value_type = Uuid)]
    variant_id: VariantId,
    /// How the supplier calls it.
    #[schema(value_type = Option<String>, max_length = 64)]
    supplier_sku: Option<Sku>,
    #[schema(value_type = String, example = "0.12")]
    cost: Money,
    /// The business's own unless given.
    #[schema(value_type = Option<String>, example = "EUR")]
    currency: Option<Currency>,
    #[schema(value_type = Option<String>, example = "100")]
    minimum_quantity: Option<Quantity>,
    #[schema(minimum = 0, maximum = 1000)]
    lead_time_days: Option<i16>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SupplierPriceView {
    id: Uuid,
    #[schema(value_type = Uuid)]
    variant_id: VariantId,
    supplier_sku: Option<String>,
    /// Exactly as it was given.
    #[schema(example = "0.12")]
    cost: String,
    #[schema(example = "EUR")]
    currency: String,
    #[schema(value_type = Option<String>)]
    minimum_quantity: Option<Quantity>,
    lead_time_days: Option<i16>,
    actor: Option<Uuid>,
    valid_from: DateTime<Utc>,
}

impl From<SupplierPrice> for SupplierPriceView {
    fn from(price: SupplierPrice) -> Self {
        Self {
            id: price.id,
            variant_id: price.variant_id,
            supplier_sku: price.supplier_sku,
            cost: plain(price.cost),
            currency: price.currency,
            minimum_quantity: price.minimum_quantity,
            lead_time_days: price.lead_time_days,
            actor: price.actor_id,
            valid_from: price.valid_from,
        }
    }
}

/// Set what a supplier asks
///
/// For a variant, from now on; what was asked before stays as its history.
#[utoipa::path(tag = "purchasing", request_body = SetPrice, responses((status = 201, body = SupplierPriceView)),
    params(("id" = Uuid, Path,)))]
#[post("/suppliers/{id}/prices")]
pub async fn set_price(
    state: web::Data<State>,
    caller: Caller<may::PurchasingWrite>,
    PathId(id): PathId<SupplierId>,
    request: Idempotency,
    body: Json<SetPrice>,
) -> Result<HttpResponse, Problem> {
    let SetPrice { variant_id, supplier_sku, cost, currency, minimum_quantity, lead_time_days } = body.value;
    let actor = caller.actor();
    once::run(&state.database, &caller, &request, &body.bytes, Key::Optional, async |tx| {
        let own = settings::currency(tx).await?;
        let new = NewPrice {
            variant_id,
            supplier_sku: supplier_sku.clone(),
            cost,
            currency: currency.clone().unwrap_or(own),
            minimum_quantity,
            lead_time_days,
        };
        let price = supplier::set_price(tx, id, &new, actor).await?;
        let location = format!("/api/v1/suppliers/{id}/prices");
        Answer::created(location, Tag::of_version(1), &SupplierPriceView::from(price))
    })
    .await
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListSupplierPrices {
    #[param(value_type = Option<Uuid>)]
    variant_id: Option<VariantId>,
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100)]
    limit: Option<Limit>,
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<1>>,
}

/// Read what a supplier asks
///
/// The latest first: the first one of each variant counts, the others are its history.
#[utoipa::path(tag = "purchasing", params(ListSupplierPrices, ("id" = Uuid, Path,)),
    responses((status = 200, body = PageView<SupplierPriceView>)))]
#[get("/suppliers/{id}/prices")]
pub async fn list_prices(
    state: web::Data<State>,
    caller: Caller<may::PurchasingReceive>,
    PathId(id): PathId<SupplierId>,
    Query(query): Query<ListSupplierPrices>,
) -> Result<HttpResponse, Problem> {
    let page = page_request(query.limit, query.cursor);
    let (supplier, page) = state
        .database
        .read(&caller.scope(), async |tx| {
            both(supplier::find(tx, id), supplier::prices(tx, id, query.variant_id, &page)).await
        })
        .await?;
    supplier.ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().json(PageView::new(page, SupplierPriceView::from)))
}
