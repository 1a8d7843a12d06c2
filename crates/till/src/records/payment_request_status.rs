//! The statuses of requests to pay.

values::words! {
    /// The status of a request to pay.
    pub enum PaymentRequestStatus {
        /// The customer has not answered yet.
        Pending = "pending",
        /// The customer paid.
        Paid = "paid",
        /// The customer did not confirm the payment.
        Declined = "declined",
        /// The provider did not show the request.
        Failed = "failed",
        /// Nothing was reported in time. A payment that is reported later still counts.
        Expired = "expired",
    }
}
