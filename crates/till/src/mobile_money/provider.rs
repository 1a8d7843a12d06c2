//! The provider of mobile money. Each provider implements [`MobileMoneyProvider`]; [`MobileMoney`] is the one
//! that an installation uses.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde_json::Value;
use values::{Currency, Money};

use crate::mobile_money::callbacks::Callbacks;
use crate::mobile_money::phone::Phone;

/// A payment as the provider reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedPayment {
    /// The number of the transaction, in capital letters. The provider uses each number once.
    pub transaction_id: String,
    /// The till number that was paid; `None` if the report answers a request.
    pub till_number: Option<String>,
    /// The amount, greater than zero.
    pub amount: Money,
    /// The telephone of the customer, possibly with hidden digits.
    pub payer: Option<String>,
    /// The name of the customer.
    pub payer_name: Option<String>,
    /// The text that the customer entered.
    pub account: Option<String>,
    /// The time of the payment, by the clock of the provider.
    pub paid_at: DateTime<Utc>,
}

/// The outcome of a request to pay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestOutcome {
    /// The customer has not answered yet.
    Pending,
    /// The customer paid. `None` if the provider reports the payment itself separately.
    Paid(Option<ReportedPayment>),
    /// The customer did not pay, for this reason.
    Declined(String),
}

/// A request to be shown on a telephone.
#[derive(Debug, Clone)]
pub struct AskedPayment {
    /// The till number to which the customer pays.
    pub till_number: String,
    /// The telephone.
    pub phone: Phone,
    /// The amount.
    pub amount: Money,
    /// The text beside the amount: the name of the business.
    pub payee: String,
    /// The address to which the provider reports the outcome.
    pub callback: String,
}

/// The provider did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// The provider did not answer, so the outcome is unknown.
    #[error("the provider of mobile money does not answer: {0}")]
    NoAnswer(String),
    /// The provider refused. No customer was asked.
    #[error("the provider of mobile money refused: {0}")]
    Refused(String),
}

/// A report of the provider has another form than it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the report cannot be read: {0}")]
pub struct ReportError(pub String);

/// A provider of mobile money. Its methods that ask the provider end within some 10 seconds.
pub trait MobileMoneyProvider: Send + Sync {
    /// The name under which payments are stored.
    fn name(&self) -> &'static str;

    /// Shows a request on a telephone. Returns the provider's id of the request.
    fn ask<'a>(&'a self, asked: &'a AskedPayment) -> BoxFuture<'a, Result<String, ProviderError>>;

    /// The outcome of a request, by the provider's id.
    fn outcome<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<RequestOutcome, ProviderError>>;

    /// Lets the provider report payments to till numbers to an address.
    fn register<'a>(&'a self, address: &'a str) -> BoxFuture<'a, Result<(), ProviderError>>;

    /// Reads the report of a payment to a till number.
    ///
    /// # Errors
    /// [`ReportError`].
    fn read_payment(&self, report: &Value) -> Result<ReportedPayment, ReportError>;

    /// Reads the report of the outcome of a request.
    ///
    /// # Errors
    /// [`ReportError`].
    fn read_outcome(&self, report: &Value) -> Result<RequestOutcome, ReportError>;

    /// The answer to a report that was stored.
    fn acknowledgement(&self) -> Value;
}

/// Mobile money as an installation uses it.
#[derive(Clone)]
pub struct MobileMoney {
    /// The provider.
    pub provider: Arc<dyn MobileMoneyProvider>,
    /// The currency of all its amounts.
    pub currency: Currency,
    /// The addresses to which the provider reports.
    pub callbacks: Callbacks,
}
