//! Moves rows from a snapshot into a file, and from a file or a snapshot into a new schema.
//!
//! A separate thread does the compression and the disk access. Only a few pieces are queued between this
//! thread and the database, so the memory is the same for a backup of any size.

use std::fs::File;
use std::path::{Path, PathBuf};

use chrono::Utc;
use serde_json::Value;
use tenancy::DbError;
use tenancy::copy::{Loading, Snapshot, Table};
use tokio::sync::mpsc;

use crate::file::{
    EXTENSION, FileError, Header, Manifest, Piece, Reader, Subject, TableSummary, Tally, Writer, Written,
    count_rows,
};

/// Rows could not be moved.
#[derive(Debug, thiserror::Error)]
pub enum ContentsError {
    /// The backup file cannot be read or written, or it is damaged.
    #[error(transparent)]
    File(#[from] FileError),
    /// A query or a copy failed in PostgreSQL, or the connection was lost.
    #[error("a database query for the backup failed")]
    Db(#[from] DbError),
    /// The tables or rows of the new schema are not those of the original.
    #[error("table {table} differs from the original: {problem}")]
    Differs {
        /// The name of the first table that differs.
        table: String,
        /// The difference, such as the number of rows.
        problem: String,
    },
}

/// The maximum number of pieces that are queued between the database and the disk.
const UNDER_WAY: usize = 8;

/// Writes a snapshot into a new file at `path`. `shared` is the data of the `shared` schema about the
/// subject.
///
/// The file appears at `path` only after all of it is on the disk.
///
/// # Errors
/// [`ContentsError`]; no file is left behind.
pub async fn write(
    snapshot: &Snapshot,
    subject: Subject,
    shared: Value,
    path: &Path,
) -> Result<(Manifest, Written), ContentsError> {
    let unfinished = Unfinished::new(path);
    let file = unfinished.create().map_err(FileError::from)?;
    let (pieces, mut received) = mpsc::channel::<Piece>(UNDER_WAY);
    let writing = tokio::task::spawn_blocking(move || {
        let mut writer = Writer::new(file)?;
        let mut is_whole = false;
        while let Some(piece) = received.blocking_recv() {
            is_whole = matches!(piece, Piece::Manifest(_));
            writer.write(&piece)?;
        }
        // Without a manifest, the sender has stopped early.
        if is_whole { writer.finish().map(Some) } else { Ok(None) }
    });
    let read = read_snapshot(snapshot, subject, shared, &pieces).await;
    drop(pieces);
    let written = writing.await.map_err(std::io::Error::other).map_err(FileError::from)?;
    // The error of the writer comes first. When the disk is full, the reader only notices that the channel is
    // closed.
    let written = written?;
    let (Some(manifest), Some(written)) = (read?, written) else {
        return Err(FileError::Io(std::io::Error::other("the backup writer stopped early")).into());
    };
    unfinished.keep().map_err(FileError::from)?;
    Ok((manifest, written))
}

async fn read_snapshot(
    snapshot: &Snapshot,
    subject: Subject,
    shared: Value,
    pieces: &mpsc::Sender<Piece>,
) -> Result<Option<Manifest>, ContentsError> {
    let header = Header {
        subject,
        schema_version: snapshot.version(),
        postgres_version: snapshot.postgres_version().await?,
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        taken_at: Utc::now(),
    };
    let mut tables = Vec::new();
    let send = async |piece| pieces.send(piece).await.is_ok();
    if !send(Piece::Header(header.clone())).await || !send(Piece::Shared(shared)).await {
        return Ok(None);
    }
    for table in snapshot.tables().await? {
        if !send(Piece::Table(table.clone())).await {
            return Ok(None);
        }
        let mut rows = snapshot.copy_out(&table).await?;
        let mut tally = Tally::new();
        while let Some(piece) = rows.next().await? {
            tally.add(&piece);
            if !send(Piece::Rows(piece)).await {
                return Ok(None);
            }
        }
        let summary = tally.finish(&table.name);
        tables.push(summary.clone());
        if !send(Piece::EndOfTable(summary)).await {
            return Ok(None);
        }
    }
    let manifest = Manifest { header, tables };
    Ok(send(Piece::Manifest(manifest.clone())).await.then_some(manifest))
}

/// The tables of a schema that a file must contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tables {
    /// Every table of the schema. A table that is absent from the file is an error.
    All,
    /// Any tables of the schema. A table that is absent from the file is left unchanged.
    Some,
}

/// Loads the rows of a file into a new schema.
///
/// # Errors
/// [`ContentsError`]; the caller must then drop `loading`, which rolls the schema back.
pub async fn load(path: &Path, loading: &Loading, tables: Tables) -> Result<(), ContentsError> {
    let (mut pieces, reading) = read(path);
    let loaded = load_pieces(&mut pieces, loading, tables).await;
    drop(pieces);
    // An error of the reader, such as damage, comes first, because it is the reason that the rows ended
    // early.
    let was_read = reading.await.map_err(std::io::Error::other).map_err(FileError::from)?;
    was_read?;
    loaded
}

/// Reads a file on a separate thread.
fn read(path: &Path) -> (mpsc::Receiver<Piece>, tokio::task::JoinHandle<Result<(), FileError>>) {
    let (sender, pieces) = mpsc::channel(UNDER_WAY);
    let path = path.to_owned();
    let reading = tokio::task::spawn_blocking(move || {
        let mut reader = Reader::open(&path)?;
        while let Some(piece) = reader.next_piece()? {
            if sender.blocking_send(piece).is_err() {
                break;
            }
        }
        Ok(())
    });
    (pieces, reading)
}

async fn load_pieces(
    pieces: &mut mpsc::Receiver<Piece>,
    loading: &Loading,
    tables: Tables,
) -> Result<(), ContentsError> {
    let mut missing: Vec<String> = loading.tables().await?.into_iter().map(|table| table.name).collect();
    while let Some(piece) = pieces.recv().await {
        let Piece::Table(table) = piece else { continue };
        match missing.iter().position(|name| *name == table.name) {
            Some(at) => drop(missing.remove(at)),
            None => return Err(differs(&table.name, NOT_IN_THE_SCHEMA)),
        }
        let mut rows = loading.copy_in(&table).await?;
        loop {
            match pieces.recv().await {
                Some(Piece::Rows(piece)) => rows.send(piece).await?,
                Some(Piece::EndOfTable(summary)) => {
                    same_count(&table, rows.finish().await?, summary.rows)?;
                    break;
                }
                // The reader has found damage and returns the error. This copy ends here.
                _ => return Ok(()),
            }
        }
    }
    match missing.first() {
        Some(table) if tables == Tables::All => Err(differs(table, NOT_IN_THE_BACKUP)),
        _ => Ok(()),
    }
}

const NOT_IN_THE_SCHEMA: &str = "a schema of the backup's version does not have this table";
const NOT_IN_THE_BACKUP: &str = "the backup does not contain this table";

fn differs(table: &str, problem: &str) -> ContentsError {
    ContentsError::Differs { table: table.to_owned(), problem: problem.to_owned() }
}

/// Copies all rows of a snapshot directly into a new schema of the same version.
///
/// # Errors
/// [`ContentsError`]; the caller must then drop `loading`, which rolls the schema back.
pub async fn pipe(snapshot: &Snapshot, loading: &Loading) -> Result<(), ContentsError> {
    for table in snapshot.tables().await? {
        let mut out = snapshot.copy_out(&table).await?;
        let mut into = loading.copy_in(&table).await?;
        let mut read = 0;
        while let Some(piece) = out.next().await? {
            read += count_rows(&piece);
            into.send(piece).await?;
        }
        same_count(&table, into.finish().await?, read)?;
    }
    Ok(())
}

/// Compares the loaded rows with the backup, byte for byte. Must run before the loaded schema is migrated.
///
/// # Errors
/// [`ContentsError::Differs`] with the table, and [`ContentsError::Db`] when a query fails.
pub async fn compare(loading: &Loading, tables: &[TableSummary]) -> Result<(), ContentsError> {
    let found = loading.tables().await?;
    for table in &found {
        let mut tally = Tally::new();
        let mut rows = loading.copy_out(table).await?;
        while let Some(piece) = rows.next().await? {
            tally.add(&piece);
        }
        let loaded = tally.finish(&table.name);
        match tables.iter().find(|summary| summary.name == table.name) {
            Some(summary) if *summary == loaded => {}
            Some(_) => return Err(differs(&table.name, "the rows are not equal to the rows of the backup")),
            None => return Err(differs(&table.name, NOT_IN_THE_BACKUP)),
        }
    }
    match tables.iter().find(|summary| found.iter().all(|table| table.name != summary.name)) {
        None => Ok(()),
        Some(summary) => Err(differs(&summary.name, NOT_IN_THE_SCHEMA)),
    }
}

fn same_count(table: &Table, loaded: u64, expected: u64) -> Result<(), ContentsError> {
    if loaded == expected {
        return Ok(());
    }
    Err(differs(&table.name, &format!("{loaded} rows were loaded, but {expected} were expected")))
}

/// The suffix of the name of an unfinished file.
const UNFINISHED: &str = ".part";

/// Removes the unfinished files in `folder` whose writers were killed. Returns the number of removed files.
///
/// # Errors
/// [`FileError::Io`].
pub fn remove_abandoned(folder: &Path) -> Result<usize, FileError> {
    let mut removed = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        // Other programs may keep their own unfinished files in this folder.
        let of_ours = format!(".{EXTENSION}{UNFINISHED}");
        if !path.as_os_str().as_encoded_bytes().ends_with(of_ours.as_bytes()) {
            continue;
        }
        // Another process may finish or remove the file at the same time.
        let Ok(file) = File::open(&path) else { continue };
        if file.try_lock_shared().is_ok() && std::fs::remove_file(&path).is_ok() {
            removed += 1;
        }
    }
    Ok(removed)
}

/// A file that is being written. It lies beside its final path until it is finished, and is removed on drop.
struct Unfinished {
    path: PathBuf,
    beside: PathBuf,
}

impl Unfinished {
    fn new(path: &Path) -> Self {
        let mut beside = path.as_os_str().to_owned();
        beside.push(UNFINISHED);
        Self { path: path.to_owned(), beside: beside.into() }
    }

    /// Only the owner of the file may read it, because a backup contains all data of a business. The lock
    /// shows that the file is being written.
    fn create(&self) -> std::io::Result<File> {
        use std::os::unix::fs::OpenOptionsExt;
        let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&self.beside)?;
        file.lock()?;
        Ok(file)
    }

    fn keep(self) -> std::io::Result<()> {
        std::fs::rename(&self.beside, &self.path)?;
        // The name of the file must also be on the disk before the backup is reported as created.
        if let Some(folder) = self.path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.beside);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_abandoned_files_are_removed() {
        let folder = std::env::temp_dir().join(format!("archive-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir(&folder).unwrap();
        let written = Unfinished::new(&folder.join("written.tenantry"));
        let _being_written = written.create().unwrap();
        for name in ["abandoned.tenantry.part", "of-another-program.part", "whole.tenantry"] {
            std::fs::write(folder.join(name), "").unwrap();
        }
        assert_eq!(remove_abandoned(&folder).unwrap(), 1);
        let mut left: Vec<_> =
            std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["of-another-program.part", "whole.tenantry", "written.tenantry.part"]);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
