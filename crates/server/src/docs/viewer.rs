//! The OpenAPI document, and the page that shows it.

use std::sync::LazyLock;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};

use crate::docs::CONTENT_SECURITY_POLICY;
use crate::docs::stored::Stored;
use crate::http::problem::Problem;
use crate::openapi::document::PUBLISHED;

static DOCUMENT: LazyLock<Stored> =
    LazyLock::new(|| Stored::new("application/json", PUBLISHED.text.as_bytes()));

/// The files of the page, by their names below `/docs/`.
static FILES: LazyLock<[(&str, Stored); 4]> = LazyLock::new(|| {
    let scalar = scalar_api_reference::get_asset("scalar.js").unwrap_or_default();
    [
        ("", Stored::new("text/html; charset=utf-8", include_str!("viewer/page.html"))),
        ("start.js", Stored::new("text/javascript; charset=utf-8", include_str!("viewer/start.js"))),
        ("style.css", Stored::new("text/css; charset=utf-8", include_str!("viewer/style.css"))),
        ("scalar.js", Stored::new("text/javascript; charset=utf-8", scalar)),
    ]
});

/// Leads to the page.
pub fn redirect() -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, "/docs/")).finish()
}

/// The OpenAPI document.
pub async fn document(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let mut response = DOCUMENT.respond(&request).await?;
    // Pages of other hosts may load it, too.
    let policy = header::HeaderName::from_static("cross-origin-resource-policy");
    response.headers_mut().insert(policy, header::HeaderValue::from_static("cross-origin"));
    Ok(response)
}

/// A file of the page.
pub async fn file(name: web::Path<String>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let found = FILES.iter().find(|(known, _)| *known == name.as_str());
    let (_, stored) = found.ok_or_else(Problem::not_found)?;
    let mut response = stored.respond(&request).await?;
    let policy = header::HeaderValue::from_static(CONTENT_SECURITY_POLICY);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    Ok(response)
}
