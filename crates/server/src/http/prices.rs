//! Discounts, agreed prices and taxes of the lines of orders and sales.

use inventory::VariantId;
use inventory::order::ChargedTax;
use inventory::pricing::Discount;
use inventory::sold_bundle::SoldBundle;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use values::{Amount, Currency, Money, Name, NonNegative, Percent, Quantity, Reason, Sku};

use crate::http::codes::Code;
use crate::http::problem::Problem;

/// A discount: an amount such as "1.50", or a percentage such as "10%".
#[derive(Clone, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(value_type = String, max_length = 42, example = "10%")]
#[schema(pattern = r"^0*[0-9]{1,10}(\.[0-9]{1,4}0*)?( *%)?$")]
pub struct DiscountText(pub Discount);

impl TryFrom<String> for DiscountText {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let discount = match text.strip_suffix('%') {
            Some(percent) => {
                Discount::percent(Percent::parse(percent.trim_end()).map_err(|error| error.to_string())?)
            }
            None => Discount::amount(Money::parse(&text).map_err(|error| error.to_string())?),
        };
        discount.map(Self).map_err(|error| error.to_string())
    }
}

#[derive(Serialize, ToSchema)]
pub struct ChargedTaxView {
    /// The name of the tax rate, such as VAT.
    name: Name,
    /// The tax rate, in percent.
    percent: Percent,
    /// The amount of the tax.
    amount: Amount,
}

impl ChargedTaxView {
    /// The taxes with their amounts in the currency.
    pub fn all(taxes: Vec<ChargedTax>, currency: &Currency) -> Vec<Self> {
        let view = |tax: ChargedTax| Self {
            name: tax.rate.name,
            percent: tax.rate.percent,
            amount: currency.format(Money::from_decimal(tax.amount)),
        };
        taxes.into_iter().map(view).collect()
    }
}

/// The bundle to which a line belongs.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BundleView {
    /// The number of the bundle in the order or sale, from 1. Lines with the same number belong together.
    #[schema(example = 1)]
    number: i16,
    /// The variant of the bundle.
    variant_id: VariantId,
    /// The SKU of the bundle when it was ordered or sold.
    sku: Sku,
    /// The name of the bundle when it was ordered or sold.
    name: Name,
    /// The number of bundles.
    #[schema(example = "2")]
    quantity: Quantity,
}

impl From<SoldBundle> for BundleView {
    fn from(bundle: SoldBundle) -> Self {
        let SoldBundle { number, variant_id, sku, name, quantity, .. } = bundle;
        Self { number, variant_id, sku, name, quantity }
    }
}

/// An agreed price with its reason. It requires a reason and a permission. `needed` names the permission if
/// the caller lacks it; `at` is the line.
///
/// # Errors
/// 403 without the permission; 422 if one of price and reason is missing.
pub fn agreed_price(
    at: &str,
    price: Option<NonNegative<Money>>,
    reason: Option<Reason>,
    needed: Option<&str>,
) -> Result<Option<(NonNegative<Money>, Reason)>, Problem> {
    match (price, reason, needed) {
        (None, None, _) => Ok(None),
        (None, Some(_), _) => {
            let message = "send a price with the price reason, or leave both out";
            Err(Problem::invalid(format!("{at}/price"), Code::PriceMissing, message))
        }
        (Some(_), _, Some(permission)) => {
            let detail = format!(
                "Your role does not include the permission {permission}. Leave the price out to use the list \
                 price."
            );
            Err(Problem::new(Code::PermissionDenied, detail))
        }
        (Some(_), None, None) => {
            let message = "send the reason for the price in priceReason, or leave price out";
            Err(Problem::invalid(format!("{at}/priceReason"), Code::PriceReasonMissing, message))
        }
        (Some(price), Some(reason), None) => Ok(Some((price, reason))),
    }
}
