//! Currencies of ISO 4217, and how amounts are shown in them.

use std::fmt;
use std::str::FromStr;

use rust_decimal::RoundingStrategy;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::{RefOr, Schema};

use crate::amount::Amount;
use crate::decimal::Money;
use crate::macros::TextForm;
use crate::word::from_text;

/// A currency (ISO 4217) and the number of decimals with which its amounts are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Currency {
    code: String,
    decimals: u32,
}

/// The text is not the code of a currency.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a currency must be a code of ISO 4217 in capital letters, such as EUR or KES")]
pub struct CurrencyError;

impl Currency {
    /// # Errors
    /// [`CurrencyError`] for a code that ISO 4217 does not list, and for gold and the like, which have no
    /// decimals.
    pub fn parse(code: &str) -> Result<Self, CurrencyError> {
        let known = iso_currency::Currency::from_code(code).ok_or(CurrencyError)?;
        let decimals = known.exponent().ok_or(CurrencyError)?;
        Ok(Self { code: code.to_owned(), decimals: decimals.into() })
    }

    /// A currency as a business stores it. The number of decimals is the stored one, even if ISO 4217
    /// has changed since. Nothing is checked.
    pub fn stored(code: String, decimals: i16) -> Self {
        Self { code, decimals: decimals.unsigned_abs().into() }
    }

    /// The ISO 4217 code, such as `KES`.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The number of decimals with which amounts are shown, such as 2 for EUR and 0 for JPY.
    pub fn decimals(&self) -> u32 {
        self.decimals
    }

    /// The amount as clients see it: exact, with at least the decimals of the currency.
    pub fn format(&self, amount: Money) -> Amount {
        let mut amount = amount.as_decimal().normalize();
        amount.rescale(amount.scale().max(self.decimals));
        Amount::exact(amount)
    }

    /// As [`Currency::format`], for a sum that is finer than the currency: rounded half away from zero.
    pub fn format_rounded(&self, amount: Money) -> Amount {
        let rounded =
            amount.as_decimal().round_dp_with_strategy(self.decimals, RoundingStrategy::MidpointAwayFromZero);
        self.format(Money::from_decimal(rounded))
    }

    /// Checks that an amount is not finer than the currency.
    ///
    /// # Errors
    /// [`TooFine`] when it has more decimals.
    pub fn check(&self, amount: Money) -> Result<(), TooFine> {
        match amount.as_decimal().normalize().scale() <= self.decimals {
            true => Ok(()),
            false => Err(TooFine { code: self.code.clone(), decimals: self.decimals }),
        }
    }
}

/// An amount is finer than the currency.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the amount has too many decimals; an amount in {code} may have {decimals}")]
pub struct TooFine {
    code: String,
    decimals: u32,
}

impl Default for Currency {
    fn default() -> Self {
        Self { code: "USD".to_owned(), decimals: 2 }
    }
}

impl FromStr for Currency {
    type Err = CurrencyError;
    fn from_str(code: &str) -> Result<Self, CurrencyError> {
        Self::parse(code)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code)
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.code)
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer, "a string")
    }
}

impl utoipa::PartialSchema for Currency {
    fn schema() -> RefOr<Schema> {
        TextForm::pattern("^[A-Z]{3}$").such_as("EUR").schema("A currency code (ISO 4217), such as EUR")
    }
}

impl utoipa::ToSchema for Currency {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_shown_with_the_decimals_of_the_currency() {
        let format =
            |code: &str, amount: &str| Currency::parse(code).unwrap().format(Money::parse(amount).unwrap());
        assert_eq!(format("EUR", "12.5").as_str(), "12.50");
        assert_eq!(format("EUR", "0.005").as_str(), "0.005");
        assert_eq!(format("KWD", "1.2").as_str(), "1.200");
        assert_eq!(format("CLF", "1.5").as_str(), "1.5000");
        assert_eq!(format("UYW", "1").as_str(), "1.0000");
        assert_eq!(format("EUR", "0").as_str(), "0.00");
        let rounded = |code: &str, amount: &str| {
            Currency::parse(code).unwrap().format_rounded(Money::parse(amount).unwrap())
        };
        assert_eq!(rounded("EUR", "0.005").as_str(), "0.01");
        assert_eq!(rounded("EUR", "-0.005").as_str(), "-0.01");
        assert_eq!(rounded("JPY", "99.5").as_str(), "100");
        assert_eq!(rounded("KWD", "1.0005").as_str(), "1.001");
    }

    #[test]
    fn an_amount_that_is_finer_than_the_currency_is_refused() {
        let check = |code: &str, amount: &str| {
            let checked = Currency::parse(code).unwrap().check(Money::parse(amount).unwrap());
            checked.map_err(|error| error.to_string())
        };
        assert_eq!(
            (check("EUR", "12.5000"), check("KWD", "1.005"), check("JPY", "7")),
            (Ok(()), Ok(()), Ok(()))
        );
        let told = "the amount has too many decimals; an amount in JPY may have 0";
        assert_eq!(check("JPY", "7.5"), Err(told.to_owned()));
    }

    #[test]
    fn a_currency_is_one_that_iso_4217_lists() {
        for code in ["", "eur", "EURO", "E1R", "€", "ABC", "XAU", "XXX"] {
            assert_eq!(Currency::parse(code), Err(CurrencyError), "{code}");
        }
    }
}
