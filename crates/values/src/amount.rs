//! Amounts of money as clients see them.

use std::fmt;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::openapi::{RefOr, Schema};

use crate::macros::TextForm;

/// An amount of money in a response: a decimal string, in most places with at least the decimals of its
/// currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Amount(String);

impl Amount {
    /// The amount with the decimals that `amount` has.
    pub(crate) fn exact(amount: Decimal) -> Self {
        Self(amount.to_string())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Amount> for String {
    fn from(amount: Amount) -> Self {
        amount.0
    }
}

impl utoipa::PartialSchema for Amount {
    fn schema() -> RefOr<Schema> {
        TextForm::pattern(r"^-?[0-9]+(\.[0-9]+)?$").schema(
            "An amount of money in a response, as a decimal string such as \"12.50\". Costs and values may \
             have more decimals than their currency.",
        )
    }
}

impl utoipa::ToSchema for Amount {}
