//! Pricing an order: discounts, taxes and totals of its lines. Each amount of a line is computed exactly and
//! then rounded to the currency; the totals are the sums of the rounded amounts.
//!
//! There is no query here: the same lines, discount, rounding and decimals always have the same totals.

use std::fmt;

use rust_decimal::Decimal;
use values::{Money, Percent, Quantity, Rounding};

use crate::catalogue::tax_class::{Rate, Taxation};
use crate::orders::order_line::ChargedTax;

/// A discount: an amount that is not negative, or 0 to 100 percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Discount(DiscountKind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DiscountKind {
    Amount(Money),
    Percent(Percent),
}

impl fmt::Display for Discount {
    /// `1.5` for an amount, and `10%` for a percentage.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            DiscountKind::Amount(amount) => amount.plain().fmt(f),
            DiscountKind::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

/// The value is not a discount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a discount must be an amount of at least zero, or a percentage from 0% to 100%")]
pub struct DiscountError;

impl Discount {
    /// A discount of a fixed amount.
    ///
    /// # Errors
    /// [`DiscountError`] for a negative amount.
    pub fn amount(amount: Money) -> Result<Self, DiscountError> {
        if amount.is_negative() { Err(DiscountError) } else { Ok(Self(DiscountKind::Amount(amount))) }
    }

    /// A discount in percent.
    ///
    /// # Errors
    /// [`DiscountError`] for a percentage below 0 or above 100.
    pub fn percent(percent: Percent) -> Result<Self, DiscountError> {
        if percent.is_share() { Ok(Self(DiscountKind::Percent(percent))) } else { Err(DiscountError) }
    }

    /// The amount of a discount that is not a percentage.
    pub(crate) fn as_amount(self) -> Option<Money> {
        match self.0 {
            DiscountKind::Amount(off) => Some(off),
            DiscountKind::Percent(_) => None,
        }
    }

    /// The discount of two lines that become one; `None` if their discounts are of different kinds.
    #[expect(clippy::option_option, reason = "a line without a discount is no failure")]
    pub(crate) fn together(one: Option<Self>, other: Option<Self>) -> Option<Option<Self>> {
        match (one.map(|one| one.0), other.map(|other| other.0)) {
            (None, None) => Some(None),
            (Some(DiscountKind::Amount(one)), Some(DiscountKind::Amount(other))) => {
                Some(Some(Self(DiscountKind::Amount(one + other))))
            }
            (Some(DiscountKind::Percent(percent)), Some(DiscountKind::Percent(other)))
                if percent == other =>
            {
                Some(one)
            }
            _ => None,
        }
    }

    /// The discount on an amount, not rounded.
    pub(super) fn on(self, amount: Decimal) -> Decimal {
        match self.0 {
            DiscountKind::Amount(off) => off.as_decimal(),
            DiscountKind::Percent(percent) => percent.of(amount),
        }
    }
}

/// A line to be priced.
#[derive(Debug, Clone)]
pub struct Line<'a> {
    /// The quantity to sell, in sale units.
    pub quantity: Quantity,
    /// The amount of the whole line before discounts; `None` for quantity times price.
    pub amount: Option<Money>,
    /// The price of one unit, before discounts.
    pub price: Money,
    /// A discount on quantity times price; `None` means no discount on the line.
    pub discount: Option<Discount>,
    /// Whether it is a fee, which a discount on the whole order leaves out.
    pub is_fee: bool,
    /// The taxes of the product's tax class; `None` means that the line is not taxed.
    pub taxation: Option<&'a Taxation>,
    /// Whether the customer pays no taxes: a price that includes them is lower by them.
    pub is_exempt: bool,
}

impl Line<'_> {
    /// An amount as this customer pays it, before discounts. It is not rounded to the currency.
    fn charged(&self, amount: Money) -> Decimal {
        let amount = amount.as_decimal();
        self.taxation.map_or(amount, |taxation| taxation.charged(amount, self.is_exempt))
    }

    /// The price of one unit as this customer pays it, with at most four decimals.
    pub fn paid_price(&self) -> Money {
        Money::rounded(self.charged(self.price))
    }
}

/// A line with its discount, taxes and total.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricedLine {
    /// Quantity times price, rounded to the currency.
    pub gross: Decimal,
    /// The line's own discount and its share of the order's discount.
    pub discount: Decimal,
    /// Each tax rate with its amount.
    pub taxes: Vec<(Rate, Decimal)>,
    /// The sum of the amounts in `taxes`.
    pub tax: Decimal,
    /// The amount that the customer pays for the line, including discounts and taxes.
    pub total: Decimal,
}

/// An order's totals; each is the sum of its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Priced {
    /// The priced lines, in the sequence of the request.
    pub lines: Vec<PricedLine>,
    /// The sum of quantity times price, before discounts.
    pub subtotal: Decimal,
    /// The sum of all discounts, of the lines and of the order.
    pub discount: Decimal,
    /// The sum of all taxes, included in the prices or added to them.
    pub tax: Decimal,
    /// The amount that the customer pays, including discounts and taxes.
    pub total: Decimal,
}

/// An order cannot be priced. `index` is the line's position in the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PricingError {
    /// The discount of a line exceeds its quantity times price.
    #[error("the discount exceeds the amount of the line; reduce the discount")]
    LineDiscount {
        /// The position of the line in the request, from 0.
        index: usize,
    },
    /// The discount on the order exceeds the sum of the lines that are no fees, after their own discounts.
    #[error("the discount exceeds the amount of the order without fees; reduce the discount")]
    OrderDiscount,
    /// The amount of a line, the subtotal or the total exceeds [`Money::MAX`].
    #[error("the total exceeds the largest amount, 9999999999.9999; split the order")]
    TooMuch,
}

/// Prices an order with these lines and a discount on the whole order. The discount is shared out among the
/// lines that are no fees. All amounts are rounded with `rounding` to `decimals`, the decimals of the
/// currency.
///
/// # Errors
/// [`PricingError`].
pub fn price(
    lines: &[Line<'_>],
    discount: Option<Discount>,
    rounding: Rounding,
    decimals: u32,
) -> Result<Priced, PricingError> {
    let round = |amount: Decimal| rounding.round(amount, decimals);
    let off = |discount: Option<Discount>, amount: Decimal| {
        discount.map_or(Decimal::ZERO, |discount| round(discount.on(amount)))
    };
    let mut gross = Vec::with_capacity(lines.len());
    let mut off_line = Vec::with_capacity(lines.len());
    for (index, line) in lines.iter().enumerate() {
        let product = match line.amount {
            Some(amount) => Some(line.charged(amount)),
            None => line.quantity.as_decimal().checked_mul(line.charged(line.price)),
        };
        let amount =
            round(product.filter(|amount| *amount <= Money::MAX.as_decimal()).ok_or(PricingError::TooMuch)?);
        let discount = off(line.discount, amount);
        if discount > amount {
            return Err(PricingError::LineDiscount { index });
        }
        gross.push(amount);
        off_line.push(discount);
    }
    let after = lines.iter().zip(gross.iter().zip(&off_line));
    let after = after.map(|(line, (gross, off))| if line.is_fee { Decimal::ZERO } else { gross - off });
    let after: Vec<Decimal> = after.collect();
    let sum: Decimal = after.iter().sum();
    let off_order = off(discount, sum);
    if off_order > sum {
        return Err(PricingError::OrderDiscount);
    }
    let shares = share_out(off_order, &after, decimals);
    let mut priced = Vec::with_capacity(lines.len());
    for (((line, gross), off_line), share) in lines.iter().zip(&gross).zip(&off_line).zip(&shares) {
        let discount = off_line + share;
        let base = gross - discount;
        let (taxes, tax, total) = tax(base, line.taxation.filter(|_| !line.is_exempt), round);
        priced.push(PricedLine { gross: *gross, discount, taxes, tax, total });
    }
    let of = |part: fn(&PricedLine) -> Decimal| priced.iter().map(part).sum::<Decimal>();
    let sums = (of(|line| line.gross), of(|line| line.discount), of(|line| line.tax), of(|line| line.total));
    if sums.0.max(sums.3) > Money::MAX.as_decimal() {
        return Err(PricingError::TooMuch);
    }
    Ok(Priced { lines: priced, subtotal: sums.0, discount: sums.1, tax: sums.2, total: sums.3 })
}

/// The taxes on `base`, their sum, and the total with taxes.
fn tax(
    base: Decimal,
    taxation: Option<&Taxation>,
    round: impl Fn(Decimal) -> Decimal,
) -> (Vec<(Rate, Decimal)>, Decimal, Decimal) {
    let Some(taxation) = taxation else { return (Vec::new(), Decimal::ZERO, base) };
    let percent = taxation.percent();
    let net = if taxation.is_inclusive { taxation.net(base) } else { base };
    let mut taxes: Vec<(Rate, Decimal)> = taxation
        .rates
        .iter()
        .map(|rate| (rate.clone(), round(net * rate.percent.as_decimal() / Decimal::ONE_HUNDRED)))
        .collect();
    let sum: Decimal = taxes.iter().map(|(_, amount)| amount).sum();
    if taxation.is_inclusive {
        // The tax in a price is the price less its net amount. Each rate gets the rounded tax of all rates up
        // to it, minus what the earlier rates got. So the rates add up to the tax, and none is negative.
        let whole = base - round(net);
        let (mut rates_so_far, mut so_far) = (Decimal::ZERO, Decimal::ZERO);
        for (rate, amount) in taxes.iter_mut().filter(|_| !percent.is_zero()) {
            rates_so_far += rate.percent.as_decimal();
            let up_to_here = round(whole * rates_so_far / percent);
            *amount = up_to_here - so_far;
            so_far = up_to_here;
        }
        return (taxes, whole, base);
    }
    (taxes, sum, base + sum)
}

/// Divides the tax of a part of a line among the rates, by what is left of the tax of each rate.
pub fn tax_by_rate(left: &[ChargedTax], tax: Money, decimals: u32) -> Vec<ChargedTax> {
    let weights: Vec<Decimal> = left.iter().map(|charged| charged.amount).collect();
    let shares = share_out(tax.as_decimal(), &weights, decimals);
    left.iter().zip(shares).map(|(charged, amount)| ChargedTax { amount, ..charged.clone() }).collect()
}

/// Divides `amount` among `weights` in steps of the currency, so that the shares add up to `amount`. Each
/// weight gets its share rounded down, and those with the largest remainders get one step more. So no share
/// exceeds its weight if the weights are multiples of a step and add up to no less than `amount`. Without
/// any weight, all shares are zero.
pub(super) fn share_out(amount: Decimal, weights: &[Decimal], decimals: u32) -> Vec<Decimal> {
    let sum: Decimal = weights.iter().sum();
    if amount.is_zero() || sum.is_zero() {
        return vec![Decimal::ZERO; weights.len()];
    }
    let exact: Vec<Decimal> = weights.iter().map(|weight| amount * weight / sum).collect();
    let mut shares: Vec<Decimal> = exact.iter().map(|share| share.trunc_with_scale(decimals)).collect();
    let step = Decimal::new(1, decimals);
    let mut left = amount - shares.iter().sum::<Decimal>();
    let mut by_remainder: Vec<usize> = (0..weights.len()).collect();
    by_remainder.sort_by_key(|index| std::cmp::Reverse(exact[*index] - shares[*index]));
    for index in by_remainder {
        if left < step {
            break;
        }
        shares[index] += step;
        left -= step;
    }
    shares
}

#[cfg(test)]
mod tests {
    use values::Name;

    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::from_str_exact(text).unwrap()
    }

    fn line(quantity: &str, price: &str) -> Line<'static> {
        Line {
            quantity: Quantity::parse(quantity).unwrap(),
            amount: None,
            price: Money::parse(price).unwrap(),
            discount: None,
            is_fee: false,
            taxation: None,
            is_exempt: false,
        }
    }

    fn taxation(is_inclusive: bool, percents: &[&str]) -> Taxation {
        let rates = percents.iter().map(|percent| Rate {
            name: Name::parse(&format!("Tax of {percent}")).unwrap(),
            percent: Percent::parse(percent).unwrap(),
        });
        Taxation { is_inclusive, rates: rates.collect() }
    }

    const AWAY: Rounding = Rounding::HalfAwayFromZero;

    #[test]
    fn each_line_is_rounded_once_and_totals_are_sums() {
        let priced = price(&[line("3", "0.335"), line("0.333", "9.99")], None, AWAY, 2).unwrap();
        assert_eq!(priced.lines[0].total, decimal("1.01"));
        assert_eq!(priced.lines[1].total, decimal("3.33"));
        assert_eq!((priced.subtotal, priced.total), (decimal("4.34"), decimal("4.34")));
        let even = price(&[line("1", "0.125")], None, Rounding::HalfEven, 2).unwrap();
        assert_eq!(even.total, decimal("0.12"));
    }

    #[test]
    fn an_order_s_discount_is_shared_out_to_the_last_cent() {
        let lines = [line("1", "10"), line("1", "10"), line("1", "10")];
        let ten = Some(Discount::amount(Money::parse("10").unwrap()).unwrap());
        let priced = price(&lines, ten, AWAY, 2).unwrap();
        let shares: Vec<_> = priced.lines.iter().map(|line| line.discount.to_string()).collect();
        assert_eq!(shares, ["3.34", "3.33", "3.33"]);
        assert_eq!((priced.discount, priced.total), (decimal("10"), decimal("20")));
        let all = Some(Discount::percent(Percent::parse("100").unwrap()).unwrap());
        assert_eq!(price(&lines, all, AWAY, 2).unwrap().total, Decimal::ZERO);
        let more = Some(Discount::amount(Money::parse("30.01").unwrap()).unwrap());
        assert_eq!(price(&lines, more, AWAY, 2), Err(PricingError::OrderDiscount));
    }

    #[test]
    fn a_discount_on_the_order_leaves_fees_out() {
        let lines = [line("1", "10"), Line { is_fee: true, ..line("1", "5") }];
        let percent = |percent| Some(Discount::percent(Percent::parse(percent).unwrap()).unwrap());
        let priced = price(&lines, percent("10"), AWAY, 2).unwrap();
        let totals: Vec<_> = priced.lines.iter().map(|line| line.total).collect();
        assert_eq!((totals, priced.total), (vec![decimal("9"), decimal("5")], decimal("14")));
        assert_eq!(price(&lines, percent("100"), AWAY, 2).unwrap().total, decimal("5"));
        let amount = |amount| Some(Discount::amount(Money::parse(amount).unwrap()).unwrap());
        assert_eq!(price(&lines, amount("10.01"), AWAY, 2), Err(PricingError::OrderDiscount));
        // A fee may have a discount of its own.
        let waived = [line("1", "10"), Line { is_fee: true, discount: percent("100"), ..line("1", "5") }];
        assert_eq!(price(&waived, None, AWAY, 2).unwrap().total, decimal("10"));
    }

    #[test]
    fn tax_is_in_the_price_or_on_top_of_it() {
        let (inclusive, exclusive) = (taxation(true, &["16"]), taxation(false, &["5", "9.975"]));
        let with = |taxation| Line { taxation: Some(taxation), ..line("1", "100") };
        let priced = price(&[with(&inclusive)], None, AWAY, 2).unwrap();
        assert_eq!((priced.tax, priced.total), (decimal("13.79"), decimal("100")));
        let priced = price(&[with(&exclusive)], None, AWAY, 2).unwrap();
        assert_eq!((priced.tax, priced.total), (decimal("14.98"), decimal("114.98")));
        assert_eq!(priced.lines[0].taxes[1].1, decimal("9.98"));
        // Two rates in a price: they add up to what is in it.
        let both = taxation(true, &["7", "7"]);
        let priced = price(&[Line { taxation: Some(&both), ..line("1", "0.10") }], None, AWAY, 2).unwrap();
        let sum: Decimal = priced.lines[0].taxes.iter().map(|(_, amount)| amount).sum();
        assert_eq!((sum, priced.total), (priced.tax, decimal("0.10")));
    }

    #[test]
    fn an_exempt_customer_pays_the_price_without_its_tax() {
        let (inclusive, exclusive) = (taxation(true, &["16"]), taxation(false, &["16"]));
        for (quantity, price_of_one, taxation, total, shown) in [
            ("1", "11.60", &inclusive, "10", "10"),
            ("3", "0.99", &inclusive, "2.56", "0.8534"),
            ("10000", "0.99", &inclusive, "8534.48", "0.8534"),
            ("3", "0.99", &exclusive, "2.97", "0.99"),
        ] {
            let line = Line { taxation: Some(taxation), is_exempt: true, ..line(quantity, price_of_one) };
            assert_eq!(line.paid_price(), Money::parse(shown).unwrap());
            let priced = price(&[line], None, AWAY, 2).unwrap();
            assert_eq!(
                (priced.total, priced.subtotal, priced.tax),
                (decimal(total), decimal(total), Decimal::ZERO)
            );
            assert!(priced.lines[0].taxes.is_empty());
        }
    }

    #[test]
    fn whatever_the_amounts_the_sums_hold() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..2_000 {
            let inclusive = taxation(random.bool(), &["16", "2.5"]);
            let lines: Vec<Line<'_>> = (0..random.usize(1..8))
                .map(|_| Line {
                    quantity: Quantity::from_decimal(Decimal::new(random.i64(1..100_000), 3)),
                    amount: None,
                    price: Money::from_decimal(Decimal::new(random.i64(0..1_000_000), 4)),
                    discount: random.bool().then(|| {
                        let percent = Decimal::new(random.i64(0..10_000), 2);
                        Discount::percent(Percent::from_decimal(percent)).unwrap()
                    }),
                    is_fee: random.u8(0..4) == 0,
                    taxation: random.bool().then_some(&inclusive),
                    is_exempt: random.u8(0..4) == 0,
                })
                .collect();
            let percent = Percent::from_decimal(Decimal::new(random.i64(0..10_001), 2));
            let discount = Discount::percent(percent).unwrap();
            let decimals = [0, 2, 3][random.usize(0..3)];
            let priced = price(&lines, Some(discount), AWAY, decimals).unwrap();
            for line in &priced.lines {
                assert!(line.total >= Decimal::ZERO && line.discount <= line.gross, "{line:?}");
                assert_eq!(line.taxes.iter().map(|(_, amount)| amount).sum::<Decimal>(), line.tax);
                assert!(line.total.scale() <= decimals || line.total.normalize().scale() <= decimals);
            }
            let after: Decimal = priced.subtotal - priced.discount;
            let exclusive: Decimal = match inclusive.is_inclusive {
                true => Decimal::ZERO,
                false => priced.tax,
            };
            assert_eq!(after + exclusive, priced.total);
        }
    }

    #[test]
    fn an_order_beyond_the_column_is_refused() {
        let huge = [line("99999999999", "9999999999")];
        assert_eq!(price(&huge, None, AWAY, 2), Err(PricingError::TooMuch));
    }
}
