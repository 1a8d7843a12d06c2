//! The OpenAPI document, its examples, and the page that shows it.

pub mod docs;
pub mod document;
pub mod examples;
mod webhooks;
