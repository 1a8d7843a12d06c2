//! Vouchers, store credit and what customers owe: a ledger of money, like that of the stock.

pub mod account;
pub mod credit_posting;
pub mod voucher_code;
