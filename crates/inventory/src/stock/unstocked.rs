//! Articles without stock that lines sell: services and fees. They have no stock level, so a sale of them
//! changes no stock and waits for no other sale. Their sales and returns have a table of their own, which
//! reports on sales read.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use tenancy::{DbError, TenantTx, all};
use uuid::Uuid;
use values::{ActorId, Money, Quantity, QuantityDecimals, StockValue};

use crate::column;
use crate::ids::{LocationId, UnstockedSaleId, VariantId};
use crate::stock::level::Key;
use crate::stock::movement::{Kind, Source};
use crate::stock::posting::{Cost, Posted, Posting, StockError, Wanted};

/// A variant without stock.
pub(crate) struct Unstocked {
    id: VariantId,
    cost: Option<Money>,
    is_fee: bool,
    is_archived: bool,
    quantity_decimals: QuantityDecimals,
}

tenancy::from_row!(Unstocked { id, cost, is_fee, is_archived, quantity_decimals });

/// A sale or a return of an article without stock, which must still be written.
pub(crate) struct UnstockedSale {
    variant_id: VariantId,
    location_id: LocationId,
    is_fee: bool,
    kind: Kind,
    quantity: Quantity,
    value: Option<StockValue>,
    line_id: Uuid,
}

/// Reads variants without stock, with what is wanted of each. Nobody archives them, or the locations, until
/// the transaction ends.
///
/// # Errors
/// [`StockError::UnknownVariant`] for goods, bundles and ids that no variant has,
/// [`StockError::ArchivedVariant`], [`StockError::ClosedLocation`].
pub(super) async fn lock(
    tx: &TenantTx,
    wanted: &BTreeMap<Key, Wanted>,
) -> Result<HashMap<VariantId, Unstocked>, StockError> {
    const LOCK_LOCATIONS: &str = "SELECT FROM locations WHERE id = ANY ($1) ORDER BY id FOR KEY SHARE";
    // Writers of variants lock the product first.
    const LOCK_PRODUCTS: &str = "
        SELECT FROM products p
         WHERE p.id IN (SELECT product_id FROM variants WHERE id = ANY ($1))
         ORDER BY p.id FOR KEY SHARE";
    const LOCK_VARIANTS: &str = "SELECT FROM variants WHERE id = ANY ($1) ORDER BY id FOR KEY SHARE";
    const CLOSED: &str = "SELECT id FROM locations WHERE id = ANY ($1) AND archived_at IS NOT NULL";
    const FIND: &str = "
        SELECT v.id, v.cost, p.kind = 'fee' AS is_fee,
               v.archived_at IS NOT NULL OR p.archived_at IS NOT NULL AS is_archived, p.quantity_decimals
          FROM variants v JOIN products p ON p.id = v.product_id
         WHERE v.id = ANY ($1) AND p.kind IN ('service', 'fee')";
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let (variants, locations): (Vec<VariantId>, Vec<LocationId>) = wanted.keys().copied().unzip();
    let ((), (), (), closed, found) = all((
        async { tx.execute(LOCK_LOCATIONS, &[&locations]).await.map(drop) },
        async { tx.execute(LOCK_PRODUCTS, &[&variants]).await.map(drop) },
        async { tx.execute(LOCK_VARIANTS, &[&variants]).await.map(drop) },
        async { tx.values::<LocationId>(CLOSED, &[&locations]).await },
        async { tx.rows::<Unstocked>(FIND, &[&variants]).await },
    ))
    .await?;
    let found: HashMap<VariantId, Unstocked> = found.into_iter().map(|row| (row.id, row)).collect();
    for ((variant, location), change) in wanted {
        let article = found.get(variant).ok_or(StockError::UnknownVariant)?;
        if change.puts() && closed.contains(location) {
            return Err(StockError::ClosedLocation);
        }
        // An archived article may come back.
        if change.reserved.is_positive() && article.is_archived {
            return Err(StockError::ArchivedVariant(*variant));
        }
    }
    Ok(found)
}

/// Whether a variant has stock; `None` if there is no such variant.
///
/// # Errors
/// [`DbError`].
pub(crate) async fn has_stock(tx: &TenantTx, variant: VariantId) -> Result<Option<bool>, DbError> {
    const HAS_STOCK: &str = "
        SELECT p.kind = 'goods' FROM variants v JOIN products p ON p.id = v.product_id WHERE v.id = $1";
    tx.value_opt(HAS_STOCK, &[&variant]).await
}

impl Unstocked {
    /// Applies a posting. Only orders sell articles without stock and take them back.
    pub(crate) fn post(
        &self,
        posting: &Posting,
        sales: &mut Vec<UnstockedSale>,
    ) -> Result<Posted, StockError> {
        if !matches!(posting.kind, Kind::Sale | Kind::Return) {
            return Err(StockError::NotStocked { variant_id: self.id });
        }
        let decimals = self.quantity_decimals;
        // Units that were sold with more decimals may come back.
        let is_finer = !decimals.allows(posting.quantity) || !decimals.allows(posting.reserved);
        if posting.kind == Kind::Sale && is_finer {
            return Err(StockError::TooFine { variant_id: self.id, decimals });
        }
        let units = if posting.quantity.is_negative() { -posting.quantity } else { posting.quantity };
        let cost = match posting.cost {
            Cost::Whole(cost) | Cost::Passing(cost) => cost,
            _ => self.cost.map(|cost| StockValue::of(units, cost)),
        };
        if cost > Some(StockValue::MAX) {
            return Err(StockError::TooValuable);
        }
        if !posting.quantity.is_zero() {
            sales.push(UnstockedSale {
                variant_id: self.id,
                location_id: posting.location_id,
                is_fee: self.is_fee,
                kind: posting.kind,
                quantity: posting.quantity,
                value: cost.map(|cost| if posting.quantity.is_negative() { -cost } else { cost }),
                line_id: posting.line_id,
            });
        }
        Ok(Posted { balance_after: Quantity::ZERO, cost })
    }
}

/// Writes sales and returns of one document.
///
/// # Errors
/// [`DbError`].
pub(crate) async fn insert(
    tx: &TenantTx,
    sales: &[UnstockedSale],
    source: Source,
    actor: ActorId,
    moved_at: DateTime<Utc>,
) -> Result<(), DbError> {
    const INSERT: &str = "
        INSERT INTO unstocked_sales (id, variant_id, location_id, kind, quantity, value, source_type,
                                     source_id, source_line_id, actor_id, occurred_at, is_fee)
        SELECT id, variant_id, location_id, kind, quantity, value, $8, $9, line_id, $10, $11, is_fee
          FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::numeric[], $6::numeric[],
                      $7::uuid[], $12::boolean[])
               AS new (id, variant_id, location_id, kind, quantity, value, line_id, is_fee)";
    if sales.is_empty() {
        return Ok(());
    }
    let (source_type, source_id) = source.columns();
    let params: tenancy::Params<'_> = &[
        &column(sales, |_| UnstockedSaleId::new()),
        &column(sales, |sale| sale.variant_id),
        &column(sales, |sale| sale.location_id),
        &column(sales, |sale| sale.kind),
        &column(sales, |sale| sale.quantity),
        &column(sales, |sale| sale.value),
        &column(sales, |sale| sale.line_id),
        &source_type,
        &source_id,
        &actor,
        &moved_at,
        &column(sales, |sale| sale.is_fee),
    ];
    tx.execute(INSERT, params).await.map(drop)
}
