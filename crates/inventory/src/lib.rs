//! The domain of a trading business, inside its own schema: catalogue, stock ledger, orders, purchasing, alerts,
//! dashboard.
//!
//! Every function takes a [`tenancy::TenantTx`]: none of them can choose whose tables it touches. One module is one
//! noun, with its types, its rules and its SQL.

pub mod adjustment;
pub mod adjustment_report;
pub mod alert;
pub mod audit;
pub mod barcode;
pub mod category;
pub mod count;
pub mod counter;
pub mod customer;
pub mod dashboard;
mod decimal;
pub mod defaults;
pub mod document;
pub mod fulfilment;
pub mod goods_receipt;
pub mod gtin;
pub mod idempotency;
mod ids;
pub mod ledger;
pub mod location;
pub mod movement;
pub mod order;
pub mod order_return;
mod page;
pub mod pricing;
pub mod product;
pub mod purchase_order;
pub mod reorder;
pub mod report;
pub mod sales_report;
pub mod settings;
pub mod stock;
pub mod stock_report;
pub mod supplier;
pub mod tax;
mod text;
pub mod transfer;
pub mod variant;

use chrono::{DateTime, Utc};

pub use decimal::{DecimalError, Money, Percent, Quantity};
pub use ids::{
    AdjustmentId, AlertId, CategoryId, CountId, CountLineId, CustomerId, EntryId, FulfilmentId, LocationId,
    MovementId, OrderId, OrderLineId, ProductId, PurchaseOrderId, PurchaseOrderLineId, ReceiptId, ReturnId,
    StepId, SupplierId, TaxClassId, TransferId, TransferLineId, VariantId,
};
pub use page::{Cursor, CursorError, Limit, LimitError, Page, PageRequest};
pub use settings::{Currency, CurrencyError};
pub use text::{Barcode, Name, Note, OptionText, ProductTag, Reason, SearchText, ShortText, Sku, TextError};

/// Whether no two are the same; for lists of some dozens.
fn are_distinct<T: PartialEq>(items: &[T]) -> bool {
    items.iter().enumerate().all(|(index, item)| !items[..index].contains(item))
}

/// When something was archived, after a change that may archive it or bring it back: archiving again is no change.
fn archived_at(
    was: Option<DateTime<Utc>>,
    change: Option<bool>,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    match change {
        Some(true) => was.or(Some(now)),
        Some(false) => None,
        None => was,
    }
}
