//! One business's data on the move: backup files, and what goes into and comes out of them.
//!
//! [`file`](mod@file) is the format: a stream of tables that is written and read with memory that does not grow with its size.
//! [`transfer`] moves rows between such a file, a snapshot of a schema, and a new schema.

pub mod file;
pub mod transfer;

pub use file::{Checked, FileError, Header, Manifest, Subject, TableSummary};
pub use transfer::TransferError;
