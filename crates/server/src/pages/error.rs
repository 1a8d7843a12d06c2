//! Errors that a person reads in a browser.

use std::error::Error;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde_json::json;
use tenancy::{DbError, ResolveError};

use crate::http::problem::Problem;
use crate::pages::page;

/// An error page.
#[derive(Debug)]
pub struct PageError {
    status: StatusCode,
    title: &'static str,
    text: String,
    /// The cause, for the log.
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl PageError {
    pub fn new(status: StatusCode, title: &'static str, text: impl Into<String>) -> Self {
        Self { status, title, text: text.into(), cause: None }
    }

    /// The request of a program is wrong, and nobody knows whether it may be told so.
    pub fn bad_request(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "This link does not work", text)
    }

    fn unavailable(cause: impl Error + Send + Sync + 'static) -> Self {
        let text = "The server cannot answer at the moment. Wait a moment, and load the page again.";
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self { cause: Some(Box::new(cause)), ..Self::new(status, "Please try again", text) }
    }
}

impl From<DbError> for PageError {
    fn from(error: DbError) -> Self {
        Self::unavailable(error)
    }
}

impl From<ResolveError> for PageError {
    fn from(error: ResolveError) -> Self {
        Self::unavailable(error)
    }
}

impl From<Problem> for PageError {
    fn from(problem: Problem) -> Self {
        let title =
            if problem.status().is_server_error() { "Please try again" } else { "This does not work" };
        Self::new(problem.status(), title, problem.detail())
    }
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.title, self.text)
    }
}

impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        if let Some(cause) = &self.cause {
            tracing::warn!(error = %tenancy::chain(cause.as_ref()), "a page was not shown");
        }
        let values = json!({"title": self.title, "text": self.text});
        page::render(self.status, "error.html", &values)
    }
}
