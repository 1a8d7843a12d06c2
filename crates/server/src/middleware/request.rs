//! The outermost layer: request id and trace, one span and one log line, deadline, panics, problem documents,
//! headers.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, web};
use futures_util::FutureExt;
use tracing::Instrument;
use tracing::field::Empty;
use uuid::Uuid;

use crate::http::codes::Code;
use crate::http::deprecations::Deprecation;
use crate::http::oauth_error::OAuthError;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::pages::error::PageError;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The headers of every answer. The API returns data, not pages. `/docs` sets its own content security
/// policy.
const SECURITY_HEADERS: [(&str, &str); 6] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-site"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("cache-control", "no-store"),
];

/// For a year, browsers use HTTPS alone for this host. Other hosts of its domain may be somebody else's.
const HSTS: &str = "max-age=31536000";

/// The span of the running request. Inner layers record fields in it.
#[derive(Clone)]
pub struct RequestSpan(tracing::Span);

impl RequestSpan {
    pub fn record_tenant(&self, slug: &str) {
        self.0.record("tenant.slug", slug);
    }
}

/// Wraps all other layers; see the module.
///
/// # Errors
/// No error of its own: an error of an inner layer becomes a problem document here.
pub async fn layer(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let request_id = request_id(request.headers());
    let traceparent = traceparent(request.headers());
    let method = request.method().clone();
    // HEAD is answered as GET. The framework has already read the method, so it leaves the body out.
    if method == Method::HEAD {
        request.head_mut().method = Method::GET;
    }
    let path = request.path().to_owned();
    let state = request.app_data::<web::Data<State>>().cloned();
    let deadline = state.as_ref().map_or(30_000, |state| state.settings.server.request_timeout_ms);
    let span = tracing::info_span!(
        "request",
        request.id = %request_id,
        trace.id = traceparent
            .as_ref()
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.get(3..35)),
        http.method = %method,
        http.route = Empty,
        tenant.slug = Empty,
        http.status_code = Empty,
        duration_ms = Empty,
    );
    request.extensions_mut().insert(RequestSpan(span.clone()));

    let checked = check_head(&request);
    let work = async {
        checked?;
        next.call(request).await
    };
    let work = AssertUnwindSafe(work.instrument(span.clone())).catch_unwind();
    let answer = match tokio::time::timeout(Duration::from_millis(deadline), work).await {
        Ok(Ok(answer)) => answer.map(ServiceResponse::map_into_boxed_body),
        Ok(Err(panic)) => Err(Problem::internal(panic_text(panic.as_ref())).into()),
        Err(_) => {
            let detail = "The request took too long, so the server cancelled it. Repeat the request.";
            Err(Problem::unavailable(Code::DeadlineExceeded, detail, 1).into())
        }
    };

    let _entered = span.enter();
    // After an error of a layer the request no longer exists, so the answer must be returned inside an error.
    let (request, response) = match answer {
        Ok(answer) => {
            let (request, response) = answer.into_parts();
            (Some(request), response)
        }
        Err(error) => (None, HttpResponse::from_error(error)),
    };
    let mut response =
        if response.status().as_u16() < 400 { response } else { with_document(response, &path, &request_id) };
    let is_https = state.as_ref().is_some_and(|state| state.settings.server.public_scheme == "https");
    add_headers(response.headers_mut(), &request_id, traceparent.as_ref(), is_https);
    let route = request.as_ref().and_then(HttpRequest::match_pattern).unwrap_or_else(|| "none".to_owned());
    if let Some(deprecation) = Deprecation::of(&route) {
        deprecation.add_headers(response.headers_mut());
    }
    let status = response.status().as_u16();
    let duration = started.elapsed();
    if let Some(state) = &state {
        state.metrics.record(method.as_str(), &route, status, duration);
    }
    tell(&span, method.as_str(), &route, &path, status, duration);
    match request {
        Some(request) => Ok(ServiceResponse::new(request, response)),
        None => Err(InternalError::from_response("the request was abandoned", response).into()),
    }
}

/// The longest address of a request, in bytes.
const LONGEST_URI: usize = 16 << 10;

/// The largest sum of the names and the values of all headers, in bytes. The framework itself refuses a head
/// of more than 128 KiB, or with more than 96 headers, without a problem document.
const MOST_HEADERS: usize = 32 << 10;

/// Refuses a head that is too large, and a compressed body before a byte of it is read: a few kilobytes of it
/// could become gigabytes.
fn check_head(request: &ServiceRequest) -> Result<(), Problem> {
    let uri = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    if uri > LONGEST_URI {
        let detail =
            format!("The address of the request has {uri} bytes; at most {LONGEST_URI} are allowed.");
        return Err(Problem::new(Code::UriTooLong, detail));
    }
    let headers =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>();
    if headers > MOST_HEADERS {
        let detail = format!("The headers have {headers} bytes; at most {MOST_HEADERS} are allowed.");
        return Err(Problem::new(Code::HeadersTooLarge, detail));
    }
    if request.headers().contains_key(header::CONTENT_ENCODING) {
        let detail = "Send the body as it is, without a Content-Encoding header.";
        return Err(Problem::new(Code::UnsupportedMediaType, detail));
    }
    Ok(())
}

/// Replaces the body of an error answer with its problem document. Keeps the headers that other layers set.
fn with_document(response: HttpResponse, path: &str, request_id: &str) -> HttpResponse {
    // Programs expect errors of a provider in the form of OAuth, and people expect a page.
    let has_own_form =
        |error: &Error| error.as_error::<OAuthError>().is_some() || error.as_error::<PageError>().is_some();
    if response.error().is_some_and(has_own_form) || is_page(&response) {
        return response;
    }
    let general;
    let problem = match response.error().and_then(|error| error.as_error::<Problem>()) {
        Some(problem) => problem,
        None => {
            general = Problem::from_status(response.status());
            &general
        }
    };
    // An error is logged once, here. A 500 needs a person. Every other 5xx is temporary, so it is only a
    // warning.
    if problem.status().as_u16() == 500 {
        tracing::error!(error = %problem.chain(), "request failed");
    } else if problem.status().is_server_error() {
        tracing::warn!(error = %problem.chain(), "request refused temporarily");
    }
    let mut document = problem.respond(path, request_id);
    let own: Vec<HeaderName> = document.headers().keys().cloned().collect();
    for (name, value) in response.headers().iter().filter(|(name, _)| !own.contains(name)) {
        document.headers_mut().append(name.clone(), value.clone());
    }
    document
}

/// Whether the answer is a page for people.
fn is_page(response: &HttpResponse) -> bool {
    let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|content_type| content_type.starts_with("text/html"))
}

/// Writes the log line of the request and the fields of its span.
fn tell(span: &tracing::Span, method: &str, route: &str, path: &str, status: u16, duration: Duration) {
    let duration_ms = duration.as_micros() as f64 / 1000.0;
    span.record("http.route", route);
    span.record("http.status_code", status);
    span.record("duration_ms", duration_ms);
    // Probes come every few seconds. A successful probe is worth no log line above debug.
    if status < 400 && matches!(path, "/livez" | "/readyz") {
        tracing::debug!("{method} {path} {status}");
    } else {
        tracing::info!("{method} {path} {status} in {duration_ms:.1} ms");
    }
}

fn add_headers(headers: &mut HeaderMap, request_id: &str, traceparent: Option<&HeaderValue>, is_https: bool) {
    if is_https {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HSTS));
    }
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, value);
    }
    if let Some(value) = traceparent {
        headers.insert(TRACEPARENT, value.clone());
    }
    for (name, value) in SECURITY_HEADERS {
        let name = HeaderName::from_static(name);
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

/// The client's request id if it is safe in logs and headers; otherwise a new id.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let harmless = |id: &&str| {
        (1..=64).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    };
    given.filter(harmless).map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

/// The trace context of the client if it is well-formed (W3C Trace Context, version 00).
fn traceparent(headers: &HeaderMap) -> Option<HeaderValue> {
    let value = headers.get(TRACEPARENT)?;
    let parts: Vec<&str> = value.to_str().ok()?.split('-').collect();
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    match parts.as_slice() {
        ["00", trace, parent, flags] if hex(trace, 32) && hex(parent, 16) && hex(flags, 2) => {
            Some(value.clone())
        }
        _ => None,
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a handler panicked: {}", text.unwrap_or("no message"))
}

#[cfg(test)]
mod tests {
    use actix_web::middleware::from_fn;
    use actix_web::{App, test};
    use serde_json::Value;

    use super::*;

    async fn answer(path: &str, request_id: &str) -> (u16, HeaderMap, Value) {
        let app = test::init_service(
            App::new()
                .wrap(from_fn(layer))
                .route("/panic", web::get().to(async || -> HttpResponse { panic!("on purpose") }))
                .route("/fine", web::get().to(async || HttpResponse::Ok().json("fine")))
                .route("/refused", web::get().to(async || Err::<HttpResponse, _>(Problem::not_found()))),
        )
        .await;
        let request =
            test::TestRequest::get().uri(path).insert_header(("x-request-id", request_id)).to_request();
        let response = match test::try_call_service(&app, request).await {
            Ok(response) => response.into_parts().1,
            Err(error) => error.error_response(),
        };
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = actix_web::body::to_bytes(response.into_body()).await.unwrap();
        (status, headers, serde_json::from_slice(&body).unwrap())
    }

    #[actix_web::test]
    async fn a_panic_is_a_500_that_names_the_request_and_nothing_else() {
        let (status, headers, body) = answer("/panic", "abc-1").await;
        assert_eq!(status, 500);
        assert_eq!(headers.get("content-type").unwrap(), "application/problem+json");
        assert_eq!(headers.get("x-request-id").unwrap(), "abc-1");
        assert_eq!((body["requestId"].as_str(), body["instance"].as_str()), (Some("abc-1"), Some("/panic")));
        assert!(!body.to_string().contains("on purpose"));
    }

    #[actix_web::test]
    async fn every_error_is_a_problem_and_every_answer_has_the_headers() {
        for (path, status) in [("/refused", 404), ("/unknown", 404), ("/fine", 200)] {
            let (answered, headers, body) = answer(path, "bad id!").await;
            assert_eq!(answered, status, "{path}");
            assert_eq!(headers.get("x-content-type-options").unwrap(), "nosniff");
            assert_ne!(headers.get("x-request-id").unwrap(), "bad id!");
            if status >= 400 {
                assert_eq!(body["code"], "not_found", "{path}");
            }
        }
    }
}
