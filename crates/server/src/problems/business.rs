//! Problems of the settings.

use inventory::settings::SettingsError;

use crate::http::codes::Code;
use crate::http::problem::Problem;

impl From<SettingsError> for Problem {
    fn from(error: SettingsError) -> Self {
        match error {
            SettingsError::Stale(error) => error.into(),
            SettingsError::UnknownTimeZone => Self::invalid("/timeZone", Code::UnknownTimeZone, error),
            SettingsError::DiscountLimit => Self::invalid("/discountLimitPercent", Code::OutOfRange, error),
            SettingsError::Tolerance => Self::invalid("/overReceiptPercent", Code::OutOfRange, error),
            SettingsError::Origins => Self::invalid("/corsOrigins", Code::TooManyOrigins, error),
            SettingsError::Reasons => Self::invalid("/adjustmentReasons", Code::InvalidReasons, error),
            SettingsError::Db(error) => error.into(),
        }
    }
}
