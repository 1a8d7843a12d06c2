//! Problems of the profile and the settings of a business.

use inventory::plan_limits::LimitError;
use inventory::profile::ProfileError;
use inventory::settings::SettingsError;
use platform::till_number::TillNumberError;
use serde_json::json;

use crate::http::codes::Code;
use crate::http::problem::Problem;

impl From<ProfileError> for Problem {
    fn from(error: ProfileError) -> Self {
        match error {
            ProfileError::Stale(error) => error.into(),
            ProfileError::Db(error) => error.into(),
        }
    }
}

impl From<LimitError> for Problem {
    fn from(error: LimitError) -> Self {
        match error {
            LimitError::Reached { most, .. } => {
                Self::because(Code::PlanLimitReached, &error).with("planLimit", json!(most))
            }
            LimitError::Db(error) => error.into(),
        }
    }
}

impl From<TillNumberError> for Problem {
    fn from(error: TillNumberError) -> Self {
        match error {
            TillNumberError::Taken => Self::because(Code::TillNumberTaken, &error),
            TillNumberError::Db(error) => error.into(),
        }
    }
}

impl From<SettingsError> for Problem {
    fn from(error: SettingsError) -> Self {
        match error {
            SettingsError::Stale(error) => error.into(),
            SettingsError::UnknownTimeZone => Self::invalid("/timeZone", Code::UnknownTimeZone, error),
            SettingsError::DiscountLimit => Self::invalid("/discountLimitPercent", Code::OutOfRange, error),
            SettingsError::Tolerance => Self::invalid("/overReceiptPercent", Code::OutOfRange, error),
            SettingsError::Origins => Self::invalid("/corsOrigins", Code::TooManyOrigins, error),
            SettingsError::CashRounding(error) => Self::invalid("/cashRounding", Code::OutOfRange, error),
            SettingsError::DifferenceLimit(_) => {
                Self::invalid("/shiftDifferenceLimit", Code::TooManyDecimals, error)
            }
            SettingsError::FiscalYear => Self::invalid("/fiscalYearStartsIn", Code::OutOfRange, error),
            SettingsError::LabelPatterns => Self::invalid("/labelPatterns", Code::OutOfRange, error),
            SettingsError::Reasons => Self::invalid("/adjustmentReasons", Code::InvalidReasons, error),
            SettingsError::Db(error) => error.into(),
        }
    }
}
