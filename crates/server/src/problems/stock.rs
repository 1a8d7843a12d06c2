//! Problems of the stock.

use inventory::adjustment::AdjustmentError;
use inventory::article::ArticleError;
use inventory::count::CountError;
use inventory::location::LocationError;
use inventory::reordering::ReorderingError;
use inventory::revaluation::RevaluationError;
use inventory::settings::UnknownReason;
use inventory::stock::StockError;
use inventory::transfer::TransferError;
use serde_json::json;

use crate::http::codes::Code;
use crate::http::problem::Problem;
use crate::http::problem_members::Shortage;
use crate::problems::line;

impl From<StockError> for Problem {
    fn from(error: StockError) -> Self {
        match error {
            StockError::Insufficient(shortages) => {
                let shortages: Vec<_> = shortages
                    .iter()
                    .map(|shortage| {
                        let (sku, name) = shortage.article.clone().unzip();
                        Shortage {
                            variant_id: shortage.variant_id,
                            sku,
                            name,
                            location_id: shortage.location_id,
                            requested: shortage.requested,
                            available: shortage.available,
                        }
                    })
                    .collect();
                Self::new(Code::InsufficientStock, "There is not enough stock; see shortages.")
                    .with("shortages", json!(shortages))
            }
            StockError::UnknownVariant => Self::not_found_at("/variantId", error),
            StockError::ArchivedVariant(variant_id) => {
                Self::because(Code::VariantArchived, &error).with("variantId", json!(variant_id))
            }
            StockError::ClosedLocation => Self::because(Code::LocationArchived, &error),
            StockError::TooMuch { variant_id } => {
                Self::because(Code::QuantityTooLarge, &error).with("variantId", json!(variant_id))
            }
            StockError::TooFine { variant_id, .. } => {
                Self::because(Code::TooManyDecimals, &error).with("variantId", json!(variant_id))
            }
            StockError::NotStocked { variant_id } => {
                Self::because(Code::NotStocked, &error).with("variantId", json!(variant_id))
            }
            StockError::TooValuable => Self::because(Code::AmountTooLarge, &error),
            StockError::Db(error) => error.into(),
        }
    }
}

impl From<AdjustmentError> for Problem {
    fn from(error: AdjustmentError) -> Self {
        match error {
            AdjustmentError::LineCount => Self::invalid("/lines", Code::InvalidLineCount, error),
            AdjustmentError::Cost { index } => {
                Self::invalid(line(index, "unitCost"), Code::InvalidCost, error)
            }
            AdjustmentError::Zero { index } => {
                Self::invalid(line(index, "quantity"), Code::ZeroQuantity, error)
            }
            AdjustmentError::Article(error) => error.into(),
            AdjustmentError::Line { index, error: error @ StockError::TooFine { .. } } => {
                Self::invalid(line(index, "quantity"), Code::TooManyDecimals, error)
            }
            AdjustmentError::Line { index, error: error @ StockError::TooMuch { .. } } => {
                Self::invalid(line(index, "quantity"), Code::QuantityTooLarge, error)
            }
            AdjustmentError::Line { index, error: error @ StockError::NotStocked { .. } } => {
                Self::invalid(line(index, "variantId"), Code::NotStocked, error)
            }
            AdjustmentError::Line { error, .. } => error.into(),
            AdjustmentError::UnknownReason(error) => error.into(),
            AdjustmentError::UnknownLocation => Self::not_found_at("/locationId", error),
            AdjustmentError::IdTaken(error) => error.into(),
            AdjustmentError::Stock(error) => error.into(),
            AdjustmentError::Db(error) => error.into(),
        }
    }
}

impl From<ArticleError> for Problem {
    fn from(error: ArticleError) -> Self {
        match error {
            ArticleError::UnknownSku { index, .. } => Self::not_found_at(line(index, "sku"), error),
            ArticleError::UnknownBarcode { index, .. } => Self::not_found_at(line(index, "barcode"), error),
            ArticleError::Db(error) => error.into(),
        }
    }
}

impl From<RevaluationError> for Problem {
    fn from(error: RevaluationError) -> Self {
        match error {
            RevaluationError::Article(error) => error.into(),
            RevaluationError::UnknownLocation => Self::not_found_at("/locationId", error),
            RevaluationError::NothingOnHand => Self::because(Code::NothingOnHand, &error),
            RevaluationError::UnknownReason(error) => error.into(),
            RevaluationError::IdTaken(error) => error.into(),
            RevaluationError::Stock(error) => error.into(),
            RevaluationError::Db(error) => error.into(),
        }
    }
}

impl From<UnknownReason> for Problem {
    fn from(error: UnknownReason) -> Self {
        Self::invalid("/reason", Code::UnknownReason, error)
    }
}

impl From<ReorderingError> for Problem {
    fn from(error: ReorderingError) -> Self {
        match error {
            ReorderingError::NotFound => Self::not_found(),
            ReorderingError::NotStocked => Self::because(Code::NotStocked, &error),
            ReorderingError::Stale(error) => error.into(),
            ReorderingError::Db(error) => error.into(),
        }
    }
}

impl From<LocationError> for Problem {
    fn from(error: LocationError) -> Self {
        match error {
            LocationError::NotFound => Self::not_found(),
            LocationError::Limit(error) => error.into(),
            LocationError::Stale(error) => error.into(),
            LocationError::DuplicateName(_) => Self::invalid("/name", Code::DuplicateName, error),
            LocationError::Default => Self::because(Code::DefaultLocation, &error),
            LocationError::Db(error) => error.into(),
        }
    }
}

impl From<TransferError> for Problem {
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::NotFound => Self::not_found(),
            TransferError::LineCount => Self::invalid("/lines", Code::InvalidLineCount, error),
            TransferError::SameLocation => Self::invalid("/toLocationId", Code::SameLocation, error),
            TransferError::UnknownLocation { is_source } => {
                Self::not_found_at(if is_source { "/fromLocationId" } else { "/toLocationId" }, error)
            }
            TransferError::NothingInTransit(status) => {
                Self::because(Code::WrongStatus, &error).with("documentStatus", json!(status))
            }
            TransferError::IdTaken(error) => error.into(),
            TransferError::Article(error) => error.into(),
            TransferError::UnknownReason(error) => error.into(),
            TransferError::Part(error) => error.into(),
            TransferError::Stock(error) => error.into(),
            TransferError::Db(error) => error.into(),
        }
    }
}

impl From<CountError> for Problem {
    fn from(error: CountError) -> Self {
        match error {
            CountError::NotFound | CountError::NoSuchLine => Self::not_found(),
            CountError::TooFine { index, .. } => {
                Self::invalid(line(index, "counted"), Code::TooManyDecimals, error)
            }
            CountError::UnknownLocation => Self::not_found_at("/locationId", error),
            CountError::UnknownVariant { index } => Self::not_found_at(line(index, "variantId"), error),
            CountError::NotStocked { index } => {
                Self::invalid(line(index, "variantId"), Code::NotStocked, error)
            }
            CountError::LineCount => Self::invalid("/lines", Code::InvalidLineCount, error),
            CountError::Twice { index } => Self::invalid(line(index, "variantId"), Code::CountedTwice, error),
            CountError::NotOpen(status) => {
                Self::because(Code::WrongStatus, &error).with("documentStatus", json!(status))
            }
            CountError::Article(error) => error.into(),
            CountError::Empty => Self::because(Code::NothingCounted, &error),
            CountError::IdTaken(error) => error.into(),
            CountError::Stock(error) => error.into(),
            CountError::Db(error) => error.into(),
        }
    }
}
