//! Variants: the stock-keeping units.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, get, patch, web};
use chrono::{DateTime, Utc};
use inventory::settings::Currency;
use inventory::variant::{self, NewVariant, Variant, VariantChange};
use inventory::{ProductId, VariantId, settings};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenancy::{TenantTx, both};
use utoipa::ToSchema;
use values::{Barcode, Money, OptionText, Quantity, Sku, gtin};

use crate::http::etag::{self, Tag};
use crate::http::extract::{Caller, IfMatch, Json, PathId, Query, may};
use crate::http::lists::{PageView, Paging, page_request};
use crate::http::problem::Problem;
use crate::http::state::State;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateVariant {
    /// Unique within the business.
    #[schema(value_type = String, max_length = 64, example = "BOLT-M8")]
    sku: Sku,
    #[serde(default)]
    #[schema(value_type = Vec<String>, example = json!(["4006381333931"]))]
    barcodes: Vec<Barcode>,
    /// The sale price, a decimal string.
    #[schema(value_type = String, example = "0.45")]
    price: Money,
    /// A former or recommended price, for comparison.
    #[schema(value_type = Option<String>, example = "0.55")]
    compare_at_price: Option<Money>,
    #[schema(value_type = Option<String>, example = "0.16")]
    cost: Option<Money>,
    #[schema(value_type = Option<String>, example = "200")]
    reorder_level: Option<Quantity>,
    /// A value on each of the product's options.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>, example = json!({"Size": "M8"}))]
    options: BTreeMap<OptionText, OptionText>,
}

impl CreateVariant {
    pub(crate) fn into_new(self) -> NewVariant {
        NewVariant {
            sku: self.sku,
            barcodes: self.barcodes,
            price: self.price,
            compare_at_price: self.compare_at_price,
            cost: self.cost,
            reorder_level: self.reorder_level,
            options: self.options,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeVariant {
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false, value_type = Option<String>, max_length = 64)]
    sku: Option<Sku>,
    #[serde(default, deserialize_with = "crate::http::body::required")]
    /// All barcodes that the variant has from now on.
    #[schema(nullable = false, value_type = Option<Vec<String>>)]
    barcodes: Option<Vec<Barcode>>,
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false, value_type = Option<String>, example = "0.49")]
    price: Option<Money>,
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    #[schema(value_type = Option<String>)]
    compare_at_price: Option<Option<Money>>,
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    #[schema(value_type = Option<String>)]
    cost: Option<Option<Money>>,
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    #[schema(value_type = Option<String>)]
    reorder_level: Option<Option<Quantity>>,
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    archived: Option<bool>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VariantView {
    #[schema(value_type = uuid::Uuid)]
    id: VariantId,
    #[schema(value_type = uuid::Uuid)]
    product_id: ProductId,
    sku: String,
    barcodes: Vec<String>,
    #[schema(example = "0.45")]
    price: String,
    compare_at_price: Option<String>,
    cost: Option<String>,
    #[schema(value_type = Option<String>)]
    reorder_level: Option<Quantity>,
    options: Value,
    /// Over all locations.
    #[schema(value_type = String)]
    on_hand: Quantity,
    #[schema(value_type = String)]
    reserved: Quantity,
    #[schema(value_type = String)]
    available: Quantity,
    archived: bool,
    /// What looks wrong and was taken all the same, such as a barcode whose check digit does not fit.
    warnings: Vec<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl VariantView {
    pub(crate) fn new(variant: Variant, currency: &Currency) -> Self {
        Self {
            id: variant.id,
            product_id: variant.product_id,
            available: variant.available(),
            warnings: variant.barcodes.iter().filter_map(|code| gtin_warning(code)).collect(),
            sku: variant.sku,
            barcodes: variant.barcodes,
            price: currency.format(variant.price),
            compare_at_price: variant.compare_at_price.map(|price| currency.format(price)),
            cost: variant.cost.map(|cost| currency.format(cost)),
            reorder_level: variant.reorder_level,
            options: variant.options,
            on_hand: variant.on_hand,
            reserved: variant.reserved,
            archived: variant.is_archived,
            created_at: variant.created_at,
            updated_at: variant.updated_at,
        }
    }

    fn tagged(variant: Variant, currency: &Currency) -> (Tag, Self) {
        (Tag::with_shown(variant.version, variant.stock_position), Self::new(variant, currency))
    }
}

/// Nothing for what is no GTIN at all: shops print codes of their own.
fn gtin_warning(code: &str) -> Option<String> {
    let right = gtin::check_digit(code)?;
    (!code.ends_with(right)).then(|| format!("the check digit of {code} should be {right}: was it mistyped?"))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PriceChangeView {
    price: String,
    compare_at_price: Option<String>,
    cost: Option<String>,
    /// The user's id; null is the platform.
    actor: Option<uuid::Uuid>,
    changed_at: DateTime<Utc>,
}

/// Read a variant's prices
///
/// Since when it has had which, the latest first.
#[utoipa::path(tag = "catalogue", params(Paging, ("id" = uuid::Uuid, Path,)),
    responses((status = 200, body = PageView<PriceChangeView>)))]
#[get("/variants/{id}/prices")]
pub async fn list_prices(
    state: web::Data<State>,
    caller: Caller<may::CatalogueRead>,
    PathId(id): PathId<VariantId>,
    Query(query): Query<Paging>,
) -> Result<HttpResponse, Problem> {
    let page = page_request(query.limit, query.cursor);
    let (currency, (variant, page)) = state
        .database
        .read(&caller.scope(), async |tx| {
            both(settings::currency(tx), both(variant::find(tx, id), variant::prices(tx, id, &page))).await
        })
        .await?;
    variant.ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().json(PageView::new(page, |change| PriceChangeView {
        price: currency.format(change.price),
        compare_at_price: change.compare_at_price.map(|price| currency.format(price)),
        cost: change.cost.map(|cost| currency.format(cost)),
        actor: change.actor_id,
        changed_at: change.changed_at,
    })))
}

/// The variant as clients see it.
pub(crate) async fn read(tx: &TenantTx, id: VariantId) -> Result<(Tag, VariantView), Problem> {
    let (currency, variant) = both(settings::currency(tx), variant::find(tx, id)).await?;
    Ok(VariantView::tagged(variant.ok_or_else(Problem::not_found)?, &currency))
}

/// The variant under a barcode as clients see it.
pub(crate) async fn read_by_barcode(tx: &TenantTx, code: &Barcode) -> Result<(Tag, VariantView), Problem> {
    let (currency, variant) = both(settings::currency(tx), variant::find_by_barcode(tx, code)).await?;
    Ok(VariantView::tagged(variant.ok_or_else(Problem::not_found)?, &currency))
}

/// Read a variant
#[utoipa::path(tag = "catalogue", responses((status = 200, body = VariantView)), params(("id" = uuid::Uuid, Path,)))]
#[get("/variants/{id}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::CatalogueRead>,
    PathId(id): PathId<VariantId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (tag, view) = state.database.read(&caller.scope(), async |tx| read(tx, id).await).await?;
    Ok(etag::respond(request.headers(), tag, &view))
}

/// Change a variant
///
/// A JSON Merge Patch (RFC 7396).
#[utoipa::path(tag = "catalogue", request_body = ChangeVariant, responses((status = 200, body = VariantView)),
    params(("id" = uuid::Uuid, Path,)))]
#[patch("/variants/{id}")]
pub async fn edit(
    state: web::Data<State>,
    caller: Caller<may::CatalogueWrite>,
    PathId(id): PathId<VariantId>,
    IfMatch(if_version): IfMatch,
    body: Json<ChangeVariant>,
) -> Result<HttpResponse, Problem> {
    let ChangeVariant { sku, barcodes, price, compare_at_price, cost, reorder_level, archived } = body.value;
    let change = VariantChange {
        sku,
        barcodes,
        price,
        compare_at_price,
        cost,
        reorder_level,
        is_archived: archived,
        if_version,
    };
    let actor = caller.actor();
    let work = async |tx: &TenantTx| {
        variant::update(tx, id, &change, actor).await?;
        read(tx, id).await
    };
    let (tag, view) = state.database.write(&caller.scope(), work).await?;
    Ok(etag::changed(tag, &view))
}
