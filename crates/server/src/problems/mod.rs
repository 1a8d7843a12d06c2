//! Errors of the domain as problems: one file for each crate, or for each module of the inventory crate.
//!
//! Every `match` lists every variant. A new variant does not compile until it has a code.

mod access;
mod business;
mod catalogue;
mod documents;
mod identity;
mod insight;
mod mobile_money;
mod orders;
mod people;
mod platform;
mod purchasing;
mod stock;
mod tenancy;
mod till;

/// The JSON Pointer to a field of a line.
fn line(index: usize, field: &str) -> String {
    format!("/lines/{index}/{field}")
}
