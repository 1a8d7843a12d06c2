//! Problems that all documents share.

use inventory::idempotency::IdempotencyError;
use inventory::own_keys::OwnKeysError;
use inventory::under_way::{ClosingError, OnHand, UnderWay};
use inventory::{IdTaken, PartError, Stale};
use serde_json::json;

use crate::http::codes::Code;
use crate::http::problem::Problem;
use crate::http::problem_members::{DocumentUnderWay, StockLeft};
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

impl From<ClosingError> for Problem {
    fn from(error: ClosingError) -> Self {
        let text = error.to_string();
        match error {
            ClosingError::HasStock(levels) => {
                let level = |level: OnHand| {
                    let OnHand { variant_id, sku, on_hand } = level;
                    StockLeft { variant_id, sku, on_hand }
                };
                let levels: Vec<_> = levels.into_iter().map(level).collect();
                Self::because(Code::LocationNotEmpty, &text).with("stock", json!(levels))
            }
            ClosingError::HasCredit => Self::because(Code::HasCredit, &text),
            ClosingError::HasRegisters(_) => Self::because(Code::HasRegisters, &text),
            ClosingError::UnderWay(documents) => {
                let document = |document: UnderWay| {
                    let reference = document.kind.reference(document.number);
                    DocumentUnderWay { r#type: document.kind, id: document.id, reference }
                };
                let documents: Vec<_> = documents.into_iter().map(document).collect();
                Self::because(Code::DocumentsUnderWay, &text).with("documents", json!(documents))
            }
            ClosingError::Db(error) => error.into(),
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

impl From<OwnKeysError> for Problem {
    fn from(error: OwnKeysError) -> Self {
        Self::own_keys("", &error)
    }
}

impl Problem {
    /// `at` is the pointer of the record in the request; empty if the request is about one record.
    pub fn own_keys(at: &str, error: &OwnKeysError) -> Self {
        let (field, code) = match error {
            OwnKeysError::SourceAlone => ("externalSource", Code::ExternalIdMissing),
            OwnKeysError::InUse => ("externalId", Code::ExternalIdInUse),
            OwnKeysError::Metadata(_) => ("metadata", Code::TooMuchMetadata),
        };
        Self::invalid(format!("{at}/{field}"), code, error)
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
