//! The errors of backups.

use std::path::PathBuf;

use archive::{ContentsError, FileError};
use tenancy::lifecycle::LifecycleError;
use tenancy::{DbError, ProvisionError, TenantSlug};

use crate::onboarding::member::{MemberError, NotShown};

/// A backup could not be created, verified or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The folder for backups cannot be created or opened.
    #[error("the folder {0} cannot be used for backups")]
    Folder(PathBuf, #[source] std::io::Error),
    /// The backup file cannot be written or read, differs from the data, or a query for its rows failed.
    #[error(transparent)]
    Contents(#[from] ContentsError),
    /// The backup was written, and could not be added to the list of backups.
    #[error(
        "the backup is complete in {}, but is not in the list of backups, so it is neither verified nor \
         pruned; restore it by its path, or remove it", .0.display()
    )]
    NotListed(PathBuf, #[source] DbError),
    /// A newer release created the backup, and this release does not know its schema version.
    #[error(
        "the backup has schema version {backup}, but this release knows only {program}; use a newer release"
    )]
    TooNew {
        /// The schema version of the backup.
        backup: i32,
        /// The newest schema version that this release knows.
        program: i32,
    },
    /// A restore over a business failed, and the business could not be opened again.
    #[error(
        "the restore failed and changed nothing, but the business is still closed; \
         a process that runs background jobs opens it again (`tenantry job run`)"
    )]
    StillClosed(#[source] Box<Self>),
    /// A business was to be restored from a backup of the `shared` schema.
    #[error("the file is a backup of the shared schema; run `tenantry backup restore FILE --installation`")]
    OfTheInstallation,
    /// The `shared` schema was to be restored from a backup of a business.
    #[error("the file is a backup of a business; run `tenantry backup restore FILE` without --installation")]
    OfATenant,
    /// The restore of the `shared` schema was refused, because it would overwrite data.
    #[error(
        "the shared schema already contains businesses or users; \
         restore its backup into a new database, after `tenantry db init --admin-url URL`"
    )]
    NotFresh,
    /// The slug of the backup now belongs to another business, whose data must not be replaced.
    #[error(
        "the business of this backup was dropped, and another business now has the slug {0}; \
         run `tenantry backup restore FILE --as SLUG` with a new slug"
    )]
    AnotherTenant(TenantSlug),
    /// The name in the file breaks the rules for names. The file may come from any source.
    #[error("the name of the business in the backup is invalid: {0}")]
    Name(String),
    /// The generated password of the owner of a new business could not be shown.
    #[error(transparent)]
    NotShown(#[from] NotShown),
    /// The rows of the `shared` schema in the file do not have the expected form.
    #[error("the rows of the shared schema in the backup cannot be read: {0}")]
    Shared(#[from] serde_json::Error),
    /// The business cannot be put into maintenance, for example because it is being migrated.
    #[error(transparent)]
    Lifecycle(#[from] LifecycleError),
    /// The schema for the restored data cannot be created or migrated, or the slug is taken.
    #[error(transparent)]
    Provision(#[from] ProvisionError),
    /// The owner of the restored or cloned business cannot be added.
    #[error(transparent)]
    Owner(#[from] MemberError),
    /// The business to back up or to clone was dropped in the meantime.
    #[error("the business no longer exists")]
    Gone,
    /// PostgreSQL refused a query, or the connection failed.
    #[error("a backup query failed")]
    Db(#[from] DbError),
}

impl BackupError {
    /// Whether the backup file itself causes the error.
    pub(super) fn is_about_the_file(&self) -> bool {
        matches!(
            self,
            Self::Contents(
                ContentsError::File(FileError::NotABackup(_) | FileError::Damaged { .. })
                    | ContentsError::Differs { .. }
            )
        )
    }
}

impl From<FileError> for BackupError {
    fn from(error: FileError) -> Self {
        Self::Contents(error.into())
    }
}
