//! The requested lines. A scale's label contains the quantity or the amount of the line in its barcode.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use inventory::VariantId;
use inventory::article::ArticleName;
use inventory::basket::{self, NewLine};
use inventory::pricing::Discount;
use inventory::scan::{self, ScaleLabel};
use rust_decimal::Decimal;
use tenancy::TenantTx;
use values::{Barcode, Measure, Money, NonNegative, Note, Positive, Quantity, QuantityDecimals, Reason};

use crate::sales::sale_error::SaleError;

/// A line of a receipt to be completed.
#[derive(Debug, Clone)]
pub struct AskedLine {
    /// The variant, or the label of a scale.
    pub article: ArticleName,
    /// The quantity to sell, in sale units; `None` if a label has it.
    pub quantity: Option<Positive<Quantity>>,
    /// Another price of one unit than the list price, with the reason.
    pub price: Option<(NonNegative<Money>, Reason)>,
    /// A discount on this line alone.
    pub discount: Option<Discount>,
    /// A note about the line.
    pub note: Option<Note>,
}

/// Reads the labels among the lines, with the list prices of an earlier time if the sale was made then. There
/// is a query only if a line may have one.
///
/// # Errors
/// [`SaleError`].
pub(super) async fn read(
    tx: &TenantTx,
    lines: &[AskedLine],
    sold_at: Option<DateTime<Utc>>,
) -> Result<Vec<NewLine>, SaleError> {
    let codes: Vec<&Barcode> = lines.iter().filter_map(AskedLine::label).collect();
    let mut labels = match codes.is_empty() {
        true => HashMap::new(),
        false => scan::labels(tx, &codes).await?,
    };
    if let Some(sold_at) = sold_at.filter(|_| !labels.is_empty()) {
        let variants: Vec<VariantId> = labels.values().map(|label| label.variant_id).collect();
        let then = basket::prices_of(tx, &variants, sold_at).await?;
        for label in labels.values_mut() {
            label.price = then.get(&label.variant_id).copied().unwrap_or(label.price);
        }
    }
    let read = |(index, line): (usize, &AskedLine)| {
        line.with_label(index, line.label().and_then(|code| labels.get(code)))
    };
    lines.iter().enumerate().map(read).collect()
}

impl AskedLine {
    /// The barcode, if it may be that of a label.
    fn label(&self) -> Option<&Barcode> {
        match &self.article {
            ArticleName::Barcode(code) if scan::may_be_label(code) => Some(code),
            _ => None,
        }
    }

    fn with_label(&self, index: usize, label: Option<&ScaleLabel>) -> Result<NewLine, SaleError> {
        let (quantity, label_amount) = match (self.quantity, label) {
            (Some(quantity), None) => (quantity, None),
            (None, None) => return Err(SaleError::NoQuantity { index }),
            (Some(_), Some(_)) => return Err(SaleError::LabelQuantity { index }),
            (None, Some(ScaleLabel { measure: Measure::Quantity(quantity), .. })) => {
                let quantity = Positive::new(*quantity).map_err(|_| SaleError::NoQuantity { index })?;
                (quantity, None)
            }
            (None, Some(ScaleLabel { measure: Measure::Amount(amount), price, decimals, .. })) => {
                if self.price.is_some() {
                    return Err(SaleError::LabelPrice { index });
                }
                let quantity = quantity_of(*amount, *price, *decimals);
                (quantity.ok_or(SaleError::LabelPrice { index })?, Some(*amount))
            }
        };
        Ok(NewLine {
            article: label.map_or_else(|| self.article.clone(), |label| label.variant_id.into()),
            quantity,
            label_amount,
            price: self.price.clone(),
            discount: self.discount,
            note: self.note.clone(),
        })
    }
}

/// The quantity that costs an amount, as exact as the product is sold. `None` if no such quantity has nearly
/// that price: then it is the label of another article, or of another price.
fn quantity_of(amount: Money, price: Money, decimals: QuantityDecimals) -> Option<Positive<Quantity>> {
    const TOLERANCE: Decimal = Decimal::from_parts(2, 0, 0, false, 2);
    let (amount, price) = (amount.as_decimal(), price.as_decimal());
    let exact = amount.checked_div(price)?;
    let scale = u32::from(i16::from(decimals).unsigned_abs());
    let quantity = exact.round_dp(scale);
    let difference = (quantity.checked_mul(price)? - amount).abs();
    // Pieces have their price to the cent.
    let tolerance = if scale == 0 { Decimal::ZERO } else { amount * TOLERANCE };
    if difference > tolerance.max(Decimal::new(1, 2)) {
        return None;
    }
    Positive::new(Quantity::from_decimal(quantity)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_a_quantity_as_exact_as_the_product() {
        let quantity = |amount: &str, price: &str, decimals: i16| {
            let decimals = QuantityDecimals::try_from(decimals).unwrap();
            quantity_of(Money::parse(amount).unwrap(), Money::parse(price).unwrap(), decimals)
                .map(|quantity| quantity.get().to_string())
        };
        assert_eq!(quantity("3.40", "7.99", 3).as_deref(), Some("0.426"));
        assert_eq!(quantity("3.40", "1.70", 0).as_deref(), Some("2"));
        assert_eq!(quantity("0.05", "20", 3).as_deref(), Some("0.002"));
        for (amount, price, decimals) in
            [("0.01", "100", 0), ("15", "10", 0), ("98.04", "100", 0), ("0.01", "99", 3), ("30", "60000", 3)]
        {
            assert_eq!(quantity(amount, price, decimals), None, "{amount} {price}");
        }
        assert_eq!(quantity("3.40", "0", 3), None);
    }
}
