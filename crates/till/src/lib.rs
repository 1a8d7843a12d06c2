//! The till of a business, inside its own schema: registers, shifts, sales and receipts.
//!
//! As in `inventory`, every function that runs a query takes a [`tenancy::TenantTx`], and one file is one
//! noun. A room imports only from rooms that stand before it: records, registers, shifts, credit,
//! mobile_money, sales, receipts.

mod credit;
mod ids;
mod mobile_money;
mod receipts;
mod records;
mod registers;
mod sales;
mod shifts;

pub use credit::{account, credit_posting, voucher_code};
pub use ids::{
    CashMovementId, CreditId, CreditMovementId, MobilePaymentId, ParkedSaleId, PaymentRequestId,
    ReceiptIssueId, RegisterId, SaleId, SaleLineId, SalePaymentId, SaleReturnId, ShiftId,
};
pub use mobile_money::{callbacks, mobile_payment, mobile_use, mpesa, payment_request, phone, provider};
pub use receipts::{fiscal_device, fiscal_signature, issue, receipt};
pub use records::{event, payment_request_status, sale_method};
pub use registers::register;
pub use sales::{
    approval, asked_line, books, offline_sale, parked_sale, payment_matching, sale, sale_error, sale_list,
    sale_payment, sale_void, selling,
};
pub use shifts::{cash_movement, overdue, shift, shift_close, shift_report};
