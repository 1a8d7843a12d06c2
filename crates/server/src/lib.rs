//! The HTTP server: middleware, extractors, routes, problem documents, OpenAPI.

// A request's future holds those of every layer below it.
#![recursion_limit = "256"]

pub mod app;
mod body;
mod etag;
mod examples;
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
