//! Errors as clients see them: RFC 9457 problem documents.

use std::error::Error;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// What is wrong with one field of a request.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct FieldProblem {
    /// A JSON Pointer (RFC 6901) into the request's body.
    pub pointer: String,
    pub code: &'static str,
    pub message: String,
}

/// An error on its way to the client. The cause is logged, never sent.
#[derive(Debug)]
pub struct Problem(Box<Contents>);

/// Boxed, so that a `Result` with a problem in it stays small where there is none.
#[derive(Debug)]
struct Contents {
    status: StatusCode,
    code: &'static str,
    detail: String,
    errors: Vec<FieldProblem>,
    members: Map<String, Value>,
    retry_after_s: Option<u32>,
    challenge: Option<&'static str>,
    allow: Option<String>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

/// A problem document, as OpenAPI describes it.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Problem, rename_all = "camelCase")]
pub struct ProblemDocument {
    /// A URN that ends in the code.
    r#type: String,
    title: String,
    status: u16,
    /// Stable: match on this.
    code: String,
    /// What is wrong, and what to do about it.
    detail: String,
    /// The path of the request.
    instance: String,
    #[schema(nullable = false)]
    errors: Option<Vec<FieldProblem>>,
    request_id: String,
}

impl Problem {
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self(Box::new(Contents {
            status,
            code,
            detail: detail.into(),
            errors: Vec::new(),
            members: Map::new(),
            retry_after_s: None,
            challenge: None,
            allow: None,
            cause: None,
        }))
    }

    /// 400: the request cannot be read.
    pub fn malformed(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 401: there is no token that is valid here. `challenge` is the WWW-Authenticate header (RFC 6750).
    pub fn unauthorized(code: &'static str, detail: impl Into<String>, challenge: &'static str) -> Self {
        let mut problem = Self::new(StatusCode::UNAUTHORIZED, code, detail);
        problem.0.challenge = Some(challenge);
        problem
    }

    /// 403.
    pub fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    /// 404: absent, or another business's; nobody can tell which.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is nothing here that you can see.")
    }

    /// 409: the request is at odds with what is stored.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// 412: someone else changed the row meanwhile.
    pub fn stale() -> Self {
        let detail = "Someone else has changed this meanwhile. Read it again and repeat your change.";
        Self::new(StatusCode::PRECONDITION_FAILED, "stale", detail)
    }

    /// 422: a field breaks a rule.
    pub fn invalid(pointer: impl Into<String>, code: &'static str, message: impl fmt::Display) -> Self {
        let detail = "The request breaks a rule; see errors.";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail).at(pointer, code, message)
    }

    /// 503: the same request may succeed a little later.
    pub fn unavailable(code: &'static str, detail: impl Into<String>, retry_after_s: u32) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).retry_after(retry_after_s)
    }

    /// 500: our fault. The document says nothing but the request id.
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let detail = "Something went wrong here. Tell support the request id.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail).caused_by(cause)
    }

    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>, code: &'static str, message: impl fmt::Display) -> Self {
        self.0.errors.push(FieldProblem { pointer: pointer.into(), code, message: message.to_string() });
        self
    }

    /// Adds a member of its own to the document, such as `shortages`.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.0.members.insert(name.to_owned(), value);
        self
    }

    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after_s = Some(seconds);
        self
    }

    /// The methods that a 405 has to name.
    #[must_use]
    pub fn allow(mut self, methods: &str) -> Self {
        self.0.allow = Some(methods.to_owned());
        self
    }

    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// A problem for an answer of the framework's own that has none.
    pub fn from_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::not_found(),
            StatusCode::PAYLOAD_TOO_LARGE => Self::too_large(),
            StatusCode::METHOD_NOT_ALLOWED => {
                Self::new(status, "method_not_allowed", "This address does not know that method.")
            }
            status if status.is_server_error() => Self::internal("the framework answered with an error"),
            status => Self::new(status, "malformed", "The request cannot be read."),
        }
    }

    /// 413.
    pub fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "The request's body is too large.")
    }

    /// The whole chain of causes, for the log.
    pub fn chain(&self) -> String {
        let told = format!("{}: {}", self.0.code, self.0.detail);
        match &self.0.cause {
            Some(cause) => format!("{told}: {}", tenancy::chain(cause.as_ref())),
            None => told,
        }
    }

    fn document(&self, instance: &str, request_id: &str) -> Value {
        let mut document = json!({
            "type": format!("urn:tenantry:problem:{}", self.0.code),
            "title": self.0.status.canonical_reason().unwrap_or("Error"),
            "status": self.0.status.as_u16(),
            "code": self.0.code,
            "detail": self.0.detail,
            "instance": instance,
            "requestId": request_id,
        });
        if let Value::Object(document) = &mut document {
            if !self.0.errors.is_empty() {
                document.insert("errors".to_owned(), json!(self.0.errors));
            }
            document.extend(self.0.members.clone());
        }
        document
    }

    /// The answer to the request `request_id` for `instance`.
    pub fn respond(&self, instance: &str, request_id: &str) -> HttpResponse {
        let mut response = HttpResponse::build(self.0.status);
        response.insert_header((header::CONTENT_TYPE, "application/problem+json"));
        if let Some(seconds) = self.0.retry_after_s {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        if let Some(challenge) = self.0.challenge {
            response.insert_header((header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge)));
        }
        if let Some(methods) = &self.0.allow {
            response.insert_header((header::ALLOW, methods.as_str()));
        }
        response.body(self.document(instance, request_id).to_string())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.status.as_u16(), self.0.code)
    }
}

impl Error for Problem {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.cause.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.0.status
    }

    /// Only the outermost middleware knows the request's id and path; it finds the problem again through
    /// `Response::error` and writes the document.
    fn error_response(&self) -> HttpResponse {
        self.respond("", "")
    }
}
