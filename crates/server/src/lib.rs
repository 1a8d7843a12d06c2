//! The HTTP server: middleware, extractors, routes, problem documents, OpenAPI.

pub mod app;
mod body;
mod etag;
mod extract;
pub mod logging;
mod metrics;
mod middleware;
mod once;
pub mod openapi;
mod problem;
mod problems;
mod routes;
pub mod settings;
pub mod state;
