//! The OpenAPI document and its examples.

pub mod document;
mod examples;
mod guides;
mod headers;
mod names;
mod own_problems;
mod problems;
mod schemas;
mod webhooks;
