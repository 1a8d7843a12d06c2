//! Baskets: the articles that a customer buys, with their prices. An order and a sale at the till both begin
//! as a basket, so they have one way to a price.

use rust_decimal::Decimal;
use values::{
    Currency, Money, Name, NonNegative, Note, Percent, Positive, Quantity, QuantityDecimals, Reason, Sku,
    TooFine,
};

use crate::business::settings::Terms;
use crate::catalogue::product_kind::ProductKind;
use crate::catalogue::tax_class::Taxation;
use crate::ids::VariantId;
use crate::orders::customer::Buyer;
use crate::orders::order_line::ChargedTax;
use crate::orders::pricing::{self, Discount, PricedLine, PricingError};
use crate::orders::sold_article::Sold;
pub use crate::orders::sold_article::{Articles, articles, prices_of, variants};
use crate::orders::sold_bundle::{self, SoldBundle};
use crate::stock::article::{ArticleError, ArticleName};
use crate::stock::posting::StockError;

/// A basket to be priced.
#[derive(Debug, Clone)]
pub struct NewBasket {
    /// At most [`MAX_LINES`] lines; several lines may sell the same variant.
    pub lines: Vec<NewLine>,
    /// A discount on the whole basket, after the discounts of the lines.
    pub discount: Option<Discount>,
    /// Whether the actor may set prices. If so, the discount limit does not apply.
    pub may_set_prices: bool,
}

/// A line of a basket to be priced.
#[derive(Debug, Clone)]
pub struct NewLine {
    /// The variant to sell; it and its product must not be archived.
    pub article: ArticleName,
    /// The quantity to sell, in sale units.
    pub quantity: Positive<Quantity>,
    /// The amount of the whole line that a scale has printed on its label; `None` for quantity times price.
    pub label_amount: Option<Money>,
    /// Another price of one unit than the list price, with the reason. [`NewBasket::price`] does not check
    /// whether the actor may set prices; the caller must check it.
    pub price: Option<(NonNegative<Money>, Reason)>,
    /// A discount on this line alone, taken off before the discount of the basket.
    pub discount: Option<Discount>,
    /// A note about the line, such as an engraving.
    pub note: Option<Note>,
}

impl NewLine {
    /// A line at the list price, without a discount.
    pub fn new(article: ArticleName, quantity: Positive<Quantity>) -> Self {
        Self { article, quantity, label_amount: None, price: None, discount: None, note: None }
    }
}

/// The largest number of lines of a basket.
pub const MAX_LINES: usize = 200;

/// A basket with its prices. Each amount is the sum of the lines.
#[derive(Debug)]
pub struct Basket {
    /// The sum of quantity times price, before discounts.
    pub subtotal: Money,
    /// The sum of all discounts, of the lines and of the basket.
    pub discount: Money,
    /// The sum of all taxes, included in the prices or added to them.
    pub tax: Money,
    /// The amount to pay, including discounts and taxes.
    pub total: Money,
    /// The lines. Equal articles at one price share a line. A bundle has a line for each component.
    pub lines: Vec<BasketLine>,
}

impl Basket {
    /// The amount by which the lines are cheaper than at their list prices, by discounts and by agreed
    /// prices. A line that is dearer makes up for nothing.
    pub fn reduction(&self, terms: &Terms) -> Money {
        let reduction = |line: &BasketLine| {
            let at = |price: Money| terms.round(line.quantity.as_decimal() * price.as_decimal());
            let paid = at(line.price) - line.discount.as_decimal();
            Money::from_decimal((at(line.list_price) - paid).max(Decimal::ZERO))
        };
        self.lines.iter().map(reduction).sum()
    }
}

/// A line of a basket with its prices.
#[derive(Debug)]
pub struct BasketLine {
    /// The variant to sell.
    pub variant_id: VariantId,
    /// The kind of its product: whether it has stock.
    pub kind: ProductKind,
    /// The SKU.
    pub sku: Sku,
    /// The name of the product.
    pub name: Name,
    /// The quantity, in sale units.
    pub quantity: Quantity,
    /// The price of one unit, before discounts.
    pub price: Money,
    /// The list price of one unit.
    pub list_price: Money,
    /// The reason for a price that replaces the list price; `None` if the list price applies.
    pub price_reason: Option<Reason>,
    /// The line's own discount and its share of the basket's discount.
    pub discount: Money,
    /// Each tax rate with its amount; empty for an untaxed line.
    pub taxes: Vec<ChargedTax>,
    /// Whether the price includes the taxes. `None` if there are none.
    pub includes_tax: Option<bool>,
    /// The sum of the amounts in `taxes`.
    pub tax: Money,
    /// The amount to pay for the line, including discounts and taxes.
    pub total: Money,
    /// The note about the line. The first line of a bundle has the note about the bundle.
    pub note: Option<Note>,
    /// The bundle to which the line belongs; `None` if it is sold on its own.
    pub bundle: Option<SoldBundle>,
}

/// A basket has no price. `index` is the line's position in the request.
#[derive(Debug, thiserror::Error)]
pub enum BasketError {
    /// A line names a variant that the business does not have.
    #[error("there is no such variant")]
    UnknownVariant {
        /// The position of the line in the request, from 0.
        index: usize,
    },
    /// A line sells an archived variant, or a variant of an archived product.
    #[error("the variant or its product is archived and cannot be sold; restore it, or remove the line")]
    Archived {
        /// The position of the line in the request, from 0.
        index: usize,
    },
    /// A line sells a bundle with an archived component.
    #[error("a component of the bundle is archived; restore it, change the bundle, or remove the line")]
    ArchivedComponent {
        /// The position of the line in the request, from 0.
        index: usize,
    },
    /// There are more than [`MAX_LINES`] lines, counting one for each component of a bundle.
    #[error(
        "the request has more than {MAX_LINES} lines, as each component of a bundle counts as a line; send \
         fewer lines"
    )]
    TooManyComponents,
    /// A line names a SKU or a barcode that no variant has.
    #[error(transparent)]
    Article(#[from] ArticleError),
    /// The quantity of a line has more decimals than the product.
    #[error("the quantity has too many decimals; the product is sold {decimals}")]
    QuantityTooFine {
        /// The position of the line in the request, from 0.
        index: usize,
        /// The number of decimals of the product's quantities.
        decimals: QuantityDecimals,
    },
    /// The price or the discount of a line, or the discount of the basket, is finer than the currency.
    #[error("{reason}")]
    TooFine {
        /// The position of the line in the request, from 0; `None` for the discount of the basket.
        index: Option<usize>,
        /// The field with the amount, as clients name it.
        field: &'static str,
        /// The number of decimals of the currency.
        reason: TooFine,
    },
    /// The discounts exceed the limit of the business, and the actor may not set prices. Holds the limit, in
    /// percent.
    #[error(
        "the discount exceeds the limit of {0} %; reduce the discount, or ask a member with the permission \
         catalogue.write to place the order"
    )]
    DiscountLimit(Percent),
    /// A discount or the total is too large.
    #[error(transparent)]
    Pricing(#[from] PricingError),
    /// The quantity of a variant is too large.
    #[error(transparent)]
    Stock(#[from] StockError),
}

/// A line that is priced: a line of the request, or a component of a bundle in the request.
#[derive(Debug)]
pub(super) struct LineToPrice<'a> {
    /// The position of the line in the request.
    pub index: usize,
    pub sold: &'a Sold,
    pub quantity: Quantity,
    /// The amount of the whole line; `None` for quantity times price.
    pub amount: Option<Money>,
    pub price: Money,
    pub list_price: Money,
    pub price_reason: Option<&'a Reason>,
    pub discount: Option<Discount>,
    pub note: Option<&'a Note>,
    pub bundle: Option<SoldBundle>,
}

impl NewBasket {
    /// Prices the basket for a customer. The server decides prices, not the client.
    ///
    /// # Errors
    /// [`BasketError`].
    pub fn price(&self, articles: &Articles, terms: &Terms, buyer: Buyer) -> Result<Basket, BasketError> {
        self.check_decimals(&terms.currency)?;
        let merged = merged(&self.lines, articles.variants());
        let lines = lines_to_price(&merged, articles, terms, buyer)?;
        let taxations: Vec<Option<Taxation>> = lines.iter().map(|line| line.sold.taxation()).collect();
        let to_price: Vec<pricing::Line<'_>> = lines
            .iter()
            .zip(&taxations)
            .map(|(line, taxation)| pricing::Line {
                quantity: line.quantity,
                amount: line.amount,
                price: line.price,
                discount: line.discount,
                is_fee: line.sold.kind == ProductKind::Fee,
                taxation: taxation.as_ref(),
                is_exempt: buyer.is_tax_exempt,
            })
            .collect();
        let priced = pricing::price(&to_price, self.discount, terms.rounding, terms.currency.decimals());
        let priced = priced.map_err(|error| match error {
            PricingError::LineDiscount { index } => PricingError::LineDiscount { index: lines[index].index },
            error => error,
        })?;
        let (fees, others): (Vec<_>, Vec<_>) =
            priced.lines.iter().zip(&to_price).partition(|(_, of)| of.is_fee);
        if !self.may_set_prices && [fees, others].iter().any(|lines| exceeds_limit(lines, terms)) {
            return Err(BasketError::DiscountLimit(terms.discount_limit));
        }
        let asked = lines.iter().zip(&to_price).zip(&taxations);
        let lines = asked.zip(priced.lines).map(|(((line, asked), taxation), priced)| {
            let PricedLine { discount, taxes, tax, total, .. } = priced;
            BasketLine {
                variant_id: line.sold.id,
                kind: line.sold.kind,
                sku: line.sold.sku.clone(),
                name: line.sold.name.clone(),
                quantity: line.quantity,
                price: asked.paid_price(),
                list_price: pricing::Line { price: line.list_price, ..asked.clone() }.paid_price(),
                price_reason: line.price_reason.cloned(),
                discount: Money::from_decimal(discount),
                taxes: taxes.into_iter().map(|(rate, amount)| ChargedTax { rate, amount }).collect(),
                includes_tax: taxation
                    .as_ref()
                    .filter(|_| !buyer.is_tax_exempt)
                    .map(|taxation| taxation.is_inclusive),
                tax: Money::from_decimal(tax),
                total: Money::from_decimal(total),
                note: line.note.cloned(),
                bundle: line.bundle.clone(),
            }
        });
        Ok(Basket {
            subtotal: Money::from_decimal(priced.subtotal),
            discount: Money::from_decimal(priced.discount),
            tax: Money::from_decimal(priced.tax),
            total: Money::from_decimal(priced.total),
            lines: lines.collect(),
        })
    }

    /// Refuses amounts of the request that are finer than the currency.
    fn check_decimals(&self, currency: &Currency) -> Result<(), BasketError> {
        let check = |index, field, amount: Option<Money>| match amount.map(|amount| currency.check(amount)) {
            Some(Err(reason)) => Err(BasketError::TooFine { index, field, reason }),
            _ => Ok(()),
        };
        for (index, line) in self.lines.iter().enumerate() {
            check(Some(index), "price", line.price.as_ref().map(|(price, _)| price.get()))?;
            check(Some(index), "discount", line.discount.and_then(Discount::as_amount))?;
        }
        check(None, "discount", self.discount.and_then(Discount::as_amount))
    }
}

/// Looks up the article of each line and refuses articles that cannot be sold. Replaces bundles by lines of
/// their components.
fn lines_to_price<'a>(
    lines: &'a [(usize, NewLine)],
    articles: &'a Articles,
    terms: &Terms,
    buyer: Buyer,
) -> Result<Vec<LineToPrice<'a>>, BasketError> {
    let mut found: Vec<LineToPrice<'a>> = Vec::with_capacity(lines.len());
    let mut bundles = 0;
    for (index, line) in lines {
        let line = line_to_price(*index, line, articles)?;
        if line.sold.kind == ProductKind::Bundle {
            bundles += 1;
            let components = articles.components(line.sold.id);
            found.extend(sold_bundle::expand(&line, components, bundles, terms, buyer)?);
        } else {
            found.push(line);
        }
    }
    if found.len() > MAX_LINES { Err(BasketError::TooManyComponents) } else { Ok(found) }
}

fn line_to_price<'a>(
    index: usize,
    line: &'a NewLine,
    articles: &'a Articles,
) -> Result<LineToPrice<'a>, BasketError> {
    let sold = articles.of_line(index).ok_or(BasketError::UnknownVariant { index })?;
    if sold.is_archived {
        return Err(BasketError::Archived { index });
    }
    let quantity = line.quantity.get();
    if quantity > Quantity::MAX {
        return Err(StockError::TooMuch { variant_id: sold.id }.into());
    }
    let decimals = sold.quantity_decimals;
    if !decimals.allows(quantity) {
        return Err(BasketError::QuantityTooFine { index, decimals });
    }
    Ok(LineToPrice {
        index,
        sold,
        quantity,
        amount: line.label_amount,
        price: line.price.as_ref().map_or(sold.price, |(price, _)| price.get()),
        list_price: sold.price,
        price_reason: line.price.as_ref().map(|(_, reason)| reason),
        discount: line.discount,
        note: line.note.as_ref(),
        bundle: None,
    })
}

/// The lines of the basket, each with the position of its first line in the request. Lines of the same
/// variant at the same price and the same discount become one line, so that it is rounded once. Their amounts
/// of discount are added up.
fn merged(lines: &[NewLine], variants: &[VariantId]) -> Vec<(usize, NewLine)> {
    let mut merged: Vec<(usize, NewLine)> = Vec::with_capacity(lines.len());
    for (index, line) in lines.iter().enumerate() {
        let same = |(at, other): &&mut (usize, NewLine)| {
            let has_label = other.label_amount.or(line.label_amount).is_some();
            variants[*at] == variants[index]
                && other.price == line.price
                && other.note == line.note
                && !has_label
        };
        let before = merged.iter_mut().filter(same).find_map(|(_, other)| {
            let discount = Discount::together(other.discount, line.discount)?;
            Some((other, discount))
        });
        match before {
            Some((other, discount)) => {
                // A sum beyond the largest quantity is refused as too much.
                other.quantity = other.quantity.plus(line.quantity);
                other.discount = discount;
            }
            None => merged.push((index, line.clone())),
        }
    }
    merged
}

/// Whether the discounts on lines exceed what staff who may not set prices may give: the limit of their sum,
/// or the sum of the limits of each, where rounding makes that more. Fees are no part of the sum for other
/// lines, because a discount on the basket leaves them out.
fn exceeds_limit(lines: &[(&PricedLine, &pricing::Line<'_>)], terms: &Terms) -> bool {
    let sum = |of: &dyn Fn(&PricedLine) -> Decimal| lines.iter().map(|(line, _)| of(line)).sum::<Decimal>();
    let of_each = sum(&|line| terms.discount_limit_of(line.gross));
    sum(&|line| line.discount) > of_each.max(terms.discount_limit_of(sum(&|line| line.gross)))
}
