//! Bundles in a basket. Before anything is locked, a bundle becomes lines of its components, each with a
//! share of the price. So stock, taxes, returns and reports know the components alone.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use values::{Money, Name, Quantity, Sku};

use crate::business::settings::Terms;
use crate::ids::VariantId;
use crate::orders::basket::{BasketError, LineToPrice};
use crate::orders::customer::Buyer;
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
    /// The price of one bundle: the agreed price, or else the list price.
    pub(super) price: Decimal,
    /// The list price of one bundle.
    pub(super) list_price: Decimal,
    /// The list price of one unit of the component. Price times quantity decides the share of the
    /// component.
    pub(super) weight: Decimal,
}

/// The lines of the components of a bundle. The amount of the bundle is shared out in steps of the
/// currency, by the list prices of the components. The discount is taken off what the buyer is charged, and
/// shared out by that.
pub(super) fn expand<'a>(
    asked: &LineToPrice<'a>,
    components: &'a [Component],
    number: i16,
    terms: &Terms,
    buyer: Buyer,
) -> Result<Vec<LineToPrice<'a>>, BasketError> {
    let index = asked.index;
    if components.iter().any(|component| component.sold.is_archived) {
        return Err(BasketError::ArchivedComponent { index });
    }
    let at = |price: Money| product(asked.quantity, price).map(|amount| terms.round(amount));
    let amount = asked.amount.map_or_else(|| at(asked.price), |amount| Ok(amount.as_decimal()))?;
    let weights = components.iter().map(|component| product(component.quantity, component.sold.price));
    let mut weights: Vec<Decimal> = weights.collect::<Result<_, _>>()?;
    if weights.iter().all(Decimal::is_zero) {
        weights.fill(Decimal::ONE);
    }
    let decimals = terms.currency.decimals();
    let amounts = pricing::share_out(amount, &weights, decimals);
    let at_list_price = pricing::share_out(at(asked.list_price)?, &weights, decimals);
    let charged = |(component, amount): (&Component, &Decimal)| {
        terms.round(component.sold.charged(*amount, buyer.is_tax_exempt))
    };
    let charged: Vec<Decimal> = components.iter().zip(&amounts).map(charged).collect();
    let sum: Decimal = charged.iter().sum();
    let discount = asked.discount.map_or(Decimal::ZERO, |discount| terms.round(discount.on(sum)));
    if discount > sum {
        return Err(PricingError::LineDiscount { index }.into());
    }
    let discounts = pricing::share_out(discount, &charged, decimals);
    let shares = amounts.into_iter().zip(at_list_price).zip(discounts);
    let line = |(at, (component, ((amount, at_list_price), discount)))| {
        let Component { sold, quantity }: &Component = component;
        let quantity = asked.quantity.as_decimal().checked_mul(quantity.as_decimal());
        let quantity = quantity.map(Quantity::from_decimal).filter(|quantity| *quantity <= Quantity::MAX);
        let quantity = quantity.ok_or(StockError::TooMuch { variant_id: sold.id })?;
        let of_one = |amount: Decimal| {
            let price = amount.checked_div(quantity.as_decimal()).map(Money::rounded);
            price.filter(|price| *price <= Money::MAX).ok_or(PricingError::TooMuch)
        };
        Ok(LineToPrice {
            index,
            sold,
            quantity,
            amount: Some(Money::from_decimal(amount)),
            price: of_one(amount)?,
            list_price: of_one(at_list_price)?,
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
    };
    components.iter().zip(shares).enumerate().map(line).collect()
}

/// Quantity times price, if it is an amount.
fn product(quantity: Quantity, price: Money) -> Result<Decimal, PricingError> {
    let amount = quantity.as_decimal().checked_mul(price.as_decimal());
    amount.filter(|amount| *amount <= Money::MAX.as_decimal()).ok_or(PricingError::TooMuch)
}
