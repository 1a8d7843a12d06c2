//! Products with their variants.

use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, web};
use chrono::{DateTime, Utc};
use inventory::own_keys::{OwnKeys, OwnKeysChange};
use inventory::product::{self, NewProduct, Product, ProductChange, ProductFilter};
use inventory::product_kind::ProductKind;
use inventory::under_way::{self, Closing};
use inventory::{CategoryId, ProductId, TaxClassId, settings, variant};
use serde::{Deserialize, Serialize};
use tenancy::{TenantTx, all};
use utoipa::{IntoParams, ToSchema};
use values::{
    ActorId, Currency, ExternalId, ExternalSource, Metadata, MetadataPatch, Name, Note, OptionText,
    ProductTag, QuantityDecimals, SearchQuery,
};

use crate::http::caller::{Caller, may};
use crate::http::etag::{self, Tag};
use crate::http::extract::{IfMatch, Json, PathId};
use crate::http::listed::{Listed, Picks};
use crate::http::lists::{PageView, Paging};
use crate::http::money::with_currency;
use crate::http::own_keys::OwnKeysView;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::submission::{Answer, Key, Submission};
use crate::routes::catalogue::variants::{self, CreateVariant, VariantView};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateProduct {
    /// The name of the product.
    name: Name,
    /// The kind of the product. It cannot be changed later. Defaults to goods.
    kind: Option<ProductKind>,
    /// Defaults to no category.
    category_id: Option<CategoryId>,
    /// The tax class of all variants. Without a tax class, no tax is charged. A bundle must not have a tax
    /// class: each component is taxed by its own.
    tax_class_id: Option<TaxClassId>,
    /// A description of the product, of one or more lines.
    description: Option<Note>,
    /// The names of up to three options, such as size and colour. Defaults to the option names of the first
    /// variant.
    #[schema(example = json!(["Size"]))]
    options: Option<Vec<OptionText>>,
    /// Words by which the product can be found, at most twenty, all different. Defaults to none.
    #[serde(default)]
    tags: Vec<ProductTag>,
    /// How finely the product is counted, bought and sold. Defaults to whole units. A bundle must be sold
    /// in whole units.
    #[serde(default)]
    quantity_decimals: QuantityDecimals,
    /// The id of the product in another program. It must be unique for each externalSource. Defaults to none.
    external_id: Option<ExternalId>,
    /// The program of the externalId, such as shopify. Defaults to `default`.
    external_source: Option<ExternalSource>,
    /// Notes of that program. Defaults to none.
    metadata: Option<Metadata>,
    /// The variants, at least one. A product without options has one variant.
    #[schema(min_items = 1, max_items = 500)]
    variants: Vec<CreateVariant>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeProduct {
    /// The name of the product.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    name: Option<Name>,
    /// null removes the product from its category.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    category_id: Option<Option<CategoryId>>,
    /// null removes the tax class, so that no tax is charged.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    tax_class_id: Option<Option<TaxClassId>>,
    /// A description of the product, of one or more lines.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    description: Option<Option<Note>>,
    /// The new tags, at most twenty, all different. They replace all present tags.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    tags: Option<Vec<ProductTag>>,
    /// How finely the product is counted, bought and sold from now on. Fewer decimals are refused while the
    /// product has stock or an open document with more.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    quantity_decimals: Option<QuantityDecimals>,
    /// The new names of the options: as many as there are. A name that stays keeps its values, wherever it
    /// stands. Each new name takes the place of a name that is gone, in their order.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false, example = json!(["Size"]))]
    options: Option<Vec<OptionText>>,
    /// The id of the product in another program. null removes it with its externalSource.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    external_id: Option<Option<ExternalId>>,
    /// The program of the externalId. null means `default`.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    external_source: Option<Option<ExternalSource>>,
    /// Changes of the notes of that program. null removes all notes.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    metadata: Option<Option<MetadataPatch>>,
    /// true archives the product. false restores it.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    archived: Option<bool>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProductView {
    id: ProductId,
    /// The name of the product.
    name: Name,
    /// The kind of the product.
    kind: ProductKind,
    category_id: Option<CategoryId>,
    /// The tax class of all variants. null: no tax is charged.
    tax_class_id: Option<TaxClassId>,
    /// A description of the product, of one or more lines.
    description: Option<Note>,
    /// The names of the options, such as size and colour.
    #[schema(example = json!(["Size"]))]
    options: Vec<OptionText>,
    /// Words by which the product can be found.
    #[schema(example = json!(["new", "outdoor"]))]
    tags: Vec<ProductTag>,
    /// How finely the product is counted, bought and sold.
    quantity_decimals: QuantityDecimals,
    #[serde(flatten)]
    own_keys: OwnKeysView,
    /// Whether the product is archived.
    archived: bool,
    /// The variants, oldest first. Archived variants are included.
    variants: Vec<VariantView>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl ProductView {
    fn new(product: Product, currency: &Currency) -> Self {
        Self {
            id: product.id,
            name: product.name,
            kind: product.kind,
            category_id: product.category_id,
            tax_class_id: product.tax_class_id,
            description: product.description,
            options: product.option_names,
            tags: product.tags,
            quantity_decimals: product.quantity_decimals,
            own_keys: product.own_keys.into(),
            archived: product.archived_at.is_some(),
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
    /// Words of the name, the tags, the SKUs, the options or the barcodes, or parts of them, in any order.
    /// The search ignores letter case and accents.
    q: Option<SearchQuery>,
    /// Returns only products of this category and of the categories below it. Defaults to all.
    category_id: Option<CategoryId>,
    /// Returns only products of this kind. Defaults to all.
    kind: Option<ProductKind>,
    /// Returns only products with this tag. Defaults to all.
    tag: Option<ProductTag>,
    /// true returns only archived products. false returns only products that are not archived. Defaults to
    /// false.
    archived: Option<bool>,
}

/// List products
///
/// Returns products with their variants and stock, newest first.
#[utoipa::path(tag = "catalogue", operation_id = "listProducts", params(ListProducts, Picks, Paging),
    responses((status = 200, body = PageView<ProductView>)))]
#[get("/products")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::CatalogueRead>,
    listed: Listed<ListProducts>,
) -> Result<HttpResponse, Problem> {
    let scope = caller.scope();
    let (query, page) = match listed {
        Listed::Page { query, page } => (query, page.request()?),
        Listed::Changes(changes) => {
            let changed = changes.settled(&state.database, &scope).await?;
            let read = async |tx: &TenantTx| with_currency(tx, product::changed(tx, &changed)).await;
            let (currency, page) = state.database.read(&scope, read).await?;
            return Ok(
                HttpResponse::Ok().json(PageView::new(page, |record| ProductView::new(record, &currency)))
            );
        }
        Listed::Named(named) => {
            let read = async |tx: &TenantTx| with_currency(tx, product::named(tx, &named)).await;
            let (currency, found) = state.database.read(&scope, read).await?;
            let view = |product| ProductView::new(product, &currency);
            return Ok(HttpResponse::Ok().json(PageView::whole(found, view)));
        }
    };
    let filter = ProductFilter {
        search: query.q.and_then(SearchQuery::text),
        category_id: query.category_id,
        kind: query.kind,
        tag: query.tag,
        archived: query.archived.unwrap_or_default(),
    };
    let (currency, page) = state
        .database
        .read(&scope, async |tx| all((settings::currency(tx), product::list(tx, &filter, &page))).await)
        .await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, |product| ProductView::new(product, &currency))))
}

/// Create a product
///
/// Creates the product with all its variants, or nothing.
#[utoipa::path(tag = "catalogue", operation_id = "createProduct", request_body = CreateProduct,
    responses((status = 201, body = ProductView)))]
#[post("/products")]
pub async fn create(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::CatalogueWrite, CreateProduct>,
) -> Result<HttpResponse, Problem> {
    let new = NewProduct {
        name: body.name,
        kind: body.kind.unwrap_or(ProductKind::Goods),
        category_id: body.category_id,
        tax_class_id: body.tax_class_id,
        description: body.description,
        option_names: body.options,
        tags: body.tags,
        quantity_decimals: body.quantity_decimals,
        own_keys: OwnKeys::new(body.external_id, body.external_source, body.metadata)?,
        variants: body
            .variants
            .into_iter()
            .enumerate()
            .map(|(index, variant)| variant.into_new(&format!("/variants/{index}")))
            .collect::<Result<_, Problem>>()?,
    };
    let actor = once.actor();
    once.run(&state.database, Key::Optional, async |tx| {
        let id = product::insert(tx, &new, actor).await?;
        let (tag, view) = read(tx, id).await?;
        Answer::created(format!("/api/v1/products/{id}"), tag, &view)
    })
    .await
}

/// The product as the API shows it.
async fn read(tx: &TenantTx, id: ProductId) -> Result<(Tag, ProductView), Problem> {
    let (currency, product) = all((settings::currency(tx), product::find(tx, id))).await?;
    let product = product.ok_or_else(Problem::not_found)?;
    Ok((Tag::with_shown(product.version, product.stock_position()), ProductView::new(product, &currency)))
}

/// Read a product
///
/// Returns a product with all its variants and their stock, also if it is archived.
#[utoipa::path(tag = "catalogue", operation_id = "readProduct", responses((status = 200, body = ProductView)),
    params(("id" = ProductId, Path,)))]
#[get("/products/{id}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::CatalogueRead>,
    PathId(id): PathId<ProductId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (tag, view) = state.database.read(&caller.scope(), async |tx| read(tx, id).await).await?;
    Ok(etag::respond(&request, tag, &view))
}

/// Change a product
///
/// The body is a JSON Merge Patch (RFC 7396): a field that is left out stays unchanged, and null removes a
/// value. Use PATCH /api/v1/variants/{id} to change a variant.
#[utoipa::path(tag = "catalogue", operation_id = "changeProduct", request_body = ChangeProduct,
    responses((status = 200, body = ProductView)), params(("id" = ProductId, Path,)))]
#[patch("/products/{id}")]
pub async fn edit(
    state: web::Data<State>,
    caller: Caller<may::CatalogueWrite>,
    PathId(id): PathId<ProductId>,
    IfMatch(if_version): IfMatch,
    body: Json<ChangeProduct>,
) -> Result<HttpResponse, Problem> {
    let body = body.value;
    let change = ProductChange {
        name: body.name,
        category_id: body.category_id,
        tax_class_id: body.tax_class_id,
        description: body.description,
        tags: body.tags,
        option_names: body.options,
        quantity_decimals: body.quantity_decimals,
        own_keys: OwnKeysChange {
            external_id: body.external_id,
            external_source: body.external_source,
            metadata: body.metadata,
        },
        is_archived: body.archived,
        if_version,
    };
    let actor = caller.actor();
    let work = async |tx: &TenantTx| {
        update(tx, id, &change, actor).await?;
        read(tx, id).await
    };
    let (tag, view) = state.database.write(&caller.scope(), work).await?;
    Ok(etag::changed(tag, &view))
}

/// Archive a product
///
/// Archived products are left out of lists and of totalItems on the dashboard, and cannot be sold. Their
/// stock and their history are kept. PATCH `{"archived": false}` restores the product.
#[utoipa::path(tag = "catalogue", operation_id = "archiveProduct",
    responses((status = 204, description = "Archived")), params(("id" = ProductId, Path,)))]
#[delete("/products/{id}")]
pub async fn archive(
    state: web::Data<State>,
    caller: Caller<may::CatalogueWrite>,
    PathId(id): PathId<ProductId>,
    IfMatch(if_version): IfMatch,
) -> Result<HttpResponse, Problem> {
    let change = ProductChange { is_archived: Some(true), if_version, ..ProductChange::default() };
    let actor = caller.actor();
    let work = async |tx: &TenantTx| update(tx, id, &change, actor).await;
    state.database.write(&caller.scope(), work).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn update(tx: &TenantTx, id: ProductId, change: &ProductChange, actor: ActorId) -> Result<(), Problem> {
    if change.is_archived == Some(true) {
        under_way::refuse(tx, Closing::Product(id)).await?;
    }
    Ok(product::update(tx, id, change, actor).await?)
}

/// Add a variant to a product
///
/// The variant must have a value for each option of the product, and its values must differ from those of
/// the other variants.
#[utoipa::path(tag = "catalogue", operation_id = "addVariant", request_body = CreateVariant,
    responses((status = 201, body = VariantView)), params(("id" = ProductId, Path,)))]
#[post("/products/{id}/variants")]
pub async fn create_variant(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::CatalogueWrite, CreateVariant>,
    PathId(product): PathId<ProductId>,
) -> Result<HttpResponse, Problem> {
    let new = body.into_new("")?;
    let actor = once.actor();
    once.run(&state.database, Key::Optional, async |tx| {
        let id = variant::insert(tx, product, &new, actor).await?;
        let (tag, view) = variants::read(tx, id).await?;
        Answer::created(format!("/api/v1/variants/{id}"), tag, &view)
    })
    .await
}
