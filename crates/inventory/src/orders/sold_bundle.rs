//! Bundles in a basket. Before anything is locked, a bundle becomes lines of its components, each with a
//! share of the price. So stock, taxes, returns and reports know the components alone.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use values::{Money, Name, Quantity, Sku};

use crate::business::settings::Terms;
use crate::ids::VariantId;
use crate::orders::basket::{BasketError, LineToPrice};
use crate::orders::pricing::{self, Discount, PricingError};
use crate::orders::sold_article::Component;
use crate::stock::posting::StockError;

/// The bundle to which a line belongs, when it was sold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SoldBundle {
    /// Counts the bundles of the document from 1: lines with the same number are one bundle.
    pub number: i16,
    /// The variant that was sold.
    pub variant_id: VariantId,
    /// The SKU.
    pub sku: Sku,
    /// The name of the product.
    pub name: Name,
    /// The number of bundles.
    pub quantity: Quantity,
    /// The price of one bundle, as it was agreed.
    pub(super) price: Decimal,
    /// The list price of one bundle.
    pub(super) list_price: Decimal,
    /// The list price of one unit of the component, by which the price of the bundle is shared out.
    pub(super) weight: Decimal,
}

/// The lines of the components of a bundle. The amount and the discount of the bundle are shared out in
/// steps of the currency, by the list prices of the components.
pub(super) fn expand<'a>(
    asked: &LineToPrice<'a>,
    components: &'a [Component],
    number: i16,
    terms: &Terms,
) -> Result<Vec<LineToPrice<'a>>, BasketError> {
    let index = asked.index;
    let at = |price: Money| {
        let amount = asked.quantity.as_decimal().checked_mul(price.as_decimal());
        let amount = amount.filter(|amount| *amount <= Money::MAX.as_decimal());
        amount.map(|amount| terms.round(amount)).ok_or(BasketError::Pricing(PricingError::TooMuch))
    };
    let amount = asked.amount.map_or_else(|| at(asked.price), |amount| Ok(amount.as_decimal()))?;
    let discount = asked.discount.map_or(Decimal::ZERO, |discount| terms.round(discount.on(amount)));
    if discount > amount {
        return Err(PricingError::LineDiscount { index }.into());
    }
    let weight = |component: &Component| component.sold.price.as_decimal() * component.quantity.as_decimal();
    let mut weights: Vec<Decimal> = components.iter().map(weight).collect();
    if weights.iter().all(Decimal::is_zero) {
        weights.fill(Decimal::ONE);
    }
    let share = |amount| pricing::share_out(amount, &weights, terms.currency.decimals());
    let (amounts, at_list_price) = (share(amount), share(at(asked.list_price)?));
    let discounts = pricing::share_out(discount, &amounts, terms.currency.decimals());
    let shares = amounts.into_iter().zip(at_list_price).zip(discounts);
    components
        .iter()
        .zip(shares)
        .enumerate()
        .map(|(at, (component, ((amount, at_list_price), discount)))| {
            let sold = &component.sold;
            if sold.is_archived {
                return Err(BasketError::ArchivedComponent { index });
            }
            let quantity = asked.quantity.as_decimal().checked_mul(component.quantity.as_decimal());
            let quantity = quantity.map(Quantity::from_decimal).filter(|quantity| *quantity <= Quantity::MAX);
            let quantity = quantity.ok_or(StockError::TooMuch { variant_id: sold.id })?;
            let of_one = |amount: Decimal| Money::rounded(amount / quantity.as_decimal());
            Ok(LineToPrice {
                index,
                sold,
                quantity,
                amount: Some(Money::from_decimal(amount)),
                price: of_one(amount),
                list_price: of_one(at_list_price),
                price_reason: asked.price_reason,
                discount: Discount::amount(Money::from_decimal(discount)).ok(),
                note: asked.note.filter(|_| at == 0),
                bundle: Some(SoldBundle {
                    number,
                    variant_id: asked.sold.id,
                    sku: asked.sold.sku.clone(),
                    name: asked.sold.name.clone(),
                    quantity: asked.quantity,
                    price: asked.price.as_decimal(),
                    list_price: asked.list_price.as_decimal(),
                    weight: sold.price.as_decimal(),
                }),
            })
        })
        .collect()
}
