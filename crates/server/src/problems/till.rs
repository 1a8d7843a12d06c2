//! Problems of the till.

use identity::Permission;
use inventory::PartError;
use serde_json::json;
use till::cash_movement::CashMovementError;
use till::credit_posting::CreditError;
use till::offline_sale::OfflineSaleError;
use till::parked_sale::ParkedSaleError;
use till::register::RegisterError;
use till::sale_error::SaleError;
use till::sale_payment::SalePaymentError;
use till::shift::OpenError;
use till::shift_close::CloseError;
use values::Money;

use crate::http::caller::role_lacks;
use crate::http::codes::Code;
use crate::http::problem::Problem;
use crate::http::problem_members::NeededApproval;
use crate::problems::line;

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::NotFound => Self::not_found(),
            RegisterError::Limit(error) => error.into(),
            RegisterError::Stale(error) => error.into(),
            RegisterError::DuplicateName(_) => Self::invalid("/name", Code::DuplicateName, error),
            RegisterError::DuplicateSeries(_) => Self::invalid("/series", Code::DuplicateSeries, error),
            RegisterError::UnknownLocation => Self::not_found_at("/locationId", error),
            RegisterError::ShiftNotClosed => Self::because(Code::ShiftNotClosed, &error),
            RegisterError::Db(error) => error.into(),
        }
    }
}

impl From<OpenError> for Problem {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::UnknownRegister => Self::not_found_at("/registerId", error),
            OpenError::NotClosed(shift) => {
                Self::because(Code::ShiftNotClosed, &error).with("shiftId", json!(shift))
            }
            OpenError::TooFine(_) => Self::invalid("/openingFloat", Code::TooManyDecimals, error),
            OpenError::IdTaken(error) => error.into(),
            OpenError::Db(error) => error.into(),
        }
    }
}

impl From<CashMovementError> for Problem {
    fn from(error: CashMovementError) -> Self {
        match error {
            CashMovementError::NotFound => Self::not_found(),
            CashMovementError::NotOpen(status) => {
                Self::because(Code::WrongStatus, &error).with("documentStatus", json!(status))
            }
            CashMovementError::Zero => Self::invalid("/amount", Code::ZeroAmount, error),
            CashMovementError::TooFine(_) => Self::invalid("/amount", Code::TooManyDecimals, error),
            CashMovementError::IdTaken(error) => error.into(),
            CashMovementError::Db(error) => error.into(),
        }
    }
}

impl From<CloseError> for Problem {
    fn from(error: CloseError) -> Self {
        let count = |index: usize, field: &str| format!("/counts/{index}/{field}");
        match error {
            CloseError::NotFound => Self::not_found(),
            CloseError::Closed => {
                Self::because(Code::WrongStatus, &error).with("documentStatus", json!("closed"))
            }
            CloseError::CountedAlready => Self::because(Code::CountedAlready, &error),
            CloseError::NoCash => Self::invalid("/counts", Code::MissingField, error),
            CloseError::Twice { index } => Self::invalid(count(index, "method"), Code::InvalidValue, error),
            CloseError::Denominations { index } => {
                Self::invalid(count(index, "denominations"), Code::OutOfRange, error)
            }
            CloseError::NegativeCash { index } => {
                Self::invalid(count(index, "amount"), Code::OutOfRange, error)
            }
            CloseError::TooFine { index, .. } => {
                Self::invalid(count(index, "amount"), Code::TooManyDecimals, error)
            }
            CloseError::NotYours => role_lacks(Permission::TillApprove),
            CloseError::NothingToApprove => Self::because(Code::WrongStatus, &error),
            CloseError::Db(error) => error.into(),
        }
    }
}

impl From<SaleError> for Problem {
    fn from(error: SaleError) -> Self {
        let back = |index: Option<usize>, field: &str| match index {
            Some(index) => format!("/returns/{index}/{field}"),
            None => format!("/{field}"),
        };
        match error {
            SaleError::NotFound => Self::not_found(),
            SaleError::Licence(error) => error.into(),
            SaleError::UnknownRegister => Self::not_found_at("/registerId", error),
            SaleError::NoShift => Self::because(Code::NoOpenShift, &error),
            SaleError::LineCount => Self::invalid("/lines", Code::InvalidLineCount, error),
            SaleError::NeedsApproval { approves, amount } => {
                let approval = NeededApproval { approves, amount: amount.map(Money::plain) };
                Self::because(Code::ApprovalRequired, &error).with("approval", json!(approval))
            }
            SaleError::NoReason => Self::invalid("/reason", Code::MissingField, error),
            SaleError::Basket(error) => error.into(),
            SaleError::NoQuantity { index } => {
                Self::invalid(line(index, "quantity"), Code::MissingField, error)
            }
            SaleError::LabelQuantity { index } => {
                Self::invalid(line(index, "quantity"), Code::InvalidValue, error)
            }
            SaleError::LabelPrice { index } => Self::invalid(line(index, "price"), Code::InvalidValue, error),
            SaleError::UnknownCustomer => Self::not_found_at("/customerId", error),
            SaleError::ArchivedCustomer => Self::invalid("/customerId", Code::CustomerArchived, error),
            SaleError::Part(PartError::UnknownLine { index }) => Self::not_found_at(
                back(Some(index), "lineId"),
                "there is no such sale line; send the id of a line of the sale",
            ),
            SaleError::Part(PartError::MoreThanLeft { index, .. }) => {
                Self::invalid(back(Some(index), "quantity"), Code::MoreThanLeft, error)
            }
            SaleError::NotPositive { index } => {
                Self::invalid(back(index, "amount"), Code::NotPositive, error)
            }
            SaleError::TooFine { index, .. } => {
                Self::invalid(back(index, "amount"), Code::TooManyDecimals, error)
            }
            SaleError::TooMuch { index, .. } => {
                Self::invalid(back(index, "amount"), Code::RefundTooLarge, error)
            }
            SaleError::NothingLeft => Self::because(Code::RefundTooLarge, &error),
            SaleError::Voided => {
                Self::because(Code::WrongStatus, &error).with("documentStatus", json!("voided"))
            }
            SaleError::ShiftOver => Self::because(Code::NoOpenShift, &error),
            SaleError::Fiscal => Self::because(Code::FiscalReceipt, &error),
            SaleError::HasReturns => Self::because(Code::HasReturns, &error),
            SaleError::Payment(error) => error.into(),
            SaleError::Mobile(error) => error.into(),
            SaleError::Credit(error) => error.into(),
            SaleError::CreditSpent(available) => {
                Self::because(Code::InsufficientCredit, &error).with("available", json!(available.plain()))
            }
            SaleError::SoldAt => Self::invalid("/soldAt", Code::OutOfRange, error),
            SaleError::OfflineTotal(total) => {
                Self::invalid("/total", Code::OtherTotal, &error).with("total", json!(total.plain()))
            }
            SaleError::TooLarge => Self::invalid("/lines", Code::AmountTooLarge, error),
            SaleError::IdTaken(error) => error.into(),
            SaleError::Stock(error) => error.into(),
            SaleError::Db(error) => error.into(),
        }
    }
}

impl From<OfflineSaleError> for Problem {
    fn from(error: OfflineSaleError) -> Self {
        match error {
            OfflineSaleError::NotFound => Self::not_found(),
            OfflineSaleError::NotHeld(status) => {
                Self::because(Code::WrongStatus, &error).with("documentStatus", json!(status))
            }
            OfflineSaleError::DuplicateReference(_) => {
                Self::invalid("/reference", Code::DuplicateReference, error)
            }
            OfflineSaleError::UnknownRegister => Self::not_found_at("/registerId", error),
            OfflineSaleError::IdTaken(error) => error.into(),
            OfflineSaleError::Db(error) => error.into(),
        }
    }
}

impl From<SalePaymentError> for Problem {
    fn from(error: SalePaymentError) -> Self {
        let at = |index: usize| format!("/payments/{index}/amount");
        match error {
            SalePaymentError::Count => Self::invalid("/payments", Code::OutOfRange, error),
            SalePaymentError::TooFine { index, .. } => Self::invalid(at(index), Code::TooManyDecimals, error),
            SalePaymentError::Zero { index } => Self::invalid(at(index), Code::ZeroAmount, error),
            SalePaymentError::TwoRests { index } => Self::invalid(at(index), Code::MissingField, error),
            SalePaymentError::VoucherCode { index } => {
                Self::invalid(format!("/payments/{index}/voucherCode"), Code::MissingField, error)
            }
            SalePaymentError::MobilePayment { index } => {
                Self::invalid(format!("/payments/{index}/mobilePaymentId"), Code::InvalidValue, error)
            }
            SalePaymentError::NoCustomer { .. } => Self::invalid("/customerId", Code::MissingField, error),
            SalePaymentError::TooLittle(amount) => {
                Self::invalid("/payments", Code::Underpaid, &error).with("missing", json!(amount.plain()))
            }
            SalePaymentError::NotPaidBack(amount) => {
                Self::invalid("/payments", Code::NotPaidBack, &error).with("payBack", json!(amount.plain()))
            }
            SalePaymentError::TooMuch(amount) => {
                Self::invalid("/payments", Code::Overpaid, &error).with("surplus", json!(amount.plain()))
            }
            SalePaymentError::CashStep(step) => {
                Self::invalid("/payments", Code::CashNotRounded, &error).with("step", json!(step.plain()))
            }
            SalePaymentError::TooLarge => Self::invalid("/payments", Code::AmountTooLarge, error),
            SalePaymentError::PaidBack(_) => Self::invalid("/payments", Code::Overpaid, error),
        }
    }
}

impl From<CreditError> for Problem {
    fn from(error: CreditError) -> Self {
        let at = |index: usize, field: &str| format!("/payments/{index}/{field}");
        match error {
            CreditError::UnknownVoucher { index, .. } => Self::not_found_at(at(index, "voucherCode"), error),
            CreditError::Expired { index, .. } => {
                Self::invalid(at(index, "voucherCode"), Code::VoucherExpired, error)
            }
            CreditError::Insufficient { index, available } => {
                Self::invalid(at(index, "amount"), Code::InsufficientCredit, &error)
                    .with("available", json!(available.plain()))
            }
            CreditError::OverLimit { index, available } => {
                Self::invalid(at(index, "amount"), Code::CreditOverLimit, &error)
                    .with("available", json!(available.plain()))
            }
            CreditError::Db(error) => error.into(),
        }
    }
}

impl From<ParkedSaleError> for Problem {
    fn from(error: ParkedSaleError) -> Self {
        match error {
            ParkedSaleError::NotFound => Self::not_found(),
            ParkedSaleError::LineCount => Self::invalid("/lines", Code::InvalidLineCount, error),
            ParkedSaleError::UnknownRegister => Self::not_found_at("/registerId", error),
            ParkedSaleError::UnknownCustomer => Self::not_found_at("/customerId", error),
            ParkedSaleError::Recalled => {
                Self::because(Code::WrongStatus, &error).with("documentStatus", json!("recalled"))
            }
            ParkedSaleError::IdTaken(error) => error.into(),
            ParkedSaleError::Db(error) => error.into(),
        }
    }
}
