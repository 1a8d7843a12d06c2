//! The OpenAPI document, its examples, and the page that shows it.

pub mod docs;
pub mod document;
mod examples;
mod headers;
mod names;
mod problems;
mod schemas;
mod webhooks;
