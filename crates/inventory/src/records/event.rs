//! The events of the inventory: what subscribers of a business learn. A change of a payload that a subscriber
//! could notice needs a new version.

use serde::Serialize;
use utoipa::ToSchema;
use values::Quantity;

use crate::ids::{
    AdjustmentId, CountId, LocationId, OrderId, PurchaseOrderId, SupplierId, SupplierReturnId, TransferId,
    VariantId,
};
use crate::statuses::{OrderStatus, PaymentStatus, PurchaseStatus, TransferStatus};

tenancy::events! {
    /// What happened in a business's inventory.
    pub enum Event {
        /// An order was placed.
        OrderPlaced(OrderChanged) = "order.placed" version 1,
        /// The lines, the customer, the note or the due day of an order changed.
        OrderChanged(OrderChanged) = "order.changed" version 1,
        /// Goods left for an order.
        OrderFulfilled(OrderChanged) = "order.fulfilled" version 1,
        /// The open part of an order was cancelled.
        OrderCancelled(OrderChanged) = "order.cancelled" version 1,
        /// Goods of an order came back.
        OrderReturned(OrderChanged) = "order.returned" version 1,
        /// A part of an order was refunded without goods.
        OrderRefunded(OrderChanged) = "order.refunded" version 1,
        /// An order was paid, or an amount was paid back.
        OrderPaid(OrderPaid) = "order.paid" version 1,
        /// Stock left for another location.
        TransferSent(TransferChanged) = "transfer.sent" version 1,
        /// Stock of a transfer arrived.
        TransferReceived(TransferChanged) = "transfer.received" version 1,
        /// The rest of a transfer went back to the location that sent it.
        TransferSentBack(TransferChanged) = "transfer.sent_back" version 1,
        /// Goods of a transfer were lost in transit and written off.
        TransferWrittenOff(TransferChanged) = "transfer.written_off" version 1,
        /// The differences of a stock count were posted.
        CountPosted(CountPosted) = "count.posted" version 1,
        /// Stock was changed by hand.
        StockAdjusted(StockAdjusted) = "stock.adjusted" version 2,
        /// Low-stock alerts opened, closed or changed their state.
        LowStockChanged(LowStockChanged) = "low_stock.changed" version 1,
        /// A purchase order was sent, confirmed, cancelled or closed short.
        PurchaseOrderMoved(PurchaseOrderChanged) = "purchase_order.moved" version 1,
        /// Goods went back to a supplier.
        SupplierReturned(SupplierReturned) = "supplier.returned" version 1,
        /// Goods of a purchase order arrived.
        PurchaseOrderReceived(PurchaseOrderChanged) = "purchase_order.received" version 1,
        /// A goods receipt was reversed.
        PurchaseOrderReceiptReversed(PurchaseOrderChanged) = "purchase_order.receipt_reversed" version 1,
    }
}

/// An order, and its status after the change.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderChanged {
    /// The id of the order.
    pub order_id: OrderId,
    /// The status after the change.
    pub status: OrderStatus,
}

/// An order that was paid.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderPaid {
    /// The id of the order.
    pub order_id: OrderId,
    /// How much of the order is paid after the payment.
    pub payment_status: PaymentStatus,
}

/// A transfer, and its status after the change.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransferChanged {
    /// The id of the transfer.
    pub transfer_id: TransferId,
    /// The status after the change.
    pub status: TransferStatus,
}

/// A stock count whose differences were posted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CountPosted {
    /// The id of the stock count.
    pub count_id: CountId,
    /// The number of variants whose counted quantity differed from the expected quantity.
    pub differences: usize,
}

/// A stock adjustment.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StockAdjusted {
    /// The id of the adjustment.
    pub adjustment_id: AdjustmentId,
    /// The changes, in the order of the request.
    pub lines: Vec<AdjustedLine>,
}

/// A line of a stock adjustment.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdjustedLine {
    /// The variant whose stock changed.
    pub variant_id: VariantId,
    /// The change of the stock on hand, in sale units. Negative if stock was removed.
    pub quantity: Quantity,
}

/// Low-stock alerts that were opened, changed or closed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LowStockChanged {
    /// One entry for each variant and location whose alert changed.
    pub alerts: Vec<ChangedAlert>,
}

/// A low-stock alert, and its state after the change.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangedAlert {
    /// The variant that the alert is about.
    pub variant_id: VariantId,
    /// The location that the alert is about.
    pub location_id: LocationId,
    /// The state after the change.
    pub state: ChangedState,
}

values::words! {
    /// The state of an alert after a change.
    pub enum ChangedState {
        /// Stock is available, but not more than the reorder level, and incoming stock will not bring it
        /// above that level.
        Low = "low",
        /// Stock is available, but not more than the reorder level, and incoming stock will bring it above
        /// that level.
        Covered = "covered",
        /// No stock is available.
        Out = "out",
        /// Available stock is above the reorder level again, the variant has no reorder level any more, or
        /// the variant, its product or the location was archived.
        Closed = "closed",
    }
}

/// A purchase order, and its status after the change.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PurchaseOrderChanged {
    /// The id of the purchase order.
    pub purchase_order_id: PurchaseOrderId,
    /// The status after the change.
    pub status: PurchaseStatus,
}

/// Goods that went back to a supplier.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SupplierReturned {
    /// The id of the return.
    pub supplier_return_id: SupplierReturnId,
    /// The supplier who takes the goods back.
    pub supplier_id: SupplierId,
}

#[cfg(test)]
mod tests {
    use tenancy::outbox::OutboxEvent as _;

    use super::*;

    #[test]
    fn every_topic_is_listed_once_and_has_a_schema() {
        let mut topics: Vec<&str> = Event::TOPICS.iter().map(|topic| topic.name).collect();
        assert_eq!(topics.len(), 18);
        topics.sort_unstable();
        topics.dedup();
        assert_eq!(topics.len(), Event::TOPICS.len(), "a topic is listed twice: {topics:?}");
        for topic in Event::TOPICS {
            assert!(
                serde_json::to_string(&(topic.payload)().1).unwrap().contains("properties"),
                "{}",
                topic.name
            );
        }
    }
}
