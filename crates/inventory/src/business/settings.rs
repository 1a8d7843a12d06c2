//! A business's settings: one row.

use chrono::NaiveDate;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};
use tenancy::{DbError, TenantTx};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::are_distinct;
use crate::orders::pricing::Rounding;
use crate::records::audit::{self, Changes, Subject};
use values::{Money, Percent};
use values::{Reason, ShortText};

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
    /// How much whoever may not set prices takes off an order at most, of what its prices come to.
    pub discount_limit: Percent,
}

impl Terms {
    fn from_row(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            currency: Currency::from_row(row)?,
            rounding: Rounding::from_column(row.try_get("rounding")?),
            fulfils_at_once: row.try_get("fulfils_at_once")?,
            discount_limit: Percent::from_decimal(row.try_get("discount_limit_percent")?),
        })
    }

    /// The most that whoever may not set prices takes off this amount, rounded as a discount is.
    pub(crate) fn most_off(&self, amount: Decimal) -> Decimal {
        self.round(amount * self.discount_limit.as_decimal() / Decimal::ONE_HUNDRED)
    }

    /// Rounds an amount to the currency.
    pub(crate) fn round(&self, amount: Decimal) -> Decimal {
        self.rounding.round(amount, self.currency.decimals())
    }
}

/// All settings.
#[derive(Debug, Clone)]
pub struct Settings {
    pub terms: Terms,
    /// Where the business's days begin and end: a name of the IANA time zone database.
    pub time_zone: String,
    /// How much more than ordered a goods receipt may bring, in percent of the line.
    pub over_receipt: Percent,
    /// The reasons that an adjustment may give; any when there are none.
    pub adjustment_reasons: Vec<String>,
    pub version: i32,
}

/// What to change; `None` leaves a setting as it is. The currency stays: amounts would mean something else.
#[derive(Debug, Clone, Default)]
pub struct SettingsChange {
    pub rounding: Option<Rounding>,
    pub fulfils_at_once: Option<bool>,
    pub discount_limit: Option<Percent>,
    pub time_zone: Option<ShortText>,
    pub over_receipt: Option<Percent>,
    pub adjustment_reasons: Option<Vec<Reason>>,
    /// Change only this version of the row.
    pub if_version: Option<i32>,
}

/// Settings were not changed.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("the settings have been changed by someone else meanwhile")]
    Stale,
    #[error("there is no time zone of this name; take one such as Africa/Nairobi")]
    UnknownTimeZone,
    #[error("a discount limit is 0 to 100 percent, with two decimals at most")]
    DiscountLimit,
    #[error("a tolerance is 0 to 100 percent, with two decimals at most")]
    Tolerance,
    #[error("there are at most {MAX_REASONS} reasons, each once")]
    Reasons,
    #[error("a settings query failed")]
    Db(#[from] DbError),
}

/// A business has no more reasons for adjustments than this.
pub const MAX_REASONS: usize = 50;

impl Settings {
    fn from_row(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            terms: Terms::from_row(row)?,
            time_zone: row.try_get("time_zone")?,
            over_receipt: Percent::from_decimal(row.try_get("over_receipt_percent")?),
            adjustment_reasons: row.try_get("adjustment_reasons")?,
            version: row.try_get("version")?,
        })
    }
}

macro_rules! all_settings {
    ($lock:literal) => {
        concat!(
            "SELECT currency, currency_decimals, rounding, fulfils_at_once, discount_limit_percent, time_zone,
                    over_receipt_percent, adjustment_reasons, version
               FROM settings WHERE id = 1",
            $lock
        )
    };
}

/// The settings as they are.
///
/// # Errors
/// [`DbError`].
pub async fn read(tx: &TenantTx) -> Result<Settings, DbError> {
    const READ: &str = all_settings!("");
    Settings::from_row(&tx.query_one(READ, &[]).await?)
}

/// Changes settings; a change that changes nothing leaves the version as it is.
///
/// # Errors
/// [`SettingsError`].
pub async fn update(
    tx: &TenantTx,
    change: &SettingsChange,
    actor: Option<Uuid>,
) -> Result<(), SettingsError> {
    const LOCK: &str = all_settings!(" FOR NO KEY UPDATE");
    const ZONE: &str = "
        SELECT FROM pg_timezone_names
         WHERE name = $1 AND name NOT IN ('localtime', 'posixrules', 'Factory') AND name NOT LIKE 'posix/%'";
    const UPDATE: &str = "
        UPDATE settings
           SET rounding = $1, fulfils_at_once = $2, discount_limit_percent = $3, time_zone = $4,
               over_receipt_percent = $5, adjustment_reasons = $6, version = version + 1, updated_at = $7
         WHERE id = 1";
    let stored = Settings::from_row(&tx.query_one(LOCK, &[]).await?)?;
    if change.if_version.is_some_and(|wanted| wanted != stored.version) {
        return Err(SettingsError::Stale);
    }
    let rounding = change.rounding.unwrap_or(stored.terms.rounding);
    let fulfils_at_once = change.fulfils_at_once.unwrap_or(stored.terms.fulfils_at_once);
    let time_zone = change.time_zone.as_ref().map_or(stored.time_zone.as_str(), ShortText::as_str);
    if time_zone != stored.time_zone && tx.query_opt(ZONE, &[&time_zone]).await?.is_none() {
        return Err(SettingsError::UnknownTimeZone);
    }
    let over_receipt = change.over_receipt.unwrap_or(stored.over_receipt);
    if !over_receipt.is_setting() {
        return Err(SettingsError::Tolerance);
    }
    let discount_limit = change.discount_limit.unwrap_or(stored.terms.discount_limit);
    if !discount_limit.is_setting() {
        return Err(SettingsError::DiscountLimit);
    }
    let reasons: Vec<String> = match &change.adjustment_reasons {
        Some(reasons) => reasons.iter().map(ToString::to_string).collect(),
        None => stored.adjustment_reasons.clone(),
    };
    if reasons.len() > MAX_REASONS || !are_distinct(&reasons) {
        return Err(SettingsError::Reasons);
    }
    let mut changes = Changes::default();
    changes.note("rounding", stored.terms.rounding.as_str(), rounding.as_str());
    changes.note("fulfilsAtOnce", stored.terms.fulfils_at_once, fulfils_at_once);
    changes.note("discountLimitPercent", stored.terms.discount_limit, discount_limit);
    changes.note("timeZone", stored.time_zone.as_str(), time_zone);
    changes.note("overReceiptPercent", stored.over_receipt, over_receipt);
    changes.note("adjustmentReasons", &stored.adjustment_reasons, &reasons);
    if changes.is_empty() {
        return Ok(());
    }
    let (limit, over) = (discount_limit.as_decimal(), over_receipt.as_decimal());
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 7] =
        [&rounding.as_str(), &fulfils_at_once, &limit, &time_zone, &over, &reasons, &tx.now()];
    tx.execute(UPDATE, &parameters).await?;
    // There is one row, and its subject is the business.
    let subject = Subject { kind: "settings", id: tx.tenant().id.as_uuid() };
    audit::record(tx, actor, "settings.changed", subject, &changes.into_value()).await?;
    Ok(())
}

/// The business's terms.
///
/// # Errors
/// [`DbError`].
pub async fn terms(tx: &TenantTx) -> Result<Terms, DbError> {
    const TERMS: &str = "
        SELECT currency, currency_decimals, rounding, fulfils_at_once, discount_limit_percent
          FROM settings WHERE id = 1";
    Terms::from_row(&tx.query_one(TERMS, &[]).await?)
}

/// What day it is for the business.
///
/// # Errors
/// [`DbError`].
pub async fn today(tx: &TenantTx) -> Result<NaiveDate, DbError> {
    Ok(today_and_tolerance(tx).await?.0)
}

/// What day it is for the business, and how much more than ordered a receipt may bring.
///
/// # Errors
/// [`DbError`].
pub(crate) async fn today_and_tolerance(tx: &TenantTx) -> Result<(NaiveDate, Percent), DbError> {
    const TODAY: &str = "
        SELECT ($1::timestamptz AT TIME ZONE time_zone)::date AS today, over_receipt_percent FROM settings WHERE id = 1";
    let row = tx.query_one(TODAY, &[&tx.now()]).await?;
    Ok((row.try_get("today")?, Percent::from_decimal(row.try_get("over_receipt_percent")?)))
}

/// The reasons that an adjustment may give; any when there are none.
///
/// # Errors
/// [`DbError`].
pub(crate) async fn adjustment_reasons(tx: &TenantTx) -> Result<Vec<String>, DbError> {
    const REASONS: &str = "SELECT adjustment_reasons FROM settings WHERE id = 1";
    Ok(tx.query_one(REASONS, &[]).await?.try_get("adjustment_reasons")?)
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
