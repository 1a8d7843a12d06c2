//! Supplier prices: what a supplier asks for a variant, each price from a moment on.

use chrono::{DateTime, TimeDelta, Utc};
use const_format::concatcp;
use tenancy::{DbError, TenantTx, all};
use values::{ActorId, Currency, Money, NonNegative, Page, PageRequest, Positive, Quantity, Sku};

use crate::ids::{SupplierId, SupplierPriceId, VariantId};
use crate::purchasing::supplier::{SupplierError, check_lead_time};
use crate::stock::unstocked;

/// A price to be stored.
#[derive(Debug, Clone)]
pub struct NewPrice {
    /// The variant that the supplier sells.
    pub variant_id: VariantId,
    /// The supplier's own code of the variant; `None` if there is none.
    pub supplier_sku: Option<Sku>,
    /// The cost of one unit, in `currency`.
    pub cost: NonNegative<Money>,
    /// The currency of the cost; it may differ from the currency of the business.
    pub currency: Currency,
    /// The smallest quantity that the supplier sells, in sale units; `None` for no minimum.
    pub minimum_quantity: Option<Positive<Quantity>>,
    /// Days from order to arrival, 0 to 1000; `None` if the lead time of the supplier applies.
    pub lead_time_days: Option<i16>,
}

/// A price that a supplier has asked since a moment.
#[derive(Debug, Clone)]
pub struct SupplierPrice {
    /// The id of the price; later prices have greater ids.
    pub id: SupplierPriceId,
    /// The variant that the supplier sells.
    pub variant_id: VariantId,
    /// The supplier's own code of the variant; `None` if there is none.
    pub supplier_sku: Option<Sku>,
    /// The cost of one unit, in `currency`.
    pub cost: Money,
    /// The code of the currency (ISO 4217), such as EUR.
    pub currency: String,
    /// The smallest quantity that the supplier sells, in sale units; `None` for no minimum.
    pub minimum_quantity: Option<Quantity>,
    /// Days from order to arrival; `None` if the lead time of the supplier applies.
    pub lead_time_days: Option<i16>,
    /// The user or program that stored the price, or the system.
    pub actor_id: ActorId,
    /// When the price was stored. It is in force until the supplier's next price of the same variant.
    pub valid_from: DateTime<Utc>,
}

tenancy::from_row!(SupplierPrice {
    id,
    variant_id,
    supplier_sku,
    cost,
    currency,
    minimum_quantity,
    lead_time_days,
    actor_id,
    valid_from,
});

/// Stores the price that a supplier asks for a variant from now on. Earlier prices remain as its history.
///
/// # Errors
/// [`SupplierError::NotFound`], [`SupplierError::UnknownVariant`], [`SupplierError::NotStocked`],
/// [`SupplierError::LeadTime`], [`SupplierError::Db`].
pub async fn set(
    tx: &TenantTx,
    supplier: SupplierId,
    new: &NewPrice,
    actor: ActorId,
) -> Result<SupplierPrice, SupplierError> {
    const INSERT: &str = "
        INSERT INTO supplier_prices (id, supplier_id, variant_id, supplier_sku, cost, currency,
                                     minimum_quantity, lead_time_days, actor_id, valid_from)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    // Under the lock of the supplier, so that a price that is set later is valid later.
    const LOCK: &str = "SELECT 1 FROM suppliers WHERE id = $1 FOR NO KEY UPDATE";
    const LAST: &str = "
        SELECT max(valid_from) AS valid_from FROM supplier_prices WHERE supplier_id = $1 AND variant_id = $2";
    check_lead_time(new.lead_time_days)?;
    let lock = async { tx.execute(LOCK, &[&supplier]).await };
    let last = async { tx.value::<Option<DateTime<Utc>>>(LAST, &[&supplier, &new.variant_id]).await };
    let has_stock = unstocked::has_stock(tx, new.variant_id);
    let (_, last, has_stock) = all((lock, last, has_stock)).await?;
    if has_stock == Some(false) {
        return Err(SupplierError::NotStocked);
    }
    let after_last = last.map(|last| last + TimeDelta::microseconds(1));
    let price = SupplierPrice {
        id: SupplierPriceId::new(),
        variant_id: new.variant_id,
        supplier_sku: new.supplier_sku.clone(),
        cost: new.cost.get(),
        currency: new.currency.code().to_owned(),
        minimum_quantity: new.minimum_quantity.map(Positive::get),
        lead_time_days: new.lead_time_days,
        actor_id: actor,
        valid_from: tx.now().max(after_last.unwrap_or_default()),
    };
    let params: tenancy::Params<'_> = &[
        &price.id,
        &supplier,
        &price.variant_id,
        &price.supplier_sku,
        &price.cost,
        &price.currency,
        &price.minimum_quantity,
        &price.lead_time_days,
        &price.actor_id,
        &price.valid_from,
    ];
    tx.execute(INSERT, params).await.map_err(|error| match error.constraint() {
        Some("supplier_prices_supplier_id_fkey") => SupplierError::NotFound,
        Some("supplier_prices_variant_id_fkey") => SupplierError::UnknownVariant,
        _ => error.into(),
    })?;
    Ok(price)
}

/// A page of a supplier's prices, newest first: of one variant, or of all. The newest price of each variant
/// is in force; the others are its history. An unknown supplier has none.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &TenantTx,
    supplier: SupplierId,
    variant: Option<VariantId>,
    page: &PageRequest<(DateTime<Utc>, SupplierPriceId)>,
) -> Result<Page<SupplierPrice>, DbError> {
    const SELECT: &str = "
        SELECT id, variant_id, supplier_sku, cost, currency, minimum_quantity, lead_time_days, actor_id,
               valid_from
          FROM supplier_prices ";
    const BEFORE: &str = "(valid_from, id) < ($2, $3) ORDER BY valid_from DESC, id DESC LIMIT $4";
    const ALL: &str = concatcp!(SELECT, "WHERE supplier_id = $1 AND ", BEFORE);
    const OF_VARIANT: &str = concatcp!(SELECT, "WHERE supplier_id = $1 AND variant_id = $5 AND ", BEFORE);
    let ((moment, id), limit) = (page.below(), page.limit.and_one());
    let prices = match variant {
        None => tx.rows(ALL, &[&supplier, &moment, &id, &limit]).await?,
        Some(variant) => tx.rows(OF_VARIANT, &[&supplier, &moment, &id, &limit, &variant]).await?,
    };
    Ok(page.page(prices, |price: &SupplierPrice| (price.valid_from, price.id)))
}
