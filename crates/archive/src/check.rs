//! Checks whole backup files.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use serde_json::Value;

use crate::file::{FileError, Header, Manifest, PIECE, Piece, Reader, hex};

/// A checked backup file: every byte was read and compared with the digests.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The path of the file.
    pub path: PathBuf,
    /// The header of the file and the summary of each table.
    pub manifest: Manifest,
    /// The data of the `shared` schema about the subject.
    pub shared: Value,
}

/// Reads the header of a file, and nothing else of it.
///
/// # Errors
/// [`FileError`].
pub fn header(path: &Path) -> Result<Header, FileError> {
    let mut reader = Reader::open(path)?;
    match reader.next_piece()? {
        Some(Piece::Header(header)) => Ok(header),
        _ => Err(reader.damaged("there is no header")),
    }
}

/// Reads a whole file and compares every table with its digest.
///
/// # Errors
/// [`FileError`], with the first table that is damaged.
pub fn check(path: &Path) -> Result<Checked, FileError> {
    let mut reader = Reader::open(path)?;
    let (mut manifest, mut shared) = (None, Value::Null);
    while let Some(piece) = reader.next_piece()? {
        match piece {
            Piece::Shared(rows) => shared = rows,
            Piece::Manifest(found) => manifest = Some(found),
            Piece::Header(_) | Piece::Table(_) | Piece::Rows(_) | Piece::EndOfTable(_) => {}
        }
    }
    let manifest = manifest.ok_or_else(|| reader.damaged("there is no manifest"))?;
    Ok(Checked { path: path.to_owned(), manifest, shared })
}

/// The SHA-256 of a whole file, in hexadecimal.
///
/// # Errors
/// [`FileError::Io`].
pub fn digest(path: &Path) -> Result<String, FileError> {
    let mut file = File::open(path)?;
    let (mut digest, mut buffer) = (Context::new(&SHA256), vec![0; PIECE]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(digest)),
            read => digest.update(&buffer[..read]),
        }
    }
}
