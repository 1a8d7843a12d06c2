//! Ids and keys, by which everything else is named; no queries.

pub mod ids;
pub mod keys;
