//! Compresses answers with gzip, or with brotli for clients that accept nothing else.

use actix_http::encoding::Encoder;
use actix_web::Error;
use actix_web::body::{self, BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, AcceptEncoding, ContentEncoding, Encoding, HeaderMap, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpRequest};

use crate::http::problem::Problem;

/// A shorter answer fits in one packet of the network, compressed or not.
const WORTH_IT_BYTES: u64 = 1024;

/// The types that shrink. A stream of events is not listed: each event must arrive at once.
const COMPRESSIBLE: [&str; 8] = [
    "application/json",
    "application/javascript",
    "application/x-ndjson",
    "image/svg+xml",
    "text/css",
    "text/csv",
    "text/html",
    "text/javascript",
];

/// Compresses the answer if it is long enough, of a type that shrinks, and holds no secret.
///
/// The length of a compressed answer shows how alike its parts are. Somebody who chooses one part can so
/// guess a secret in another part (the attack BREACH). A handler marks an answer with a secret as
/// `no-store`, and such an answer is never compressed.
///
/// # Errors
/// Only those of the handler.
pub async fn layer(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    // Brotli saves some more bytes, and takes ten times as long.
    let encoding = accepted(request.request(), [ContentEncoding::Gzip, ContentEncoding::Brotli]);
    let mut answer = next.call(request).await?;
    if !is_compressible(answer.headers(), answer.response().body().size()) {
        return Ok(answer.map_into_boxed_body());
    }
    if encoding == ContentEncoding::Identity {
        add_vary(answer.headers_mut());
        return Ok(answer.map_into_boxed_body());
    }
    weaken_tag(answer.headers_mut());
    let is_whole = matches!(answer.response().body().size(), BodySize::Sized(_));
    let answer = answer.map_body(|head, body| Encoder::response(encoding, head, body));
    if !is_whole {
        return Ok(answer.map_into_boxed_body());
    }
    // A compressed body has no length before its end. One that is sent as a whole needs a single write.
    let (request, response) = answer.into_parts();
    let (head, body) = response.into_parts();
    let body = body::to_bytes(body).await.map_err(|error| Problem::internal(error.to_string()))?;
    Ok(ServiceResponse::new(request, head.set_body(body).map_into_boxed_body()))
}

/// The first of these encodings that the client accepts.
pub fn accepted(request: &HttpRequest, encodings: [ContentEncoding; 2]) -> ContentEncoding {
    let Some(accepted) = request.get_header::<AcceptEncoding>() else { return ContentEncoding::Identity };
    let is_accepted = |encoding: &ContentEncoding| {
        let encoding = Encoding::Known(*encoding);
        accepted.negotiate([Encoding::identity(), encoding.clone()].iter()) == Some(encoding)
    };
    encodings.into_iter().find(is_accepted).unwrap_or(ContentEncoding::Identity)
}

fn is_compressible(headers: &HeaderMap, size: BodySize) -> bool {
    let text =
        |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
    let content_type = text(header::CONTENT_TYPE).split(';').next().unwrap_or_default();
    let is_long = match size {
        BodySize::None => false,
        BodySize::Sized(length) => length >= WORTH_IT_BYTES,
        BodySize::Stream => true,
    };
    is_long
        && COMPRESSIBLE.contains(&content_type)
        && !headers.contains_key(header::CONTENT_ENCODING)
        && !text(header::CACHE_CONTROL).contains("no-store")
}

/// Caches must keep the answer apart from a compressed one.
fn add_vary(headers: &mut HeaderMap) {
    let is_listed = |value: &HeaderValue| value.to_str().is_ok_and(|text| text.contains("accept-encoding"));
    if !headers.get_all(header::VARY).any(is_listed) {
        headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
}

/// A strong tag names exact bytes, and the compressed bytes differ.
fn weaken_tag(headers: &mut HeaderMap) {
    let tag = headers.get(header::ETAG).and_then(|tag| tag.to_str().ok());
    let weak = tag.filter(|tag| !tag.starts_with("W/")).map(|tag| format!("W/{tag}"));
    if let Some(Ok(weak)) = weak.map(|weak| HeaderValue::from_str(&weak)) {
        headers.insert(header::ETAG, weak);
    }
}
