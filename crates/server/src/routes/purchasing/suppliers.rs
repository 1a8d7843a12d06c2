//! Suppliers and their prices.

use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, web};
use chrono::{DateTime, Utc};
use inventory::own_keys::{OwnKeys, OwnKeysChange};
use inventory::supplier::{self, NewSupplier, Supplier, SupplierChange};
use inventory::supplier_price::{self, NewPrice, SupplierPrice};
use inventory::under_way::{self, Closing};
use inventory::{SupplierId, SupplierPriceId, VariantId, settings};
use serde::{Deserialize, Serialize};
use tenancy::{TenantTx, all};
use utoipa::{IntoParams, ToSchema};
use values::{
    ActorId, Amount, Currency, Email, ExternalId, ExternalSource, Metadata, MetadataPatch, Money, Name,
    NonNegative, Note, Positive, Quantity, ShortText, Sku,
};

use crate::http::caller::{Caller, may};
use crate::http::etag::{self, Tag};
use crate::http::extract::{IfMatch, Json, PathId};
use crate::http::listed::{Listed, Picks};
use crate::http::lists::{List, NoParameters, PageView, Paging};
use crate::http::own_keys::OwnKeysView;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::submission::{Answer, Key, Submission};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateSupplier {
    /// The name of the supplier. It must be unique in the business.
    name: Name,
    /// The email address of the supplier. The server does not check it.
    #[schema(value_type = Option<Email>)]
    email: Option<ShortText>,
    /// The telephone number of the supplier. The server does not check it.
    phone: Option<ShortText>,
    /// A note about the supplier.
    note: Option<Note>,
    /// The lead time: the number of days from sending a purchase order to the arrival of the goods, 0 to
    /// 1000. Defaults to unknown.
    #[schema(minimum = 0, maximum = 1000)]
    lead_time_days: Option<i16>,
    /// The id of the supplier in another program. It must be unique for each externalSource. Defaults to
    /// none.
    external_id: Option<ExternalId>,
    /// The program of the externalId, such as shopify. Defaults to `default`.
    external_source: Option<ExternalSource>,
    /// Notes of that program. Defaults to none.
    metadata: Option<Metadata>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeSupplier {
    /// The name of the supplier. It must be unique in the business.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    name: Option<Name>,
    /// The email address of the supplier. The server does not check it.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    #[schema(value_type = Option<Email>)]
    email: Option<Option<ShortText>>,
    /// The telephone number of the supplier. The server does not check it.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    phone: Option<Option<ShortText>>,
    /// A note about the supplier.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    note: Option<Option<Note>>,
    /// The lead time: the number of days from sending a purchase order to the arrival of the goods, 0 to
    /// 1000. null removes the lead time.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    #[schema(minimum = 0, maximum = 1000)]
    lead_time_days: Option<Option<i16>>,
    /// The id of the supplier in another program. null removes it with its externalSource.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    external_id: Option<Option<ExternalId>>,
    /// The program of the externalId. null means `default`.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    external_source: Option<Option<ExternalSource>>,
    /// Changes of the notes of that program. null removes all notes.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    metadata: Option<Option<MetadataPatch>>,
    /// true archives the supplier. false restores it.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    archived: Option<bool>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SupplierView {
    id: SupplierId,
    /// The name of the supplier. It must be unique in the business.
    name: Name,
    /// The email address of the supplier. The server does not check it.
    email: Option<ShortText>,
    /// The telephone number of the supplier. The server does not check it.
    phone: Option<ShortText>,
    /// A note about the supplier.
    note: Option<Note>,
    /// The lead time: the number of days from sending a purchase order to the arrival of the goods, 0 to
    /// 1000. null if unknown.
    lead_time_days: Option<i16>,
    #[serde(flatten)]
    own_keys: OwnKeysView,
    /// Whether the supplier is archived.
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
            own_keys: supplier.own_keys.into(),
            archived: supplier.archived_at.is_some(),
            created_at: supplier.created_at,
            updated_at: supplier.updated_at,
        }
    }
}

/// List suppliers
///
/// Returns the suppliers that are not archived, newest first.
#[utoipa::path(tag = "purchasing", operation_id = "listSuppliers", params(Picks, Paging),
    responses((status = 200, body = PageView<SupplierView>)))]
#[get("/suppliers")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::PurchasingReceive>,
    listed: Listed<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let scope = caller.scope();
    let page = match listed {
        Listed::Page { page, .. } => page.request()?,
        Listed::Changes(changes) => {
            let changed = changes.settled(&state.database, &scope).await?;
            let read = async |tx: &TenantTx| supplier::changed(tx, &changed).await;
            let page = state.database.read(&scope, read).await?;
            return Ok(HttpResponse::Ok().json(PageView::new(page, SupplierView::from)));
        }
        Listed::Named(named) => {
            let read = async |tx: &TenantTx| supplier::named(tx, &named).await;
            let found = state.database.read(&scope, read).await?;
            return Ok(HttpResponse::Ok().json(PageView::whole(found, SupplierView::from)));
        }
    };
    let read = async |tx: &TenantTx| supplier::list(tx, &page).await;
    let page = state.database.read(&scope, read).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, SupplierView::from)))
}

/// Create a supplier
///
/// Only the name is required. Prices of the supplier are set with POST /api/v1/suppliers/{id}/prices.
#[utoipa::path(tag = "purchasing", operation_id = "createSupplier", request_body = CreateSupplier,
    responses((status = 201, body = SupplierView)))]
#[post("/suppliers")]
pub async fn create(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::PurchasingWrite, CreateSupplier>,
) -> Result<HttpResponse, Problem> {
    let CreateSupplier { name, email, phone, note, lead_time_days, .. } = body;
    let own_keys = OwnKeys::new(body.external_id, body.external_source, body.metadata)?;
    let new = NewSupplier { name, email, phone, note, lead_time_days, own_keys };
    once.run(&state.database, Key::Optional, async |tx| {
        let id = supplier::insert(tx, &new, once.actor()).await?;
        let supplier = supplier::find(tx, id).await?.ok_or_else(Problem::not_found)?;
        let tag = Tag::of_version(supplier.version);
        Answer::created(format!("/api/v1/suppliers/{id}"), tag, &SupplierView::from(supplier))
    })
    .await
}

/// Read a supplier
///
/// Returns a supplier, also if the supplier is archived.
#[utoipa::path(tag = "purchasing", operation_id = "readSupplier",
    responses((status = 200, body = SupplierView)), params(("id" = SupplierId, Path,)))]
#[get("/suppliers/{id}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::PurchasingReceive>,
    PathId(id): PathId<SupplierId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let supplier = state.database.read(&caller.scope(), async |tx| supplier::find(tx, id).await).await?;
    let supplier = supplier.ok_or_else(Problem::not_found)?;
    Ok(etag::respond(&request, Tag::of_version(supplier.version), &SupplierView::from(supplier)))
}

/// Change a supplier
///
/// The body is a JSON Merge Patch (RFC 7396): a field that is left out stays unchanged, and null removes a
/// value.
#[utoipa::path(tag = "purchasing", operation_id = "changeSupplier", request_body = ChangeSupplier,
    responses((status = 200, body = SupplierView)), params(("id" = SupplierId, Path,)))]
#[patch("/suppliers/{id}")]
pub async fn edit(
    state: web::Data<State>,
    caller: Caller<may::PurchasingWrite>,
    PathId(id): PathId<SupplierId>,
    IfMatch(if_version): IfMatch,
    body: Json<ChangeSupplier>,
) -> Result<HttpResponse, Problem> {
    let body = body.value;
    let change = SupplierChange {
        name: body.name,
        email: body.email,
        phone: body.phone,
        note: body.note,
        lead_time_days: body.lead_time_days,
        own_keys: OwnKeysChange {
            external_id: body.external_id,
            external_source: body.external_source,
            metadata: body.metadata,
        },
        is_archived: body.archived,
        if_version,
    };
    let supplier = update(&state, &caller, id, &change).await?;
    Ok(etag::changed(Tag::of_version(supplier.version), &SupplierView::from(supplier)))
}

/// Archive a supplier
///
/// Archived suppliers are left out of lists; their purchase orders keep them. PATCH `{"archived": false}`
/// restores the supplier.
#[utoipa::path(tag = "purchasing", operation_id = "archiveSupplier",
    responses((status = 204, description = "Archived")), params(("id" = SupplierId, Path,)))]
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
        if change.is_archived == Some(true) {
            under_way::refuse(tx, Closing::Supplier(id)).await?;
        }
        supplier::update(tx, id, change, actor).await?;
        supplier::find(tx, id).await?.ok_or_else(Problem::not_found)
    };
    state.database.write(&caller.scope(), work).await
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetPrice {
    variant_id: VariantId,
    /// The supplier's code for the variant. Defaults to none.
    supplier_sku: Option<Sku>,
    /// The cost of one unit.
    cost: NonNegative<Money>,
    /// The currency of the cost. Defaults to the currency of the business.
    currency: Option<Currency>,
    /// The smallest quantity that the supplier sells, in sale units. Defaults to no minimum.
    minimum_quantity: Option<Positive<Quantity>>,
    /// The lead time for this variant, in days, 0 to 1000. Defaults to the lead time of the supplier.
    #[schema(minimum = 0, maximum = 1000)]
    lead_time_days: Option<i16>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SupplierPriceView {
    id: SupplierPriceId,
    variant_id: VariantId,
    /// The supplier's code for the variant.
    supplier_sku: Option<Sku>,
    /// The cost of one unit, with all decimals that were entered.
    #[schema(example = "0.12")]
    cost: Amount,
    /// The currency of the cost.
    #[schema(example = "EUR")]
    #[schema(value_type = Currency)]
    currency: String,
    /// The smallest quantity that the supplier sells, in sale units; null for no minimum.
    minimum_quantity: Option<Quantity>,
    /// The lead time for this variant, in days. null: the lead time of the supplier applies.
    lead_time_days: Option<i16>,
    /// The user or program that set the price; null for the platform.
    actor: ActorId,
    /// The time since which the price applies.
    valid_from: DateTime<Utc>,
}

impl From<SupplierPrice> for SupplierPriceView {
    fn from(price: SupplierPrice) -> Self {
        Self {
            id: price.id,
            variant_id: price.variant_id,
            supplier_sku: price.supplier_sku,
            cost: price.cost.plain(),
            currency: price.currency,
            minimum_quantity: price.minimum_quantity,
            lead_time_days: price.lead_time_days,
            actor: price.actor_id,
            valid_from: price.valid_from,
        }
    }
}

/// Set a supplier price
///
/// Stores the price of a supplier for a variant. The price applies from now on. Earlier prices are kept as
/// its history.
#[utoipa::path(tag = "purchasing", operation_id = "setSupplierPrice", request_body = SetPrice,
    responses((status = 201, body = SupplierPriceView)), params(("id" = SupplierId, Path,)))]
#[post("/suppliers/{id}/prices")]
pub async fn set_price(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::PurchasingWrite, SetPrice>,
    PathId(id): PathId<SupplierId>,
) -> Result<HttpResponse, Problem> {
    let SetPrice { variant_id, supplier_sku, cost, currency, minimum_quantity, lead_time_days } = body;
    once.run(&state.database, Key::Optional, async |tx| {
        let own = settings::currency(tx).await?;
        let new = NewPrice {
            variant_id,
            supplier_sku: supplier_sku.clone(),
            cost,
            currency: currency.clone().unwrap_or(own),
            minimum_quantity,
            lead_time_days,
        };
        let price = supplier_price::set(tx, id, &new, once.actor()).await?;
        let location = format!("/api/v1/suppliers/{id}/prices");
        Answer::created(location, Tag::of_version(1), &SupplierPriceView::from(price))
    })
    .await
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListSupplierPrices {
    /// Returns only prices of this variant. Defaults to all.
    variant_id: Option<VariantId>,
}

/// List supplier prices
///
/// Returns the prices of a supplier, newest first. The first price of each variant applies now. The other
/// prices are its history.
#[utoipa::path(tag = "purchasing", operation_id = "listSupplierPrices",
    params(ListSupplierPrices, Paging, ("id" = SupplierId, Path,)),
    responses((status = 200, body = PageView<SupplierPriceView>)))]
#[get("/suppliers/{id}/prices")]
pub async fn list_prices(
    state: web::Data<State>,
    caller: Caller<may::PurchasingReceive>,
    PathId(id): PathId<SupplierId>,
    List { query, page }: List<ListSupplierPrices>,
) -> Result<HttpResponse, Problem> {
    let page = page.request()?;
    let (supplier, page) = state
        .database
        .read(&caller.scope(), async |tx| {
            all((supplier::find(tx, id), supplier_price::list(tx, id, query.variant_id, &page))).await
        })
        .await?;
    supplier.ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().json(PageView::new(page, SupplierPriceView::from)))
}
