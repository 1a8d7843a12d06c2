//! A business's settings: one row.

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};
use tenancy::{DbError, TenantTx};
use tokio_postgres::Row;

use crate::decimal::Money;
use crate::pricing::Rounding;

/// A currency (ISO 4217) and the decimals that its amounts are told with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency {
    code: String,
    decimals: u32,
}

/// The text is no currency code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a currency is a code of three capital letters (ISO 4217), such as EUR or KES")]
pub struct CurrencyError;

/// Currencies whose decimals are not two.
const NO_DECIMALS: [&str; 16] = [
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF",
    "XPF",
];
const THREE_DECIMALS: [&str; 7] = ["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"];

impl Currency {
    /// # Errors
    /// [`CurrencyError`].
    pub fn parse(code: &str) -> Result<Self, CurrencyError> {
        if code.len() != 3 || !code.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(CurrencyError);
        }
        let decimals = match code {
            code if NO_DECIMALS.contains(&code) => 0,
            code if THREE_DECIMALS.contains(&code) => 3,
            _ => 2,
        };
        Ok(Self { code: code.to_owned(), decimals })
    }

    fn from_row(row: &Row) -> Result<Self, DbError> {
        let decimals: i16 = row.try_get("currency_decimals")?;
        Ok(Self { code: row.try_get("currency")?, decimals: decimals.unsigned_abs().into() })
    }

    pub fn code(&self) -> &str {
        &self.code
    }

    pub fn decimals(&self) -> u32 {
        self.decimals
    }

    /// The amount as clients see it: rounded half away from zero to the currency's decimals, all of them written.
    pub fn format(&self, amount: Money) -> String {
        let mut amount: Decimal =
            amount.as_decimal().round_dp_with_strategy(self.decimals, RoundingStrategy::MidpointAwayFromZero);
        amount.rescale(self.decimals);
        amount.to_string()
    }
}

impl Default for Currency {
    fn default() -> Self {
        Self { code: "USD".to_owned(), decimals: 2 }
    }
}

impl TryFrom<String> for Currency {
    type Error = CurrencyError;
    fn try_from(code: String) -> Result<Self, CurrencyError> {
        Self::parse(&code)
    }
}

impl std::str::FromStr for Currency {
    type Err = CurrencyError;
    fn from_str(code: &str) -> Result<Self, CurrencyError> {
        Self::parse(code)
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code
    }
}

/// What the settings say about prices and orders.
#[derive(Debug, Clone)]
pub struct Terms {
    pub currency: Currency,
    pub rounding: Rounding,
    /// Whether an order is fulfilled when it is placed, unless it says otherwise.
    pub fulfils_at_once: bool,
}

impl Terms {
    /// Rounds an amount to the currency.
    pub(crate) fn round(&self, amount: Decimal) -> Decimal {
        self.rounding.round(amount, self.currency.decimals())
    }
}

/// The business's terms.
///
/// # Errors
/// [`DbError`].
pub async fn terms(tx: &TenantTx) -> Result<Terms, DbError> {
    const TERMS: &str =
        "SELECT currency, currency_decimals, rounding, fulfils_at_once FROM settings WHERE id = 1";
    let row = tx.query_one(TERMS, &[]).await?;
    Ok(Terms {
        currency: Currency::from_row(&row)?,
        rounding: Rounding::from_column(row.try_get("rounding")?),
        fulfils_at_once: row.try_get("fulfils_at_once")?,
    })
}

/// The business's currency.
///
/// # Errors
/// [`DbError`].
pub async fn currency(tx: &TenantTx) -> Result<Currency, DbError> {
    const CURRENCY: &str = "SELECT currency, currency_decimals FROM settings WHERE id = 1";
    Currency::from_row(&tx.query_one(CURRENCY, &[]).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_told_with_the_currency_s_decimals() {
        let format =
            |code: &str, amount: &str| Currency::parse(code).unwrap().format(Money::parse(amount).unwrap());
        assert_eq!(format("EUR", "12.5"), "12.50");
        assert_eq!(format("EUR", "0.005"), "0.01");
        assert_eq!(format("EUR", "-0.005"), "-0.01");
        assert_eq!(format("JPY", "99.5"), "100");
        assert_eq!(format("KWD", "1.0005"), "1.001");
        assert_eq!(format("EUR", "0"), "0.00");
    }

    #[test]
    fn a_currency_is_three_capital_letters() {
        for code in ["", "eur", "EURO", "E1R", "€"] {
            assert_eq!(Currency::parse(code), Err(CurrencyError));
        }
    }
}
