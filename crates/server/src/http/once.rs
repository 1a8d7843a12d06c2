//! POSTs that may be sent twice: the first answer is kept with its effect, and given again.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use aws_lc_rs::digest;
use inventory::idempotency::{self, Claim, StoredAnswer};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tenancy::{Database, TenantTx};

use crate::http::etag::Tag;
use crate::http::extract::{Caller, Idempotency};
use crate::http::problem::Problem;

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
        let mut headers = Map::new();
        headers.insert("location".to_owned(), json!(location));
        headers.insert("etag".to_owned(), json!(tag.to_string()));
        Ok(Self {
            status: StatusCode::CREATED,
            headers,
            body: serde_json::to_vec(view).map_err(Problem::internal)?,
        })
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

    /// The same answer, marked as one that was given before.
    #[must_use]
    pub fn repeated(mut self) -> Self {
        self.headers.insert("idempotent-replayed".to_owned(), json!("true"));
        self
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

/// Whether a POST may come without an Idempotency-Key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    Optional,
    /// It posts stock or money.
    Required,
}

/// Runs `work` in a transaction of the caller's business: once per Idempotency-Key, however often the request comes.
///
/// # Errors
/// What `work` returns; 400 without a required key, 422 when the key was used for another request, 409 while the first
/// request is still running.
pub async fn run<P>(
    database: &Database,
    caller: &Caller<P>,
    request: &Idempotency,
    body: &[u8],
    requirement: Key,
    work: impl AsyncFn(&TenantTx) -> Result<Answer, Problem>,
) -> Result<HttpResponse, Problem> {
    let Some(key) = &request.key else {
        if requirement == Key::Required {
            return Err(Problem::malformed(
                "idempotency_key_required",
                "Send an Idempotency-Key header with a new UUID, and the same one when you repeat this request: \
                 then it takes effect once.",
            ));
        }
        return Ok(database.write(&caller.scope(), work).await?.respond());
    };
    let principal = caller.principal.user.as_uuid();
    let hash = fingerprint(&request.target, body);
    let answer = database
        .write(&caller.scope(), async |tx| match idempotency::claim(tx, principal, key, &hash).await? {
            Claim::New => {
                let answer = work(tx).await?;
                let stored = StoredAnswer {
                    status: answer.status.as_u16(),
                    headers: Value::Object(answer.headers.clone()),
                    body: answer.body.clone(),
                };
                idempotency::store(tx, principal, key, &stored).await?;
                Ok::<_, Problem>(answer)
            }
            Claim::Done(stored) => Ok(Answer {
                status: StatusCode::from_u16(stored.status).map_err(Problem::internal)?,
                headers: match stored.headers {
                    Value::Object(headers) => headers,
                    _ => Map::new(),
                },
                body: stored.body,
            }
            .repeated()),
        })
        .await?;
    Ok(answer.respond())
}

/// SHA-256 of method, path and body; white space and the order of fields do not make another request.
pub fn fingerprint(target: &str, body: &[u8]) -> Vec<u8> {
    // serde_json's objects are sorted by key.
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
    fn only_what_a_request_means_makes_its_fingerprint() {
        let one = fingerprint("POST /a", br#"{"a": 1, "b": "2"}"#);
        assert_eq!(one, fingerprint("POST /a", br#"{"b":"2","a":1}"#));
        assert_ne!(one, fingerprint("POST /b", br#"{"a": 1, "b": "2"}"#));
        assert_ne!(one, fingerprint("POST /a", br#"{"a": 1, "b": 2}"#));
    }
}
