//! Keys of rows, each a type of its own.

values::ids! {
    /// The id of a register.
    RegisterId,
    /// The id of a shift. The client may choose it.
    ShiftId,
    /// The id of a movement of cash. The client may choose it.
    CashMovementId,
    /// The id of a receipt. The client may choose it.
    SaleId,
    /// The id of a line of a receipt.
    SaleLineId,
    /// The id of a return on a receipt.
    SaleReturnId,
    /// The id of a parked sale. The client may choose it.
    ParkedSaleId,
    /// The id of an approval for a receipt.
    SaleApprovalId,
    /// The id of a voucher, or of an account of a customer.
    CreditId,
    /// The id of a movement of credit.
    CreditMovementId,
    /// The id of a payment of a receipt.
    SalePaymentId,
    /// The id of a request to pay. The client may choose it.
    PaymentRequestId,
    /// The id of a payment that the provider of mobile money reported.
    MobilePaymentId,
    /// The id of a use of such a payment.
    MobilePaymentUseId,
    /// The id of a print or a mail of a receipt.
    ReceiptIssueId,
}
