//! POST requests that a client may repeat. The first answer is stored together with its effect, and a
//! repeated request gets the same answer.

use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use aws_lc_rs::digest;
use inventory::idempotency::{self, Claim, StoredAnswer};
use inventory::{Fingerprint, Outcome, Requested};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tenancy::{Database, TenantTx};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};
use uuid::Uuid;
use values::ActorId;
use values::macros::TextForm;

use crate::http::caller::{Allows, Caller};
use crate::http::codes::Code;
use crate::http::etag::Tag;
use crate::http::extract::Json;
use crate::http::problem::Problem;

/// A POST of a member with permission `P`, with a JSON body.
pub struct Submission<P, T> {
    pub once: Once<P>,
    pub body: T,
}

/// Runs the work of one submission once, even if the client repeats the request.
pub struct Once<P> {
    pub caller: Caller<P>,
    /// The Idempotency-Key header.
    key: Option<String>,
    fingerprint: Fingerprint,
}

impl<P: Allows + 'static, T: DeserializeOwned + 'static> FromRequest for Submission<P, T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        // A caller without permission must not make the server read a body.
        let caller = Caller::extract(request);
        let key = idempotency_key(request.headers());
        let body = Json::from_request(request, payload);
        let target = format!("{} {}", request.method(), request.uri().path());
        Box::pin(async move {
            let (caller, key) = (caller.await?, key?);
            let Json { value, bytes } = body.await?;
            let fingerprint = fingerprint(&target, &bytes);
            Ok(Self { once: Once { caller, key, fingerprint }, body: value })
        })
    }
}

/// The header parameter of a POST whose [`Key`] is required, for the API document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "the document alone reads the fields")]
pub struct RequiredKey {
    /// A new UUID. Send the same key when you repeat the request, so that it takes effect only once. The
    /// server keeps a key for at least 7 days.
    #[param(rename = "Idempotency-Key")]
    key: IdempotencyKey,
}

/// Whether a POST must have an Idempotency-Key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    Optional,
    /// The request posts stock or money.
    Required,
}

impl<P> Once<P> {
    pub fn actor(&self) -> ActorId {
        self.caller.actor()
    }

    /// The request for a document whose id the client may have chosen.
    pub fn requested<Id>(&self, chosen: Option<Id>, make: fn() -> Id) -> Requested<Id> {
        Requested {
            is_chosen: chosen.is_some(),
            id: chosen.unwrap_or_else(make),
            fingerprint: self.fingerprint.clone(),
        }
    }

    /// An id that a repeated request with the same Idempotency-Key has, too. Without a key, a new one.
    pub fn derived_id(&self) -> Uuid {
        let Some(key) = &self.key else { return Uuid::now_v7() };
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(self.caller.id().as_bytes());
        context.update(&self.fingerprint);
        context.update(key.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&context.finish().as_ref()[..16]);
        uuid::Builder::from_custom_bytes(bytes).into_uuid()
    }

    /// Runs `work` in a transaction of the caller's business.
    ///
    /// # Errors
    /// The problem that `work` returns; 400 without a required key, 422 when the key was used for another
    /// request, 409 while the first request is still running.
    pub async fn run(
        &self,
        database: &Database,
        requirement: Key,
        work: impl AsyncFn(&TenantTx) -> Result<Answer, Problem>,
    ) -> Result<HttpResponse, Problem> {
        let scope = self.caller.scope();
        let Some(key) = &self.key else {
            if requirement == Key::Required {
                let detail = "Send an Idempotency-Key header with a new UUID. Send the same key when you \
                              repeat the request, so that it takes effect only once.";
                return Err(Problem::new(Code::IdempotencyKeyRequired, detail));
            }
            return Ok(database.write(&scope, work).await?.respond());
        };
        let principal = self.caller.id();
        let answer = database
            .write(&scope, async |tx| {
                match idempotency::claim(tx, principal, key, &self.fingerprint).await? {
                    Claim::New => {
                        let answer = work(tx).await?;
                        idempotency::store(tx, principal, key, &answer.to_stored()).await?;
                        Ok::<_, Problem>(answer)
                    }
                    Claim::Done(stored) => Answer::from_stored(stored),
                }
            })
            .await?;
        Ok(answer.respond())
    }
}

/// An answer that can be stored.
#[derive(Debug)]
pub struct Answer {
    status: StatusCode,
    headers: Map<String, Value>,
    body: Vec<u8>,
}

impl Answer {
    /// 201 with the new resource, its address and its tag.
    ///
    /// # Errors
    /// 500 when the view cannot be written as JSON.
    pub fn created(location: String, tag: Tag, view: &impl Serialize) -> Result<Self, Problem> {
        let mut answer = Self::ok(tag, view)?;
        answer.status = StatusCode::CREATED;
        answer.headers.insert("location".to_owned(), json!(location));
        Ok(answer)
    }

    /// 200 with the resource as it is now, and its tag.
    ///
    /// # Errors
    /// 500 when the view cannot be written as JSON.
    pub fn ok(tag: Tag, view: &impl Serialize) -> Result<Self, Problem> {
        let mut headers = Map::new();
        headers.insert("etag".to_owned(), json!(tag.to_string()));
        let body = serde_json::to_vec(view).map_err(Problem::internal)?;
        Ok(Self { status: StatusCode::OK, headers, body })
    }

    /// The answer to a request for a document. If an earlier request posted the document, the answer has the
    /// header `idempotent-replayed`.
    ///
    /// # Errors
    /// What `answer` returns.
    pub fn to<T>(
        outcome: Outcome<T>,
        answer: impl FnOnce(T) -> Result<Self, Problem>,
    ) -> Result<Self, Problem> {
        match outcome {
            Outcome::Posted(document) => answer(document),
            Outcome::Repeated(document) => Ok(answer(document)?.repeated()),
        }
    }

    fn repeated(mut self) -> Self {
        self.headers.insert("idempotent-replayed".to_owned(), json!("true"));
        self
    }

    fn to_stored(&self) -> StoredAnswer {
        StoredAnswer {
            status: self.status.as_u16(),
            headers: Value::Object(self.headers.clone()),
            body: self.body.clone(),
        }
    }

    fn from_stored(stored: StoredAnswer) -> Result<Self, Problem> {
        let headers = match stored.headers {
            Value::Object(headers) => headers,
            _ => Map::new(),
        };
        let status = StatusCode::from_u16(stored.status).map_err(Problem::internal)?;
        Ok(Self { status, headers, body: stored.body }.repeated())
    }

    fn respond(self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        for (name, value) in &self.headers {
            if let Some(value) = value.as_str() {
                response.insert_header((name.as_str(), value));
            }
        }
        response.content_type("application/json").body(self.body)
    }
}

/// The form of an Idempotency-Key, for the API document.
pub struct IdempotencyKey;

impl PartialSchema for IdempotencyKey {
    fn schema() -> RefOr<Schema> {
        TextForm::pattern("^[!-~]{1,200}$").schema("A key that no other request has, such as a new UUID.")
    }
}

impl ToSchema for IdempotencyKey {}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all("idempotency-key");
    let Some(value) = values.next() else { return Ok(None) };
    let key = value.to_str().unwrap_or_default();
    let is_well_formed = (1..=200).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    if !is_well_formed || values.next().is_some() {
        let detail = "Send one Idempotency-Key of 1 to 200 visible ASCII characters, such as a new UUID.";
        return Err(Problem::new(Code::IdempotencyKeyInvalid, detail));
    }
    Ok(Some(key.to_owned()))
}

/// SHA-256 of method, path and body. White space and the order of fields do not change the fingerprint.
fn fingerprint(target: &str, body: &[u8]) -> Fingerprint {
    // The objects of serde_json are sorted by key.
    let canonical = serde_json::from_slice::<Value>(body)
        .map_or_else(|_| body.to_vec(), |value| value.to_string().into());
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(target.as_bytes());
    context.update(b"\n");
    context.update(&canonical);
    context.finish().as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_mean_the_same_have_one_fingerprint() {
        let one = fingerprint("POST /a", br#"{"a": 1, "b": "2"}"#);
        assert_eq!(one, fingerprint("POST /a", br#"{"b":"2","a":1}"#));
        assert_ne!(one, fingerprint("POST /b", br#"{"a": 1, "b": "2"}"#));
        assert_ne!(one, fingerprint("POST /a", br#"{"a": 1, "b": 2}"#));
    }
}
