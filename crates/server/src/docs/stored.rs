//! Answers that stay the same while the program runs.

use actix_http::encoding::Encoder;
use actix_web::body;
use actix_web::dev::ResponseHead;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, ContentEncoding, EntityTag};
use actix_web::{HttpRequest, HttpResponse};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use tokio::sync::OnceCell;

use crate::http::etag;
use crate::http::problem::Problem;
use crate::middleware::compression;

/// A file that is compressed at most once for each encoding, so that a request for it costs little.
pub struct Stored {
    content_type: &'static str,
    content: Bytes,
    digest: String,
    gzip: OnceCell<Bytes>,
    brotli: OnceCell<Bytes>,
}

impl Stored {
    pub fn new(content_type: &'static str, content: impl Into<Bytes>) -> Self {
        let content = content.into();
        let digest = URL_SAFE_NO_PAD.encode(&digest(&SHA256, &content).as_ref()[..12]);
        Self { content_type, content, digest, gzip: OnceCell::new(), brotli: OnceCell::new() }
    }

    /// Answers 200 with the file, or 304 when the client has it. A cache may keep it for five minutes, and
    /// compares the tag afterwards.
    ///
    /// # Errors
    /// [`Problem`] 500 when the file cannot be compressed.
    pub async fn respond(&self, request: &HttpRequest) -> Result<HttpResponse, Problem> {
        let tag = EntityTag::new_weak(self.digest.clone());
        let is_known = etag::is_known(request, &tag);
        let mut response =
            HttpResponse::build(if is_known { StatusCode::NOT_MODIFIED } else { StatusCode::OK });
        response
            .insert_header(header::ETag(tag))
            .insert_header((header::CACHE_CONTROL, "public, max-age=300"))
            .insert_header((header::VARY, "accept-encoding"));
        if is_known {
            return Ok(response.finish());
        }
        response.content_type(self.content_type);
        let encoding = compression::accepted(request, [ContentEncoding::Brotli, ContentEncoding::Gzip]);
        let content = match encoding {
            ContentEncoding::Gzip => self.gzip.get_or_try_init(|| self.compress(encoding)).await?,
            ContentEncoding::Brotli => self.brotli.get_or_try_init(|| self.compress(encoding)).await?,
            _ => return Ok(response.body(self.content.clone())),
        };
        Ok(response.insert_header(encoding).body(content.clone()))
    }

    async fn compress(&self, encoding: ContentEncoding) -> Result<Bytes, Problem> {
        let encoder =
            Encoder::response(encoding, &mut ResponseHead::new(StatusCode::OK), self.content.clone());
        body::to_bytes(encoder).await.map_err(|error| Problem::internal(error.to_string()))
    }
}
