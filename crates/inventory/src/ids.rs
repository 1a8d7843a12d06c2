//! Keys of rows, each a type of its own.

values::ids! {
    /// The id of a category.
    CategoryId,
    /// The id of a product.
    ProductId,
    /// The id of a variant (stock-keeping unit).
    VariantId,
    /// The id of an entry in a variant's price history.
    PriceChangeId,
    /// The id of a tax class.
    TaxClassId,
    /// The id of a location.
    LocationId,
    /// The id of a stock movement.
    MovementId,
    /// The id of a stock adjustment. The client may choose it.
    AdjustmentId,
    /// The id of a line of a stock adjustment.
    AdjustmentLineId,
    /// The id of a revaluation of stock. The client may choose it.
    RevaluationId,
    /// The id of a low-stock alert.
    AlertId,
    /// The id of a transfer. The client may choose it.
    TransferId,
    /// The id of a transfer line.
    TransferLineId,
    /// The id of one step of a transfer: an arrival, or a return to the sender. The client may choose it.
    StepId,
    /// The id of a stock count. The client may choose it.
    CountId,
    /// The id of a line of a stock count.
    CountLineId,
    /// The id of a customer.
    CustomerId,
    /// The id of an order. The client may choose it.
    OrderId,
    /// The id of an order line.
    OrderLineId,
    /// The id of a refund without goods. The client may choose it.
    RefundId,
    /// The id of a line of a refund.
    RefundLineId,
    /// The id of a payment. The client may choose it.
    PaymentId,
    /// The id of a fulfilment. The client may choose it.
    FulfilmentId,
    /// The id of a return. The client may choose it.
    ReturnId,
    /// The id of a supplier.
    SupplierId,
    /// The id of a supplier's price.
    SupplierPriceId,
    /// The id of a sale or a return of an article without stock.
    UnstockedSaleId,
    /// The id of a return of goods to a supplier. The client may choose it.
    SupplierReturnId,
    /// The id of a line of a return to a supplier.
    SupplierReturnLineId,
    /// The id of a purchase order. The client may choose it.
    PurchaseOrderId,
    /// The id of a purchase order line.
    PurchaseOrderLineId,
    /// The id of a goods receipt. The client may choose it.
    ReceiptId,
    /// The id of a line of a goods receipt.
    ReceiptLineId,
    /// The id of a line of a fulfilment.
    FulfilmentLineId,
    /// The id of a line of a return.
    ReturnLineId,
    /// The id of an entry of the audit log.
    EntryId,
}
