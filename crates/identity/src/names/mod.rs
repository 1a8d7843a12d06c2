//! Ids, keys and digests, by which everything else is named; no queries.

pub mod digest;
pub mod ids;
pub mod keys;
pub mod secret;
