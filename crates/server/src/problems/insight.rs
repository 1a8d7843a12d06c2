//! Problems of reports.

use insight::choice::ChoiceError;
use insight::saved_report::{SavedReportError, ScheduleError};

use crate::http::codes::Code;
use crate::http::problem::Problem;

impl From<ChoiceError> for Problem {
    fn from(error: ChoiceError) -> Self {
        match error {
            ChoiceError::By(_) => Self::invalid("/by", Code::InvalidValue, error),
            ChoiceError::Period => Self::invalid("/period", Code::InvalidValue, error),
            ChoiceError::Days => Self::invalid("/days", Code::OutOfRange, error),
        }
    }
}

impl From<SavedReportError> for Problem {
    fn from(error: SavedReportError) -> Self {
        match error {
            SavedReportError::NotFound => Self::not_found(),
            SavedReportError::Stale(error) => error.into(),
            SavedReportError::DuplicateName(_) => Self::invalid("/name", Code::DuplicateName, error),
            SavedReportError::TooMany | SavedReportError::TooManyMailed => {
                Self::because(Code::TooManySavedReports, &error)
            }
            SavedReportError::Schedule(ScheduleError::Day) => {
                Self::invalid("/mail/day", Code::OutOfRange, error)
            }
            SavedReportError::Schedule(ScheduleError::Recipients) => {
                Self::invalid("/mail/to", Code::OutOfRange, error)
            }
            SavedReportError::Db(error) => error.into(),
        }
    }
}
