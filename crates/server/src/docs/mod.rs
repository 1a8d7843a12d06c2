//! The pages for developers: the OpenAPI document, a viewer of it with guides, and a page for each error
//! code. None of them loads anything from other hosts.

mod error_pages;
mod stored;
mod viewer;

use actix_web::web;

/// Allows only scripts and styles of the pages themselves. `unsafe-inline` is necessary because the viewer
/// adds its styles while it runs.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
                                       style-src 'self' 'unsafe-inline'; font-src 'self' data:; \
                                       img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'";

/// The paths below, each for GET.
pub const PATHS: [&str; 6] =
    ["/", "/docs", "/openapi.json", "/docs/errors", "/docs/errors/{code}", "/docs/{file:.*}"];

/// Registers `/openapi.json`, `/docs`, the pages of errors below `/docs/errors`, and the redirect from `/`.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/", web::get().to(async || viewer::redirect()))
        .route("/docs", web::get().to(async || viewer::redirect()))
        .route("/openapi.json", web::get().to(viewer::document))
        .route("/docs/errors", web::get().to(async || error_pages::list()))
        .route("/docs/errors/{code}", web::get().to(error_pages::one))
        .route("/docs/{file:.*}", web::get().to(viewer::file));
}
