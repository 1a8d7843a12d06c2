//! The HTTP server: middleware, extractors, routes, problem documents, OpenAPI.

// The future of a request contains the futures of all inner layers, so its type is deeply nested.
#![recursion_limit = "256"]

mod docs;
mod http;
mod listen;
mod middleware;
mod openapi;
mod pages;
mod problems;
mod routes;

pub use http::code_page::markdown as error_codes;
pub use http::state::State;
pub use listen::app;
pub use openapi::document as openapi_document;
