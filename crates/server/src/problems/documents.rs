//! Problems that all documents share.

use inventory::idempotency::IdempotencyError;
use inventory::{IdTaken, PartError, Stale};

use crate::http::codes::Code;
use crate::http::problem::Problem;
use crate::problems::line;

impl From<IdempotencyError> for Problem {
    fn from(error: IdempotencyError) -> Self {
        match error {
            IdempotencyError::OtherRequest => {
                let detail =
                    "This Idempotency-Key was used for another request. Use a new key for each new request.";
                Self::new(Code::IdempotencyKeyReused, detail)
            }
            IdempotencyError::InProgress => {
                let detail =
                    "The first request with this Idempotency-Key is still running. Repeat the request later.";
                Self::new(Code::RequestInProgress, detail).retry_after(1)
            }
            IdempotencyError::Db(error) => error.into(),
        }
    }
}

impl From<Stale> for Problem {
    fn from(_: Stale) -> Self {
        let detail =
            "Another request has changed this resource. Read the resource again, and repeat your change.";
        Self::new(Code::Stale, detail)
    }
}

impl From<IdTaken> for Problem {
    fn from(error: IdTaken) -> Self {
        Self::because(Code::IdTaken, &error)
    }
}

impl From<PartError> for Problem {
    fn from(error: PartError) -> Self {
        match error {
            PartError::UnknownLine { index } => Self::not_found_at(line(index, "lineId"), error),
            PartError::MoreThanLeft { index, .. } => {
                Self::invalid(line(index, "quantity"), Code::MoreThanLeft, error)
            }
        }
    }
}
