//! Lines of a purchase order: checked, priced, stored.

use std::collections::HashMap;

use rust_decimal::RoundingStrategy;
use tenancy::{DbError, TenantTx};
use values::{
    Currency, Money, Name, NonNegative, Percent, Positive, Quantity, QuantityDecimals, Rounding, Sku,
};

use crate::column;
use crate::ids::{PurchaseOrderId, PurchaseOrderLineId, VariantId};
use crate::purchasing::purchase_order::PurchaseError;
use crate::stock::article::{self, ArticleName};

/// The largest number of lines of a purchase order.
pub const MAX_LINES: usize = 500;

/// A line of a purchase order to be drafted.
#[derive(Debug, Clone)]
pub struct NewLine {
    /// The variant to buy. No other line of the purchase order may have it.
    pub article: ArticleName,
    /// The quantity to order, in sale units.
    pub quantity: Positive<Quantity>,
    /// The cost of one unit without tax, in the currency of the purchase order.
    pub unit_cost: NonNegative<Money>,
    /// The tax that the supplier charges on top, in percent, 0 to 100.
    pub tax_percent: Percent,
}

/// A line of a stored purchase order.
#[derive(Debug, Clone)]
pub struct PurchaseOrderLine {
    /// The id of the line.
    pub id: PurchaseOrderLineId,
    pub(crate) purchase_order_id: PurchaseOrderId,
    /// The variant that is bought.
    pub variant_id: VariantId,
    /// The SKU of the variant when the line was written.
    pub sku: Sku,
    /// The name of the variant's product when the line was written.
    pub name: Name,
    /// The ordered quantity, in sale units.
    pub quantity: Quantity,
    /// The cost of one unit without tax, in the currency of the purchase order. Received goods have this
    /// cost, converted to the currency of the business.
    pub unit_cost: Money,
    /// The tax that the supplier charges on top, in percent, 0 to 100.
    pub tax_percent: Percent,
    /// The tax on the ordered quantity, rounded to the currency of the purchase order.
    pub tax: Money,
    /// The cost of the ordered quantity, tax included.
    pub total: Money,
    /// The quantity that has arrived, in sale units. A reversed receipt does not count.
    pub received: Quantity,
    /// How much more than ordered may be received, in sale units. It follows from the setting when the line
    /// was written.
    pub tolerance: Quantity,
}

tenancy::from_row!(PurchaseOrderLine {
    id,
    purchase_order_id,
    variant_id,
    sku,
    name,
    quantity,
    unit_cost,
    tax_percent,
    tax,
    total,
    received,
    tolerance,
});

impl PurchaseOrderLine {
    /// The quantity that was ordered and has not been received; zero if more than ordered was received.
    pub fn open(&self) -> Quantity {
        (self.quantity - self.received).max(Quantity::ZERO)
    }

    /// What may still be received, including the over-receipt tolerance.
    pub(crate) fn receivable(&self) -> Quantity {
        (self.quantity + self.tolerance - self.received).max(Quantity::ZERO)
    }
}

/// The tax and the total of a purchase order with these lines.
pub(super) fn sums(lines: &[PurchaseOrderLine]) -> Result<(Money, Money), PurchaseError> {
    let total: Money = lines.iter().map(|line| line.total).sum();
    if total > Money::MAX {
        return Err(PurchaseError::TooMuch);
    }
    Ok((lines.iter().map(|line| line.tax).sum(), total))
}

struct Bought {
    id: VariantId,
    sku: Sku,
    name: Name,
    quantity_decimals: QuantityDecimals,
    is_archived: bool,
    has_stock: bool,
}

tenancy::from_row!(Bought { id, sku, name, quantity_decimals, is_archived, has_stock });

/// Checks the lines, and computes their taxes, totals and tolerances.
pub(super) async fn make_lines(
    tx: &TenantTx,
    purchase_order_id: PurchaseOrderId,
    lines: &[NewLine],
    (rounding, currency): (Rounding, &Currency),
    over_receipt: Percent,
) -> Result<Vec<PurchaseOrderLine>, PurchaseError> {
    const BOUGHT: &str = "
        SELECT v.id, v.sku, p.name, p.quantity_decimals,
               v.archived_at IS NOT NULL OR p.archived_at IS NOT NULL AS is_archived,
               p.kind = 'goods' AS has_stock
          FROM variants v JOIN products p ON p.id = v.product_id
         WHERE v.id = ANY ($1)
           FOR KEY SHARE OF p, v";
    if lines.is_empty() || lines.len() > MAX_LINES {
        return Err(PurchaseError::LineCount);
    }
    let round = |amount| rounding.round(amount, currency.decimals());
    let ids = article::find(tx, lines.iter().map(|line| &line.article)).await?;
    let bought = tx.rows::<Bought>(BOUGHT, &[&ids]).await?;
    let mut known: HashMap<VariantId, Bought> = bought.into_iter().map(|row| (row.id, row)).collect();
    let mut made = Vec::with_capacity(lines.len());
    for (index, line) in lines.iter().enumerate() {
        if !line.tax_percent.is_share() {
            return Err(PurchaseError::Tax { index });
        }
        // The first line of a variant removes it from `known`, so a second line does not find it.
        let Some(bought) = known.remove(&ids[index]) else {
            return Err(match ids[..index].contains(&ids[index]) {
                true => PurchaseError::Twice { index },
                false => PurchaseError::UnknownVariant { index },
            });
        };
        let Bought { sku, name, quantity_decimals: decimals, .. } = bought;
        if bought.is_archived {
            return Err(PurchaseError::ArchivedVariant { index });
        }
        if !bought.has_stock {
            return Err(PurchaseError::NotStocked { index });
        }
        let (quantity, unit_cost) = (line.quantity.get(), line.unit_cost.get());
        if !decimals.allows(quantity) {
            return Err(PurchaseError::QuantityTooFine { index, decimals });
        }
        let net = quantity
            .as_decimal()
            .checked_mul(unit_cost.as_decimal())
            .filter(|net| *net <= Money::MAX.as_decimal());
        let net = round(net.ok_or(PurchaseError::TooMuch)?);
        let tax = round(line.tax_percent.of(net));
        // No more than the column of the received quantity can hold.
        let more = over_receipt.of(quantity.as_decimal()).min((Quantity::MAX - quantity).as_decimal());
        made.push(PurchaseOrderLine {
            id: PurchaseOrderLineId::new(),
            purchase_order_id,
            variant_id: ids[index],
            sku,
            name,
            quantity,
            unit_cost,
            tax_percent: line.tax_percent,
            tax: Money::from_decimal(tax),
            total: Money::from_decimal(net + tax),
            received: Quantity::ZERO,
            tolerance: Quantity::from_decimal(more.round_dp_with_strategy(3, RoundingStrategy::ToZero)),
        });
    }
    Ok(made)
}

pub(super) async fn insert_lines(
    tx: &TenantTx,
    order: PurchaseOrderId,
    lines: &[PurchaseOrderLine],
) -> Result<(), DbError> {
    const INSERT: &str = "
        INSERT INTO purchase_order_lines (id, purchase_order_id, position, variant_id, sku, name, quantity,
                                          unit_cost, tax_percent, tax, total, tolerance)
        SELECT id, $1, position, variant_id, sku, name, quantity, unit_cost, tax_percent, tax, total,
               tolerance
          FROM unnest($2::uuid[], $3::smallint[], $4::uuid[], $5::text[], $6::text[], $7::numeric[],
                      $8::numeric[], $9::numeric[], $10::numeric[], $11::numeric[], $12::numeric[])
               AS new (id, position, variant_id, sku, name, quantity, unit_cost, tax_percent, tax, total,
                       tolerance)";
    let positions: Vec<i16> = (1..).take(lines.len()).collect();
    let params: tenancy::Params<'_> = &[
        &order,
        &column(lines, |line| line.id),
        &positions,
        &column(lines, |line| line.variant_id),
        &column(lines, |line| &line.sku),
        &column(lines, |line| &line.name),
        &column(lines, |line| line.quantity),
        &column(lines, |line| line.unit_cost),
        &column(lines, |line| line.tax_percent),
        &column(lines, |line| line.tax),
        &column(lines, |line| line.total),
        &column(lines, |line| line.tolerance),
    ];
    tx.execute(INSERT, params).await.map(drop)
}
