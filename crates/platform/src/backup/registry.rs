//! The registry of backups: one row for each backup file.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use const_format::concatcp;
use serde::Serialize;
use tenancy::{Cells, DbError, FromRow, OwnerDatabase, RowError, SharedTx, TenantId};
use values::Key;

/// A backup that was created.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    /// The id of the backup.
    pub id: BackupId,
    /// `None` for a backup of the `shared` schema.
    pub tenant_id: Option<TenantId>,
    /// The slug of the business when the backup was created. `None` for the `shared` schema.
    pub slug: Option<String>,
    /// The absolute path of the file on the machine that created it.
    pub file: PathBuf,
    /// The size of the file when the backup was created, in bytes.
    pub size_bytes: i64,
    /// The SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// The number of the last migration of the schema in the backup.
    pub schema_version: i32,
    /// The number of rows of all tables in the backup.
    pub rows: i64,
    /// The time that it took to create the backup, in milliseconds.
    pub duration_ms: i64,
    /// When the data was read. Later changes are not in the backup.
    pub taken_at: DateTime<Utc>,
    /// The time of the last verification; `None` before the first one. A backup of a business is restored
    /// into a scratch schema and compared. A backup of the `shared` schema is only compared with its digests.
    pub verified_at: Option<DateTime<Utc>>,
    /// The problem that the last verification found; `None` if it found none.
    pub failure: Option<String>,
}

impl Backup {
    /// Whether the backup was verified and the last verification found no problem.
    pub fn is_verified(&self) -> bool {
        self.verified_at.is_some() && self.failure.is_none()
    }

    /// Whether the file exists and has its original size. Only [`Backup::is_whole`] finds damage inside the
    /// file.
    pub fn has_its_size(&self) -> bool {
        std::fs::metadata(&self.file).is_ok_and(|file| i64::try_from(file.len()) == Ok(self.size_bytes))
    }

    /// Whether every byte of the file is unchanged. Reads the whole file.
    pub fn is_whole(&self) -> bool {
        self.has_its_size() && archive::check::digest(&self.file).is_ok_and(|digest| digest == self.sha256)
    }

    /// The slug of the business, or `(installation)` for a backup of the `shared` schema.
    pub fn label(&self) -> &str {
        self.slug.as_deref().unwrap_or("(installation)")
    }
}

impl FromRow for Backup {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "tenant_id",
        "slug",
        "file",
        "size_bytes",
        "sha256",
        "schema_version",
        "rows",
        "duration_ms",
        "taken_at",
        "verified_at",
        "failure",
    ];

    fn from_cells(cells: &mut Cells<'_>) -> Result<Self, RowError> {
        Ok(Self {
            id: cells.read()?,
            tenant_id: cells.read()?,
            slug: cells.read()?,
            file: cells.read::<String>()?.into(),
            size_bytes: cells.read()?,
            sha256: cells.read()?,
            schema_version: cells.read()?,
            rows: cells.read()?,
            duration_ms: cells.read()?,
            taken_at: cells.read()?,
            verified_at: cells.read()?,
            failure: cells.read()?,
        })
    }
}

values::ids! {
    /// The id of a backup.
    BackupId,
}

/// The columns of a [`Backup`].
const COLUMNS: &str = "
    id, tenant_id, slug, file, size_bytes, sha256, schema_version, rows, duration_ms, taken_at, verified_at,
              failure";

pub(super) async fn insert(tx: &SharedTx, backup: &Backup) -> Result<(), DbError> {
    const INSERT: &str = concatcp!(
        "INSERT INTO shared.backups ( ",
        COLUMNS,
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, NULL, NULL)"
    );
    let tenant = backup.tenant_id;
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

/// The backups of one business, or all backups when `tenant` is `None`; newest first.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &SharedTx, tenant: Option<TenantId>) -> Result<Vec<Backup>, DbError> {
    const ALL: &str = concatcp!("SELECT ", COLUMNS, " FROM shared.backups ORDER BY taken_at DESC, id DESC");
    const OF_ONE: &str = concatcp!(
        "SELECT ",
        COLUMNS,
        " FROM shared.backups WHERE tenant_id = $1 ORDER BY taken_at DESC, id DESC"
    );
    match tenant {
        None => tx.rows(ALL, &[]).await,
        Some(tenant) => tx.rows(OF_ONE, &[&tenant]).await,
    }
}

/// Returns up to `limit` backups that are older than the backup `before`, newest first. Starts with the
/// newest backup when `before` is `None`. Returns all backups when `tenant` is `None`.
///
/// # Errors
/// [`DbError`].
pub async fn page(
    tx: &SharedTx,
    tenant: Option<TenantId>,
    before: Option<BackupId>,
    limit: i64,
) -> Result<Vec<Backup>, DbError> {
    const OF_ALL: &str =
        concatcp!("SELECT ", COLUMNS, " FROM shared.backups WHERE id < $1 ORDER BY id DESC LIMIT $2");
    const OF_ONE: &str = concatcp!(
        "SELECT ",
        COLUMNS,
        " FROM shared.backups WHERE id < $1 AND tenant_id = $3 ORDER BY id DESC LIMIT $2"
    );
    let before = before.unwrap_or_else(BackupId::highest);
    match tenant {
        None => tx.rows(OF_ALL, &[&before, &limit]).await,
        Some(tenant) => tx.rows(OF_ONE, &[&before, &limit, &tenant]).await,
    }
}

/// The newest verified backup of a business whose file is unchanged. Reads the whole file to check it.
///
/// # Errors
/// [`DbError`].
pub async fn newest_verified(
    owner_database: &OwnerDatabase,
    tenant: TenantId,
) -> Result<Option<Backup>, DbError> {
    let backups = owner_database.write_shared(async |tx| list(tx, Some(tenant)).await).await?;
    let find = move || backups.into_iter().find(|backup| backup.is_verified() && backup.is_whole());
    // Reading a whole file takes long, so it runs on a thread that may block.
    Ok(tokio::task::spawn_blocking(find).await.unwrap_or_default())
}
