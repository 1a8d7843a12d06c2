//! The payments of a receipt. The module `settling` makes them add up to its total.

use chrono::NaiveDate;
use values::{Money, ShortText, TooFine};

use crate::credit::voucher_code::VoucherCode;
use crate::ids::{CreditId, MobilePaymentId, SaleId, SalePaymentId};
use crate::records::sale_method::SaleMethod;

/// A payment of a receipt to be completed.
#[derive(Debug, Clone)]
pub struct NewSalePayment {
    /// The method.
    pub method: SaleMethod,
    /// The amount: for cash, what the customer hands over. Negative if it is paid back. `None`: what is left.
    pub amount: Option<Money>,
    /// The number of the transaction at the bank, the card terminal or the provider.
    pub reference: Option<ShortText>,
    /// The payment that the provider of mobile money reported.
    pub mobile_payment_id: Option<MobilePaymentId>,
    /// The code of the voucher. A voucher that is put into may have none: it gets a new one.
    pub voucher_code: Option<VoucherCode>,
    /// The last day of a new voucher; `None` if it does not expire.
    pub expires_on: Option<NaiveDate>,
}

/// A payment of a receipt.
#[derive(Debug, Clone)]
pub struct SalePayment {
    pub(super) id: SalePaymentId,
    pub(super) sale_id: SaleId,
    /// The method.
    pub method: SaleMethod,
    /// The amount without change; negative if it was paid back.
    pub amount: Money,
    /// The cash that the customer handed over; `None` for other methods, and if cash was paid back.
    pub tendered: Option<Money>,
    /// The number of the transaction at the bank, the card terminal or the provider.
    pub reference: Option<ShortText>,
    /// The voucher or the account that pays, or is paid into.
    pub(super) credit_id: Option<CreditId>,
    /// The balance of the voucher or the account after the payment.
    pub credit_balance: Option<Money>,
    /// The code of the voucher.
    pub voucher_code: Option<VoucherCode>,
    /// The reported payment that confirms this one.
    pub mobile_payment_id: Option<MobilePaymentId>,
}

tenancy::from_row!(SalePayment {
    id,
    sale_id,
    method,
    amount,
    tendered,
    reference,
    credit_id,
    credit_balance,
    voucher_code,
    mobile_payment_id,
});

impl SalePayment {
    /// The change of the balance: a payment on account raises the debt, and other payments reduce the credit.
    pub(super) fn credit_change(&self) -> Money {
        if self.method == SaleMethod::OnAccount { self.amount } else { -self.amount }
    }
}

/// The largest number of payments of a receipt.
pub const MAX_PAYMENTS: usize = 20;

/// A receipt that is not paid. `index` is the payment's position in the request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SalePaymentError {
    /// There are too many payments.
    #[error("at most {MAX_PAYMENTS} payments are allowed")]
    Count,
    /// An amount is finer than the currency.
    #[error("{reason}")]
    TooFine {
        /// The position of the payment, from 0.
        index: usize,
        /// The number of decimals of the currency.
        reason: TooFine,
    },
    /// The amount of a payment is zero.
    #[error("the amount must not be zero; leave the payment out")]
    Zero {
        /// The position of the payment, from 0.
        index: usize,
    },
    /// Two payments have no amount.
    #[error("only one payment may have no amount; send the amounts of the others")]
    TwoRests {
        /// The position of the second one, from 0.
        index: usize,
    },
    /// A voucher pays without its code, or the code belongs to a payment by another method.
    #[error(
        "send voucherCode if a voucher pays; send voucherCode and expiresOn only with the method voucher"
    )]
    VoucherCode {
        /// The position of the payment, from 0.
        index: usize,
    },
    /// A reported payment is named with another method, with a negative amount, or beside a reference.
    #[error("send mobilePaymentId only with mobile_money, without reference and without a negative amount")]
    MobilePayment {
        /// The position of the payment, from 0.
        index: usize,
    },
    /// Store credit and payments on account need a customer.
    #[error("store_credit and on_account need a customer; send customerId")]
    NoCustomer {
        /// The position of the payment, from 0.
        index: usize,
    },
    /// The payments are less than the amount to pay. Holds the missing amount.
    #[error("{} is still to be paid", .0.plain())]
    TooLittle(Money),
    /// The payments are more than the amount to pay, and there is no cash of which change can be given. Holds
    /// the surplus.
    #[error(
        "the payments exceed the amount to pay by {}; only cash has change, so reduce the payments",
        .0.plain()
    )]
    TooMuch(Money),
    /// Less or more would be paid back than is due. Holds the right amount.
    #[error("pay exactly {} back", .0.plain())]
    NotPaidBack(Money),
    /// Cash is not a multiple of the smallest amount of cash.
    #[error("the amount of cash must be a multiple of {}", .0.plain())]
    CashStep(Money),
    /// An amount is larger than an amount can be.
    #[error("an amount exceeds the largest amount, 9999999999.9999; split the payments")]
    TooLarge,
    /// More would be paid back than came back. Holds the largest amount.
    #[error("at most {}, the amount of the returns, can be paid back; reduce the amount", .0.plain())]
    PaidBack(Money),
}
