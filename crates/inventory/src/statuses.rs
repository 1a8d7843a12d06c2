//! Statuses that documents and their events share, so that they stand below both.

values::words! {
    /// How far an order has progressed.
    pub enum OrderStatus {
        /// The stock of the order is reserved, and nothing has been fulfilled yet.
        Reserved = "reserved",
        /// Part of the order has been fulfilled, and part of it is still open.
        PartlyFulfilled = "partly_fulfilled",
        /// Everything that was not cancelled has been fulfilled.
        Fulfilled = "fulfilled",
        /// The whole order was cancelled before anything was fulfilled.
        Cancelled = "cancelled",
    }

    /// How much of an order is paid.
    pub enum PaymentStatus {
        /// Nothing is paid, and something is due.
        Unpaid = "unpaid",
        /// A part of the amount due is paid.
        PartlyPaid = "partly_paid",
        /// The amount due is paid.
        Paid = "paid",
        /// More is paid than is due, for example after a return. The rest is to be paid back.
        Overpaid = "overpaid",
    }

    /// How far a transfer has progressed.
    pub enum TransferStatus {
        /// The goods were sent, and nothing has arrived yet.
        InTransit = "in_transit",
        /// Part of the goods has arrived, and part of them is still in transit.
        PartlyReceived = "partly_received",
        /// All goods have arrived.
        Received = "received",
        /// Nothing is in transit any more, and all or part of the goods went back to the source location or
        /// were written off.
        Closed = "closed",
    }

    /// How far a purchase order has progressed.
    pub enum PurchaseStatus {
        /// Not sent to the supplier yet. Only now may its lines change.
        Draft = "DRAFT",
        /// Sent to the supplier.
        Sent = "SENT",
        /// Confirmed by the supplier. A received purchase order gets this status when one of its receipts is
        /// reversed.
        Confirmed = "CONFIRMED",
        /// All goods have been received.
        Received = "RECEIVED",
        /// Cancelled without any received goods. Reversed receipts do not count.
        Cancelled = "CANCELLED",
        /// Part of the goods has been received, and no more will come.
        ClosedShort = "CLOSED_SHORT",
    }

    /// How urgent a low-stock alert is.
    pub enum AlertState {
        /// Stock is available, but not more than the reorder level, and incoming stock will not bring it
        /// above that level.
        Low = "low",
        /// Stock is available, but not more than the reorder level, and incoming stock will bring it above
        /// that level.
        Covered = "covered",
        /// No stock is available, whether more is incoming or not.
        Out = "out",
    }
}
