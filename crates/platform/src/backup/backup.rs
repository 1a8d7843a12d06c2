//! Backups of single businesses and of the `shared` schema: taken, verified, restored, pruned.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use archive::transfer::{self, Tables};
use archive::{Checked, FileError, Manifest, Subject, TransferError, file};
use chrono::{DateTime, TimeDelta, Utc};
use identity::membership::{self, Member, Place};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tenancy::copy::{Loading, Snapshot};
use tenancy::domain::{self, DomainError, SavedDomain};
use tenancy::lifecycle::{self, LifecycleError, StatusChange};
use tenancy::{
    DbError, HostName, NewTenant, ProvisionError, Provisioner, SharedTx, Tenant, TenantId, TenantSlug, tenant,
};
use tokio_postgres::Row;
use uuid::Uuid;
use values::Name;

use crate::onboarding::Onboarding;
use crate::onboarding::member::{Added, MemberError, NewMember, Prepared};
use crate::operator::audit::{self, Actor};

/// A backup that was taken.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    pub id: Uuid,
    /// `None` for a backup of the `shared` schema.
    pub tenant_id: Option<TenantId>,
    pub slug: Option<String>,
    pub file: PathBuf,
    pub size_bytes: i64,
    /// Of the file, in hexadecimal.
    pub sha256: String,
    pub schema_version: i32,
    pub rows: i64,
    pub duration_ms: i64,
    pub taken_at: DateTime<Utc>,
    /// When it was last restored into a scratch schema and compared.
    pub verified_at: Option<DateTime<Utc>>,
    /// What was wrong then.
    pub failure: Option<String>,
}

impl Backup {
    pub fn is_verified(&self) -> bool {
        self.verified_at.is_some() && self.failure.is_none()
    }

    /// Whether the file is where it was put and as long as it was. Damage inside only [`Backup::is_whole`] finds.
    pub fn has_its_size(&self) -> bool {
        std::fs::metadata(&self.file).is_ok_and(|file| i64::try_from(file.len()) == Ok(self.size_bytes))
    }

    /// Whether the file is, byte for byte, what was written; reads all of it.
    pub fn is_whole(&self) -> bool {
        self.has_its_size() && file::digest(&self.file).is_ok_and(|digest| digest == self.sha256)
    }

    /// The business's slug, or what else it is of.
    pub fn label(&self) -> &str {
        self.slug.as_deref().unwrap_or("(installation)")
    }

    fn from_row(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            id: row.try_get("id")?,
            tenant_id: row.try_get::<_, Option<Uuid>>("tenant_id")?.map(TenantId::from_uuid),
            slug: row.try_get("slug")?,
            file: row.try_get::<_, String>("file")?.into(),
            size_bytes: row.try_get("size_bytes")?,
            sha256: row.try_get("sha256")?,
            schema_version: row.try_get("schema_version")?,
            rows: row.try_get("rows")?,
            duration_ms: row.try_get("duration_ms")?,
            taken_at: row.try_get("taken_at")?,
            verified_at: row.try_get("verified_at")?,
            failure: row.try_get("failure")?,
        })
    }
}

/// A backup could not be taken, verified or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("the folder {0} cannot be used for backups")]
    Folder(PathBuf, #[source] std::io::Error),
    #[error(transparent)]
    Transfer(#[from] TransferError),
    #[error(
        "the backup has schema version {backup} and this program knows {program}; restore it with a newer release"
    )]
    TooNew { backup: i32, program: i32 },
    #[error("the file is a backup of the shared schema; restore it with --installation")]
    OfTheInstallation,
    #[error("the file is a backup of one business; restore it without --installation")]
    OfABusiness,
    #[error(
        "the shared schema holds businesses or users already; a backup of it is restored into a fresh installation only"
    )]
    NotFresh,
    #[error(
        "the backup is of a business that is gone, and another one has the slug {0} by now; restore it under a new slug with --as"
    )]
    AnotherBusiness(TenantSlug),
    #[error("the business's name in the backup cannot be used: {0}")]
    Name(String),
    #[error("the backup's rows of the shared schema cannot be read: {0}")]
    Shared(#[from] serde_json::Error),
    #[error(transparent)]
    Lifecycle(#[from] LifecycleError),
    #[error(transparent)]
    Provision(#[from] ProvisionError),
    #[error(transparent)]
    Owner(#[from] MemberError),
    #[error("there is no such business any more")]
    Gone,
    #[error("a backup query failed")]
    Db(#[from] DbError),
}

impl BackupError {
    /// Whether the file itself is what is wrong.
    fn is_about_the_file(&self) -> bool {
        matches!(
            self,
            Self::Transfer(
                TransferError::File(FileError::NotABackup(_) | FileError::Damaged { .. })
                    | TransferError::Differs { .. }
            )
        )
    }
}

impl From<FileError> for BackupError {
    fn from(error: FileError) -> Self {
        Self::Transfer(error.into())
    }
}

/// What a backup keeps of a business besides its schema.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SharedRows {
    members: Vec<Member>,
    domains: Vec<SavedDomain>,
    /// suspended or archived; a business that comes back is so again.
    status: Option<String>,
}

/// Backs one business up into a new file in `folder`.
///
/// # Errors
/// [`BackupError`]; nothing is left behind.
pub async fn create(
    provisioner: &Provisioner,
    tenant: &Tenant,
    folder: &Path,
) -> Result<Backup, BackupError> {
    let started = Instant::now();
    // As it is now: many are backed up from one list, and one of them may have been restored or renamed since.
    let (snapshot, tenant) = provisioner.snapshot(tenant.id).await?.ok_or(BackupError::Gone)?;
    let path = new_file(folder, tenant.slug.as_str())?;
    let tx = snapshot.shared();
    let hosts = domain::list(tx, tenant.id).await?;
    let rows = SharedRows {
        members: membership::list(tx, tenant.id).await?,
        domains: hosts.into_iter().map(|domain| SavedDomain { host: domain.host.to_string() }).collect(),
        status: Some(tenant.status.as_str().to_owned()),
    };
    let subject = Subject::Business {
        id: tenant.id.as_uuid(),
        slug: tenant.slug.to_string(),
        name: tenant.name.clone(),
    };
    write(provisioner, &snapshot, subject, serde_json::to_value(rows)?, &path, started).await
}

/// Backs the `shared` schema up: the registry, users with their passwords' hashes, roles, the audit log.
///
/// # Errors
/// [`BackupError`]; nothing is left behind.
pub async fn create_installation(provisioner: &Provisioner, folder: &Path) -> Result<Backup, BackupError> {
    const LAST_NUMBER: &str = "SELECT last_value FROM shared.business_numbers";
    let started = Instant::now();
    let path = new_file(folder, "installation")?;
    let snapshot = provisioner.snapshot_shared().await?;
    let row = snapshot.shared().query_one(LAST_NUMBER, &[]).await?;
    let last: i64 = row.try_get("last_value").map_err(DbError::from)?;
    let rows = json!({"lastBusinessNumber": last});
    write(provisioner, &snapshot, Subject::Installation, rows, &path, started).await
}

async fn write(
    provisioner: &Provisioner,
    snapshot: &Snapshot,
    subject: Subject,
    shared: serde_json::Value,
    path: &Path,
    started: Instant,
) -> Result<Backup, BackupError> {
    let (manifest, written) = transfer::write(snapshot, subject, shared, path).await?;
    let (tenant_id, slug) = match &manifest.header.subject {
        Subject::Business { id, slug, .. } => (Some(TenantId::from_uuid(*id)), Some(slug.clone())),
        Subject::Installation => (None, None),
    };
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let backup = Backup {
        id: Uuid::now_v7(),
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
    provisioner.write_shared(async |tx| insert(tx, &backup).await).await?;
    Ok(backup)
}

/// A path that no backup has yet, in a folder that is made when there is none.
fn new_file(folder: &Path, label: &str) -> Result<PathBuf, BackupError> {
    use std::os::unix::fs::DirBuilderExt;
    let unusable = |error| BackupError::Folder(folder.to_owned(), error);
    // Only its owner looks into it: backups hold the whole data of businesses.
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unusable)?;
    let folder = folder.canonicalize().map_err(unusable)?;
    let moment = Utc::now().format("%Y%m%dT%H%M%S");
    // Two backups in one second differ in what follows.
    let unique = Uuid::new_v4().simple().to_string();
    Ok(folder.join(format!("{label}-{moment}Z-{}.{}", &unique[..6], file::EXTENSION)))
}

/// One business of many has been backed up, or not.
#[derive(Debug)]
pub struct Progress<'a> {
    pub tenant: &'a Tenant,
    pub outcome: &'a Result<Backup, BackupError>,
    pub done: usize,
    pub total: usize,
}

/// Backs many businesses up, so many at the same time, and goes on past those that fail; returns how many failed.
///
/// With `verify` each is restored into a scratch schema and compared, right after it was taken. What killed backups left
/// unfinished in the folder is removed first.
pub async fn create_all(
    provisioner: &Provisioner,
    tenants: &[Arc<Tenant>],
    folder: &Path,
    jobs: NonZeroUsize,
    with_verify: bool,
    tell: impl Fn(Progress<'_>),
) -> usize {
    use futures_util::StreamExt;
    // Without the folder there is nothing to remove; that it cannot be used each backup tells.
    if let Ok(removed @ 1..) = transfer::remove_abandoned(folder) {
        tracing::warn!("removed {removed} unfinished backups from {}", folder.display());
    }
    let (mut done, mut failed) = (0, 0);
    let mut outcomes = futures_util::stream::iter(tenants)
        .map(|tenant| async move {
            let taken = create(provisioner, tenant, folder).await;
            let outcome = match taken {
                Ok(backup) if with_verify => verify(provisioner, &backup.file).await.map(|_| backup),
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

/// Restores a backup into a scratch schema of its version, compares every table byte for byte, and throws the schema away.
/// A backup of the `shared` schema is only read to its end and compared with its digests.
///
/// # Errors
/// [`BackupError`], with the table that is damaged or differs.
pub async fn verify(provisioner: &Provisioner, path: &Path) -> Result<Manifest, BackupError> {
    const RECORD: &str = "UPDATE shared.backups SET verified_at = $2, failure = $3 WHERE file = $1";
    let path = path.canonicalize().map_err(FileError::from)?;
    let outcome = verify_unrecorded(provisioner, &path).await;
    let failure = match &outcome {
        Ok(_) => None,
        Err(error) if error.is_about_the_file() => Some(tenancy::chain(error)),
        // The database was away, or this program is too old: that says nothing about the backup.
        Err(_) => return outcome,
    };
    let file = path.display().to_string();
    provisioner.write_shared(async |tx| tx.execute(RECORD, &[&file, &tx.now(), &failure]).await).await?;
    outcome
}

async fn verify_unrecorded(provisioner: &Provisioner, path: &Path) -> Result<Manifest, BackupError> {
    let Checked { manifest, .. } = inspect(provisioner, path).await?;
    if manifest.header.subject != Subject::Installation {
        let (loading, _) = provisioner.begin_loading(manifest.header.schema_version, None).await?;
        transfer::load(path, &loading, Tables::All).await?;
        transfer::compare(&loading, &manifest.tables).await?;
    }
    Ok(manifest)
}

/// Reads a whole file, and refuses one that is damaged or newer than this program. Touches nothing.
///
/// # Errors
/// [`BackupError`].
pub async fn inspect(provisioner: &Provisioner, path: &Path) -> Result<Checked, BackupError> {
    let path = path.to_owned();
    let checked = tokio::task::spawn_blocking(move || file::check(&path)).await;
    let checked = checked.map_err(std::io::Error::other).map_err(FileError::from)??;
    let header = &checked.manifest.header;
    let program = match header.subject {
        Subject::Business { .. } => provisioner.latest_version(),
        Subject::Installation => provisioner.latest_shared_version(),
    };
    match header.schema_version {
        backup if backup > program => Err(BackupError::TooNew { backup, program }),
        _ => Ok(checked),
    }
}

/// Where a backup goes.
#[derive(Debug, Clone)]
pub enum Target {
    /// Over a business that exists.
    Over(Arc<Tenant>),
    /// Into a new business.
    New {
        slug: TenantSlug,
        /// The only member; without one the backup's members come too, matched by email.
        owner: Option<NewMember>,
    },
}

/// What was restored.
#[derive(Debug)]
pub struct Restored {
    pub slug: TenantSlug,
    /// The owner of a new business, where one was named.
    pub owner: Option<Added>,
    /// Members that were not known here; they have no password yet.
    pub new_users: usize,
    pub duration: Duration,
}

/// Restores one business from a file that [`inspect`] has read.
///
/// Over an existing business: it alone is in maintenance meanwhile, its schema is set aside, and its members and hosts stay
/// as they are. A new one gets the schema, the members (matched by email; a new user has no password) and the hosts,
/// which have to be verified again.
///
/// # Errors
/// [`BackupError`]; the business is as it was.
pub async fn restore(
    onboarding: &Onboarding,
    backup: &Checked,
    target: &Target,
    actor: &Actor,
) -> Result<Restored, BackupError> {
    let started = Instant::now();
    let provisioner = onboarding.provisioner();
    let header = &backup.manifest.header;
    let Subject::Business { id, slug, name } = &header.subject else {
        return Err(BackupError::OfTheInstallation);
    };
    let details = json!({"from": backup.path.display().to_string(), "takenAt": header.taken_at, "of": slug});
    let (slug, owner, new_users) = match target {
        Target::Over(tenant) => {
            (restore_over(provisioner, backup, tenant.id, actor, &details).await?, None, 0)
        }
        Target::New { slug: wanted, owner } => {
            let owner = match owner {
                Some(owner) => Some(onboarding.prepare(owner).await?),
                None => None,
            };
            // Restored under its own slug, a dropped business is the same business again.
            let id = (wanted.as_str() == slug).then(|| TenantId::from_uuid(*id));
            // The file may come from anywhere.
            let name = Name::parse(name).map_err(|error| BackupError::Name(error.to_string()))?.to_string();
            let new = NewTenant { slug: wanted.clone(), name, id };
            let (owner, new_users) =
                restore_new(provisioner, backup, &new, owner.as_ref(), actor, &details).await?;
            (wanted.clone(), owner, new_users)
        }
    };
    Ok(Restored { slug, owner, new_users, duration: started.elapsed() })
}

async fn restore_over(
    provisioner: &Provisioner,
    backup: &Checked,
    id: TenantId,
    actor: &Actor,
    details: &serde_json::Value,
) -> Result<TenantSlug, BackupError> {
    let maintenance = provisioner.begin_maintenance(id).await?;
    let work = async {
        let loading = load(provisioner, backup, None).await?.0;
        let tenant = maintenance.tenant();
        let record =
            async |tx: &SharedTx| audit::record(tx, actor, "tenant.restored", Some(tenant), details).await;
        provisioner.replace_by_loaded(loading, &maintenance, record).await?;
        Ok(tenant.slug.clone())
    };
    let outcome = work.await;
    // After success this finds nothing to do.
    maintenance.end().await?;
    outcome
}

async fn restore_new(
    provisioner: &Provisioner,
    backup: &Checked,
    new: &NewTenant,
    owner: Option<&Prepared<'_>>,
    actor: &Actor,
    details: &serde_json::Value,
) -> Result<(Option<Added>, usize), BackupError> {
    let rows = SharedRows::deserialize(&backup.shared)?;
    let (loading, tenant) = load(provisioner, backup, Some(new)).await?;
    let Some(tenant) = tenant else { return Err(BackupError::OfTheInstallation) };
    let register = async |tx: &SharedTx| {
        audit::record(tx, actor, "tenant.restored", Some(&tenant), details).await?;
        if let Some(owner) = owner {
            return Ok((Some(owner.add(tx, Place::Business(tenant.id)).await?), 0));
        }
        let mut new_users = 0;
        for member in &rows.members {
            new_users += usize::from(membership::restore(tx, tenant.id, member).await?);
        }
        if new.id.is_some() {
            come_back(tx, &tenant, &rows).await?;
        }
        Ok::<_, BackupError>((None, new_users))
    };
    provisioner.keep_loaded(loading, register).await
}

/// What a business that was dropped had besides its data, for it is the same business again; a copy gets none of it.
async fn come_back(tx: &SharedTx, tenant: &Tenant, rows: &SharedRows) -> Result<(), BackupError> {
    for saved in &rows.domains {
        let Ok(host) = HostName::parse(&saved.host) else { continue };
        match domain::insert(tx, tenant.id, &host).await {
            // A host that another business has by now stays there.
            Ok(_) | Err(DomainError::Taken(_)) => {}
            Err(DomainError::Db(error)) => return Err(error.into()),
            Err(error) => tracing::warn!(error = %tenancy::chain(&error), "a host of the backup is left out"),
        }
    }
    let change = match rows.status.as_deref() {
        Some("suspended") => StatusChange::Suspend,
        Some("archived") => StatusChange::Archive,
        _ => return Ok(()),
    };
    match lifecycle::change_status(tx, tenant.id, change).await {
        Err(LifecycleError::Db(error)) => Err(error.into()),
        _ => Ok(()),
    }
}

/// A new schema with the rows of the file, at the newest version.
async fn load(
    provisioner: &Provisioner,
    backup: &Checked,
    new: Option<&NewTenant>,
) -> Result<(Loading, Option<Arc<Tenant>>), BackupError> {
    let version = backup.manifest.header.schema_version;
    let (loading, tenant) = provisioner.begin_loading(version, new).await?;
    transfer::load(&backup.path, &loading, Tables::All).await?;
    provisioner.finish_loading(&loading).await?;
    Ok((loading, tenant))
}

/// Copies a business as it is at this moment into a new one, with an owner of its own.
///
/// # Errors
/// [`BackupError`]; nothing stays then.
pub async fn clone_business(
    onboarding: &Onboarding,
    from: &Tenant,
    slug: &TenantSlug,
    name: &str,
    owner: &NewMember,
    actor: &Actor,
) -> Result<(Arc<Tenant>, Added), BackupError> {
    let provisioner = onboarding.provisioner();
    let owner = onboarding.prepare(owner).await?;
    let (snapshot, from) = provisioner.snapshot(from.id).await?.ok_or(BackupError::Gone)?;
    let new = NewTenant { slug: slug.clone(), name: name.to_owned(), id: None };
    let (loading, tenant) = provisioner.begin_loading(snapshot.version(), Some(&new)).await?;
    let Some(tenant) = tenant else { return Err(BackupError::OfTheInstallation) };
    transfer::pipe(&snapshot, &loading).await?;
    drop(snapshot);
    provisioner.finish_loading(&loading).await?;
    let register = async |tx: &SharedTx| {
        let details = json!({"from": from.slug.to_string()});
        audit::record(tx, actor, "tenant.cloned", Some(&tenant), &details).await?;
        Ok::<_, BackupError>(owner.add(tx, Place::Business(tenant.id)).await?)
    };
    let added = provisioner.keep_loaded(loading, register).await?;
    Ok((tenant, added))
}

/// Restores the `shared` schema into a fresh installation. Its businesses stay in maintenance until each is restored
/// from a backup of its own; returns how many they are.
///
/// # Errors
/// [`BackupError`]; nothing has changed then.
pub async fn restore_installation(
    provisioner: &Provisioner,
    backup: &Checked,
    actor: &Actor,
) -> Result<usize, BackupError> {
    let header = &backup.manifest.header;
    if header.subject != Subject::Installation {
        return Err(BackupError::OfABusiness);
    }
    let last_number = backup.shared["lastBusinessNumber"].as_i64().unwrap_or(1);
    let Some(loading) = provisioner.begin_loading_shared().await? else { return Err(BackupError::NotFresh) };
    // A file of an older release holds fewer tables.
    transfer::load(&backup.path, &loading, Tables::Some).await?;
    let register = async |tx: &SharedTx| {
        const CLOSE: &str = "
            UPDATE shared.tenants SET status_before = coalesce(status_before, status), status = 'restoring'";
        // Spare schemas and those that were set aside are not there any more.
        const FORGET: &str = "DELETE FROM shared.schemas WHERE state <> 'live'";
        const NUMBERS: &str = "SELECT setval('shared.business_numbers', $1)";
        let closed = tx.execute(CLOSE, &[]).await?;
        tx.execute(FORGET, &[]).await?;
        tx.execute(NUMBERS, &[&last_number]).await?;
        let details = json!({"from": backup.path.display().to_string(), "takenAt": header.taken_at});
        audit::record(tx, actor, "installation.restored", None, &details).await?;
        Ok::<_, DbError>(usize::try_from(closed).unwrap_or_default())
    };
    Ok(provisioner.keep_loaded(loading, register).await?)
}

macro_rules! with_backup_columns {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            " id, tenant_id, slug, file, size_bytes, sha256, schema_version, rows, duration_ms, taken_at, verified_at,
              failure ",
            $after
        )
    };
}

async fn insert(tx: &SharedTx, backup: &Backup) -> Result<(), DbError> {
    const INSERT: &str = with_backup_columns!(
        "INSERT INTO shared.backups (",
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, NULL, NULL)"
    );
    let tenant = backup.tenant_id.map(TenantId::as_uuid);
    let file = backup.file.display().to_string();
    tx.execute(
        INSERT,
        &[
            &backup.id,
            &tenant,
            &backup.slug,
            &file,
            &backup.size_bytes,
            &backup.sha256,
            &backup.schema_version,
            &backup.rows,
            &backup.duration_ms,
            &backup.taken_at,
        ],
    )
    .await
    .map(drop)
}

/// The backups of one business, or all, the newest first.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &SharedTx, tenant: Option<TenantId>) -> Result<Vec<Backup>, DbError> {
    const ALL: &str = with_backup_columns!("SELECT", "FROM shared.backups ORDER BY taken_at DESC, id DESC");
    const OF_ONE: &str = with_backup_columns!(
        "SELECT",
        "FROM shared.backups WHERE tenant_id = $1 ORDER BY taken_at DESC, id DESC"
    );
    let rows = match tenant {
        None => tx.query(ALL, &[]).await?,
        Some(tenant) => tx.query(OF_ONE, &[&tenant.as_uuid()]).await?,
    };
    rows.iter().map(Backup::from_row).collect()
}

/// Up to `limit` backups, the newest first, from the one before `before` on.
///
/// # Errors
/// [`DbError`].
pub async fn page(
    tx: &SharedTx,
    tenant: Option<TenantId>,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Backup>, DbError> {
    const OF_ALL: &str =
        with_backup_columns!("SELECT", "FROM shared.backups WHERE id < $1 ORDER BY id DESC LIMIT $2");
    const OF_ONE: &str = with_backup_columns!(
        "SELECT",
        "FROM shared.backups WHERE id < $1 AND tenant_id = $3 ORDER BY id DESC LIMIT $2"
    );
    let before = before.unwrap_or(Uuid::max());
    let rows = match tenant {
        None => tx.query(OF_ALL, &[&before, &limit]).await?,
        Some(tenant) => tx.query(OF_ONE, &[&before, &limit, &tenant.as_uuid()]).await?,
    };
    rows.iter().map(Backup::from_row).collect()
}

/// The newest backup of a business that was verified and whose file is still what it was; reads that file.
///
/// # Errors
/// [`DbError`].
pub async fn newest_verified(provisioner: &Provisioner, tenant: TenantId) -> Result<Option<Backup>, DbError> {
    let backups = provisioner.write_shared(async |tx| list(tx, Some(tenant)).await).await?;
    let find = move || backups.into_iter().find(|backup| backup.is_verified() && backup.is_whole());
    // Reading a file takes its time, on a thread that may be kept waiting.
    Ok(tokio::task::spawn_blocking(find).await.unwrap_or_default())
}

/// How long backups are kept. One that either rule keeps stays.
#[derive(Debug, Clone, Copy, Default)]
pub struct Retention {
    pub keep_days: Option<u32>,
    /// Of each business.
    pub keep_last: Option<usize>,
}

impl Retention {
    /// Those of `backups` that may go: kept by neither rule, and superseded by a newer verified one of the same business.
    pub fn superseded(self, backups: &[Backup], now: DateTime<Utc>) -> Vec<Backup> {
        let mut sorted: Vec<&Backup> = backups.iter().collect();
        sorted.sort_by_key(|backup| std::cmp::Reverse(backup.taken_at));
        let mut newer: HashMap<Option<Uuid>, (usize, bool)> = HashMap::new();
        let mut superseded = Vec::new();
        for backup in sorted {
            let (count, verified) = newer.entry(backup.tenant_id.map(TenantId::as_uuid)).or_default();
            let is_young = |days: u32| now - backup.taken_at < TimeDelta::days(days.into());
            let is_kept =
                self.keep_days.is_some_and(is_young) || self.keep_last.is_some_and(|last| *count < last);
            if !is_kept && *verified {
                superseded.push(backup.clone());
            }
            *count += 1;
            *verified = *verified || (backup.is_verified() && backup.is_whole());
        }
        superseded
    }
}

/// Removes a backup: its file, and then what is known of it.
///
/// # Errors
/// [`BackupError`].
pub async fn remove(provisioner: &Provisioner, backup: &Backup) -> Result<(), BackupError> {
    const DELETE: &str = "DELETE FROM shared.backups WHERE id = $1";
    match std::fs::remove_file(&backup.file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(FileError::from(error).into());
        }
        _ => {}
    }
    provisioner.write_shared(async |tx| tx.execute(DELETE, &[&backup.id]).await).await?;
    Ok(())
}

/// The business that a file's backup is of, if it still exists.
///
/// # Errors
/// [`BackupError`].
pub async fn find_subject(tx: &SharedTx, subject: &Subject) -> Result<Option<Arc<Tenant>>, BackupError> {
    let Subject::Business { id, slug, .. } = subject else { return Err(BackupError::OfTheInstallation) };
    if let Some(tenant) = tenant::find_by_id(tx, TenantId::from_uuid(*id)).await? {
        return Ok(Some(Arc::new(tenant)));
    }
    let Ok(slug) = TenantSlug::parse(slug) else { return Ok(None) };
    match tenant::find(tx, &slug).await? {
        // Whoever has the slug now is somebody else, and must not get this business's data.
        Some(other) => Err(BackupError::AnotherBusiness(other.slug)),
        None => Ok(None),
    }
}
