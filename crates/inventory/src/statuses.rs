//! Statuses that documents and their events share, so that they stand below both.

values::words! {
    /// How far an order is.
    pub enum OrderStatus {
        /// Its stock is reserved; nothing has been fulfilled yet.
        Reserved = "reserved",
        /// Part of it has been fulfilled, and part of it is still open.
        PartlyFulfilled = "partly_fulfilled",
        /// Everything that was not cancelled has been fulfilled.
        Fulfilled = "fulfilled",
        /// All of it was cancelled before anything was fulfilled.
        Cancelled = "cancelled",
    }

    /// How far a transfer is.
    pub enum TransferStatus {
        /// Sent, and nothing has arrived yet.
        InTransit = "in_transit",
        /// Part of it has arrived, and part of it is still in transit.
        PartlyReceived = "partly_received",
        /// Everything has arrived.
        Received = "received",
        /// Nothing is in transit any more, and part of it went back to the sender.
        Closed = "closed",
    }

    /// How far a purchase order is.
    pub enum PurchaseStatus {
        /// Not sent yet; its lines may change.
        Draft = "DRAFT",
        /// Sent to the supplier.
        Sent = "SENT",
        /// Confirmed by the supplier.
        Confirmed = "CONFIRMED",
        /// All goods have been received.
        Received = "RECEIVED",
        /// Cancelled before any goods were received.
        Cancelled = "CANCELLED",
        /// Part of the goods has been received, and no more will come.
        ClosedShort = "CLOSED_SHORT",
    }

    /// How urgent a low-stock alert is.
    pub enum AlertState {
        /// Available stock is at the reorder level or below it, and incoming stock does not change that.
        Low = "low",
        /// Available stock is at the reorder level or below it, and incoming stock will bring it above.
        Covered = "covered",
        /// No stock is available, whether more is incoming or not.
        Out = "out",
    }
}
