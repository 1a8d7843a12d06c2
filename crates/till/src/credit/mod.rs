//! Vouchers, store credit and debts of customers: a ledger of money, like that of the stock.

pub mod account;
pub mod credit_posting;
pub mod voucher_code;
