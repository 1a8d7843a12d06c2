//! Variants: the units that are sold, counted and reordered.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, get, patch, web};
use chrono::{DateTime, Utc};
use inventory::bundle::{Component, NewComponent};
use inventory::changes::Changed;
use inventory::named::Named;
use inventory::own_keys::{OwnKeys, OwnKeysChange};
use inventory::product_kind::ProductKind;
use inventory::under_way::{self, Closing};
use inventory::variant::{self, NewVariant, Variant, VariantChange};
use inventory::{ProductId, VariantId, price_history, settings};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenancy::{TenantTx, all};
use utoipa::{IntoParams, ToSchema};
use values::{
    ActorId, Amount, Barcode, Currency, ExternalId, ExternalSource, Metadata, MetadataPatch, Money, Name,
    NonNegative, OptionText, Page, PageRequest, Positive, Quantity, Sku, gtin,
};

use crate::http::article::article;
use crate::http::caller::{Caller, may};
use crate::http::etag::{self, Tag};
use crate::http::extract::{IfMatch, Json, PathId};
use crate::http::listed::{Listed, Picks};
use crate::http::lists::{List, NoParameters, PageView, Paging};
use crate::http::money::with_currency;
use crate::http::own_keys::OwnKeysView;
use crate::http::problem::Problem;
use crate::http::state::State;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateVariant {
    /// The code of the variant. It must be unique in the business.
    sku: Sku,
    /// The barcodes, at most 50. Each must be unique in the business. Defaults to none.
    #[serde(default)]
    barcodes: Vec<Barcode>,
    /// The list price of one unit.
    price: NonNegative<Money>,
    /// A former or recommended price of one unit, for comparison. Defaults to none.
    compare_at_price: Option<NonNegative<Money>>,
    /// The cost of one unit in the catalogue. It counts where no average cost is known, and for each sale
    /// of a service or a fee. Defaults to none.
    cost: Option<NonNegative<Money>>,
    /// The reorder level, in sale units. If the available stock at a location is at or below this level, a
    /// low-stock alert opens. A location may have its own reorder level. Defaults to no alert.
    reorder_level: Option<NonNegative<Quantity>>,
    /// The stock that a reorder restores, in sale units. A location may have its own target. Defaults to the
    /// reorder level plus the sales of 30 days.
    target_quantity: Option<NonNegative<Quantity>>,
    /// One value for each option of the product, by the name of the option. Defaults to none.
    #[serde(default)]
    options: BTreeMap<OptionText, OptionText>,
    /// The id of the variant in another program. It must be unique for each externalSource. Defaults to none.
    external_id: Option<ExternalId>,
    /// The program of the externalId, such as shopify. Defaults to `default`.
    external_source: Option<ExternalSource>,
    /// Notes of that program. Defaults to none.
    metadata: Option<Metadata>,
    /// The components of a bundle: 1 to 50 different variants. Other products must have none.
    #[serde(default)]
    #[schema(example = json!([]))]
    components: Vec<NewComponentBody>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewComponentBody {
    /// The variant, of goods or of a service. Exactly one of variantId, sku and barcode is required.
    variant_id: Option<VariantId>,
    /// The SKU of the variant, in any letter case.
    sku: Option<Sku>,
    /// A barcode of the variant.
    barcode: Option<Barcode>,
    /// The quantity in one bundle, in sale units.
    quantity: Positive<Quantity>,
}

impl NewComponentBody {
    fn all(at: &str, components: Vec<Self>) -> Result<Vec<NewComponent>, Problem> {
        let component = |(index, new): (usize, Self)| {
            let at = format!("{at}/components/{index}");
            let article = article(&at, new.variant_id, new.sku, new.barcode)?;
            Ok(NewComponent { article, quantity: new.quantity })
        };
        components.into_iter().enumerate().map(component).collect()
    }
}

impl CreateVariant {
    /// `at` is the JSON pointer of the variant.
    pub(crate) fn into_new(self, at: &str) -> Result<NewVariant, Problem> {
        Ok(NewVariant {
            sku: self.sku,
            barcodes: self.barcodes,
            price: self.price,
            compare_at_price: self.compare_at_price,
            cost: self.cost,
            reorder_level: self.reorder_level,
            target_quantity: self.target_quantity,
            options: self.options,
            own_keys: OwnKeys::new(self.external_id, self.external_source, self.metadata)
                .map_err(|error| Problem::own_keys(at, &error))?,
            components: NewComponentBody::all(at, self.components)?,
        })
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeVariant {
    /// The code of the variant. It must be unique in the business.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    sku: Option<Sku>,
    /// The new barcodes, at most 50. They replace all present barcodes.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    barcodes: Option<Vec<Barcode>>,
    /// The list price of one unit.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    price: Option<NonNegative<Money>>,
    /// A former or recommended price of one unit, for comparison.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    compare_at_price: Option<Option<NonNegative<Money>>>,
    /// The cost of one unit in the catalogue. It counts where no average cost is known, and for each sale of
    /// a service or a fee.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    cost: Option<Option<NonNegative<Money>>>,
    /// The reorder level, in sale units. If the available stock at a location is at or below this level, a
    /// low-stock alert opens. null turns the alert off.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    reorder_level: Option<Option<NonNegative<Quantity>>>,
    /// The stock that a reorder restores, in sale units. null: the reorder level plus the sales of 30 days.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    target_quantity: Option<Option<NonNegative<Quantity>>>,
    /// The new value of each option of the product, by the name of the option. They replace all present
    /// values.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    options: Option<BTreeMap<OptionText, OptionText>>,
    /// The new components of a bundle: 1 to 50 different variants. They replace all present components.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false, example = json!([]))]
    components: Option<Vec<NewComponentBody>>,
    /// The id of the variant in another program. null removes it with its externalSource.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    external_id: Option<Option<ExternalId>>,
    /// The program of the externalId. null means `default`.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    external_source: Option<Option<ExternalSource>>,
    /// Changes of the notes of that program. null removes all notes.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    metadata: Option<Option<MetadataPatch>>,
    /// true archives the variant. false restores it.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    archived: Option<bool>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VariantView {
    id: VariantId,
    product_id: ProductId,
    /// The kind of the product: whether the variant has stock.
    kind: ProductKind,
    /// The code of the variant.
    sku: Sku,
    /// The barcodes of the variant, sorted.
    barcodes: Vec<Barcode>,
    /// The list price of one unit.
    #[schema(example = "0.45")]
    price: Amount,
    /// A former or recommended price of one unit, for comparison.
    compare_at_price: Option<Amount>,
    /// The cost of one unit in the catalogue. It counts where no average cost is known, and for each sale of
    /// a service or a fee.
    cost: Option<Amount>,
    /// The reorder level, in sale units. If the available stock at a location is at or below this level, a
    /// low-stock alert opens. null: no alert.
    reorder_level: Option<Quantity>,
    /// The stock that a reorder restores, in sale units. null: the reorder level plus the sales of 30 days.
    target_quantity: Option<Quantity>,
    /// The value of each option of the product, by the name of the option.
    options: Value,
    /// The components of a bundle, in their order. Empty for other products.
    components: Vec<ComponentView>,
    /// The stock on hand at all locations, in sale units. 0 for products without stock.
    on_hand: Quantity,
    /// The part of the stock on hand that is reserved for orders, in sale units. 0 for products without
    /// stock.
    reserved: Quantity,
    /// The stock on hand minus the reserved stock, in sale units. For a bundle, the number of bundles that
    /// can be put together from the available stock of all locations. 0 for services, fees, and bundles of
    /// services alone, which can always be sold.
    available: Quantity,
    #[serde(flatten)]
    own_keys: OwnKeysView,
    /// Whether the variant is archived.
    archived: bool,
    /// Whether the product is archived. Then none of its variants can be sold.
    product_archived: bool,
    /// Stored values that look wrong, such as a barcode with a wrong check digit.
    warnings: Vec<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentView {
    variant_id: VariantId,
    /// The code of the variant.
    sku: Sku,
    /// The name of the product.
    name: Name,
    /// The quantity in one bundle, in sale units.
    quantity: Quantity,
    /// Whether the variant or its product is archived. Then the bundle cannot be sold.
    archived: bool,
}

impl From<Component> for ComponentView {
    fn from(component: Component) -> Self {
        Self {
            variant_id: component.variant_id,
            sku: component.sku,
            name: component.name,
            quantity: component.quantity,
            archived: component.is_archived,
        }
    }
}

impl VariantView {
    pub(crate) fn new(variant: Variant, currency: &Currency) -> Self {
        Self {
            id: variant.id,
            product_id: variant.product_id,
            kind: variant.kind,
            available: variant.available(),
            warnings: variant.barcodes.iter().filter_map(gtin_warning).collect(),
            sku: variant.sku,
            barcodes: variant.barcodes,
            price: currency.format(variant.price),
            compare_at_price: variant.compare_at_price.map(|price| currency.format(price)),
            cost: variant.cost.map(|cost| currency.format(cost)),
            reorder_level: variant.reorder_level,
            target_quantity: variant.target_quantity,
            options: variant.options,
            own_keys: variant.own_keys.into(),
            components: variant.components.into_iter().map(ComponentView::from).collect(),
            on_hand: variant.on_hand,
            reserved: variant.reserved,
            archived: variant.archived_at.is_some(),
            product_archived: variant.is_product_archived,
            created_at: variant.created_at,
            updated_at: variant.updated_at,
        }
    }

    fn tagged(variant: Variant, currency: &Currency) -> (Tag, Self) {
        (Tag::with_shown(variant.version, variant.stock_position), Self::new(variant, currency))
    }
}

/// A code that is not a GTIN gets no warning, because shops print their own codes.
fn gtin_warning(code: &Barcode) -> Option<String> {
    let expected = gtin::check_digit(code.as_str())?;
    let is_wrong = !code.as_str().ends_with(expected);
    is_wrong.then(|| format!("the check digit of {code} should be {expected}; check the barcode"))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PriceChangeView {
    /// The list price of one unit.
    price: Amount,
    /// A former or recommended price of one unit, for comparison.
    compare_at_price: Option<Amount>,
    /// The cost of one unit in the catalogue.
    cost: Option<Amount>,
    /// The user or program that set the prices; null for the platform.
    actor: ActorId,
    /// The time since which these prices applied.
    changed_at: DateTime<Utc>,
}

/// List the prices of a variant
///
/// Returns the current prices and all earlier prices, newest first.
#[utoipa::path(tag = "catalogue", operation_id = "listVariantPrices",
    params(Paging, ("id" = VariantId, Path,)), responses((status = 200, body = PageView<PriceChangeView>)))]
#[get("/variants/{id}/prices")]
pub async fn list_prices(
    state: web::Data<State>,
    caller: Caller<may::CatalogueRead>,
    PathId(id): PathId<VariantId>,
    List { page, .. }: List<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let page = page.request()?;
    let (currency, (variant, page)) = state
        .database
        .read(&caller.scope(), async |tx| {
            all((settings::currency(tx), all((variant::find(tx, id), price_history::list(tx, id, &page)))))
                .await
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

/// The variant as the API shows it.
pub(crate) async fn read(tx: &TenantTx, id: VariantId) -> Result<(Tag, VariantView), Problem> {
    let (currency, variant) = all((settings::currency(tx), variant::find(tx, id))).await?;
    Ok(VariantView::tagged(variant.ok_or_else(Problem::not_found)?, &currency))
}

/// The variant with a barcode, as the API shows it.
pub(crate) async fn read_by_barcode(tx: &TenantTx, code: &Barcode) -> Result<(Tag, VariantView), Problem> {
    let (currency, variant) = all((settings::currency(tx), variant::find_by_barcode(tx, code))).await?;
    Ok(VariantView::tagged(variant.ok_or_else(Problem::not_found)?, &currency))
}

/// Read a variant
///
/// Returns a variant with its stock over all locations, also if it is archived.
#[utoipa::path(tag = "catalogue", operation_id = "readVariant", responses((status = 200, body = VariantView)),
    params(("id" = VariantId, Path,)))]
#[get("/variants/{id}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::CatalogueRead>,
    PathId(id): PathId<VariantId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (tag, view) = state.database.read(&caller.scope(), async |tx| read(tx, id).await).await?;
    Ok(etag::respond(&request, tag, &view))
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListVariants {
    /// Returns only the variant with this SKU, in any letter case, also if it is archived. Defaults to all.
    sku: Option<Sku>,
}

/// List variants
///
/// Returns the variants that are not archived, newest first, with their stock.
#[utoipa::path(tag = "catalogue", operation_id = "listVariants", params(ListVariants, Picks, Paging),
    responses((status = 200, body = PageView<VariantView>)))]
#[get("/variants")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::CatalogueRead>,
    listed: Listed<ListVariants>,
) -> Result<HttpResponse, Problem> {
    let scope = caller.scope();
    let wanted = match listed {
        Listed::Changes(changes) => Wanted::Changed(changes.settled(&state.database, &scope).await?),
        Listed::Named(named) => Wanted::Named(named),
        Listed::Page { query: ListVariants { sku: Some(sku) }, .. } => Wanted::Sku(sku),
        Listed::Page { page, .. } => Wanted::Page(page.request()?),
    };
    let read = async |tx: &TenantTx| {
        let found = async {
            let whole = |data| Page { data, next: None };
            match &wanted {
                Wanted::Named(named) => variant::named(tx, named).await.map(whole),
                Wanted::Changed(changed) => variant::changed(tx, changed).await,
                Wanted::Sku(sku) => Ok(whole(variant::find_by_sku(tx, sku).await?.into_iter().collect())),
                Wanted::Page(page) => variant::list(tx, page).await,
            }
        };
        with_currency(tx, found).await
    };
    let (currency, page) = state.database.read(&scope, read).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, |variant| VariantView::new(variant, &currency))))
}

/// The variants that a list returns.
enum Wanted {
    Named(Named),
    Changed(Changed),
    Sku(Sku),
    Page(PageRequest<VariantId>),
}

/// Change a variant
///
/// The body is a JSON Merge Patch (RFC 7396): a field that is left out stays unchanged, and null removes a
/// value.
#[utoipa::path(tag = "catalogue", operation_id = "changeVariant", request_body = ChangeVariant,
    responses((status = 200, body = VariantView)), params(("id" = VariantId, Path,)))]
#[patch("/variants/{id}")]
pub async fn edit(
    state: web::Data<State>,
    caller: Caller<may::CatalogueWrite>,
    PathId(id): PathId<VariantId>,
    IfMatch(if_version): IfMatch,
    body: Json<ChangeVariant>,
) -> Result<HttpResponse, Problem> {
    let ChangeVariant {
        sku,
        barcodes,
        price,
        compare_at_price,
        cost,
        reorder_level,
        target_quantity,
        options,
        components,
        external_id,
        external_source,
        metadata,
        archived,
    } = body.value;
    let components = components.map(|components| NewComponentBody::all("", components)).transpose()?;
    let change = VariantChange {
        sku,
        barcodes,
        price,
        compare_at_price,
        cost,
        reorder_level,
        target_quantity,
        options,
        components,
        own_keys: OwnKeysChange { external_id, external_source, metadata },
        is_archived: archived,
        if_version,
    };
    let actor = caller.actor();
    let work = async |tx: &TenantTx| {
        if change.is_archived == Some(true) {
            under_way::refuse(tx, Closing::Variant(id)).await?;
        }
        variant::update(tx, id, &change, actor).await?;
        read(tx, id).await
    };
    let (tag, view) = state.database.write(&caller.scope(), work).await?;
    Ok(etag::changed(tag, &view))
}
