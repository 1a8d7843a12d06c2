//! The reasons for which a receipt is not completed or voided.

use inventory::article::ArticleError;
use inventory::basket::{BasketError, MAX_LINES};
use inventory::document::{IdTaken, PartError};
use inventory::stock::StockError;
use tenancy::{DbError, SellingError};
use values::{Money, TooFine};

use crate::credit::credit_posting::CreditError;
use crate::mobile_money::mobile_use::MobileUseError;
use crate::sales::approval::Approves;
use crate::sales::sale_payment::SalePaymentError;

/// A receipt was not completed or voided. `index` is a position in the request, from 0.
#[derive(Debug, thiserror::Error)]
pub enum SaleError {
    /// There is no such receipt.
    #[error("there is no such sale")]
    NotFound,
    /// The licence of the business does not let it sell.
    #[error(transparent)]
    Licence(#[from] SellingError),
    /// There is no such register, or it is archived.
    #[error("there is no such register")]
    UnknownRegister,
    /// The register has no open shift.
    #[error("the register has no open shift; open one before you sell")]
    NoShift,
    /// Nothing is sold and nothing comes back, or too much.
    #[error(
        "send at least one line, return or payment into credit; at most {MAX_LINES} lines and returns are \
         allowed"
    )]
    LineCount,
    /// The actor may not do this without the approval of a member who may.
    #[error(
        "a member with the permission till.approve must approve the {approves} at this till; then repeat the \
         request with the approved id"
    )]
    NeedsApproval {
        /// The action that must be approved.
        approves: Approves,
        /// The discount, or the amount that is given back; `None` for a void.
        amount: Option<Money>,
    },
    /// Something comes back without a reason.
    #[error("send a reason, because the request has returns")]
    NoReason,
    /// The lines cannot be sold.
    #[error(transparent)]
    Basket(#[from] BasketError),
    /// A line has no quantity, and no label that has one.
    #[error("send a quantity greater than zero; only the barcode of a scale's label has its own")]
    NoQuantity {
        /// The position of the line.
        index: usize,
    },
    /// A line has a quantity, and a label that has one, too.
    #[error("the label of the scale has the quantity; leave the quantity out")]
    LabelQuantity {
        /// The position of the line.
        index: usize,
    },
    /// The label has an amount, and the line has another price, or the article has no price.
    #[error(
        "the amount on the label of the scale fits no quantity at the list price; print a new label, or \
         leave another price out"
    )]
    LabelPrice {
        /// The position of the line.
        index: usize,
    },
    /// There is no such customer.
    #[error("there is no such customer")]
    UnknownCustomer,
    /// The customer is archived.
    #[error("the customer is archived; restore the customer, or choose another one")]
    ArchivedCustomer,
    /// Something cannot come back.
    #[error(transparent)]
    Part(#[from] PartError),
    /// An amount to give back is zero or negative.
    #[error("the amount must be greater than zero")]
    NotPositive {
        /// The position of the return; `None` for the amount of the whole refund.
        index: Option<usize>,
    },
    /// An amount that is given back is finer than the currency.
    #[error("{reason}")]
    TooFine {
        /// The position of the return; `None` for the amount of the whole refund.
        index: Option<usize>,
        /// The number of decimals of the currency.
        reason: TooFine,
    },
    /// More money would be given back than is left of the line or the receipt.
    #[error("only {} is left to refund; reduce the amount", .left.plain())]
    TooMuch {
        /// The position of the return; `None` for the amount of the whole refund.
        index: Option<usize>,
        /// The largest amount.
        left: Money,
    },
    /// Nothing is left that could come back.
    #[error("nothing is left of this sale; everything came back")]
    NothingLeft,
    /// The receipt, or one of which something should come back, was voided.
    #[error("the sale was voided; it cannot be refunded or voided again")]
    Voided,
    /// The shift of the receipt is not open any more.
    #[error("the shift of the sale is not open any more; refund the sale instead")]
    ShiftOver,
    /// A fiscal device signs the receipt.
    #[error("a receipt that a fiscal device signs cannot be voided; correct it with a new sale or refund")]
    Fiscal,
    /// The receipt takes articles back, or articles of it came back.
    #[error(
        "a receipt with returns cannot be voided; sell the returned articles again, or refund the others"
    )]
    HasReturns,
    /// The credit of a voucher or an account cannot change.
    #[error(transparent)]
    Credit(#[from] CreditError),
    /// A payment by mobile money was not accepted.
    #[error(transparent)]
    Mobile(#[from] MobileUseError),
    /// The receipt put money into a voucher or an account that was spent since. Holds what is left.
    #[error(
        "the sale cannot be voided: its voucher or account has only {} left; refund its articles instead",
        .0.plain()
    )]
    CreditSpent(Money),
    /// The payments do not settle the receipt.
    #[error(transparent)]
    Payment(#[from] SalePaymentError),
    /// The time of a sale without a connection is in the future, or too long ago.
    #[error("soldAt must be within the last 31 days; check the clock of the till")]
    SoldAt,
    /// The customer paid another total than the server computes. Holds the computed one.
    #[error("the total is {}, by the prices at the time of the sale", .0.plain())]
    OfflineTotal(Money),
    /// The total is larger than an amount can be.
    #[error("the total exceeds the largest amount, 9999999999.9999; split the sale")]
    TooLarge,
    /// Another document has the chosen id.
    #[error(transparent)]
    IdTaken(#[from] IdTaken),
    /// The stock cannot change as the receipt requires.
    #[error(transparent)]
    Stock(#[from] StockError),
    /// A query failed.
    #[error("a query about a sale failed")]
    Db(#[from] DbError),
}

impl SaleError {
    /// Whether a member can decide about a sale that was made without a connection and fails so. Other errors
    /// are mistakes of the till, or pass.
    pub fn is_for_review(&self) -> bool {
        match self {
            Self::NeedsApproval { .. }
            | Self::UnknownCustomer
            | Self::ArchivedCustomer
            | Self::LabelPrice { .. }
            | Self::OfflineTotal(_) => true,
            Self::Basket(error) => matches!(
                error,
                BasketError::UnknownVariant { .. }
                    | BasketError::Archived { .. }
                    | BasketError::ArchivedComponent { .. }
                    | BasketError::Article(
                        ArticleError::UnknownSku { .. } | ArticleError::UnknownBarcode { .. }
                    )
            ),
            Self::Credit(error) => !matches!(error, CreditError::Db(_)),
            Self::Mobile(error) => !matches!(error, MobileUseError::Db(_)),
            // The smallest amount of cash may have changed.
            Self::Payment(error) => matches!(error, SalePaymentError::CashStep(_)),
            Self::Stock(error) => matches!(
                error,
                StockError::Insufficient(_)
                    | StockError::ClosedLocation
                    | StockError::NotStocked { .. }
                    | StockError::ArchivedVariant(_)
            ),
            Self::NotFound
            | Self::Licence(_)
            | Self::UnknownRegister
            | Self::NoShift
            | Self::LineCount
            | Self::NoReason
            | Self::NoQuantity { .. }
            | Self::LabelQuantity { .. }
            | Self::Part(_)
            | Self::NotPositive { .. }
            | Self::TooFine { .. }
            | Self::TooMuch { .. }
            | Self::NothingLeft
            | Self::Voided
            | Self::ShiftOver
            | Self::Fiscal
            | Self::HasReturns
            | Self::CreditSpent(_)
            | Self::SoldAt
            | Self::TooLarge
            | Self::IdTaken(_)
            | Self::Db(_) => false,
        }
    }
}

impl From<ArticleError> for SaleError {
    fn from(error: ArticleError) -> Self {
        BasketError::from(error).into()
    }
}
