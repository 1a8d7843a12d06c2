//! M-Pesa, by the interface of its operator, Daraja: requests on telephones (STK push), and reports of
//! payments to till numbers (C2B).

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{FixedOffset, Utc};
use futures_util::future::{BoxFuture, FutureExt as _};
use reqwest::{Client, RequestBuilder, StatusCode};
use rust_decimal::Decimal;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::mobile_money::mpesa_messages::{read_outcome, read_payment, reason, text_of};
use crate::mobile_money::provider::{
    AskedPayment, MobileMoneyProvider, ProviderError, ReportError, ReportedPayment, RequestOutcome,
};

/// The account of the installation at M-Pesa.
#[derive(Debug, Clone)]
pub struct MpesaAccount {
    /// The address of the interface, without a path.
    pub url: String,
    /// The key of the program at M-Pesa.
    pub consumer_key: String,
    /// The secret of the program.
    pub consumer_secret: SecretString,
    /// The number of the installation at M-Pesa, to which the till numbers belong.
    pub shortcode: String,
    /// The secret that signs requests on telephones.
    pub passkey: SecretString,
}

/// M-Pesa.
pub struct Mpesa {
    account: MpesaAccount,
    client: Client,
    /// The access token, and the time until which it is used.
    access: Mutex<Option<(SecretString, Instant)>>,
}

/// The time limit for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// An access token is replaced when this time is left of its life.
const RESERVE: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
struct Access {
    access_token: SecretString,
    expires_in: Value,
}

/// An answer of M-Pesa. Which fields it has depends on the request and on the outcome.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    response_code: Option<Value>,
    response_description: Option<String>,
    #[serde(rename = "CheckoutRequestID")]
    checkout_request_id: Option<String>,
    result_code: Option<Value>,
    result_desc: Option<String>,
    #[serde(rename = "errorCode")]
    error_code: Option<String>,
    #[serde(rename = "errorMessage")]
    error_message: Option<String>,
}

/// The code of the answer about a request that the customer has not answered.
const STILL_PROCESSING: &str = "500.001.1001";
/// The code of the answer to a request with an access token that is not valid.
const INVALID_TOKEN: &str = "404.001.03";
/// The results after which a customer can no longer pay: too little money, a limit, an expired transaction,
/// the customer cannot be reached, cancelled, no answer, a wrong PIN, and failures on the telephone. M-Pesa
/// has other results while the request is under way, such as 4999.
const FINAL: [&str; 12] =
    ["1", "8", "17", "26", "1001", "1019", "1025", "1026", "1032", "1037", "2001", "2028"];

impl Mpesa {
    /// # Errors
    /// On a system without root certificates.
    pub fn new(account: MpesaAccount) -> Result<Self, reqwest::Error> {
        let client =
            Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { account, client, access: Mutex::new(None) })
    }

    async fn access_token(&self) -> Result<SecretString, ProviderError> {
        let mut access = self.access.lock().await;
        if let Some((token, until)) = &*access
            && Instant::now() < *until
        {
            return Ok(token.clone());
        }
        let MpesaAccount { url, consumer_key, consumer_secret, .. } = &self.account;
        let request = self
            .client
            .get(format!("{url}/oauth/v1/generate?grant_type=client_credentials"))
            .basic_auth(consumer_key, Some(consumer_secret.expose_secret()));
        let (status, body) = send(request).await?;
        if status.is_server_error() {
            return Err(ProviderError::NoAnswer(format!("the answer has the status {status}")));
        }
        if status != StatusCode::OK {
            return Err(ProviderError::Refused("the consumer key or its secret is not accepted".to_owned()));
        }
        let Access { access_token, expires_in } = read(&body)?;
        let life = Duration::from_secs(text_of(&expires_in).parse().unwrap_or_default());
        *access = Some((access_token.clone(), Instant::now() + life.saturating_sub(RESERVE)));
        Ok(access_token)
    }

    /// Posts a request, with all that it needs within the time limit.
    async fn post(&self, path: &str, body: &Value) -> Result<Answer, ProviderError> {
        let posted = tokio::time::timeout(PATIENCE, self.post_now(path, body)).await;
        posted.unwrap_or_else(|_| Err(ProviderError::NoAnswer("the time limit is over".to_owned())))
    }

    async fn post_now(&self, path: &str, body: &Value) -> Result<Answer, ProviderError> {
        let url = format!("{}{path}", self.account.url);
        let mut is_repeated = false;
        loop {
            let token = self.access_token().await?;
            let request = self.client.post(&url).bearer_auth(token.expose_secret()).json(body);
            let (status, answer) = send(request).await?;
            let answer: Result<Answer, ProviderError> = read(&answer);
            let code = answer.as_ref().ok().and_then(|answer| answer.error_code.as_deref());
            if code == Some(INVALID_TOKEN) || (code.is_none() && status == StatusCode::UNAUTHORIZED) {
                // M-Pesa ended the token before its time, and did nothing.
                self.forget(&token).await;
                if is_repeated {
                    return Err(ProviderError::Refused("the access token is not accepted".to_owned()));
                }
                is_repeated = true;
                continue;
            }
            // A failure of a gateway does not say what M-Pesa did. Its own refusals have a code.
            if status.is_server_error() && code.is_none() {
                return Err(ProviderError::NoAnswer(format!("the answer has the status {status}")));
            }
            return answer;
        }
    }

    /// Forgets an access token, unless another request has replaced it.
    async fn forget(&self, token: &SecretString) {
        let mut access = self.access.lock().await;
        if access.as_ref().is_some_and(|(kept, _)| kept.expose_secret() == token.expose_secret()) {
            *access = None;
        }
    }

    /// The fields by which M-Pesa knows the sender of a request.
    fn signature(&self) -> (String, String) {
        const NAIROBI: Option<FixedOffset> = FixedOffset::east_opt(3 * 3600);
        let now = Utc::now();
        let time = NAIROBI.map_or_else(|| now.fixed_offset(), |zone| now.with_timezone(&zone));
        let time = time.format("%Y%m%d%H%M%S").to_string();
        let MpesaAccount { shortcode, passkey, .. } = &self.account;
        (BASE64_STANDARD.encode(format!("{shortcode}{}{time}", passkey.expose_secret())), time)
    }

    async fn ask_now(&self, asked: &AskedPayment) -> Result<String, ProviderError> {
        let amount = asked.amount.as_decimal().normalize();
        if amount.scale() > 0 || amount < Decimal::ONE {
            let problem = "M-Pesa accepts only whole amounts; let the customer pay the rest in another way";
            return Err(ProviderError::Refused(problem.to_owned()));
        }
        let (password, timestamp) = self.signature();
        // The name of the business is cut to the length that M-Pesa allows.
        let payee: String = asked.payee.chars().take(12).collect();
        let request = json!({
            "BusinessShortCode": self.account.shortcode, "Password": password, "Timestamp": timestamp,
            "TransactionType": "CustomerBuyGoodsOnline", "Amount": amount.to_string(),
            "PartyA": asked.phone.digits(), "PartyB": asked.till_number, "PhoneNumber": asked.phone.digits(),
            "CallBackURL": asked.callback, "AccountReference": payee, "TransactionDesc": "Payment",
        });
        let answer = self.post("/mpesa/stkpush/v1/processrequest", &request).await?;
        let has_refused = answer.error_code.is_some()
            || answer.response_code.as_ref().is_some_and(|code| !is_zero(Some(code)));
        match answer.checkout_request_id {
            _ if has_refused => {
                Err(ProviderError::Refused(reason(answer.error_message.or(answer.response_description))))
            }
            Some(reference) if answer.response_code.is_some() => Ok(reference),
            _ => Err(ProviderError::NoAnswer("the answer has no id of a request".to_owned())),
        }
    }

    async fn outcome_now(&self, reference: &str) -> Result<RequestOutcome, ProviderError> {
        let (password, timestamp) = self.signature();
        let request = json!({
            "BusinessShortCode": self.account.shortcode, "Password": password, "Timestamp": timestamp,
            "CheckoutRequestID": reference,
        });
        let answer = self.post("/mpesa/stkpushquery/v1/query", &request).await?;
        Ok(match (&answer.result_code, answer.error_code.as_deref()) {
            (None, Some(STILL_PROCESSING)) => RequestOutcome::Pending,
            (None, _) => return Err(ProviderError::Refused(reason(answer.error_message))),
            // The answer does not have the number of the transaction.
            (code, _) if is_zero(code.as_ref()) => RequestOutcome::Paid(None),
            (Some(code), _) if FINAL.contains(&text_of(code).as_str()) => {
                RequestOutcome::Declined(reason(answer.result_desc))
            }
            _ => RequestOutcome::Pending,
        })
    }

    async fn register_now(&self, address: &str) -> Result<(), ProviderError> {
        // M-Pesa requires a validation address, and asks it only if its operator has switched validation on.
        // No route answers at that address: with "Completed", M-Pesa then completes the payment.
        let request = json!({
            "ShortCode": self.account.shortcode, "ResponseType": "Completed", "ConfirmationURL": address,
            "ValidationURL": format!("{address}/validation"),
        });
        let answer = self.post("/mpesa/c2b/v2/registerurl", &request).await?;
        match is_zero(answer.response_code.as_ref()) {
            true => Ok(()),
            false => {
                Err(ProviderError::Refused(reason(answer.error_message.or(answer.response_description))))
            }
        }
    }
}

impl MobileMoneyProvider for Mpesa {
    fn name(&self) -> &'static str {
        "mpesa"
    }

    fn ask<'a>(&'a self, asked: &'a AskedPayment) -> BoxFuture<'a, Result<String, ProviderError>> {
        self.ask_now(asked).boxed()
    }

    fn outcome<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<RequestOutcome, ProviderError>> {
        self.outcome_now(reference).boxed()
    }

    fn register<'a>(&'a self, address: &'a str) -> BoxFuture<'a, Result<(), ProviderError>> {
        self.register_now(address).boxed()
    }

    fn read_payment(&self, report: &Value) -> Result<ReportedPayment, ReportError> {
        read_payment(report)
    }

    fn read_outcome(&self, report: &Value) -> Result<RequestOutcome, ReportError> {
        read_outcome(report)
    }

    fn acknowledgement(&self) -> Value {
        json!({"ResultCode": 0, "ResultDesc": "Accepted"})
    }
}

fn is_zero(code: Option<&Value>) -> bool {
    code.is_some_and(|code| text_of(code).chars().all(|digit| digit == '0'))
}

async fn send(request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), ProviderError> {
    let no_answer = |error: reqwest::Error| ProviderError::NoAnswer(error.without_url().to_string());
    let answer = request.send().await.map_err(no_answer)?;
    let status = answer.status();
    Ok((status, answer.bytes().await.map_err(no_answer)?.to_vec()))
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ProviderError> {
    serde_json::from_slice(body)
        .map_err(|error| ProviderError::NoAnswer(format!("the answer cannot be read: {error}")))
}
