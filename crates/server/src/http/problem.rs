//! Errors as clients see them: RFC 9457 problem documents.

use std::error::Error;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::http::codes::Code;
use crate::http::problem_members::Members;

/// A problem with one field of the body, or with one query parameter.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct FieldProblem {
    /// The field, as a JSON Pointer (RFC 6901) into the body of the request. Left out for a query parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub pointer: Option<String>,
    /// The name of the query parameter. Left out for a field of the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub parameter: Option<String>,
    /// The stable name of the problem with this field.
    pub code: Code,
    /// The rule that the field breaks, as a text for people.
    pub message: String,
}

/// An error on its way to the client. The cause is logged, never sent.
#[derive(Debug)]
pub struct Problem(Box<Contents>);

/// Boxed, so that a `Result` with a problem stays small.
#[derive(Debug)]
struct Contents {
    code: Code,
    detail: String,
    errors: Vec<FieldProblem>,
    members: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

/// A problem document (RFC 9457), the answer to every request that fails. Some codes add members.
#[derive(utoipa::ToSchema)]
#[schema(as = Problem, rename_all = "camelCase")]
#[expect(dead_code, reason = "the API document alone reads the fields")]
pub struct ProblemDocument {
    /// The path of the explanation of the code, on the same host.
    r#type: String,
    /// A short summary. It is the same for every problem with this code.
    title: String,
    /// The HTTP status code.
    status: u16,
    /// The stable name of the problem. Clients must match on this field.
    code: Code,
    /// An explanation of this problem for people, often with the action to take.
    detail: String,
    /// The path of the request.
    instance: String,
    /// The fields with problems. Left out if the problem does not concern a field.
    #[schema(nullable = false)]
    errors: Option<Vec<FieldProblem>>,
    /// The id of the request. Send it to support with a question about this request.
    request_id: String,
}

impl Problem {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self(Box::new(Contents {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            members: Map::new(),
            headers: Vec::new(),
            cause: None,
        }))
    }

    /// A problem whose detail is the error's text, as a sentence.
    pub fn because(code: Code, error: &impl fmt::Display) -> Self {
        Self::new(code, sentence(error))
    }

    /// A field breaks a rule, or conflicts with stored data.
    pub fn invalid(pointer: impl Into<String>, code: Code, message: impl fmt::Display) -> Self {
        let detail = if code.status() == StatusCode::UNPROCESSABLE_ENTITY {
            "A field of the request breaks a rule; see errors.".to_owned()
        } else {
            sentence(&message)
        };
        Self::new(code, detail).at(pointer, code, message)
    }

    /// 401: the request has no token that is valid on this host. `challenge` is the WWW-Authenticate header
    /// (RFC 6750).
    pub fn unauthorized(code: Code, detail: impl Into<String>, challenge: &'static str) -> Self {
        Self::new(code, detail).header(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
    }

    /// 404: the resource is absent, or it belongs to another business. The answer is the same.
    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "The resource does not exist, or it belongs to another business.")
    }

    /// 404: a field names a resource that is absent.
    pub fn not_found_at(pointer: impl Into<String>, message: impl fmt::Display) -> Self {
        Self::not_found().at(pointer, Code::NotFound, message)
    }

    /// The same request may succeed after `retry_after_s` seconds.
    pub fn unavailable(code: Code, detail: impl Into<String>, retry_after_s: u32) -> Self {
        Self::new(code, detail).retry_after(retry_after_s)
    }

    /// 500: a fault of the server. The document contains nothing but the request id.
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let detail = "The server failed. Send the requestId to support.";
        Self::new(Code::Internal, detail).caused_by(cause)
    }

    /// 413.
    pub fn too_large() -> Self {
        Self::new(Code::BodyTooLarge, "The body of the request is too large.")
    }

    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>, code: Code, message: impl fmt::Display) -> Self {
        let (pointer, message) = (Some(pointer.into()), message.to_string());
        self.0.errors.push(FieldProblem { pointer, parameter: None, code, message });
        self
    }

    /// 400: a query parameter cannot be read.
    pub fn invalid_parameter(name: &str, message: impl fmt::Display) -> Self {
        let (code, message) = (Code::InvalidQuery, message.to_string());
        let mut problem = Self::new(code, format!("Correct the query parameter {name}: {message}."));
        problem.0.errors.push(FieldProblem {
            pointer: None,
            parameter: Some(name.to_owned()),
            code,
            message,
        });
        problem
    }

    /// Names the fields of a part of a request as fields of the body.
    #[must_use]
    pub fn below(mut self, pointer: &str) -> Self {
        for error in self.0.errors.iter_mut().filter_map(|error| error.pointer.as_mut()) {
            error.insert_str(0, pointer);
        }
        self
    }

    /// Names the fields of the first line as fields of the body, for a request whose only line stands there.
    #[must_use]
    pub fn of_only_line(mut self) -> Self {
        for error in self.0.errors.iter_mut().filter_map(|error| error.pointer.as_mut()) {
            if let Some(field) = error.strip_prefix("/lines/0") {
                *error = field.to_owned();
            }
        }
        self
    }

    /// Adds a member to the document, such as `shortages`. [`Members`] describes all of them.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        debug_assert!(Members::NAMES.contains(&name), "the API document lacks the member {name}");
        self.0.members.insert(name.to_owned(), value);
        self
    }

    #[must_use]
    pub fn retry_after(self, seconds: u32) -> Self {
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    pub fn status(&self) -> StatusCode {
        self.0.code.status()
    }

    /// The problem for an error answer of the framework.
    pub fn from_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::not_found(),
            StatusCode::PAYLOAD_TOO_LARGE => Self::too_large(),
            StatusCode::METHOD_NOT_ALLOWED => {
                Self::new(Code::MethodNotAllowed, "This path does not support the method.")
            }
            status if status.is_server_error() => Self::internal("the framework answered with an error"),
            _ => Self::new(Code::Malformed, "The server cannot read the request."),
        }
    }

    /// The whole chain of causes, for the log.
    pub fn chain(&self) -> String {
        let summary = format!("{}: {}", self.0.code.as_str(), self.0.detail);
        match &self.0.cause {
            Some(cause) => format!("{summary}: {}", tenancy::chain(cause.as_ref())),
            None => summary,
        }
    }

    /// The stable name.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The text about this occurrence.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The most exact text: that about the first field, if a field breaks a rule.
    pub fn reason(&self) -> &str {
        self.0.errors.first().map_or(&self.0.detail, |field| &field.message)
    }

    fn document(&self, instance: &str, request_id: &str) -> Value {
        let code = self.0.code;
        let mut document = json!({
            "type": code.address(),
            "title": code.title(),
            "status": code.status().as_u16(),
            "code": code,
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
        let mut response = HttpResponse::build(self.status());
        response.insert_header((header::CONTENT_TYPE, "application/problem+json"));
        for header in &self.0.headers {
            response.insert_header(header.clone());
        }
        response.body(self.document(instance, request_id).to_string())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status().as_u16(), self.0.code.as_str())
    }
}

impl Error for Problem {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.cause.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    /// Only the outermost middleware knows the id and the path of the request. It takes the problem from
    /// `Response::error`, and writes the document again.
    fn error_response(&self) -> HttpResponse {
        self.respond("", "")
    }
}

/// An error's text as a sentence.
pub fn sentence(error: &impl fmt::Display) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), letters.as_str()),
        None => text,
    }
}
