//! Verifies backups, and checks files before they are restored.

use std::path::Path;

use archive::contents::{self, Tables};
use archive::{Checked, FileError, Manifest, Subject};
use tenancy::OwnerDatabase;

use crate::backup::error::BackupError;

/// Verifies a backup: restores it into a scratch schema of its version, compares every table byte for byte,
/// and rolls the schema back. A backup of the `shared` schema is only read to its end and compared with its
/// digests. Stores the result in the registry, unless the verification itself could not be done.
///
/// # Errors
/// [`BackupError`], with the first table that is damaged or different.
pub async fn verify(owner_database: &OwnerDatabase, path: &Path) -> Result<Manifest, BackupError> {
    const RECORD: &str = "UPDATE shared.backups SET verified_at = $2, failure = $3 WHERE file = $1";
    let path = path.canonicalize().map_err(FileError::from)?;
    let outcome = verify_unrecorded(owner_database, &path).await;
    let failure = match &outcome {
        Ok(_) => None,
        Err(error) if error.is_about_the_file() => Some(tenancy::chain(error)),
        // The database was unreachable or this release is too old. Neither is a problem of the backup.
        Err(_) => return outcome,
    };
    let file = path.display().to_string();
    owner_database.write_shared(async |tx| tx.execute(RECORD, &[&file, &tx.now(), &failure]).await).await?;
    outcome
}

async fn verify_unrecorded(owner_database: &OwnerDatabase, path: &Path) -> Result<Manifest, BackupError> {
    let Checked { manifest, .. } = inspect(owner_database, path).await?;
    if manifest.header.subject != Subject::Installation {
        let loading = owner_database.begin_loading(manifest.header.schema_version).await?;
        contents::load(path, &loading, Tables::All).await?;
        contents::compare(&loading, &manifest.tables).await?;
    }
    Ok(manifest)
}

/// Reads a whole file. Refuses a file that is damaged or newer than this release. Changes nothing.
///
/// # Errors
/// [`BackupError`].
pub async fn inspect(owner_database: &OwnerDatabase, path: &Path) -> Result<Checked, BackupError> {
    let path = path.to_owned();
    let checked = tokio::task::spawn_blocking(move || archive::check::check(&path)).await;
    let checked = checked.map_err(std::io::Error::other).map_err(FileError::from)??;
    let header = &checked.manifest.header;
    let program = match header.subject {
        Subject::Business { .. } => owner_database.latest_version(),
        Subject::Installation => owner_database.latest_shared_version(),
    };
    match header.schema_version {
        backup if backup > program => Err(BackupError::TooNew { backup, program }),
        _ => Ok(checked),
    }
}
