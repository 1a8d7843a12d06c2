//! Problems of the till.

use till::register::RegisterError;

use crate::http::codes::Code;
use crate::http::problem::Problem;

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::NotFound => Self::not_found(),
            RegisterError::Limit(error) => error.into(),
            RegisterError::Stale(error) => error.into(),
            RegisterError::DuplicateName(_) => Self::invalid("/name", Code::DuplicateName, error),
            RegisterError::DuplicateSeries(_) => Self::invalid("/series", Code::DuplicateSeries, error),
            RegisterError::UnknownLocation => Self::not_found_at("/locationId", error),
            RegisterError::Db(error) => error.into(),
        }
    }
}
