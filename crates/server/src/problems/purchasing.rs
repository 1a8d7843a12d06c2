//! Problems of purchasing.

use inventory::goods_receipt::ReceiptError;
use inventory::purchase_order::PurchaseError;
use inventory::reorder_draft::DraftError;
use inventory::supplier::SupplierError;
use inventory::supplier_return::SupplierReturnError;
use serde_json::json;

use crate::http::codes::Code;
use crate::http::problem::Problem;
use crate::problems::line;

impl From<SupplierError> for Problem {
    fn from(error: SupplierError) -> Self {
        match error {
            SupplierError::NotFound => Self::not_found(),
            SupplierError::Stale(error) => error.into(),
            SupplierError::DuplicateName(_) => Self::invalid("/name", Code::DuplicateName, error),
            SupplierError::Email(_) => Self::invalid("/email", Code::InvalidEmail, error),
            SupplierError::LeadTime => Self::invalid("/leadTimeDays", Code::OutOfRange, error),
            SupplierError::UnknownVariant => Self::not_found_at("/variantId", error),
            SupplierError::NotStocked => Self::invalid("/variantId", Code::NotStocked, error),
            SupplierError::OwnKeys(error) => error.into(),
            SupplierError::Db(error) => error.into(),
        }
    }
}

impl From<PurchaseError> for Problem {
    fn from(error: PurchaseError) -> Self {
        match error {
            PurchaseError::NotFound => Self::not_found(),
            PurchaseError::Stale(error) => error.into(),
            PurchaseError::LineCount => Self::invalid("/lines", Code::InvalidLineCount, error),
            PurchaseError::QuantityTooFine { index, .. } => {
                Self::invalid(line(index, "quantity"), Code::TooManyDecimals, error)
            }
            PurchaseError::Tax { index } => Self::invalid(line(index, "taxPercent"), Code::InvalidTax, error),
            PurchaseError::Twice { index } => {
                Self::invalid(line(index, "variantId"), Code::OrderedTwice, error)
            }
            PurchaseError::Article(error) => error.into(),
            PurchaseError::NotStocked { index } => {
                Self::invalid(line(index, "variantId"), Code::NotStocked, error)
            }
            PurchaseError::ArchivedVariant { index } => {
                Self::invalid(line(index, "variantId"), Code::VariantArchived, error)
            }
            PurchaseError::UnknownVariant { index } => Self::not_found_at(line(index, "variantId"), error),
            PurchaseError::UnknownSupplier => Self::not_found_at("/supplierId", error),
            PurchaseError::UnknownLocation => Self::not_found_at("/locationId", error),
            PurchaseError::TooMuch => Self::invalid("/lines", Code::AmountTooLarge, error),
            PurchaseError::IllegalMove { from, legal, .. } => Self::because(Code::IllegalMove, &error)
                .with("documentStatus", json!(from))
                .with("allowed", json!(legal)),
            PurchaseError::RateMissing { .. } | PurchaseError::RateNotOne(_) => {
                Self::invalid("/exchangeRate", Code::InvalidExchangeRate, error)
            }
            PurchaseError::Closed(status) => {
                Self::because(Code::WrongStatus, &error).with("documentStatus", json!(status))
            }
            PurchaseError::Frozen(status) => {
                Self::because(Code::LinesFrozen, &error).with("documentStatus", json!(status))
            }
            PurchaseError::IdTaken(error) => error.into(),
            PurchaseError::OwnKeys(error) => error.into(),
            PurchaseError::Db(error) => error.into(),
        }
    }
}

impl From<DraftError> for Problem {
    fn from(error: DraftError) -> Self {
        match error {
            DraftError::NothingSuggested => Self::because(Code::NothingSuggested, &error),
            DraftError::Purchase(error) => error.into(),
            DraftError::Db(error) => error.into(),
        }
    }
}

impl From<SupplierReturnError> for Problem {
    fn from(error: SupplierReturnError) -> Self {
        match error {
            SupplierReturnError::LineCount => Self::invalid("/lines", Code::InvalidLineCount, error),
            SupplierReturnError::UnknownSupplier => Self::not_found(),
            SupplierReturnError::UnknownLocation => Self::not_found_at("/locationId", error),
            SupplierReturnError::Article(error) => error.into(),
            SupplierReturnError::IdTaken(error) => error.into(),
            SupplierReturnError::Stock(error) => error.into(),
            SupplierReturnError::Db(error) => error.into(),
        }
    }
}

impl From<ReceiptError> for Problem {
    fn from(error: ReceiptError) -> Self {
        match error {
            ReceiptError::NotFound => Self::not_found(),
            ReceiptError::UnknownReceipt => Self::not_found_at("/reverses", error),
            ReceiptError::Reversed => Self::because(Code::ReceiptReversed, &error),
            ReceiptError::NotOpen(status) => {
                Self::because(Code::WrongStatus, &error).with("documentStatus", json!(status))
            }
            ReceiptError::NothingOpen => Self::because(Code::NothingOpen, &error),
            ReceiptError::DeliveryNote(_) => Self::invalid("/deliveryNote", Code::DeliveryNoteBooked, error),
            ReceiptError::IdTaken(error) => error.into(),
            ReceiptError::Article(error) => error.into(),
            ReceiptError::Part(error) => error.into(),
            ReceiptError::Stock(error) => error.into(),
            ReceiptError::Db(error) => error.into(),
        }
    }
}
