//! Restores all businesses of a lost installation from a folder of backup files.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use archive::{FileError, Header, Subject, check, file};
use chrono::{DateTime, Utc};
use futures_util::StreamExt as _;
use tenancy::{OwnerDatabase, SharedTx, Tenant, TenantId, TenantSlug, tenant};

use crate::backup::error::BackupError;
use crate::backup::restore::{Restored, Target, restore};
use crate::backup::verify::inspect;
use crate::onboarding::Onboarding;
use crate::records::platform_audit::{self, Actor};

/// The newest backup of a subject in a folder.
#[derive(Debug, Clone)]
pub struct Newest {
    /// The path of the file.
    pub file: PathBuf,
    /// When the data was read.
    pub taken_at: DateTime<Utc>,
}

/// The backups in a folder, of which only the headers were read.
#[derive(Debug, Default)]
pub struct Collection {
    /// The newest backup of the `shared` schema.
    pub installation: Option<Newest>,
    /// The newest backup of each business, with its slug at that time.
    pub businesses: BTreeMap<TenantId, (String, Newest)>,
    /// The files that are named like backups and cannot be read.
    pub unreadable: Vec<(PathBuf, FileError)>,
}

/// Reads the headers of all backup files in `folder`.
///
/// # Errors
/// [`BackupError::Folder`].
pub async fn collect(folder: &Path) -> Result<Collection, BackupError> {
    let unusable = |error| BackupError::Folder(folder.to_owned(), error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unusable)? {
        let path = entry.map_err(unusable)?.path();
        if path.extension().is_some_and(|extension| extension == file::EXTENSION) {
            files.push(path);
        }
    }
    files.sort();
    let read = move || files.into_iter().map(|file| (check::header(&file), file)).collect::<Vec<_>>();
    let headers = tokio::task::spawn_blocking(read).await.map_err(std::io::Error::other).map_err(unusable)?;
    let mut collection = Collection::default();
    for (header, file) in headers {
        match header {
            Ok(header) => collection.add(header, file),
            Err(error) => collection.unreadable.push((file, error)),
        }
    }
    Ok(collection)
}

impl FleetPlan {
    /// The businesses of which the registry knows nothing. They come back with members by email, who have no
    /// passwords.
    pub fn unknown(&self) -> impl Iterator<Item = &ToRestore> {
        self.restores.iter().filter(|business| business.target.is_none())
    }
}

/// Whether the registry of this installation was restored from a backup.
///
/// # Errors
/// [`BackupError`] when the audit log cannot be read.
pub async fn has_restored_registry(owner_database: &OwnerDatabase) -> Result<bool, BackupError> {
    let read = async |tx: &SharedTx| platform_audit::has_action(tx, "installation.restored").await;
    Ok(owner_database.write_shared(read).await?)
}

impl Collection {
    fn add(&mut self, header: Header, file: PathBuf) {
        let found = Newest { file, taken_at: header.taken_at };
        match header.subject {
            Subject::Installation => {
                if self.installation.as_ref().is_none_or(|newest| newest.taken_at < found.taken_at) {
                    self.installation = Some(found);
                }
            }
            Subject::Business { id, slug, .. } => {
                if self.businesses.get(&id).is_none_or(|(_, newest)| newest.taken_at < found.taken_at) {
                    self.businesses.insert(id, (slug, found));
                }
            }
        }
    }
}

/// A business that is to be restored.
#[derive(Debug, Clone)]
pub struct ToRestore {
    /// The slug of the business now or, if it is not in the registry, at the time of the backup.
    pub slug: String,
    /// The newest backup of the business.
    pub newest: Newest,
    target: Option<Arc<Tenant>>,
}

/// The state of all businesses that are in the folder or in the registry.
#[derive(Debug, Default)]
pub struct FleetPlan {
    /// Businesses that the registry does not have, or that have no data.
    pub restores: Vec<ToRestore>,
    /// The slugs of businesses that have their data. They stay as they are.
    pub present: Vec<TenantSlug>,
    /// The slugs of businesses without data and without a backup in the folder.
    pub without_backup: Vec<TenantSlug>,
    /// Businesses in the folder that were dropped, as slug and file. They are not restored.
    pub dropped: Vec<(String, PathBuf)>,
}

/// Plans the restore of every business that is lost. A business that has data is never touched, so a run that
/// was interrupted can be repeated.
///
/// # Errors
/// [`BackupError`] when the registry cannot be read.
pub async fn plan(owner_database: &OwnerDatabase, collection: &Collection) -> Result<FleetPlan, BackupError> {
    let lost = owner_database.without_data().await?;
    let tenants = owner_database.write_shared(async |tx: &SharedTx| tenant::all(tx).await).await?;
    let mut plan = FleetPlan::default();
    let mut waiting = collection.businesses.clone();
    for tenant in tenants {
        match (lost.contains(&tenant.id), waiting.remove(&tenant.id)) {
            (false, _) => plan.present.push(tenant.slug.clone()),
            (true, None) => plan.without_backup.push(tenant.slug.clone()),
            (true, Some((_, newest))) => {
                plan.restores.push(ToRestore { slug: tenant.slug.to_string(), newest, target: Some(tenant) });
            }
        }
    }
    let unknown: Vec<TenantId> = waiting.keys().copied().collect();
    let dropped = async |tx: &SharedTx| platform_audit::dropped_among(tx, &unknown).await;
    for id in owner_database.write_shared(dropped).await? {
        if let Some((slug, newest)) = waiting.remove(&id) {
            plan.dropped.push((slug, newest.file));
        }
    }
    let unknown = waiting.into_values().map(|(slug, newest)| ToRestore { slug, newest, target: None });
    plan.restores.extend(unknown);
    plan.restores.sort_by(|one, other| one.slug.cmp(&other.slug));
    Ok(plan)
}

/// The outcome for one business, as it is told during the run.
pub struct FleetProgress<'a> {
    /// The business.
    pub business: &'a ToRestore,
    /// The result, or the reason of the failure.
    pub outcome: Result<Restored, BackupError>,
    /// The number of businesses that are finished, with and without success.
    pub done: usize,
}

/// Restores the businesses of a plan, `jobs` at the same time. A failure of one does not end the others.
/// Returns the number of failures.
pub async fn restore_all(
    onboarding: &Onboarding,
    plan: &FleetPlan,
    jobs: NonZeroUsize,
    actor: &Actor,
    tell: impl Fn(FleetProgress<'_>),
) -> usize {
    let (mut done, mut failed) = (0, 0);
    let mut outcomes = futures_util::stream::iter(&plan.restores)
        .map(|business| async move { (business, restore_one(onboarding, business, actor).await) })
        .buffer_unordered(jobs.get());
    while let Some((business, outcome)) = outcomes.next().await {
        done += 1;
        failed += usize::from(outcome.is_err());
        tell(FleetProgress { business, outcome, done });
    }
    failed
}

async fn restore_one(
    onboarding: &Onboarding,
    business: &ToRestore,
    actor: &Actor,
) -> Result<Restored, BackupError> {
    let backup = inspect(onboarding.owner_database(), &business.newest.file).await?;
    let target = match &business.target {
        Some(tenant) => Target::Over(tenant.clone()),
        None => {
            let slug = TenantSlug::parse(&business.slug);
            let slug = slug.map_err(|error| BackupError::Name(error.to_string()))?;
            Target::New { slug, owner: None }
        }
    };
    restore(onboarding, &backup, &target, actor, &|_, _| Ok(())).await
}
