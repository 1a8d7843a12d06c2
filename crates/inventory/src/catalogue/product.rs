//! Products: what a shop calls by one name, in one or more variants.

use chrono::{DateTime, Utc};
use const_format::concatcp;
use futures_util::TryFutureExt as _;
use serde_json::json;
use tenancy::{DbError, TenantTx, all};
use values::{ActorId, IfVersion, Name, Note, OptionText, ProductTag, QuantityDecimals};

use crate::are_distinct;
use crate::business::plan_limits::{self, LimitError, Limited};
use crate::catalogue::product_kind::ProductKind;
pub use crate::catalogue::product_list::{ProductFilter, changed, find, list, named};
use crate::catalogue::variant::{self, NewVariant, Variant, VariantError};
use crate::catalogue::{option_rename, product_search};
use crate::ids::{CategoryId, ProductId, TaxClassId, VariantId};
use crate::records::audit::{self, Action, Subject};
use crate::records::edit::{Edit, Stale};
use crate::records::own_keys::{self, OwnKeys, OwnKeysChange, OwnKeysError};
use crate::stock::alert_review;

/// A product to be stored.
#[derive(Debug, Clone)]
pub struct NewProduct {
    /// The name; other products may have the same name.
    pub name: Name,
    /// Whether it has stock. It never changes.
    pub kind: ProductKind,
    /// The category; `None` for a product without one.
    pub category_id: Option<CategoryId>,
    /// The tax class of its prices; `None` if they are not taxed.
    pub tax_class_id: Option<TaxClassId>,
    /// The text that describes the product; `None` for no text.
    pub description: Option<Note>,
    /// The options, such as size and colour: at most [`MAX_OPTIONS`]. Defaults to those of the first variant.
    pub option_names: Option<Vec<OptionText>>,
    /// At most [`MAX_TAGS`] tags, all of them different.
    pub tags: Vec<ProductTag>,
    /// How finely the product is divided.
    pub quantity_decimals: QuantityDecimals,
    /// The key and the notes of a program elsewhere.
    pub own_keys: OwnKeys,
    /// At least one variant, and at most [`variant::MAX_PER_PRODUCT`].
    pub variants: Vec<NewVariant>,
}

/// A stored product with its variants.
#[derive(Debug, Clone)]
pub struct Product {
    /// The id of the product.
    pub id: ProductId,
    /// The name; other products may have the same name.
    pub name: Name,
    /// Whether it has stock. It never changes.
    pub kind: ProductKind,
    /// The text that describes the product; `None` for no text.
    pub description: Option<Note>,
    /// The category; `None` for a product without one.
    pub category_id: Option<CategoryId>,
    /// The tax class of its prices; `None` if they are not taxed.
    pub tax_class_id: Option<TaxClassId>,
    /// The options, such as size and colour. Each variant has one value for each of them.
    pub option_names: Vec<OptionText>,
    /// The tags, all of them different; empty for no tags.
    pub tags: Vec<ProductTag>,
    /// How finely the product is divided.
    pub quantity_decimals: QuantityDecimals,
    /// The key and the notes of a program elsewhere.
    pub own_keys: OwnKeys,
    /// When the product was archived; `None` while it is in use.
    pub archived_at: Option<DateTime<Utc>>,
    /// Counts the changes of the product and of its variants; clients see it in the ETag.
    pub version: i32,
    /// When the row was stored.
    pub created_at: DateTime<Utc>,
    /// When the product or one of its variants last changed.
    pub updated_at: DateTime<Utc>,
    /// The variants, oldest first; at least one.
    pub variants: Vec<Variant>,
}

tenancy::from_row!(Product {
    id, name, kind: "product_kind", description, category_id, tax_class_id, option_names, tags,
    quantity_decimals, own_keys, archived_at, version, created_at, updated_at,
} with { variants: Vec::new() });

/// The columns of a product.
pub(crate) const COLUMNS: &str = "
    id, name, kind, description, category_id, tax_class_id, option_names, tags, quantity_decimals,
    own_keys, archived_at, version, created_at, updated_at";

impl Product {
    /// The number of changes of the on-hand and reserved stock of its variants; clients see it in the ETag.
    pub fn stock_position(&self) -> i64 {
        self.variants.iter().map(|variant| variant.stock_position).sum()
    }
}

/// What to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct ProductChange {
    /// The new name.
    pub name: Option<Name>,
    /// The new category; `Some(None)` removes the product from its category.
    pub category_id: Option<Option<CategoryId>>,
    /// The new tax class; `Some(None)` means that its prices are not taxed from now on.
    pub tax_class_id: Option<Option<TaxClassId>>,
    /// The new description; `Some(None)` removes it.
    pub description: Option<Option<Note>>,
    /// All tags that the product has from now on.
    pub tags: Option<Vec<ProductTag>>,
    /// The new names of the options: as many as there are. A name that stays keeps its values, wherever it
    /// stands. Each new name takes the place of a name that is gone, in their order.
    pub option_names: Option<Vec<OptionText>>,
    /// How finely the product is divided from now on.
    pub quantity_decimals: Option<QuantityDecimals>,
    /// Changes of the key and the notes of a program elsewhere.
    pub own_keys: OwnKeysChange,
    /// `true` archives the product, and `false` restores it.
    pub is_archived: Option<bool>,
    /// Change the product only if it has this version.
    pub if_version: IfVersion,
}

/// A product was not stored or changed.
#[derive(Debug, thiserror::Error)]
pub enum ProductError {
    /// The business has no product with this id.
    #[error("there is no such product")]
    NotFound,
    /// The plan of the business allows no further product.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The row no longer has the version that the change expects.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// The business has no category with the id in the request.
    #[error("there is no such category")]
    UnknownCategory,
    /// The business has no tax class with the id in the request.
    #[error("there is no such tax class")]
    UnknownTaxClass,
    /// The category is archived.
    #[error("the category is archived; restore it, or choose another category")]
    ArchivedCategory,
    /// The tax class is archived.
    #[error("the tax class is archived; restore it, or choose another tax class")]
    ArchivedTaxClass,
    /// There are more than [`MAX_OPTIONS`] options, or two have the same name.
    #[error("a product may have at most {MAX_OPTIONS} options, and all names must differ")]
    Options,
    /// The change would add or remove an option.
    #[error("options can be renamed, and not added or removed; send {0} names")]
    OptionCount(usize),
    /// There are more than [`MAX_TAGS`] tags, or two are the same.
    #[error("a product may have at most {MAX_TAGS} tags, and all tags must differ")]
    Tags,
    /// A bundle would have a tax class.
    #[error("a bundle must not have a tax class; each component is taxed by its own")]
    BundleTax,
    /// A bundle would have a quantity with decimals.
    #[error("a bundle must be sold in whole units; remove quantityDecimals")]
    BundleDecimals,
    /// Stock, an open document or a bundle has a quantity of the product with more decimals than that.
    #[error(
        "a quantity on hand, reserved, in transit, on order or in a bundle has more decimals; change that \
         quantity first"
    )]
    QuantitiesInUse,
    /// A variant of the new product breaks a rule, or its SKU or barcode is in use.
    #[error(transparent)]
    Variant(#[from] VariantError),
    /// The key or the notes of a program elsewhere are refused.
    #[error(transparent)]
    OwnKeys(#[from] OwnKeysError),
    /// A query failed, for a reason that no other variant describes.
    #[error("a product query failed")]
    Db(#[from] DbError),
}

/// The largest number of options of a product.
pub const MAX_OPTIONS: usize = 3;

/// The largest number of tags of a product.
pub const MAX_TAGS: usize = 20;

/// The keys of the tags, which must differ.
fn tag_keys(tags: &[ProductTag]) -> Result<Vec<String>, ProductError> {
    let keys: Vec<String> = tags.iter().map(ProductTag::key).collect();
    if keys.len() <= MAX_TAGS && are_distinct(&keys) { Ok(keys) } else { Err(ProductError::Tags) }
}

/// Stores a product with its variants. Goods get an empty stock level at the default location.
///
/// # Errors
/// [`ProductError`].
pub async fn insert(tx: &TenantTx, new: &NewProduct, actor: ActorId) -> Result<ProductId, ProductError> {
    const INSERT: &str = "
        INSERT INTO products (id, name, description, category_id, tax_class_id, option_names, tags,
                              quantity_decimals, created_at, updated_at, tag_keys, kind, own_keys)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10, $11, $12)";
    let option_names = match &new.option_names {
        Some(names) => names.clone(),
        None => new.variants.first().map(|first| first.options.keys().cloned().collect()).unwrap_or_default(),
    };
    let option_keys: Vec<String> = option_names.iter().map(OptionText::key).collect();
    if option_names.len() > MAX_OPTIONS || !are_distinct(&option_keys) {
        return Err(ProductError::Options);
    }
    let tag_keys = tag_keys(&new.tags)?;
    check_kind(new.kind, new.tax_class_id, new.quantity_decimals)?;
    let options = variant::check(&new.variants, &option_names)?;
    let id = ProductId::new();
    let created = json!({"name": {"to": new.name}});
    let params: tenancy::Params<'_> = &[
        &id,
        &new.name,
        &new.description,
        &new.category_id,
        &new.tax_class_id,
        &option_names,
        &new.tags,
        &new.quantity_decimals,
        &tx.now(),
        &tag_keys,
        &new.kind,
        &new.own_keys,
    ];
    all((
        check_in_use(tx, new.category_id, new.tax_class_id),
        async { tx.execute(INSERT, params).await.map_err(on_write) },
        audit::record(tx, actor, Action::ProductCreated, Subject::Product(id), &created).err_into(),
        variant::insert_all(tx, (id, new.kind), &new.variants, &options, actor).err_into(),
    ))
    .await?;
    plan_limits::check(tx, Limited::Products).await?;
    Ok(id)
}

/// Refuses a tax class and decimals of a bundle.
fn check_kind(
    kind: ProductKind,
    tax_class: Option<TaxClassId>,
    decimals: QuantityDecimals,
) -> Result<(), ProductError> {
    match (kind, tax_class) {
        (ProductKind::Bundle, Some(_)) => Err(ProductError::BundleTax),
        (ProductKind::Bundle, None) if decimals != QuantityDecimals::default() => {
            Err(ProductError::BundleDecimals)
        }
        _ => Ok(()),
    }
}

/// Refuses an archived category or tax class.
async fn check_in_use(
    tx: &TenantTx,
    category: Option<CategoryId>,
    tax_class: Option<TaxClassId>,
) -> Result<(), ProductError> {
    struct Archived {
        category: bool,
        tax_class: bool,
    }
    tenancy::from_row!(Archived { category, tax_class });
    const ARCHIVED: &str = "
        SELECT EXISTS (SELECT FROM categories WHERE id = $1 AND archived_at IS NOT NULL) AS category,
               EXISTS (SELECT FROM tax_classes WHERE id = $2 AND archived_at IS NOT NULL) AS tax_class";
    if category.is_none() && tax_class.is_none() {
        return Ok(());
    }
    match tx.row(ARCHIVED, &[&category, &tax_class]).await? {
        Archived { category: true, .. } => Err(ProductError::ArchivedCategory),
        Archived { tax_class: true, .. } => Err(ProductError::ArchivedTaxClass),
        Archived { .. } => Ok(()),
    }
}

/// The ids of all variants of a product.
///
/// # Errors
/// [`DbError`].
pub(crate) async fn variants_of(tx: &TenantTx, product: ProductId) -> Result<Vec<VariantId>, DbError> {
    const VARIANTS: &str = "SELECT id FROM variants WHERE product_id = $1";
    tx.values(VARIANTS, &[&product]).await
}

fn on_write(error: DbError) -> ProductError {
    match error.constraint() {
        Some("products_category_id_fkey") => ProductError::UnknownCategory,
        Some("products_tax_class_id_fkey") => ProductError::UnknownTaxClass,
        _ => own_keys::on_write(error),
    }
}

/// A product whose row is locked.
pub(crate) struct LockedProduct {
    name: Name,
    pub(crate) kind: ProductKind,
    description: Option<Note>,
    category_id: Option<CategoryId>,
    tax_class_id: Option<TaxClassId>,
    pub(crate) option_names: Vec<OptionText>,
    tags: Vec<ProductTag>,
    quantity_decimals: QuantityDecimals,
    own_keys: OwnKeys,
    archived_at: Option<DateTime<Utc>>,
    version: i32,
}

tenancy::from_row!(LockedProduct {
    name,
    kind,
    description,
    category_id,
    tax_class_id,
    option_names,
    tags,
    quantity_decimals,
    own_keys,
    archived_at,
    version,
});

/// Locks a product until the transaction ends, against other writers of it and of its variants.
pub(crate) async fn lock(tx: &TenantTx, id: ProductId) -> Result<Option<LockedProduct>, DbError> {
    const LOCK: &str = concatcp!("SELECT ", COLUMNS, " FROM products WHERE id = $1 FOR NO KEY UPDATE");
    tx.row_opt(LOCK, &[&id]).await
}

/// Counts up the product's version after a change of its variants, which clients see as part of the product.
pub(crate) async fn touch(tx: &TenantTx, id: ProductId) -> Result<(), DbError> {
    const TOUCH: &str = "UPDATE products SET version = version + 1, updated_at = $2 WHERE id = $1";
    tx.execute(TOUCH, &[&id, &tx.now()]).await.map(drop)
}

/// Changes a product, with the row locked; a change that changes nothing leaves the version as it is.
///
/// # Errors
/// [`ProductError`].
pub async fn update(
    tx: &TenantTx,
    id: ProductId,
    change: &ProductChange,
    actor: ActorId,
) -> Result<(), ProductError> {
    const UPDATE: &str = "
        UPDATE products
           SET name = $2, description = $3, category_id = $4, tax_class_id = $5, archived_at = $6, tags = $7,
               quantity_decimals = $8, version = version + 1, updated_at = $9, tag_keys = $10,
               option_names = $11, own_keys = $12
         WHERE id = $1";
    const HAS_FINER: &str = "
        SELECT EXISTS (
            SELECT FROM (SELECT on_hand AS quantity FROM stock_levels WHERE variant_id = ANY ($1)
                         UNION ALL
                         SELECT l.quantity - l.fulfilled - l.cancelled
                           FROM order_lines l JOIN orders o ON o.id = l.order_id
                          WHERE l.variant_id = ANY ($1) AND o.status IN ('reserved', 'partly_fulfilled')
                         UNION ALL
                         SELECT l.quantity
                           FROM stock_transfer_lines l JOIN stock_transfers t ON t.id = l.transfer_id
                          WHERE l.variant_id = ANY ($1) AND t.status IN ('in_transit', 'partly_received')
                         UNION ALL
                         SELECT l.quantity
                           FROM purchase_order_lines l JOIN purchase_orders o ON o.id = l.purchase_order_id
                          WHERE l.variant_id = ANY ($1) AND o.status IN ('DRAFT', 'SENT', 'CONFIRMED')
                         UNION ALL
                         SELECT quantity FROM bundle_components WHERE variant_id = ANY ($1)) used
             WHERE quantity <> round(quantity, $2::smallint::integer))";
    const LOCK_FOR_ORDERS: &str = "SELECT 1 FROM products WHERE id = $1 FOR UPDATE";
    let stored = lock(tx, id).await?.ok_or(ProductError::NotFound)?;
    let mut edit = Edit::begin(tx, actor, change.if_version, stored.version)?;
    // Tags of an earlier release may be equal. They may stay, and be sent back unchanged.
    let new_tags = change.tags.as_ref().filter(|tags| **tags != stored.tags);
    let tag_keys = match new_tags {
        Some(tags) => tag_keys(tags)?,
        None => stored.tags.iter().map(ProductTag::key).collect(),
    };
    let name = edit.field("name", &stored.name, change.name.as_ref());
    let description = edit.field("description", &stored.description, change.description.as_ref());
    let category = edit.field("categoryId", &stored.category_id, change.category_id.as_ref());
    let tax_class = edit.field("taxClassId", &stored.tax_class_id, change.tax_class_id.as_ref());
    let tags = edit.field("tags", &stored.tags, change.tags.as_ref());
    let option_names = edit.field("options", &stored.option_names, change.option_names.as_ref());
    let decimals =
        edit.field("quantityDecimals", &stored.quantity_decimals, change.quantity_decimals.as_ref());
    let own_keys = stored.own_keys.edited(&mut edit, &change.own_keys)?;
    let archived_at = edit.archiving(stored.archived_at, change.is_archived);
    check_kind(stored.kind, *tax_class, *decimals)?;
    if edit.is_empty() {
        return Ok(());
    }
    // A product may keep what has been archived since.
    let new_category = category.filter(|_| *category != stored.category_id);
    let new_tax_class = tax_class.filter(|_| *tax_class != stored.tax_class_id);
    check_in_use(tx, new_category, new_tax_class).await?;
    if *option_names != stored.option_names {
        option_rename::rename(tx, id, &stored.option_names, option_names).await?;
    }
    let params: tenancy::Params<'_> = &[
        &id,
        name,
        description,
        category,
        tax_class,
        &archived_at,
        tags,
        decimals,
        &tx.now(),
        &tag_keys,
        option_names,
        &own_keys,
    ];
    tx.execute(UPDATE, params).await.map_err(on_write)?;
    if archived_at.is_none() && stored.archived_at.is_some() {
        plan_limits::check(tx, Limited::Products).await?;
    }
    if *name != stored.name || *tags != stored.tags {
        product_search::refresh(tx, id).await?;
    }
    // Postings read both under the lock of their levels. Those of articles without stock lock the product.
    if archived_at.is_some() != stored.archived_at.is_some() || *decimals != stored.quantity_decimals {
        let variants = variants_of(tx, id).await?;
        let levels = alert_review::lock_variants(tx, &variants).await?;
        if !stored.kind.has_stock() {
            tx.execute(LOCK_FOR_ORDERS, &[&id]).await?;
        }
        if tx.value::<bool>(HAS_FINER, &[&variants, decimals]).await? {
            return Err(ProductError::QuantitiesInUse);
        }
        alert_review::reconsider(tx, &levels).await?;
    }
    edit.record(Action::ProductChanged, Subject::Product(id)).await?;
    Ok(())
}
