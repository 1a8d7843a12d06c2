//! Backup files, and the transfer of data into and out of backup files.
//!
//! [`file`](mod@file) is the format of a backup file: a stream of tables. Writing and reading need the same
//! memory for a file of any size.
//!
//! [`contents`] moves rows between a backup file, a snapshot of a schema, and a new schema.

pub mod check;
pub mod contents;
pub mod file;

pub use check::Checked;
pub use contents::ContentsError;
pub use file::{FileError, Header, Manifest, Subject, TableSummary};
