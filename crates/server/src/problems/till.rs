//! Problems of the till.

use identity::Permission;
use serde_json::json;
use till::cash_movement::CashMovementError;
use till::register::RegisterError;
use till::shift::OpenError;
use till::shift_close::CloseError;

use crate::http::caller::role_lacks;
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
            RegisterError::ShiftNotClosed => Self::because(Code::ShiftNotClosed, &error),
            RegisterError::Db(error) => error.into(),
        }
    }
}

impl From<OpenError> for Problem {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::UnknownRegister => Self::not_found_at("/registerId", error),
            OpenError::NotClosed(shift) => {
                Self::because(Code::ShiftNotClosed, &error).with("shiftId", json!(shift))
            }
            OpenError::TooFine(_) => Self::invalid("/openingFloat", Code::TooManyDecimals, error),
            OpenError::IdTaken(error) => error.into(),
            OpenError::Db(error) => error.into(),
        }
    }
}

impl From<CashMovementError> for Problem {
    fn from(error: CashMovementError) -> Self {
        match error {
            CashMovementError::NotFound => Self::not_found(),
            CashMovementError::NotOpen(status) => {
                Self::because(Code::WrongStatus, &error).with("documentStatus", json!(status))
            }
            CashMovementError::Zero => Self::invalid("/amount", Code::ZeroAmount, error),
            CashMovementError::TooFine(_) => Self::invalid("/amount", Code::TooManyDecimals, error),
            CashMovementError::IdTaken(error) => error.into(),
            CashMovementError::Db(error) => error.into(),
        }
    }
}

impl From<CloseError> for Problem {
    fn from(error: CloseError) -> Self {
        let count = |index: usize, field: &str| format!("/counts/{index}/{field}");
        match error {
            CloseError::NotFound => Self::not_found(),
            CloseError::Closed => {
                Self::because(Code::WrongStatus, &error).with("documentStatus", json!("closed"))
            }
            CloseError::CountedAlready => Self::because(Code::CountedAlready, &error),
            CloseError::NoCash => Self::invalid("/counts", Code::MissingField, error),
            CloseError::Twice { index } => Self::invalid(count(index, "method"), Code::InvalidValue, error),
            CloseError::Denominations { index } => {
                Self::invalid(count(index, "denominations"), Code::OutOfRange, error)
            }
            CloseError::TooFine { index, .. } => {
                Self::invalid(count(index, "amount"), Code::TooManyDecimals, error)
            }
            CloseError::NotYours => role_lacks(Permission::TillApprove),
            CloseError::NothingToApprove => Self::because(Code::WrongStatus, &error),
            CloseError::Db(error) => error.into(),
        }
    }
}
