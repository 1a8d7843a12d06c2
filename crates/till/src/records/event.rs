//! The events of the till. A change of a payload that a subscriber could notice needs a new version.

use serde::Serialize;
use utoipa::ToSchema;

use crate::ids::{MobilePaymentId, PaymentRequestId, RegisterId, SaleId, ShiftId};
use crate::records::payment_request_status::PaymentRequestStatus;

tenancy::events! {
    /// The events of the tills of a business.
    pub enum Event {
        /// A shift was opened.
        ShiftOpened(ShiftChanged) = "shift.opened" version 1,
        /// A shift is still not closed after its day. It is told once of each shift.
        ShiftOverdue(ShiftChanged) = "shift.overdue" version 1,
        /// A shift was closed, and its Z report was written.
        ShiftClosed(ShiftChanged) = "shift.closed" version 1,
        /// A receipt was completed: a sale, a refund, an exchange or a deposit.
        SaleCompleted(SaleChanged) = "sale.completed" version 1,
        /// A sale was voided in its shift.
        SaleVoided(SaleChanged) = "sale.voided" version 1,
        /// A sale that a till made without a connection could not be completed, and waits for a member.
        OfflineSaleHeld(OfflineSaleChanged) = "offline_sale.held" version 1,
        /// The provider of mobile money reported a payment to the till number of the business.
        MobilePaymentReceived(MobilePaymentChanged) = "mobile_payment.received" version 1,
        /// A request to pay on the telephone of a customer ended, with or without a payment.
        PaymentRequestEnded(PaymentRequestChanged) = "payment_request.ended" version 1,
    }
}

/// A shift, and its register.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShiftChanged {
    /// The id of the shift.
    pub shift_id: ShiftId,
    /// The register of the shift.
    pub register_id: RegisterId,
}

/// A receipt, with its register and its shift.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SaleChanged {
    /// The id of the receipt.
    pub sale_id: SaleId,
    /// The register.
    pub register_id: RegisterId,
    /// The shift of the register.
    pub shift_id: ShiftId,
}

/// A payment that the provider of mobile money reported.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MobilePaymentChanged {
    /// The id of the payment.
    pub mobile_payment_id: MobilePaymentId,
    /// The request that the customer answered; null if the customer paid without a request.
    pub payment_request_id: Option<PaymentRequestId>,
}

/// A request to pay, and the register that waits for the payment.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRequestChanged {
    /// The id of the request.
    pub payment_request_id: PaymentRequestId,
    /// The register.
    pub register_id: RegisterId,
    /// The status.
    pub status: PaymentRequestStatus,
}

/// A sale that a till made without a connection.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OfflineSaleChanged {
    /// The id of the sale.
    pub offline_sale_id: SaleId,
    /// The register.
    pub register_id: RegisterId,
}
