//! The till of a business, inside its own schema: registers, shifts, sales and receipts.
//!
//! As in `inventory`, every function that runs a query takes a [`tenancy::TenantTx`], and one file is one
//! noun. A room imports only from rooms that stand before it: records, registers, shifts, credit, sales,
//! receipts.

mod credit;
mod ids;
mod receipts;
mod records;
mod registers;
mod sales;
mod shifts;

pub use credit::{account, credit_posting, voucher_code};
pub use ids::{
    CashMovementId, CreditId, CreditMovementId, ParkedSaleId, ReceiptIssueId, RegisterId, SaleId, SaleLineId,
    SaleReturnId, ShiftId,
};
pub use receipts::{fiscal_device, fiscal_signature, issue, receipt};
pub use records::{event, sale_method};
pub use registers::register;
pub use sales::{
    approval, asked_line, books, parked_sale, sale, sale_list, sale_payment, sale_void, selling,
};
pub use shifts::{cash_movement, overdue, shift, shift_close, shift_report};
