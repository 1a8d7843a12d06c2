//! The domain of a trading business, inside its own schema: catalogue, stock, orders and purchasing.
//!
//! Every function takes a [`tenancy::TenantTx`], so no function can choose whose tables it touches. One file is one noun
//! with its types, its rules and its SQL. The rooms stand in the order in which they may be used: a room imports only
//! from the rooms above it.

mod records;

mod business;

pub mod stock;

mod catalogue;

mod purchasing;

mod orders;

mod ids;

use chrono::{DateTime, Utc};

pub use business::{defaults, settings};
pub use catalogue::{barcode, category, product, tax_class, variant};
pub use ids::{
    AdjustmentId, AlertId, CategoryId, CountId, CountLineId, CustomerId, EntryId, FulfilmentId, LocationId,
    MovementId, OrderId, OrderLineId, ProductId, PurchaseOrderId, PurchaseOrderLineId, ReceiptId, ReturnId,
    StepId, SupplierId, TaxClassId, TransferId, TransferLineId, VariantId,
};
pub use orders::{customer, fulfilment, order, order_return, pricing};
pub use purchasing::{goods_receipt, purchase_order, reorder, supplier};
pub use records::{audit, counter, document, idempotency};
pub use stock::{adjustment, alert, count, ledger, location, movement, transfer};

/// Whether no two items are equal; for lists of some dozens.
fn are_distinct<T: PartialEq>(items: &[T]) -> bool {
    items.iter().enumerate().all(|(index, item)| !items[..index].contains(item))
}

/// When a row was archived, after a change that may archive or restore it. Archiving it again changes nothing.
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
