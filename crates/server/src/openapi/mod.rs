//! The OpenAPI document, its examples, and the page that shows it.

pub mod docs;
pub mod document;
mod error_pages;
mod examples;
mod headers;
mod names;
mod own_problems;
mod problems;
mod schemas;
mod webhooks;
