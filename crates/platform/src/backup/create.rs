//! Creates backups: of one business, of many businesses, of the `shared` schema.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use archive::{Subject, contents, file};
use chrono::Utc;
use identity::member_backup::{self, Member};
use identity::role_backup::{self, SavedRole};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tenancy::copy::Snapshot;
use tenancy::domain::{self, SavedDomain};
use tenancy::{OwnerDatabase, Tenant};

use crate::backup::error::BackupError;
use crate::backup::registry::{self, Backup, BackupId};
use crate::backup::verify::verify;

/// The rows of the `shared` schema that the backup of a business contains.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SharedRows {
    pub members: Vec<Member>,
    /// The roles of the business's own.
    #[serde(default)]
    pub roles: Vec<SavedRole>,
    pub domains: Vec<SavedDomain>,
    /// The status of the business. A dropped business that was suspended or archived gets this status again
    /// when it is restored.
    pub status: Option<String>,
}

/// Backs up one business into a new file in `folder`, and registers the backup.
///
/// # Errors
/// [`BackupError`]; no file is left behind, except with [`BackupError::NotListed`].
pub async fn create(
    owner_database: &OwnerDatabase,
    tenant: &Tenant,
    folder: &Path,
) -> Result<Backup, BackupError> {
    let started = Instant::now();
    // The business is read again: since `create_all` got its list, a business may have been restored or
    // renamed.
    let (snapshot, tenant) = owner_database.snapshot(tenant.id).await?.ok_or(BackupError::Gone)?;
    let path = new_file(folder, tenant.slug.as_str())?;
    let tx = snapshot.shared();
    let hosts = domain::list(tx, tenant.id).await?;
    let rows = SharedRows {
        members: member_backup::list(tx, tenant.id).await?,
        roles: role_backup::list(tx, tenant.id).await?,
        domains: hosts.into_iter().map(|domain| SavedDomain { host: domain.host.to_string() }).collect(),
        status: Some(tenant.status.as_str().to_owned()),
    };
    let subject =
        Subject::Business { id: tenant.id, slug: tenant.slug.to_string(), name: tenant.name.clone() };
    write(owner_database, &snapshot, subject, serde_json::to_value(rows)?, &path, started).await
}

/// Backs up the `shared` schema: the registry, users with their password hashes, roles and the audit log.
/// Registers the backup.
///
/// # Errors
/// [`BackupError`]; no file is left behind, except with [`BackupError::NotListed`].
pub async fn create_installation(
    owner_database: &OwnerDatabase,
    folder: &Path,
) -> Result<Backup, BackupError> {
    const LAST_NUMBER: &str = "SELECT last_value FROM shared.business_numbers";
    let started = Instant::now();
    let path = new_file(folder, "installation")?;
    let snapshot = owner_database.snapshot_shared().await?;
    let last: i64 = snapshot.shared().value(LAST_NUMBER, &[]).await?;
    let rows = json!({"lastBusinessNumber": last});
    write(owner_database, &snapshot, Subject::Installation, rows, &path, started).await
}

async fn write(
    owner_database: &OwnerDatabase,
    snapshot: &Snapshot,
    subject: Subject,
    shared: serde_json::Value,
    path: &Path,
    started: Instant,
) -> Result<Backup, BackupError> {
    let (manifest, written) = contents::write(snapshot, subject, shared, path).await?;
    let (tenant_id, slug) = match &manifest.header.subject {
        Subject::Business { id, slug, .. } => (Some(*id), Some(slug.clone())),
        Subject::Installation => (None, None),
    };
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let backup = Backup {
        id: BackupId::new(),
        tenant_id,
        slug,
        file: path.to_owned(),
        size_bytes: number(written.bytes),
        sha256: written.sha256,
        schema_version: manifest.header.schema_version,
        rows: number(manifest.rows()),
        duration_ms: i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX),
        taken_at: manifest.header.taken_at,
        verified_at: None,
        failure: None,
    };
    match owner_database.write_shared(async |tx| registry::insert(tx, &backup).await).await {
        Ok(()) => Ok(backup),
        Err(error) => Err(BackupError::NotListed(path.to_owned(), error)),
    }
}

/// A new, unused path for a backup file. Creates the folder if it does not exist.
fn new_file(folder: &Path, label: &str) -> Result<PathBuf, BackupError> {
    use std::os::unix::fs::DirBuilderExt;
    let unusable = |error| BackupError::Folder(folder.to_owned(), error);
    // Only the owner may open the folder, because backups contain all data of businesses.
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unusable)?;
    let folder = folder.canonicalize().map_err(unusable)?;
    let moment = Utc::now().format("%Y%m%dT%H%M%S");
    // The suffix distinguishes two backups of the same second.
    let unique = uuid::Uuid::new_v4().simple().to_string();
    Ok(folder.join(format!("{label}-{moment}Z-{}.{}", &unique[..6], file::EXTENSION)))
}

/// The progress of [`create_all`] after each business.
#[derive(Debug)]
pub struct Progress<'a> {
    /// The business whose backup has just ended.
    pub tenant: &'a Tenant,
    /// The created backup, or the reason why its creation or its verification failed.
    pub outcome: &'a Result<Backup, BackupError>,
    /// The number of businesses so far, including the failed ones.
    pub done: usize,
    /// The number of businesses of the whole run.
    pub total: usize,
}

/// Backs up many businesses, `jobs` at the same time. Continues after a business fails, and returns the
/// number of failed businesses.
///
/// With `with_verify`, each backup is verified right after it was created: it is restored into a scratch
/// schema and compared. Unfinished files of interrupted backups in the folder are removed first.
pub async fn create_all(
    owner_database: &OwnerDatabase,
    tenants: &[Arc<Tenant>],
    folder: &Path,
    jobs: NonZeroUsize,
    with_verify: bool,
    tell: impl Fn(Progress<'_>),
) -> usize {
    use futures_util::StreamExt;
    // An error is ignored here. A missing folder has no files to remove; for an unusable folder, each backup
    // returns the error.
    if let Ok(removed @ 1..) = contents::remove_abandoned(folder) {
        tracing::warn!("removed {removed} unfinished backup files from {}", folder.display());
    }
    let (mut done, mut failed) = (0, 0);
    let mut outcomes = futures_util::stream::iter(tenants)
        .map(|tenant| async move {
            let taken = create(owner_database, tenant, folder).await;
            let outcome = match taken {
                Ok(backup) if with_verify => verify(owner_database, &backup.file).await.map(|_| backup),
                other => other,
            };
            (tenant, outcome)
        })
        .buffer_unordered(jobs.get());
    while let Some((tenant, outcome)) = outcomes.next().await {
        done += 1;
        failed += usize::from(outcome.is_err());
        tell(Progress { tenant, outcome: &outcome, done, total: tenants.len() });
    }
    failed
}
