//! The domain of a trading business, inside its own schema: catalogue, stock, purchasing and orders.
//!
//! Every function that runs a query takes a [`tenancy::TenantTx`], so no function can choose whose tables it
//! touches. One file is one noun with its types, its rules and its SQL. A room imports only from rooms that
//! stand before it: records, business, stock, catalogue, purchasing, orders, closing.

mod business;
mod catalogue;
mod closing;
mod ids;
mod orders;
mod purchasing;
mod records;
mod statuses;
pub mod stock;

pub use business::{defaults, plan_limits, profile, settings, till_settings};
pub use catalogue::{
    barcode, bundle, category, options, price_history, product, product_kind, scan, tax_class, variant,
};
pub use closing::under_way;
pub use ids::{
    AdjustmentId, AlertId, CategoryId, CountId, CountLineId, CustomerId, EntryId, FulfilmentId, LocationId,
    MovementId, OrderId, OrderLineId, PaymentId, PriceChangeId, ProductId, PurchaseOrderId,
    PurchaseOrderLineId, ReceiptId, RefundId, ReturnId, RevaluationId, StepId, SupplierId, SupplierPriceId,
    SupplierReturnId, TaxClassId, TransferId, TransferLineId, VariantId,
};
pub use orders::{
    basket, customer, exchange, fulfilment, order, order_change, order_return, payment, pricing, refund,
    short_order, sold_bundle, sold_part,
};
pub use purchasing::{
    goods_receipt, purchase_order, purchase_order_list, reorder, reorder_draft, supplier, supplier_price,
    supplier_return,
};
pub use records::document::{Fingerprint, IdTaken, Outcome, Part, PartError, Requested};
pub use records::edit::Stale;
pub use records::{audit, changes, counter, document, edit, event, idempotency, look_alike, named, own_keys};
pub use stock::{
    adjustment, alert, article, count, ledger, location, movement, reordering, revaluation, transfer,
};

/// Whether no two items are equal; for lists of some dozens.
fn are_distinct<T: PartialEq>(items: &[T]) -> bool {
    items.iter().enumerate().all(|(index, item)| !items[..index].contains(item))
}

/// One value of each row, as the parameter of an INSERT that stores all rows at once.
pub fn column<'a, Row, T>(rows: &'a [Row], value: impl Fn(&'a Row) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}
