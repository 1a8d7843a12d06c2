//! The methods by which receipts are paid.

use inventory::payment::PaymentMethod;

values::words! {
    /// The method by which a receipt is paid.
    pub enum SaleMethod {
        /// Notes and coins.
        Cash = "cash",
        /// A debit or credit card. The till records the payment; the terminal takes it.
        Card = "card",
        /// A transfer from a bank account.
        BankTransfer = "bank_transfer",
        /// A transfer from a telephone, such as M-Pesa.
        MobileMoney = "mobile_money",
        /// A voucher of the business. A negative amount is put into the voucher.
        Voucher = "voucher",
        /// The customer's store credit. A negative amount adds to the store credit.
        StoreCredit = "store_credit",
        /// The customer owes the amount. A negative amount pays a debt.
        OnAccount = "on_account",
        /// Any other way.
        Other = "other",
    }
}

impl SaleMethod {
    /// Whether the business keeps an account of these payments, so that nobody has to count them.
    pub fn is_credit(self) -> bool {
        matches!(self, Self::Voucher | Self::StoreCredit | Self::OnAccount)
    }

    /// The method by which a shift counts these payments; `None` if nobody can count them.
    pub fn counted_as(self) -> Option<PaymentMethod> {
        PaymentMethod::ALL.iter().copied().find(|method| Self::from(*method) == self)
    }
}

impl From<PaymentMethod> for SaleMethod {
    fn from(method: PaymentMethod) -> Self {
        match method {
            PaymentMethod::Cash => Self::Cash,
            PaymentMethod::Card => Self::Card,
            PaymentMethod::BankTransfer => Self::BankTransfer,
            PaymentMethod::MobileMoney => Self::MobileMoney,
            PaymentMethod::Voucher => Self::Voucher,
            PaymentMethod::Other => Self::Other,
        }
    }
}
