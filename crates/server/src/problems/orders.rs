//! Problems of customers and their orders.

use inventory::basket::BasketError;
use inventory::customer::CustomerError;
use inventory::exchange::ExchangeError;
use inventory::order::OrderError;
use inventory::payment::PaymentError;
use inventory::pricing::PricingError;
use inventory::refund::RefundError;
use serde_json::json;

use crate::http::codes::Code;
use crate::http::problem::Problem;
use crate::problems::line;

impl From<CustomerError> for Problem {
    fn from(error: CustomerError) -> Self {
        match error {
            CustomerError::NotFound => Self::not_found(),
            CustomerError::Email(_) => Self::invalid("/email", Code::InvalidEmail, error),
            CustomerError::CreditLimit(_) => Self::invalid("/creditLimit", Code::TooManyDecimals, error),
            CustomerError::Stale(error) => error.into(),
            CustomerError::OwnKeys(error) => error.into(),
            CustomerError::Db(error) => error.into(),
        }
    }
}

impl From<OrderError> for Problem {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::NotFound => Self::not_found(),
            OrderError::Licence(error) => error.into(),
            OrderError::LineCount => Self::invalid("/lines", Code::InvalidLineCount, error),
            OrderError::Basket(error) => error.into(),
            OrderError::OtherTaxes => Self::invalid("/lines", Code::MissingField, error),
            OrderError::ArchivedCustomer => Self::invalid("/customerId", Code::CustomerArchived, error),
            OrderError::UnknownCustomer => Self::not_found_at("/customerId", error),
            OrderError::UnknownLocation => Self::not_found_at("/locationId", error),
            OrderError::Stale(error) => error.into(),
            OrderError::Touched(status) | OrderError::NothingOpen(status) => {
                Self::because(Code::WrongStatus, &error).with("documentStatus", json!(status))
            }
            OrderError::Part(error) => error.into(),
            OrderError::IdTaken(error) => error.into(),
            OrderError::Stock(error) => error.into(),
            OrderError::OwnKeys(error) => error.into(),
            OrderError::Db(error) => error.into(),
        }
    }
}

impl From<BasketError> for Problem {
    fn from(error: BasketError) -> Self {
        match error {
            BasketError::UnknownVariant { index } => Self::not_found_at(line(index, "variantId"), error),
            BasketError::Article(error) => error.into(),
            BasketError::Archived { index } => {
                Self::invalid(line(index, "variantId"), Code::VariantArchived, error)
            }
            BasketError::ArchivedComponent { index } => {
                Self::invalid(line(index, "variantId"), Code::VariantArchived, error)
            }
            BasketError::TooManyComponents => Self::invalid("/lines", Code::InvalidLineCount, error),
            BasketError::TooFine { index, field, .. } => {
                let pointer = index.map_or(format!("/{field}"), |index| line(index, field));
                Self::invalid(pointer, Code::TooManyDecimals, error)
            }
            BasketError::QuantityTooFine { index, .. } => {
                Self::invalid(line(index, "quantity"), Code::TooManyDecimals, error)
            }
            BasketError::DiscountLimit(_) => Self::because(Code::DiscountOverLimit, &error),
            BasketError::Pricing(error) => error.into(),
            BasketError::Stock(error) => error.into(),
        }
    }
}

impl From<ExchangeError> for Problem {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::OneId => Self::invalid("/order/id", Code::MissingField, error),
            ExchangeError::Return(error) => Self::from(error).below("/return"),
            ExchangeError::Order(error) => Self::from(error).below("/order"),
        }
    }
}

impl From<RefundError> for Problem {
    fn from(error: RefundError) -> Self {
        let pointer =
            |index: Option<usize>| index.map_or("/amount".to_owned(), |index| line(index, "amount"));
        match error {
            RefundError::NotPositive { index } => Self::invalid(pointer(index), Code::NotPositive, error),
            RefundError::TooFine { index, .. } => Self::invalid(pointer(index), Code::TooManyDecimals, error),
            RefundError::TooMuch { index, .. } => Self::invalid(pointer(index), Code::RefundTooLarge, error),
            RefundError::Order(error) => error.into(),
        }
    }
}

impl From<PaymentError> for Problem {
    fn from(error: PaymentError) -> Self {
        match error {
            PaymentError::NotFound => Self::not_found(),
            PaymentError::Zero => Self::invalid("/amount", Code::ZeroAmount, error),
            PaymentError::TooFine(_) => Self::invalid("/amount", Code::TooManyDecimals, error),
            PaymentError::TooMuch(_) => Self::invalid("/amount", Code::PaymentTooLarge, error),
            PaymentError::IdTaken(error) => error.into(),
            PaymentError::Db(error) => error.into(),
        }
    }
}

impl From<PricingError> for Problem {
    fn from(error: PricingError) -> Self {
        match error {
            PricingError::LineDiscount { index } => {
                Self::invalid(line(index, "discount"), Code::DiscountTooLarge, error)
            }
            PricingError::OrderDiscount => Self::invalid("/discount", Code::DiscountTooLarge, error),
            PricingError::TooMuch => Self::invalid("/lines", Code::AmountTooLarge, error),
        }
    }
}
