//! Problems of mobile money.

use serde_json::json;
use till::mobile_payment::MobilePaymentError;
use till::mobile_use::MobileUseError;
use till::payment_matching::AssignError;
use till::payment_request::PaymentRequestError;

use crate::http::codes::Code;
use crate::http::problem::Problem;

impl From<MobileUseError> for Problem {
    fn from(error: MobileUseError) -> Self {
        let at = |index: usize, field: &str| format!("/payments/{index}/{field}");
        match error {
            MobileUseError::Unknown { index } => Self::not_found_at(at(index, "mobilePaymentId"), error),
            MobileUseError::NotReported { index } => {
                Self::invalid(at(index, "reference"), Code::PaymentNotReported, error)
            }
            MobileUseError::Dismissed { index } => {
                Self::invalid(at(index, "mobilePaymentId"), Code::WrongStatus, &error)
                    .with("documentStatus", json!("dismissed"))
            }
            MobileUseError::OtherCurrency { index, .. } => {
                Self::invalid(at(index, "mobilePaymentId"), Code::OtherCurrency, error)
            }
            MobileUseError::TooLittle { index, available } => {
                Self::invalid(at(index, "amount"), Code::PaymentTooSmall, &error)
                    .with("available", json!(available.plain()))
            }
            MobileUseError::Db(error) => error.into(),
        }
    }
}

impl From<PaymentRequestError> for Problem {
    fn from(error: PaymentRequestError) -> Self {
        match error {
            PaymentRequestError::UnknownRegister => Self::not_found_at("/registerId", error),
            PaymentRequestError::NotPositive => Self::invalid("/amount", Code::NotPositive, error),
            PaymentRequestError::TooFine(_) => Self::invalid("/amount", Code::TooManyDecimals, error),
            PaymentRequestError::OtherCurrency(_) => Self::because(Code::OtherCurrency, &error),
            PaymentRequestError::Pending => Self::because(Code::PaymentRequestPending, &error),
            PaymentRequestError::IdTaken(error) => error.into(),
            PaymentRequestError::Db(error) => error.into(),
        }
    }
}

impl From<MobilePaymentError> for Problem {
    fn from(error: MobilePaymentError) -> Self {
        match error {
            MobilePaymentError::NotFound => Self::not_found(),
            MobilePaymentError::NotOpen(status) => {
                Self::because(Code::WrongStatus, &error).with("documentStatus", json!(status))
            }
            MobilePaymentError::NotDismissed => Self::because(Code::WrongStatus, &error),
            MobilePaymentError::Db(error) => error.into(),
        }
    }
}

impl From<AssignError> for Problem {
    fn from(error: AssignError) -> Self {
        match error {
            AssignError::Payment(error) => error.into(),
            AssignError::OtherCurrency(_) => Self::because(Code::OtherCurrency, &error),
            AssignError::UnknownSale => Self::not_found_at("/saleId", error),
            AssignError::UnknownOrder => Self::not_found_at("/orderId", error),
            AssignError::Voided => {
                Self::because(Code::WrongStatus, &error).with("documentStatus", json!("voided"))
            }
            AssignError::NothingToConfirm | AssignError::OrderPaid => {
                Self::because(Code::NothingToConfirm, &error)
            }
            AssignError::TooLittle(_, available) => {
                Self::because(Code::PaymentTooSmall, &error).with("available", json!(available.plain()))
            }
            AssignError::Order(error) => error.into(),
            AssignError::Db(error) => error.into(),
        }
    }
}
