//! The format of a backup file. The file is one zstd stream with a header, the rows of each table in the text
//! format of PostgreSQL's COPY, and a manifest.
//!
//! The stream starts with a line that names the format. Then come the records. A record is a letter, the
//! length of its content as four bytes in big-endian order, and the content. The letters are:
//!
//! - `H`: the header.
//! - `S`: the data of the `shared` schema about the business.
//! - `T`: the start of a table.
//! - `D`: a piece of the rows of the table.
//! - `E`: the end of the table, with the number of its rows and their SHA-256.
//! - `M`: the manifest. It is the last record; a file without a manifest is unfinished.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenancy::TenantId;
use tenancy::copy::Table;

/// The first line of the stream. A different format must use a different line.
const MAGIC: &[u8] = b"TENANTRY BACKUP 1\n";

/// The extension of backup files, without the dot.
pub const EXTENSION: &str = "tenantry";

/// The first bytes of every zstd stream.
const ZSTD_FRAME: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The maximum length of a record; a longer record means that the file is damaged. A piece of rows has about
/// [`PIECE`] bytes or one row, and a row of PostgreSQL has at most 1 GiB.
const LONGEST: u32 = 1 << 30;

/// Rows are collected into pieces of about this size, in bytes.
pub(crate) const PIECE: usize = 256 << 10;

/// A fast level that still compresses text to a fifth of its size.
const COMPRESSION_LEVEL: i32 = 3;

/// The subject of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Subject {
    /// One business.
    Business {
        /// The id of the business, which a rename does not change.
        id: TenantId,
        /// The slug at the time of the backup.
        slug: String,
        /// The name at the time of the backup.
        name: String,
    },
    /// The `shared` schema: the registry, users and their roles.
    Installation,
}

/// The first record of a backup file. It contains everything that is known before the rows are read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// The business or the installation whose data the file contains.
    #[serde(flatten)]
    pub subject: Subject,
    /// The number of the last migration of the schema.
    pub schema_version: i32,
    /// The version of the PostgreSQL server that the rows came from, for display.
    pub postgres_version: String,
    /// The version of the program that wrote the file.
    pub program_version: String,
    /// When the program started to read the rows.
    pub taken_at: DateTime<Utc>,
}

/// The summary of a table, which is known after its last row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSummary {
    /// The name of the table, without its schema.
    pub name: String,
    /// The number of rows.
    pub rows: u64,
    /// The size of the rows in the text format of COPY, before compression.
    pub bytes: u64,
    /// The SHA-256 of the rows in the text format of COPY, in hexadecimal.
    pub sha256: String,
}

/// The last record of a backup file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The header again. Both must be equal.
    #[serde(flatten)]
    pub header: Header,
    /// The tables, in the order of the file.
    pub tables: Vec<TableSummary>,
}

impl Manifest {
    /// The number of rows of all tables.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }
}

/// A backup file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file, named by its path, does not start like a backup file.
    #[error("{0} is not a Tenantry backup file")]
    NotABackup(String),
    /// The file is a backup, but it is incomplete or its bytes have changed.
    #[error("the backup is damaged in {place}: {problem}; use another backup")]
    Damaged {
        /// The damaged part of the file, such as `table orders`.
        place: String,
        /// The check that failed.
        problem: String,
    },
    /// A file operation failed, for example because the disk is full.
    #[error("the backup file cannot be read or written")]
    Io(#[from] io::Error),
}

/// One record of a backup file. The variants are in the order of the file.
#[derive(Debug, Clone)]
pub enum Piece {
    /// The start of the file.
    Header(Header),
    /// The data of the `shared` schema about the subject.
    Shared(Value),
    /// The start of a table.
    Table(Table),
    /// Some rows of the current table, in the text format of COPY.
    Rows(Bytes),
    /// The end of the current table, with the count and digest of its rows.
    EndOfTable(TableSummary),
    /// The end of the file.
    Manifest(Manifest),
}

/// Counts the rows of one table and computes their digest, piece by piece.
pub struct Tally {
    digest: Context,
    rows: u64,
    bytes: u64,
}

impl Tally {
    /// Starts at zero rows.
    pub fn new() -> Self {
        Self { digest: Context::new(&SHA256), rows: 0, bytes: 0 }
    }

    /// Adds rows in the text format of COPY.
    pub fn add(&mut self, rows: &[u8]) {
        self.digest.update(rows);
        self.bytes += rows.len() as u64;
        self.rows += count_rows(rows);
    }

    /// Returns the summary of the added rows, for the table `name`.
    pub fn finish(self, name: &str) -> TableSummary {
        TableSummary { name: name.to_owned(), rows: self.rows, bytes: self.bytes, sha256: hex(self.digest) }
    }
}

/// The number of rows that end in this piece. In the text format of COPY, each row ends with a line feed and
/// contains no other line feed.
pub(crate) fn count_rows(rows: &[u8]) -> u64 {
    rows.iter().filter(|byte| **byte == b'\n').count() as u64
}

impl Default for Tally {
    fn default() -> Self {
        Self::new()
    }
}

pub(crate) fn hex(digest: Context) -> String {
    digest.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes to a file, and computes the size and the digest of the written bytes.
struct Hashed {
    file: File,
    digest: Context,
    bytes: u64,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.digest.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The size and digest of a whole file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The size of the compressed file.
    pub bytes: u64,
    /// The SHA-256 of the compressed file, in hexadecimal.
    pub sha256: String,
}

/// Writes a backup file.
pub struct Writer {
    encoder: zstd::stream::write::Encoder<'static, BufWriter<Hashed>>,
    /// The rows of the next piece, until the piece is large enough.
    piece: Vec<u8>,
}

impl Writer {
    /// Starts a backup file. `file` must be empty.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn new(file: File) -> Result<Self, FileError> {
        let hashed = Hashed { file, digest: Context::new(&SHA256), bytes: 0 };
        let mut encoder = zstd::stream::write::Encoder::new(BufWriter::new(hashed), COMPRESSION_LEVEL)?;
        encoder.include_checksum(true)?;
        encoder.write_all(MAGIC)?;
        Ok(Self { encoder, piece: Vec::new() })
    }

    /// Writes the next piece.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn write(&mut self, piece: &Piece) -> Result<(), FileError> {
        match piece {
            Piece::Rows(rows) => {
                self.piece.extend_from_slice(rows);
                if self.piece.len() >= PIECE { self.write_rows() } else { Ok(()) }
            }
            Piece::Header(header) => self.json(b'H', header),
            Piece::Shared(shared) => self.json(b'S', shared),
            Piece::Table(table) => self.json(b'T', table),
            Piece::EndOfTable(summary) => {
                self.write_rows()?;
                self.json(b'E', summary)
            }
            Piece::Manifest(manifest) => self.json(b'M', manifest),
        }
    }

    fn write_rows(&mut self) -> Result<(), FileError> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.piece);
        self.record(b'D', &rows)?;
        self.piece = rows;
        self.piece.clear();
        Ok(())
    }

    fn json(&mut self, letter: u8, value: &impl Serialize) -> Result<(), FileError> {
        let text = serde_json::to_vec(value).map_err(io::Error::other)?;
        self.record(letter, &text)
    }

    fn record(&mut self, letter: u8, content: &[u8]) -> Result<(), FileError> {
        let length = u32::try_from(content.len()).map_err(io::Error::other)?;
        self.encoder.write_all(&[letter])?;
        self.encoder.write_all(&length.to_be_bytes())?;
        self.encoder.write_all(content)?;
        Ok(())
    }

    /// Finishes the file. Returns after all bytes are on the disk.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn finish(self) -> Result<Written, FileError> {
        let mut hashed = self.encoder.finish()?.into_inner().map_err(|error| error.into_error())?;
        hashed.flush()?;
        hashed.file.sync_all()?;
        Ok(Written { bytes: hashed.bytes, sha256: hex(hashed.digest) })
    }
}

/// Reads a backup file, and finds the place of any damage.
pub struct Reader {
    decoder: zstd::stream::read::Decoder<'static, BufReader<File>>,
    /// The part of the file that is being read, such as a table, for error texts.
    place: String,
    table: Option<(Table, Tally)>,
    tables: Vec<TableSummary>,
    header: Option<Header>,
    ended: bool,
}

impl Reader {
    /// Opens a file and checks that it is a backup.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let mut file = File::open(path)?;
        let mut frame = [0; ZSTD_FRAME.len()];
        let is_zstd = file.read_exact(&mut frame).is_ok() && frame == ZSTD_FRAME;
        file.rewind()?;
        let mut decoder = zstd::stream::read::Decoder::new(file)?;
        let mut magic = [0; MAGIC.len()];
        match decoder.read_exact(&mut magic) {
            Ok(()) if magic == MAGIC => {}
            Err(error) if is_zstd => {
                let place = "the header".to_owned();
                return Err(FileError::Damaged { place, problem: error.to_string() });
            }
            _ => return Err(FileError::NotABackup(path.display().to_string())),
        }
        Ok(Self {
            decoder,
            place: "the header".to_owned(),
            table: None,
            tables: Vec::new(),
            header: None,
            ended: false,
        })
    }

    /// Returns the next piece, or `None` after the manifest. The rows of a table are compared with their
    /// digest at the end of the table.
    ///
    /// # Errors
    /// [`FileError::Damaged`], with the table.
    pub fn next_piece(&mut self) -> Result<Option<Piece>, FileError> {
        if self.ended {
            return Ok(None);
        }
        let (letter, content) = self.record()?;
        let piece = match letter {
            b'H' => {
                let header: Header = self.parse(&content)?;
                self.header = Some(header.clone());
                self.place = "the data of the shared schema".to_owned();
                Piece::Header(header)
            }
            b'S' => Piece::Shared(self.parse(&content)?),
            b'T' => {
                let table: Table = self.parse(&content)?;
                self.place = format!("table {}", table.name);
                self.table = Some((table.clone(), Tally::new()));
                Piece::Table(table)
            }
            b'D' => {
                let Some((_, tally)) = &mut self.table else {
                    return Err(self.damaged("rows are outside of a table"));
                };
                tally.add(&content);
                Piece::Rows(content)
            }
            b'E' => {
                let told: TableSummary = self.parse(&content)?;
                let Some((table, tally)) = self.table.take() else {
                    return Err(self.damaged("a table ends without a start"));
                };
                if tally.finish(&table.name) != told {
                    return Err(self.damaged("the rows do not match their count or digest"));
                }
                self.tables.push(told.clone());
                Piece::EndOfTable(told)
            }
            b'M' => {
                self.place = "the manifest".to_owned();
                let manifest: Manifest = self.parse(&content)?;
                if manifest.tables != self.tables || Some(&manifest.header) != self.header.as_ref() {
                    return Err(self.damaged("it does not match the header or the tables"));
                }
                // The checksum of the stream comes after its last byte. This read makes zstd check it.
                match self.decoder.read(&mut [0]) {
                    Ok(0) => self.ended = true,
                    Ok(_) => return Err(self.damaged("there is data after it")),
                    Err(error) => return Err(self.damaged(error)),
                }
                Piece::Manifest(manifest)
            }
            _ => return Err(self.damaged("a record has an unknown type")),
        };
        Ok(Some(piece))
    }

    fn record(&mut self) -> Result<(u8, Bytes), FileError> {
        let mut head = [0; 5];
        if let Err(error) = self.decoder.read_exact(&mut head) {
            return Err(self.damaged(error));
        }
        let [letter, length @ ..] = head;
        let length = u32::from_be_bytes(length);
        if length > LONGEST {
            return Err(self.damaged("a record is too long"));
        }
        // The buffer grows as the bytes are read, so a wrong length does not allocate memory.
        let mut content = Vec::new();
        match (&mut self.decoder).take(length.into()).read_to_end(&mut content) {
            Ok(read) if read == length as usize => Ok((letter, content.into())),
            Ok(_) => Err(self.damaged("the file ends too early")),
            Err(error) => Err(self.damaged(error)),
        }
    }

    fn parse<T: DeserializeOwned>(&self, content: &[u8]) -> Result<T, FileError> {
        serde_json::from_slice(content).map_err(|error| self.damaged(error))
    }

    pub(crate) fn damaged(&self, problem: impl ToString) -> FileError {
        FileError::Damaged { place: self.place.clone(), problem: problem.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::check::check;

    fn header_of(slug: &str) -> Header {
        Header {
            subject: Subject::Business { id: TenantId::new(), slug: slug.to_owned(), name: "A".to_owned() },
            schema_version: 3,
            postgres_version: "15".to_owned(),
            program_version: "0".to_owned(),
            taken_at: DateTime::UNIX_EPOCH,
        }
    }

    /// A file with a short table and a long table.
    fn written() -> (PathBuf, Manifest) {
        let path = std::env::temp_dir().join(format!("archive-{}.test", uuid::Uuid::now_v7()));
        let mut writer = Writer::new(File::create(&path).unwrap()).unwrap();
        let header = header_of("acme");
        writer.write(&Piece::Header(header.clone())).unwrap();
        writer.write(&Piece::Shared(serde_json::json!({"members": []}))).unwrap();
        let mut tables = Vec::new();
        for (name, rows) in [("short", 2), ("long", 200_000)] {
            let columns = vec!["a".to_owned(), "b".to_owned()];
            writer.write(&Piece::Table(Table { name: name.to_owned(), columns })).unwrap();
            let mut tally = Tally::new();
            for row in 0..rows {
                let text = format!("{}\t{row}\n", uuid::Uuid::now_v7());
                tally.add(text.as_bytes());
                writer.write(&Piece::Rows(text.into())).unwrap();
            }
            let summary = tally.finish(name);
            writer.write(&Piece::EndOfTable(summary.clone())).unwrap();
            tables.push(summary);
        }
        let manifest = Manifest { header, tables };
        writer.write(&Piece::Manifest(manifest.clone())).unwrap();
        let told = writer.finish().unwrap();
        assert_eq!(told.bytes, std::fs::metadata(&path).unwrap().len());
        (path, manifest)
    }

    #[test]
    fn a_written_file_can_be_read() {
        let (path, manifest) = written();
        assert_eq!(check(&path).unwrap().manifest, manifest);
        assert_eq!(manifest.rows(), 200_002);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn damage_is_found_in_every_part_and_names_the_table() {
        let (path, _) = written();
        let whole = std::fs::read(&path).unwrap();
        for share in [0.3, 0.5, 0.7, 0.9] {
            let mut bytes = whole.clone();
            let at = (bytes.len() as f64 * share) as usize;
            bytes[at] ^= 0x55;
            std::fs::write(&path, &bytes).unwrap();
            let error = check(&path).unwrap_err().to_string();
            assert!(error.contains("table long"), "at {share}: {error}");
        }
        for bytes in [&whole[..whole.len() / 2], &whole[..whole.len() - 1], &whole[..0], b"PK\x03\x04 a zip"]
        {
            std::fs::write(&path, bytes).unwrap();
            assert!(check(&path).is_err(), "{} bytes", bytes.len());
        }
        std::fs::remove_file(path).unwrap();
    }
}
