//! Keys of rows: all UUIDv7, each a type of its own, so that swapping two arguments does not compile.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident,)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new key; later keys sort after earlier ones.
            #[expect(clippy::new_without_default, reason = "a default would be another value each time")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            pub fn from_uuid(id: Uuid) -> Self {
                Self(id)
            }

            pub fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

ids! {
    /// A category of the catalogue.
    CategoryId,
    /// A product: what the shop calls by one name.
    ProductId,
    /// A variant: the stock-keeping unit.
    VariantId,
    /// A place where stock is kept.
    LocationId,
    /// A line of the stock ledger.
    MovementId,
    /// A stock adjustment; a client may choose it.
    AdjustmentId,
    /// A low-stock alert.
    AlertId,
    /// A way in which prices are taxed.
    TaxClassId,
    /// An entry of the audit log.
    EntryId,
    /// Somebody who buys.
    CustomerId,
    /// A customer's order; a client may choose it.
    OrderId,
    /// A line of an order.
    OrderLineId,
    /// Goods that left for an order; a client may choose it.
    FulfilmentId,
    /// Goods that came back; a client may choose it.
    ReturnId,
    /// Stock on its way between locations; a client may choose it.
    TransferId,
    /// A line of a transfer.
    TransferLineId,
    /// An arrival of part of a transfer; a client may choose it.
    StepId,
    /// Who is bought from.
    SupplierId,
    /// An order to a supplier; a client may choose it.
    PurchaseOrderId,
    /// A line of an order to a supplier.
    PurchaseOrderLineId,
    /// Goods that arrived; a client may choose it.
    ReceiptId,
    /// A count of stock; a client may choose it.
    CountId,
    /// A line of a count.
    CountLineId,
}
