//! Products with their variants.

use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, web};
use chrono::{DateTime, Utc};
use inventory::product::{self, NewProduct, Product, ProductChange, ProductFilter};
use inventory::settings::Currency;
use inventory::{CategoryId, ProductId, TaxClassId, settings, variant};
use serde::{Deserialize, Serialize};
use tenancy::{TenantTx, both};
use utoipa::{IntoParams, ToSchema};
use values::{Cursor, Limit, Name, Note, OptionText, ProductTag};

use crate::http::etag::{self, Tag};
use crate::http::extract::{Caller, Idempotency, IfMatch, Json, PathId, Query, may};
use crate::http::lists::{PageView, page_request, search_text};
use crate::http::once::{self, Answer, Key};
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::routes::catalogue::variants::{self, CreateVariant, VariantView};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateProduct {
    #[schema(value_type = String, max_length = 200, example = "Hex bolt")]
    name: Name,
    #[schema(value_type = Option<uuid::Uuid>)]
    category_id: Option<CategoryId>,
    /// How its prices are taxed; not at all without one.
    #[schema(value_type = Option<uuid::Uuid>)]
    tax_class_id: Option<TaxClassId>,
    #[schema(value_type = Option<String>, max_length = 2000)]
    description: Option<Note>,
    /// The names of up to three option axes; left out, they are those of the first variant.
    #[schema(value_type = Option<Vec<String>>, example = json!(["Size"]))]
    options: Option<Vec<OptionText>>,
    /// Words by which it is found; at most twenty.
    #[serde(default)]
    #[schema(value_type = Vec<String>, example = json!(["new", "outdoor"]))]
    tags: Vec<ProductTag>,
    #[schema(min_items = 1, max_items = 500)]
    variants: Vec<CreateVariant>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeProduct {
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false, value_type = Option<String>, max_length = 200)]
    name: Option<Name>,
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    #[schema(value_type = Option<uuid::Uuid>)]
    category_id: Option<Option<CategoryId>>,
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    #[schema(value_type = Option<uuid::Uuid>)]
    tax_class_id: Option<Option<TaxClassId>>,
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    #[schema(value_type = Option<String>, max_length = 2000)]
    description: Option<Option<Note>>,
    /// All tags that it has from now on.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false, value_type = Option<Vec<String>>, example = json!(["outdoor"]))]
    tags: Option<Vec<ProductTag>>,
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    archived: Option<bool>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProductView {
    #[schema(value_type = uuid::Uuid)]
    id: ProductId,
    name: String,
    #[schema(value_type = Option<uuid::Uuid>)]
    category_id: Option<CategoryId>,
    #[schema(value_type = Option<uuid::Uuid>)]
    tax_class_id: Option<TaxClassId>,
    description: Option<String>,
    options: Vec<String>,
    #[schema(example = json!(["new", "outdoor"]))]
    tags: Vec<String>,
    archived: bool,
    variants: Vec<VariantView>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl ProductView {
    fn new(product: Product, currency: &Currency) -> Self {
        Self {
            id: product.id,
            name: product.name,
            category_id: product.category_id,
            tax_class_id: product.tax_class_id,
            description: product.description,
            options: product.option_names,
            tags: product.tags,
            archived: product.is_archived,
            variants: product
                .variants
                .into_iter()
                .map(|variant| VariantView::new(variant, currency))
                .collect(),
            created_at: product.created_at,
            updated_at: product.updated_at,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListProducts {
    /// Anywhere in the name, a SKU or a barcode, whatever the letter case.
    #[param(value_type = Option<String>, max_length = 100)]
    q: Option<String>,
    #[param(value_type = Option<uuid::Uuid>)]
    category_id: Option<CategoryId>,
    #[param(value_type = Option<String>, max_length = 50)]
    tag: Option<ProductTag>,
    /// Archived products instead of those in use.
    archived: Option<bool>,
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100)]
    limit: Option<Limit>,
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<1>>,
}

/// List products
///
/// With variants and stock, newest first.
#[utoipa::path(tag = "catalogue", params(ListProducts), responses((status = 200, body = PageView<ProductView>)))]
#[get("/products")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::CatalogueRead>,
    Query(query): Query<ListProducts>,
) -> Result<HttpResponse, Problem> {
    let page = page_request(query.limit, query.cursor);
    let filter = ProductFilter {
        search: search_text(query.q.as_deref())?,
        category_id: query.category_id,
        tag: query.tag,
        archived: query.archived.unwrap_or_default(),
    };
    let (currency, page) = state
        .database
        .read(&caller.scope(), async |tx| {
            both(settings::currency(tx), product::list(tx, &filter, &page)).await
        })
        .await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, |product| ProductView::new(product, &currency))))
}

/// Create a product
///
/// With all of its variants, or not at all.
#[utoipa::path(tag = "catalogue", request_body = CreateProduct, responses((status = 201, body = ProductView)))]
#[post("/products")]
pub async fn create(
    state: web::Data<State>,
    caller: Caller<may::CatalogueWrite>,
    request: Idempotency,
    body: Json<CreateProduct>,
) -> Result<HttpResponse, Problem> {
    let CreateProduct { name, category_id, tax_class_id, description, options, tags, variants } = body.value;
    let new = NewProduct {
        name,
        category_id,
        tax_class_id,
        description,
        option_names: options,
        tags,
        variants: variants.into_iter().map(CreateVariant::into_new).collect(),
    };
    let actor = caller.actor();
    once::run(&state.database, &caller, &request, &body.bytes, Key::Optional, async |tx| {
        let id = product::insert(tx, &new, actor).await?;
        let (tag, view) = read(tx, id).await?;
        Answer::created(format!("/api/v1/products/{id}"), tag, &view)
    })
    .await
}

/// The product as clients see it.
async fn read(tx: &TenantTx, id: ProductId) -> Result<(Tag, ProductView), Problem> {
    let (currency, product) = both(settings::currency(tx), product::find(tx, id)).await?;
    let product = product.ok_or_else(Problem::not_found)?;
    Ok((Tag::with_shown(product.version, product.stock_position()), ProductView::new(product, &currency)))
}

/// Read a product
#[utoipa::path(tag = "catalogue", responses((status = 200, body = ProductView)), params(("id" = uuid::Uuid, Path,)))]
#[get("/products/{id}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::CatalogueRead>,
    PathId(id): PathId<ProductId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (tag, view) = state.database.read(&caller.scope(), async |tx| read(tx, id).await).await?;
    Ok(etag::respond(request.headers(), tag, &view))
}

/// Change a product
///
/// A JSON Merge Patch (RFC 7396). Variants change through their own routes.
#[utoipa::path(tag = "catalogue", request_body = ChangeProduct, responses((status = 200, body = ProductView)),
    params(("id" = uuid::Uuid, Path,)))]
#[patch("/products/{id}")]
pub async fn edit(
    state: web::Data<State>,
    caller: Caller<may::CatalogueWrite>,
    PathId(id): PathId<ProductId>,
    IfMatch(if_version): IfMatch,
    body: Json<ChangeProduct>,
) -> Result<HttpResponse, Problem> {
    let ChangeProduct { name, category_id, tax_class_id, description, tags, archived } = body.value;
    let change = ProductChange {
        name,
        category_id,
        tax_class_id,
        description,
        tags,
        is_archived: archived,
        if_version,
    };
    let actor = caller.actor();
    let work = async |tx: &TenantTx| {
        product::update(tx, id, &change, actor).await?;
        read(tx, id).await
    };
    let (tag, view) = state.database.write(&caller.scope(), work).await?;
    Ok(etag::changed(tag, &view))
}

/// Archive a product
///
/// It leaves the lists and the dashboard's count; its stock and history stay. PATCH `{"archived": false}` brings it back.
#[utoipa::path(tag = "catalogue", responses((status = 204, description = "Archived")), params(("id" = uuid::Uuid, Path,)))]
#[delete("/products/{id}")]
pub async fn archive(
    state: web::Data<State>,
    caller: Caller<may::CatalogueWrite>,
    PathId(id): PathId<ProductId>,
    IfMatch(if_version): IfMatch,
) -> Result<HttpResponse, Problem> {
    let change = ProductChange { is_archived: Some(true), if_version, ..ProductChange::default() };
    let actor = caller.actor();
    let work = async |tx: &TenantTx| Ok::<_, Problem>(product::update(tx, id, &change, actor).await?);
    state.database.write(&caller.scope(), work).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Add a variant to a product
#[utoipa::path(tag = "catalogue", request_body = CreateVariant, responses((status = 201, body = VariantView)),
    params(("id" = uuid::Uuid, Path,)))]
#[post("/products/{id}/variants")]
pub async fn create_variant(
    state: web::Data<State>,
    caller: Caller<may::CatalogueWrite>,
    PathId(product): PathId<ProductId>,
    request: Idempotency,
    body: Json<CreateVariant>,
) -> Result<HttpResponse, Problem> {
    let new = body.value.into_new();
    let actor = caller.actor();
    once::run(&state.database, &caller, &request, &body.bytes, Key::Optional, async |tx| {
        let id = variant::insert(tx, product, &new, actor).await?;
        let (tag, view) = variants::read(tx, id).await?;
        Answer::created(format!("/api/v1/variants/{id}"), tag, &view)
    })
    .await
}
