//! Variants: what is sold, counted and reordered.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use tenancy::{DbError, TenantTx, both};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::archived_at;
use crate::catalogue::{barcode, product};
use crate::ids::{ProductId, VariantId};
use crate::records::audit::{self, Changes, Subject};
use crate::stock::posting as stock;
use values::{Barcode, OptionText, Sku};
use values::{Money, Quantity};
use values::{Page, PageRequest};

/// A variant's value on each option axis.
pub type Options = BTreeMap<OptionText, OptionText>;

/// A variant to be stored.
#[derive(Debug, Clone)]
pub struct NewVariant {
    pub sku: Sku,
    pub barcodes: Vec<Barcode>,
    pub price: Money,
    /// A former or recommended price, for comparison.
    pub compare_at_price: Option<Money>,
    pub cost: Option<Money>,
    pub reorder_level: Option<Quantity>,
    pub options: Options,
}

/// A stored variant, with its stock over all locations.
#[derive(Debug, Clone)]
pub struct Variant {
    pub id: VariantId,
    pub product_id: ProductId,
    pub sku: String,
    pub barcodes: Vec<String>,
    pub price: Money,
    pub compare_at_price: Option<Money>,
    pub cost: Option<Money>,
    pub reorder_level: Option<Quantity>,
    pub options: Value,
    pub on_hand: Quantity,
    pub reserved: Quantity,
    /// The number of its stock movements, which counts up with every change of its stock.
    pub stock_position: i64,
    pub is_archived: bool,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// What to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct VariantChange {
    pub sku: Option<Sku>,
    /// All barcodes that the variant has from now on.
    pub barcodes: Option<Vec<Barcode>>,
    pub price: Option<Money>,
    pub compare_at_price: Option<Option<Money>>,
    pub cost: Option<Option<Money>>,
    pub reorder_level: Option<Option<Quantity>>,
    pub is_archived: Option<bool>,
    /// Change only this version of the row.
    pub if_version: Option<i32>,
}

/// Variants were not stored or changed.
#[derive(Debug, thiserror::Error)]
pub enum VariantError {
    #[error("there is no such variant")]
    NotFound,
    #[error("there is no such product")]
    UnknownProduct,
    #[error("the variant has been changed by someone else meanwhile")]
    Stale,
    /// With the variant's place in the request.
    #[error("a variant with SKU {sku} already exists")]
    DuplicateSku { index: usize, sku: Sku },
    #[error("the barcode {0} belongs to another variant already")]
    DuplicateBarcode(Barcode),
    #[error("two variants of a product cannot have the same options")]
    DuplicateOptions,
    #[error("each variant needs a value on every option of its product, and on no other")]
    OptionsMismatch { index: usize },
    #[error("{field} cannot be negative")]
    Negative { index: usize, field: &'static str },
    #[error("a product has 1 to {MAX_PER_PRODUCT} variants")]
    Count,
    #[error("a variant has at most {MAX_BARCODES} barcodes")]
    TooManyBarcodes { index: usize },
    #[error("a variant query failed")]
    Db(#[from] DbError),
}

/// A product has no more variants than this.
pub const MAX_PER_PRODUCT: usize = 500;
/// A variant has no more barcodes than this.
pub const MAX_BARCODES: usize = 50;

/// Checks what needs no database: amounts, options on the axes `option_names`, repeated SKUs and barcodes.
///
/// # Errors
/// [`VariantError`] with the place of the offending variant.
pub fn check(variants: &[NewVariant], option_names: &[OptionText]) -> Result<(), VariantError> {
    if variants.is_empty() || variants.len() > MAX_PER_PRODUCT {
        return Err(VariantError::Count);
    }
    let (mut skus, mut codes, mut combinations) = (HashSet::new(), HashSet::new(), HashSet::new());
    for (index, variant) in variants.iter().enumerate() {
        check_amounts(
            index,
            [Some(variant.price), variant.compare_at_price, variant.cost],
            variant.reorder_level,
        )?;
        if variant.barcodes.len() > MAX_BARCODES {
            return Err(VariantError::TooManyBarcodes { index });
        }
        if variant.options.len() != option_names.len()
            || !option_names.iter().all(|name| variant.options.contains_key(name))
        {
            return Err(VariantError::OptionsMismatch { index });
        }
        if !variant.options.is_empty() && !combinations.insert(&variant.options) {
            return Err(VariantError::DuplicateOptions);
        }
        if !skus.insert(&variant.sku) {
            return Err(VariantError::DuplicateSku { index, sku: variant.sku.clone() });
        }
        if let Some(code) = variant.barcodes.iter().find(|code| !codes.insert(*code)) {
            return Err(VariantError::DuplicateBarcode(code.clone()));
        }
    }
    Ok(())
}

fn check_amounts(
    index: usize,
    [price, compare_at_price, cost]: [Option<Money>; 3],
    reorder_level: Option<Quantity>,
) -> Result<(), VariantError> {
    let negative = [
        ("price", price.is_some_and(Money::is_negative)),
        ("compareAtPrice", compare_at_price.is_some_and(Money::is_negative)),
        ("cost", cost.is_some_and(Money::is_negative)),
        ("reorderLevel", reorder_level.is_some_and(Quantity::is_negative)),
    ];
    match negative.iter().find(|(_, is_negative)| *is_negative) {
        Some((field, _)) => Err(VariantError::Negative { index, field }),
        None => Ok(()),
    }
}

/// Stores `variants` of one product, each with its barcodes and an empty stock level at the default location.
///
/// # Errors
/// [`VariantError`]; nothing stays when the transaction ends.
pub(crate) async fn insert_all(
    tx: &TenantTx,
    product: ProductId,
    variants: &[NewVariant],
    actor: Option<Uuid>,
) -> Result<Vec<VariantId>, VariantError> {
    // One statement for all, in the order of the SKUs, so that two writers of the same ones wait in one direction only;
    // those left out of the answer met an existing SKU.
    const INSERT: &str = "
        INSERT INTO variants (id, product_id, sku, price, compare_at_price, cost, reorder_level, options, created_at,
                              updated_at)
        SELECT id, $1, sku, price, compare_at_price, cost, reorder_level, options, $9, $9
          FROM unnest($2::uuid[], $3::text[], $4::numeric[], $5::numeric[], $6::numeric[], $7::numeric[], $8::jsonb[])
               AS new (id, sku, price, compare_at_price, cost, reorder_level, options)
         ORDER BY sku
            ON CONFLICT (sku) DO NOTHING
     RETURNING id";
    const INSERT_LEVELS: &str = "
        INSERT INTO stock_levels (variant_id, location_id, on_hand, reserved, position, updated_at)
        SELECT v.id, l.id, 0, 0, 0, $2
          FROM unnest($1::uuid[]) AS v (id) CROSS JOIN locations l
         WHERE l.is_default
     RETURNING variant_id, location_id";
    let ids: Vec<VariantId> = variants.iter().map(|_| VariantId::new()).collect();
    let keys: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let skus: Vec<&str> = variants.iter().map(|variant| variant.sku.as_str()).collect();
    let prices: Vec<Decimal> = variants.iter().map(|variant| variant.price.as_decimal()).collect();
    let compare_at: Vec<Option<Decimal>> =
        variants.iter().map(|variant| variant.compare_at_price.map(Money::as_decimal)).collect();
    let costs: Vec<Option<Decimal>> =
        variants.iter().map(|variant| variant.cost.map(Money::as_decimal)).collect();
    let reorder_levels: Vec<Option<Decimal>> =
        variants.iter().map(|variant| variant.reorder_level.map(Quantity::as_decimal)).collect();
    let options: Vec<Value> = variants.iter().map(|variant| options_json(&variant.options)).collect();
    let inserted = tx
        .query(
            INSERT,
            &[
                &product.as_uuid(),
                &keys,
                &skus,
                &prices,
                &compare_at,
                &costs,
                &reorder_levels,
                &options,
                &tx.now(),
            ],
        )
        .await
        .map_err(on_write)?;
    let inserted: HashSet<Uuid> =
        inserted.iter().map(|row| row.try_get("id")).collect::<Result<_, _>>().map_err(DbError::from)?;
    if let Some(index) = keys.iter().position(|key| !inserted.contains(key)) {
        return Err(VariantError::DuplicateSku { index, sku: variants[index].sku.clone() });
    }
    let codes: Vec<(VariantId, Barcode)> = ids
        .iter()
        .zip(variants)
        .flat_map(|(id, variant)| variant.barcodes.iter().map(|code| (*id, code.clone())))
        .collect();
    let levels = async { tx.query(INSERT_LEVELS, &[&keys, &tx.now()]).await.map_err(VariantError::from) };
    let prices = async { record_prices(tx, &keys, actor).await.map_err(VariantError::from) };
    let ((levels, ()), _) = both(both(levels, prices), barcode::insert_all(tx, &codes)).await?;
    if reorder_levels.iter().any(Option::is_some) {
        // There is nothing of them yet.
        stock::reconsider(tx, &stock::keys(&levels)?).await?;
    }
    Ok(ids)
}

/// Keeps the prices that variants have now, for their history.
async fn record_prices(tx: &TenantTx, variants: &[Uuid], actor: Option<Uuid>) -> Result<(), DbError> {
    const RECORD: &str = "
        INSERT INTO price_changes (id, variant_id, price, compare_at_price, cost, actor_id, changed_at)
        SELECT new.id, v.id, v.price, v.compare_at_price, v.cost, $3, $4
          FROM unnest($1::uuid[], $2::uuid[]) AS new (id, variant_id) JOIN variants v ON v.id = new.variant_id";
    let ids: Vec<Uuid> = variants.iter().map(|_| Uuid::now_v7()).collect();
    tx.execute(RECORD, &[&ids, &variants, &actor, &tx.now()]).await.map(drop)
}

/// What a variant's prices were from a moment on.
#[derive(Debug, Clone)]
pub struct PriceChange {
    pub id: Uuid,
    pub price: Money,
    pub compare_at_price: Option<Money>,
    pub cost: Option<Money>,
    pub actor_id: Option<Uuid>,
    pub changed_at: DateTime<Utc>,
}

/// A page of a variant's prices, the latest first.
///
/// # Errors
/// [`DbError`].
pub async fn prices(
    tx: &TenantTx,
    id: VariantId,
    page: &PageRequest<1>,
) -> Result<Page<PriceChange, 1>, DbError> {
    const PRICES: &str = "
        SELECT id, price, compare_at_price, cost, actor_id, changed_at
          FROM price_changes
         WHERE variant_id = $1 AND id < $2
         ORDER BY id DESC
         LIMIT $3";
    let rows = tx.query(PRICES, &[&id.as_uuid(), &page.before(0), &page.limit.and_one()]).await?;
    let read = |row: &Row| -> Result<PriceChange, DbError> {
        let amount = |column: &str| -> Result<Option<Money>, DbError> {
            Ok(row.try_get::<_, Option<Decimal>>(column)?.map(Money::from_decimal))
        };
        Ok(PriceChange {
            id: row.try_get("id")?,
            price: Money::from_decimal(row.try_get("price")?),
            compare_at_price: amount("compare_at_price")?,
            cost: amount("cost")?,
            actor_id: row.try_get("actor_id")?,
            changed_at: row.try_get("changed_at")?,
        })
    };
    Ok(page.page(rows.iter().map(read).collect::<Result<_, _>>()?, |change| [change.id]))
}

fn options_json(options: &Options) -> Value {
    Value::Object(options.iter().map(|(name, value)| (name.to_string(), value.as_str().into())).collect())
}

fn on_write(error: DbError) -> VariantError {
    match error.constraint() {
        Some("variants_product_id_options_key") => VariantError::DuplicateOptions,
        Some("variants_product_id_fkey") => VariantError::UnknownProduct,
        _ => error.into(),
    }
}

/// Adds a variant to a product and returns its id.
///
/// # Errors
/// [`VariantError`].
pub async fn insert(
    tx: &TenantTx,
    product: ProductId,
    new: &NewVariant,
    actor: Option<Uuid>,
) -> Result<VariantId, VariantError> {
    const COUNT: &str = "SELECT count(*) FROM variants WHERE product_id = $1";
    // The lock on the product keeps its options and its number of variants as they are until the end.
    let option_names = product::lock(tx, product).await?.ok_or(VariantError::UnknownProduct)?.option_names;
    let variants = std::slice::from_ref(new);
    check(variants, &option_names)?;
    let count: i64 =
        tx.query_one(COUNT, &[&product.as_uuid()]).await?.try_get("count").map_err(DbError::from)?;
    if count >= MAX_PER_PRODUCT as i64 {
        return Err(VariantError::Count);
    }
    let ids = insert_all(tx, product, variants, actor).await?;
    product::touch(tx, product).await?;
    let id = ids.first().copied().ok_or(VariantError::Count)?;
    let created = json!({"sku": {"to": new.sku.as_str()}, "price": {"to": new.price.as_decimal()}});
    audit::record(tx, actor, "variant.created", subject(id), &created).await?;
    Ok(id)
}

/// The columns of a variant `v` with its barcodes and stock, to be read by [`Variant::from_row`].
macro_rules! variant_columns {
    () => {
        "v.id AS variant_id, v.product_id, v.sku, v.price, v.compare_at_price, v.cost, v.reorder_level, v.options,
         v.archived_at AS variant_archived_at, v.version AS variant_version,
         v.created_at AS variant_created_at, v.updated_at AS variant_updated_at,
         ARRAY(SELECT b.code FROM barcodes b WHERE b.variant_id = v.id ORDER BY b.code) AS barcodes,
         s.on_hand, s.reserved, s.stock_position"
    };
}
pub(crate) use variant_columns;

/// What [`variant_columns`] needs to the right of `v`: its stock over all locations.
macro_rules! variant_stock {
    () => {
        " CROSS JOIN LATERAL (
               SELECT COALESCE(sum(l.on_hand), 0) AS on_hand, COALESCE(sum(l.reserved), 0) AS reserved,
                      COALESCE(sum(l.position + l.reservations), 0)::bigint AS stock_position
                 FROM stock_levels l WHERE l.variant_id = v.id) s "
    };
}
pub(crate) use variant_stock;

/// The variants that meet `$condition`.
macro_rules! select_variants {
    ($condition:literal) => {
        concat!("SELECT ", variant_columns!(), " FROM variants v", variant_stock!(), "WHERE ", $condition)
    };
}

impl Variant {
    /// On hand and not promised to anyone.
    pub fn available(&self) -> Quantity {
        Quantity::from_decimal(self.on_hand.as_decimal() - self.reserved.as_decimal())
    }

    pub(crate) fn from_row(row: &Row) -> Result<Self, DbError> {
        let archived_at: Option<DateTime<Utc>> = row.try_get("variant_archived_at")?;
        Ok(Self {
            id: VariantId::from_uuid(row.try_get("variant_id")?),
            product_id: ProductId::from_uuid(row.try_get("product_id")?),
            sku: row.try_get("sku")?,
            barcodes: row.try_get("barcodes")?,
            price: Money::from_decimal(row.try_get("price")?),
            compare_at_price: row.try_get::<_, Option<_>>("compare_at_price")?.map(Money::from_decimal),
            cost: row.try_get::<_, Option<_>>("cost")?.map(Money::from_decimal),
            reorder_level: row.try_get::<_, Option<_>>("reorder_level")?.map(Quantity::from_decimal),
            options: row.try_get("options")?,
            on_hand: Quantity::from_decimal(row.try_get("on_hand")?),
            reserved: Quantity::from_decimal(row.try_get("reserved")?),
            stock_position: row.try_get("stock_position")?,
            is_archived: archived_at.is_some(),
            version: row.try_get("variant_version")?,
            created_at: row.try_get("variant_created_at")?,
            updated_at: row.try_get("variant_updated_at")?,
        })
    }
}

/// The variant with this id.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &TenantTx, id: VariantId) -> Result<Option<Variant>, DbError> {
    const FIND: &str = select_variants!("v.id = $1");
    tx.query_opt(FIND, &[&id.as_uuid()]).await?.as_ref().map(Variant::from_row).transpose()
}

/// The variant that a scanner finds under this barcode.
///
/// # Errors
/// [`DbError`]; an unknown code is `None`.
pub async fn find_by_barcode(tx: &TenantTx, code: &Barcode) -> Result<Option<Variant>, DbError> {
    const FIND: &str = select_variants!("v.id = (SELECT variant_id FROM barcodes WHERE code = $1)");
    tx.query_opt(FIND, &[&code.as_str()]).await?.as_ref().map(Variant::from_row).transpose()
}

fn subject(id: VariantId) -> Subject {
    Subject { kind: "variant", id: id.as_uuid() }
}

/// Changes a variant; a change that changes nothing leaves the version as it is.
///
/// # Errors
/// [`VariantError`].
pub async fn update(
    tx: &TenantTx,
    id: VariantId,
    change: &VariantChange,
    actor: Option<Uuid>,
) -> Result<(), VariantError> {
    // The product first, as everywhere, so that two writers of one product cannot wait for each other.
    const PRODUCT_OF: &str = "SELECT product_id FROM variants WHERE id = $1";
    const LOCK: &str = "
        SELECT sku, price, compare_at_price, cost, reorder_level, archived_at, version,
               ARRAY(SELECT b.code FROM barcodes b WHERE b.variant_id = v.id ORDER BY b.code) AS barcodes
          FROM variants v WHERE id = $1 FOR NO KEY UPDATE";
    const UPDATE: &str = "
        UPDATE variants
           SET sku = $2, price = $3, compare_at_price = $4, cost = $5, reorder_level = $6, archived_at = $7,
               version = version + 1, updated_at = $8
         WHERE id = $1";
    let amounts = [change.price, change.compare_at_price.flatten(), change.cost.flatten()];
    check_amounts(0, amounts, change.reorder_level.flatten())?;
    if change.barcodes.as_ref().is_some_and(|codes| codes.len() > MAX_BARCODES) {
        return Err(VariantError::TooManyBarcodes { index: 0 });
    }
    let get = DbError::from;
    let row = tx.query_opt(PRODUCT_OF, &[&id.as_uuid()]).await?.ok_or(VariantError::NotFound)?;
    let product = ProductId::from_uuid(row.try_get("product_id").map_err(get)?);
    let lock_product = async { product::lock(tx, product).await.map_err(VariantError::from) };
    let lock = async { tx.query_one(LOCK, &[&id.as_uuid()]).await.map_err(VariantError::from) };
    let (_, row) = both(lock_product, lock).await?;
    let version: i32 = row.try_get("version").map_err(get)?;
    if change.if_version.is_some_and(|wanted| wanted != version) {
        return Err(VariantError::Stale);
    }
    let plain = |amount: Decimal| amount.normalize();
    let amount = |column: &str| Ok::<_, DbError>(row.try_get::<_, Option<Decimal>>(column)?.map(plain));
    let changed =
        |change: Option<Option<Decimal>>, stored: Option<Decimal>| change.unwrap_or(stored).map(plain);
    let money = |change: Option<Option<Money>>| change.map(|new| new.map(Money::as_decimal));

    let mut changes = Changes::default();
    let stored_sku: String = row.try_get("sku").map_err(get)?;
    let sku = change.sku.as_ref().map_or(stored_sku.as_str(), Sku::as_str);
    changes.note("sku", stored_sku.as_str(), sku);
    let price = changed(change.price.map(|price| Some(price.as_decimal())), amount("price")?);
    let compare_at = changed(money(change.compare_at_price), amount("compare_at_price")?);
    let cost = changed(money(change.cost), amount("cost")?);
    changes.note("price", amount("price")?, price);
    changes.note("compareAtPrice", amount("compare_at_price")?, compare_at);
    changes.note("cost", amount("cost")?, cost);
    let prices_change = !changes.is_empty();
    let reorder_level = change.reorder_level.map(|new| new.map(Quantity::as_decimal));
    let reorder_level = changed(reorder_level, amount("reorder_level")?);
    changes.note("reorderLevel", amount("reorder_level")?, reorder_level);
    let was_archived_at: Option<DateTime<Utc>> = row.try_get("archived_at").map_err(get)?;
    let archived_at = archived_at(was_archived_at, change.is_archived, tx.now());
    changes.note("archived", was_archived_at.is_some(), archived_at.is_some());
    if let Some(codes) = &change.barcodes {
        let stored: Vec<String> = row.try_get("barcodes").map_err(get)?;
        let wanted: BTreeSet<&str> = codes.iter().map(Barcode::as_str).collect();
        changes.note("barcodes", stored.iter().map(String::as_str).collect(), wanted);
    }
    if changes.is_empty() {
        return Ok(());
    }
    let is_watched_otherwise = reorder_level != amount("reorder_level")? || archived_at != was_archived_at;
    // Before the row changes: a new SKU makes those wait who hold levels of this variant and refer to it.
    let levels = match is_watched_otherwise {
        true => stock::lock_of_variants(tx, &[id.as_uuid()]).await?,
        false => Vec::new(),
    };
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 8] =
        [&id.as_uuid(), &sku, &price, &compare_at, &cost, &reorder_level, &archived_at, &tx.now()];
    tx.execute(UPDATE, &parameters).await.map_err(|error| match (error.constraint(), &change.sku) {
        (Some("variants_sku_key"), Some(sku)) => VariantError::DuplicateSku { index: 0, sku: sku.clone() },
        _ => error.into(),
    })?;
    if let Some(codes) = &change.barcodes {
        barcode::replace(tx, id, codes).await?;
    }
    if prices_change {
        record_prices(tx, &[id.as_uuid()], actor).await?;
    }
    stock::reconsider(tx, &levels).await?;
    let changes = changes.into_value();
    both(product::touch(tx, product), audit::record(tx, actor, "variant.changed", subject(id), &changes))
        .await?;
    Ok(())
}
