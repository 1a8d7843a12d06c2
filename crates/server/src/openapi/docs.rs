//! The OpenAPI document, and a page that shows it and loads nothing from other hosts.

use std::sync::{Arc, LazyLock};

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use utoipa_swagger_ui::Config;

use crate::http::problem::Problem;
use crate::openapi::document::PUBLISHED;
use crate::openapi::error_pages;

/// Allows only scripts and styles of the page itself. `unsafe-inline` is necessary because the page sets
/// style attributes on its elements.
pub(super) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
                                       style-src 'self' 'unsafe-inline'; \
                                       img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'";

/// The configuration of the page.
static PAGE: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    Arc::new(Config::from("/openapi.json").try_it_out_enabled(true).persist_authorization(false))
});

/// Registers `/openapi.json`, `/docs`, the pages of errors below `/docs/errors`, and the redirect from `/`.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/", web::get().to(async || see_docs()))
        .route("/docs", web::get().to(async || see_docs()))
        .route("/openapi.json", web::get().to(document))
        .route("/docs/errors", web::get().to(async || error_pages::list()))
        .route("/docs/errors/{code}", web::get().to(error_pages::one))
        .route("/docs/{file:.*}", web::get().to(page));
}

fn see_docs() -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, "/docs/")).finish()
}

async fn document() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((header::CACHE_CONTROL, "public, max-age=300"))
        .insert_header(("cross-origin-resource-policy", "cross-origin"))
        .body(PUBLISHED.text.as_str())
}

async fn page(file: web::Path<String>) -> Result<HttpResponse, Problem> {
    let found = utoipa_swagger_ui::serve(&file, PAGE.clone())
        .map_err(|error| Problem::internal(error.to_string()))?
        .ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok()
        .content_type(found.content_type)
        .insert_header((header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        .insert_header((header::CACHE_CONTROL, "public, max-age=300"))
        .body(found.bytes.into_owned()))
}
