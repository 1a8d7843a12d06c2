//! One attempt to deliver a message.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};

use crate::webhooks::address::{Reach, WebhookAddress};
use crate::webhooks::guard::{Forbidden, GuardedNames};
use crate::webhooks::message::Message;
use crate::webhooks::secret::WebhookSecret;

values::words! {
    /// The outcome of an attempt.
    pub enum Outcome {
        /// The receiver answered with a status of 2xx.
        Delivered = "delivered",
        /// The receiver answered with another status.
        Refused = "refused",
        /// The receiver answered with a redirect. Redirects are not followed.
        Redirected = "redirected",
        /// The receiver answered 410: the address no longer exists.
        Gone = "gone",
        /// The receiver did not answer within 15 seconds.
        TimedOut = "timed_out",
        /// The connection failed: the name is unknown, nobody listens, the certificate is not valid, or the
        /// connection broke.
        Unreachable = "unreachable",
        /// The address is not allowed: it leads to a local network, or has no https.
        LocalAddress = "local_address",
    }
}

/// The result of an attempt.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// The time until the answer, in milliseconds.
    pub took_ms: i32,
    /// The outcome.
    pub outcome: Outcome,
    /// The status of the answer, if there was one.
    pub http_status: Option<i16>,
    /// The beginning of the answer's body.
    pub response: Option<String>,
    /// The time for which the endpoint asks to be left alone.
    pub(super) retry_after: Option<Duration>,
}

/// Delivers messages over HTTP.
#[derive(Clone)]
pub struct Courier {
    client: Client,
    reach: Reach,
}

/// The longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// The part of an answer that is kept.
const RESPONSE_BYTES: usize = 1_000;
/// The time for which the body of an answer is awaited.
const BODY_WITHIN: Duration = Duration::from_secs(1);

impl Courier {
    /// A courier that may connect to the networks of `reach`.
    ///
    /// # Errors
    /// [`reqwest::Error`] if the system has no TLS.
    pub fn new(reach: Reach) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .timeout(PATIENCE)
            // The request goes only to the address that was checked: no redirects, and no proxy that resolves
            // names itself.
            .redirect(Policy::none())
            .no_proxy()
            .dns_resolver(Arc::new(GuardedNames::new(reach)))
            .user_agent("Tenantry-Webhooks")
            .build()?;
        Ok(Self { client, reach })
    }

    pub(super) async fn deliver(&self, url: &str, secrets: &[WebhookSecret], message: &Message) -> Attempt {
        let (started_at, started) = (Utc::now(), Instant::now());
        let (outcome, http_status, response, retry_after) = match self.send(url, secrets, message).await {
            Ok(answer) => read(answer).await,
            Err(outcome) => (outcome, None, None, None),
        };
        let took_ms = i32::try_from(started.elapsed().as_millis()).unwrap_or(i32::MAX);
        Attempt { started_at, took_ms, outcome, http_status, response, retry_after }
    }

    async fn send(
        &self,
        url: &str,
        secrets: &[WebhookSecret],
        message: &Message,
    ) -> Result<Response, Outcome> {
        // The settings may have become stricter since the address was stored.
        let address = WebhookAddress::parse(url, self.reach).map_err(|_| Outcome::LocalAddress)?;
        let timestamp = Utc::now().timestamp();
        let signature = message.sign(timestamp, secrets).map_err(|_| Outcome::Unreachable)?;
        let request = self
            .client
            .post(address.url().clone())
            .header(CONTENT_TYPE, "application/json")
            .header(standardwebhooks::HEADER_WEBHOOK_ID, message.id.to_string())
            .header(standardwebhooks::HEADER_WEBHOOK_TIMESTAMP, timestamp)
            .header(standardwebhooks::HEADER_WEBHOOK_SIGNATURE, signature)
            .body(message.body.clone());
        request.send().await.map_err(|error| outcome_of(&error))
    }
}

fn outcome_of(error: &reqwest::Error) -> Outcome {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<Forbidden>() {
            return Outcome::LocalAddress;
        }
        cause = error.source();
    }
    if error.is_timeout() { Outcome::TimedOut } else { Outcome::Unreachable }
}

type Read = (Outcome, Option<i16>, Option<String>, Option<Duration>);

async fn read(mut answer: Response) -> Read {
    let status = answer.status();
    let outcome = match status {
        StatusCode::GONE => Outcome::Gone,
        status if status.is_success() => Outcome::Delivered,
        status if status.is_redirection() => Outcome::Redirected,
        _ => Outcome::Refused,
    };
    let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let mut body = Vec::new();
    // The status has decided. A body that breaks off, or takes its time, is as good as a short one.
    let reading = async {
        while body.len() < RESPONSE_BYTES
            && let Ok(Some(chunk)) = answer.chunk().await
        {
            body.extend_from_slice(&chunk);
        }
    };
    let _ = tokio::time::timeout(BODY_WITHIN, reading).await;
    body.truncate(RESPONSE_BYTES);
    let text: String = String::from_utf8_lossy(&body).chars().filter(|letter| *letter != '\0').collect();
    let http_status = i16::try_from(status.as_u16()).ok();
    (outcome, http_status, Some(text), retry_after.map(Duration::from_secs))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name is checked where the connection is made, below what the text of an address shows.
    #[tokio::test]
    async fn a_name_of_this_machine_is_a_local_address() {
        let courier = Courier::new(Reach::Internet).unwrap();
        let refused = courier.client.get("http://localhost:9/").send().await.unwrap_err();
        assert_eq!(outcome_of(&refused), Outcome::LocalAddress);
        let courier = Courier::new(Reach::AnyNetwork).unwrap();
        let refused = courier.client.get("http://localhost:9/").send().await.unwrap_err();
        assert_eq!(outcome_of(&refused), Outcome::Unreachable);
    }
}
