//! Extractors: the parts that the signature of a handler can require, such as parameters and a body. The
//! caller is in `caller`.

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::time::{Duration, Instant};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use serde::de::DeserializeOwned;
use values::IfVersion;

use crate::http::body;
use crate::http::caller::CheckAgain;
use crate::http::codes::Code;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::wording::{self, Fault};

/// A JSON body, read and checked.
pub struct Json<T> {
    pub value: T,
    /// The body as it arrived, to distinguish a repeated request from another one.
    pub bytes: Bytes,
}

/// The caller of a request whose body takes longer is checked again.
const SLOW: Duration = Duration::from_millis(250);

/// The body of a request, read in time. The caller of a slow one has been checked again.
pub struct Body(pub Bytes);

impl FromRequest for Body {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let patience = State::of(request).map(|state| state.settings.server.client_timeout_ms);
        let bytes = Bytes::from_request(request, payload);
        let (request, began) = (request.clone(), Instant::now());
        Box::pin(async move {
            let bytes = tokio::time::timeout(Duration::from_millis(patience?), bytes)
                .await
                .map_err(|_| {
                    Problem::new(Code::BodyTimeout, "The body of the request did not arrive in time.")
                })?
                .map_err(|error| match error.as_response_error().status_code() {
                    StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(),
                    _ => Problem::new(Code::MalformedBody, "The body of the request cannot be read."),
                })?;
            let check_again = request.extensions().get::<CheckAgain>().copied();
            if let Some(check_again) = check_again.filter(|_| began.elapsed() > SLOW) {
                check_again.run(&request).await?;
            }
            Ok(Self(bytes))
        })
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let content_type = body::check_content_type(request);
        let body = Body::from_request(request, payload);
        Box::pin(async move {
            content_type?;
            let Body(bytes) = body.await?;
            Ok(Self { value: body::read(&bytes)?, bytes })
        })
    }
}

/// The query parameters. An unknown parameter is refused.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(read_query(request.query_string(), &[]).map(Self))
    }
}

/// Reads query parameters as `T`. `others` are the names of parameters that were read before.
///
/// # Errors
/// 400 for a parameter that is unknown, missing or malformed, or is there twice.
pub fn read_query<T: DeserializeOwned>(query: &str, others: &[&str]) -> Result<T, Problem> {
    let pairs = form_urlencoded::parse(query.as_bytes());
    serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(pairs)).map_err(|error| {
        let Fault { code, field, message, mut known } = wording::of_value(&error.inner().to_string());
        // The parser did not reach a parameter that is unknown or missing.
        let name = field.unwrap_or_else(|| error.path().to_string());
        known.extend(others.iter().map(|name| (*name).to_owned()));
        match code {
            Code::UnknownField => {
                Problem::invalid_parameter(&name, wording::of_unknown(&name, "parameters", &known))
            }
            _ => Problem::invalid_parameter(&name, message),
        }
    })
}

/// The parameter in the path.
pub struct PathId<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for PathId<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let read = web::Path::<T>::from_request(request, payload).into_inner();
        ready(read.map(|path| Self(path.into_inner())).map_err(|_| {
            let detail =
                "A part of the path is malformed. Use an id, a key or a barcode that the API returned.";
            Problem::new(Code::InvalidPath, detail)
        }))
    }
}

/// The versions that an If-Match header allows.
pub struct IfMatch(pub IfVersion);

impl FromRequest for IfMatch {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(crate::http::etag::if_match(request))))
    }
}
