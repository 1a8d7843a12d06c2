//! Variants: what is sold, counted and reordered (stock-keeping units).

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use futures_util::TryFutureExt as _;
use serde_json::{Value, json};
use tenancy::{DbError, TenantTx, all};
use values::{ActorId, Barcode, Currency, Money, NonNegative, OptionText, Quantity, Sku, TooFine};

use crate::business::settings;
use crate::catalogue::bundle::{self, Component, ComponentError, MAX_COMPONENTS, NewComponent};
use crate::catalogue::holder::{self, Holder};
use crate::catalogue::options::{self, Options};
use crate::catalogue::product_kind::ProductKind;
pub use crate::catalogue::variant_change::{VariantChange, update};
pub(crate) use crate::catalogue::variant_find::{COLUMNS, STOCK};
pub use crate::catalogue::variant_find::{changed, find, find_by_barcode, find_by_sku, list, named};
use crate::catalogue::{barcode, price_history, product, product_search};
use crate::ids::{ProductId, VariantId};
use crate::records::audit::{self, Action, Subject};
use crate::records::edit::Stale;
use crate::records::own_keys::{self, OwnKeys, OwnKeysError};
use crate::stock::{alert_review, level};

/// A variant to be stored.
#[derive(Debug, Clone)]
pub struct NewVariant {
    /// The code of the variant, unique in the business.
    pub sku: Sku,
    /// At most [`MAX_BARCODES`] barcodes, each unique in the business.
    pub barcodes: Vec<Barcode>,
    /// The list price of one unit.
    pub price: NonNegative<Money>,
    /// A former or recommended price of one unit, for comparison; `None` for no such price.
    pub compare_at_price: Option<NonNegative<Money>>,
    /// The unit cost in the catalogue. It counts where no average cost is known, and for each sale of a
    /// service or a fee. `None` for no such cost.
    pub cost: Option<NonNegative<Money>>,
    /// The reorder level. If the available stock at a location is at or below it, a low-stock alert opens.
    /// `None` for no alerts.
    pub reorder_level: Option<NonNegative<Quantity>>,
    /// The stock that a reorder restores, in sale units. `None` for the reorder level plus a month of sales.
    pub target_quantity: Option<NonNegative<Quantity>>,
    /// One value for each option of the product.
    pub options: Options,
    /// The key and the notes of a program elsewhere.
    pub own_keys: OwnKeys,
    /// The variants in a bundle, at most [`MAX_COMPONENTS`]; empty for other products.
    pub components: Vec<NewComponent>,
}

/// A stored variant, with its stock at all locations together.
#[derive(Debug, Clone)]
pub struct Variant {
    /// The id of the variant.
    pub id: VariantId,
    /// The product to which the variant belongs. It never changes.
    pub product_id: ProductId,
    /// The kind of the product: whether the variant has stock.
    pub kind: ProductKind,
    /// The code of the variant, unique in the business.
    pub sku: Sku,
    /// The barcodes in the order of their codes, each unique in the business.
    pub barcodes: Vec<Barcode>,
    /// The list price of one unit.
    pub price: Money,
    /// A former or recommended price of one unit; `None` for no such price.
    pub compare_at_price: Option<Money>,
    /// The unit cost in the catalogue. It counts where no average cost is known, and for each sale of a
    /// service or a fee. `None` for no such cost.
    pub cost: Option<Money>,
    /// The reorder level. If the available stock at a location is at or below it, a low-stock alert opens.
    /// `None` for no alerts.
    pub reorder_level: Option<Quantity>,
    /// The stock that a reorder restores, in sale units. `None` for the reorder level plus a month of sales.
    pub target_quantity: Option<Quantity>,
    /// The value of each option, as a JSON object.
    pub options: Value,
    /// The stock on hand at all locations, in sale units.
    pub on_hand: Quantity,
    /// The part of the stock on hand that is reserved for orders at all locations, in sale units.
    pub reserved: Quantity,
    /// The number of changes of its on-hand and reserved stock, and of the components of a bundle; clients
    /// see it in the ETag.
    pub stock_position: i64,
    /// The key and the notes of a program elsewhere.
    pub own_keys: OwnKeys,
    /// When the variant was archived; `None` while it is in use.
    pub archived_at: Option<DateTime<Utc>>,
    /// Whether the product is archived, so that none of its variants can be sold.
    pub is_product_archived: bool,
    /// Counts the changes of the row; clients see it in the ETag.
    pub version: i32,
    /// When the row was stored.
    pub created_at: DateTime<Utc>,
    /// When the row last changed; at first the same as `created_at`.
    pub updated_at: DateTime<Utc>,
    /// The variants in a bundle; empty for other products.
    pub components: Vec<Component>,
}

tenancy::from_row!(Variant {
    id: "variant_id",
    product_id,
    kind: "product_kind",
    sku,
    barcodes,
    price,
    compare_at_price,
    cost,
    reorder_level,
    target_quantity,
    options,
    on_hand,
    reserved,
    stock_position,
    own_keys: "variant_own_keys",
    archived_at: "variant_archived_at",
    is_product_archived,
    version: "variant_version",
    created_at: "variant_created_at",
    updated_at: "variant_updated_at",
} with { components: Vec::new() });

impl Variant {
    /// The stock on hand less the reserved stock, at all locations together. For a bundle, the number of
    /// bundles for which all components are available.
    pub fn available(&self) -> Quantity {
        match self.kind {
            ProductKind::Bundle => bundle::available(&self.components),
            _ => self.on_hand - self.reserved,
        }
    }
}

/// Variants were not stored or changed. `index` is the variant's position in the request, from 0.
#[derive(Debug, thiserror::Error)]
pub enum VariantError {
    /// The business has no variant with this id.
    #[error("there is no such variant")]
    NotFound,
    /// The business has no product to which the new variant could belong.
    #[error("there is no such product")]
    UnknownProduct,
    /// The row no longer has the version that the change expects.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// Another variant of the business or of the request has the SKU.
    #[error("the SKU {sku} is already in use{holder}; choose another SKU")]
    DuplicateSku {
        /// The position of the variant in the request; 0 for a request about one variant.
        index: usize,
        /// The SKU that is in use.
        sku: Sku,
        /// The variant that has it.
        holder: Holder,
    },
    /// The barcode belongs to another variant, or occurs twice among the new variants of a request.
    #[error("the barcode {0} is already in use{1}; a barcode can belong to only one variant")]
    DuplicateBarcode(Barcode, Holder),
    /// Another variant of the product or of the request has the same value for every option. A product
    /// without options may have several variants.
    #[error("another variant of the product has the same option values; choose other values")]
    DuplicateOptions,
    /// The variant lacks a value for an option, or has a value for another option.
    #[error("a variant must have one value for each option of its product, and no other options")]
    OptionsMismatch {
        /// The position of the variant in the request; 0 for a request about one variant.
        index: usize,
    },
    /// A price is finer than the currency.
    #[error("{reason}")]
    TooFine {
        /// The position of the variant in the request; 0 for a request about one variant.
        index: usize,
        /// The field with the price, as clients name it.
        field: &'static str,
        /// The number of decimals of the currency.
        reason: TooFine,
    },
    /// A service, a fee or a bundle would have a reorder level or a target quantity.
    #[error("services, fees and bundles have no stock and are not reordered; remove the field")]
    NotStocked {
        /// The position of the variant in the request; 0 for a request about one variant.
        index: usize,
        /// The field, as clients name it.
        field: &'static str,
    },
    /// A bundle would have a cost of its own.
    #[error("a bundle must not have a cost; set the costs of its components instead")]
    BundleCost {
        /// The position of the variant in the request; 0 for a request about one variant.
        index: usize,
    },
    /// A bundle would have no components, or more than [`MAX_COMPONENTS`].
    #[error("a bundle must have 1 to {MAX_COMPONENTS} components")]
    ComponentCount {
        /// The position of the variant in the request; 0 for a request about one variant.
        index: usize,
    },
    /// The variants of the product would have more than [`bundle::MAX_PER_PRODUCT`] components together.
    #[error("the variants of a product may have at most {} components together", bundle::MAX_PER_PRODUCT)]
    TooManyComponents {
        /// The position of the variant in the request; 0 for a request about one variant.
        index: usize,
    },
    /// A variant that is no bundle would have components.
    #[error("only bundles may have components; remove the field")]
    NoBundle {
        /// The position of the variant in the request; 0 for a request about one variant.
        index: usize,
    },
    /// A component cannot be part of a bundle.
    #[error("{reason}")]
    Component {
        /// The position of the variant in the request; 0 for a request about one variant.
        index: usize,
        /// The position of the component in the variant.
        component: usize,
        /// The reason why the component is refused.
        reason: ComponentError,
    },
    /// The product would have no variants, or more than [`MAX_PER_PRODUCT`].
    #[error("a product must have 1 to {MAX_PER_PRODUCT} variants")]
    Count,
    /// The variant would have more than [`MAX_BARCODES`] barcodes.
    #[error("a variant may have at most {MAX_BARCODES} barcodes")]
    TooManyBarcodes {
        /// The position of the variant in the request; 0 for a request about one variant.
        index: usize,
    },
    /// The key or the notes of a program elsewhere are refused.
    #[error(transparent)]
    OwnKeys(#[from] OwnKeysError),
    /// A query failed, for a reason that no other variant describes.
    #[error("a variant query failed")]
    Db(#[from] DbError),
}

/// The largest number of variants of a product.
pub const MAX_PER_PRODUCT: usize = 500;
/// The largest number of barcodes of a variant.
pub const MAX_BARCODES: usize = 50;

/// Checks what needs no database: the number of variants and of barcodes, the options, and SKUs and barcodes
/// that occur twice. Returns the options of each variant, with their names as the product writes them.
///
/// # Errors
/// [`VariantError`].
pub fn check(variants: &[NewVariant], option_names: &[OptionText]) -> Result<Vec<Options>, VariantError> {
    if variants.is_empty() || variants.len() > MAX_PER_PRODUCT {
        return Err(VariantError::Count);
    }
    let (mut skus, mut codes, mut combinations) = (HashSet::new(), HashSet::new(), HashSet::new());
    let mut named = Vec::with_capacity(variants.len());
    for (index, variant) in variants.iter().enumerate() {
        if variant.barcodes.len() > MAX_BARCODES {
            return Err(VariantError::TooManyBarcodes { index });
        }
        let options = options::named(&variant.options, option_names);
        let options = options.ok_or(VariantError::OptionsMismatch { index })?;
        if !options.is_empty() && !combinations.insert(options::key(&options::stored(&options))) {
            return Err(VariantError::DuplicateOptions);
        }
        named.push(options);
        if !skus.insert(variant.sku.key()) {
            let (sku, holder) = (variant.sku.clone(), Holder::IN_USE);
            return Err(VariantError::DuplicateSku { index, sku, holder });
        }
        if let Some(code) = variant.barcodes.iter().find(|code| !codes.insert(barcode::identity(code))) {
            return Err(VariantError::DuplicateBarcode(code.clone(), Holder::IN_USE));
        }
    }
    Ok(named)
}

/// Stores `variants` of one product, each with its options as [`check`] returns them and its barcodes. Goods
/// get an empty stock level at the default location.
///
/// # Errors
/// [`VariantError`]; nothing remains when the transaction ends.
pub(crate) async fn insert_all(
    tx: &TenantTx,
    (product, kind): (ProductId, ProductKind),
    variants: &[NewVariant],
    options: &[Options],
    actor: ActorId,
) -> Result<Vec<VariantId>, VariantError> {
    const INSERT_LEVELS: &str = "
        INSERT INTO stock_levels (variant_id, location_id, on_hand, reserved, position, updated_at)
        SELECT v.id, l.id, 0, 0, 0, $2
          FROM unnest($1::uuid[]) AS v (id) CROSS JOIN locations l
         WHERE l.is_default AND $3
     RETURNING variant_id, location_id";
    for (index, variant) in variants.iter().enumerate() {
        check_reordering(kind, index, variant.reorder_level, variant.target_quantity)?;
        check_cost(kind, index, variant.cost)?;
        bundle::check_count(kind, index, variant.components.len())?;
    }
    let ids: Vec<VariantId> = variants.iter().map(|_| VariantId::new()).collect();
    let check = async { check_prices(&settings::currency(tx).await?, variants) };
    all((check, insert_rows(tx, product, &ids, variants, options))).await?;
    let codes: Vec<(VariantId, Barcode)> = ids
        .iter()
        .zip(variants)
        .flat_map(|(id, variant)| variant.barcodes.iter().map(|code| (*id, code.clone())))
        .collect();
    let levels: tenancy::Params<'_> = &[&ids, &tx.now(), &kind.has_stock()];
    let levels = async { level::keys(tx, INSERT_LEVELS, levels).err_into().await };
    let prices = price_history::record(tx, &ids, actor).err_into();
    let (levels, (), ()) = all((levels, prices, barcode::insert_all(tx, &codes))).await?;
    let components = variants.iter().map(|variant| variant.components.as_slice());
    bundle::insert_all(tx, ids.iter().copied().zip(components)).await?;
    product_search::refresh(tx, product).await?;
    if variants.iter().any(|variant| variant.reorder_level.is_some()) {
        // They have no stock yet, so they are out.
        alert_review::reconsider(tx, &levels).await?;
    }
    Ok(ids)
}

/// Refuses a reorder level and a target quantity of products without stock.
pub(super) fn check_reordering<T>(
    kind: ProductKind,
    index: usize,
    reorder_level: Option<T>,
    target_quantity: Option<T>,
) -> Result<(), VariantError> {
    match (kind.has_stock(), reorder_level, target_quantity) {
        (true, ..) | (false, None, None) => Ok(()),
        (false, Some(_), _) => Err(VariantError::NotStocked { index, field: "reorderLevel" }),
        (false, None, Some(_)) => Err(VariantError::NotStocked { index, field: "targetQuantity" }),
    }
}

/// Refuses a cost of a bundle.
pub(super) fn check_cost(
    kind: ProductKind,
    index: usize,
    cost: Option<NonNegative<Money>>,
) -> Result<(), VariantError> {
    match (kind, cost) {
        (ProductKind::Bundle, Some(_)) => Err(VariantError::BundleCost { index }),
        _ => Ok(()),
    }
}

/// Refuses prices that are finer than the currency.
fn check_prices(currency: &Currency, variants: &[NewVariant]) -> Result<(), VariantError> {
    for (index, variant) in variants.iter().enumerate() {
        check_price(currency, index, "price", Some(variant.price.get()))?;
        check_price(currency, index, "compareAtPrice", variant.compare_at_price.map(NonNegative::get))?;
    }
    Ok(())
}

/// Refuses a price that is finer than the currency.
pub(super) fn check_price(
    currency: &Currency,
    index: usize,
    field: &'static str,
    price: Option<Money>,
) -> Result<(), VariantError> {
    let checked = price.map_or(Ok(()), |price| currency.check(price));
    checked.map_err(|reason| VariantError::TooFine { index, field, reason })
}

async fn insert_rows(
    tx: &TenantTx,
    product: ProductId,
    ids: &[VariantId],
    variants: &[NewVariant],
    options: &[Options],
) -> Result<(), VariantError> {
    // One statement inserts all variants in the order of their SKUs, so two writers of the same SKUs cannot
    // deadlock. A variant whose id is not returned has a SKU that exists already.
    const INSERT: &str = "
        INSERT INTO variants (id, product_id, sku, price, compare_at_price, cost, reorder_level,
                              target_quantity, options, created_at, updated_at, sku_key, options_key,
                              own_keys)
        SELECT id, $1, sku, price, compare_at_price, cost, reorder_level, target_quantity, options, $10, $10,
               sku_key, options_key, own_keys
          FROM unnest($2::uuid[], $3::text[], $4::numeric[], $5::numeric[], $6::numeric[], $7::numeric[],
                      $8::numeric[], $9::jsonb[], $11::text[], $12::text[], $13::jsonb[])
               AS new (id, sku, price, compare_at_price, cost, reorder_level, target_quantity, options,
                       sku_key, options_key, own_keys)
         ORDER BY sku_key
            ON CONFLICT (sku_key) DO NOTHING
     RETURNING id";
    let amounts = |amount: fn(&NewVariant) -> Option<NonNegative<Money>>| -> Vec<Option<Money>> {
        variants.iter().map(|variant| amount(variant).map(NonNegative::get)).collect()
    };
    let skus: Vec<&Sku> = variants.iter().map(|variant| &variant.sku).collect();
    let prices = amounts(|variant| Some(variant.price));
    let compare_at = amounts(|variant| variant.compare_at_price);
    let costs = amounts(|variant| variant.cost);
    let reorder_levels: Vec<Option<Quantity>> =
        variants.iter().map(|variant| variant.reorder_level.map(NonNegative::get)).collect();
    let targets: Vec<Option<Quantity>> =
        variants.iter().map(|variant| variant.target_quantity.map(NonNegative::get)).collect();
    let options_keys: Vec<String> =
        options.iter().map(|options| options::key(&options::stored(options))).collect();
    let options: Vec<Value> = options.iter().map(|options| json!(options)).collect();
    let own_keys: Vec<&OwnKeys> = variants.iter().map(|variant| &variant.own_keys).collect();
    let sku_keys: Vec<String> = skus.iter().map(|sku| sku.key()).collect();
    let params: tenancy::Params<'_> = &[
        &product,
        &ids,
        &skus,
        &prices,
        &compare_at,
        &costs,
        &reorder_levels,
        &targets,
        &options,
        &tx.now(),
        &sku_keys,
        &options_keys,
        &own_keys,
    ];
    let inserted: Vec<VariantId> =
        tx.values(INSERT, params).await.map_err(|error| match error.constraint() {
            Some("variants_product_id_options_key") => VariantError::DuplicateOptions,
            Some("variants_product_id_fkey") => VariantError::UnknownProduct,
            _ => own_keys::on_write(error),
        })?;
    let inserted: HashSet<VariantId> = inserted.into_iter().collect();
    match ids.iter().position(|id| !inserted.contains(id)) {
        Some(index) => {
            let sku = variants[index].sku.clone();
            let holder = holder::of_sku(tx, &sku).await?.unwrap_or(Holder::IN_USE);
            Err(VariantError::DuplicateSku { index, sku, holder })
        }
        None => Ok(()),
    }
}

/// Adds a variant to a product, with the product locked, and returns its id.
///
/// # Errors
/// [`VariantError`].
pub async fn insert(
    tx: &TenantTx,
    product: ProductId,
    new: &NewVariant,
    actor: ActorId,
) -> Result<VariantId, VariantError> {
    const COUNT: &str = "SELECT count(*) FROM variants WHERE product_id = $1";
    // The lock on the product keeps its options and its number of variants as they are until the end.
    let locked = product::lock(tx, product).await?.ok_or(VariantError::UnknownProduct)?;
    let variants = std::slice::from_ref(new);
    let options = check(variants, &locked.option_names)?;
    let count: i64 = tx.value(COUNT, &[&product]).await?;
    if count >= MAX_PER_PRODUCT as i64 {
        return Err(VariantError::Count);
    }
    let ids = insert_all(tx, (product, locked.kind), variants, &options, actor).await?;
    product::touch(tx, product).await?;
    let id = ids.first().copied().ok_or(VariantError::Count)?;
    let created = json!({"sku": {"to": new.sku}, "price": {"to": new.price.get().plain()}});
    audit::record(tx, actor, Action::VariantCreated, Subject::Variant(id), &created).await?;
    Ok(id)
}
