//! The errors of backups.

use std::path::PathBuf;

use archive::{FileError, TransferError};
use tenancy::lifecycle::LifecycleError;
use tenancy::{DbError, ProvisionError, TenantSlug};

use crate::onboarding::member::MemberError;

/// A backup could not be created, verified or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("the folder {0} cannot be used for backups")]
    Folder(PathBuf, #[source] std::io::Error),
    #[error(transparent)]
    Transfer(#[from] TransferError),
    #[error(
        "the backup has schema version {backup}, but this release knows only {program}; use a newer release"
    )]
    TooNew { backup: i32, program: i32 },
    #[error("the file is a backup of the shared schema; run `tenantry backup restore FILE --installation`")]
    OfTheInstallation,
    #[error("the file is a backup of a business; run `tenantry backup restore FILE` without --installation")]
    OfABusiness,
    #[error(
        "the shared schema already contains businesses or users; \
         restore its backup into a new database, after `tenantry db init --admin-url URL`"
    )]
    NotFresh,
    #[error(
        "the business of this backup was dropped, and another business now has the slug {0}; \
         run `tenantry backup restore FILE --as SLUG` with a new slug"
    )]
    AnotherBusiness(TenantSlug),
    #[error("the name of the business in the backup is invalid: {0}")]
    Name(String),
    #[error("the rows of the shared schema in the backup cannot be read: {0}")]
    Shared(#[from] serde_json::Error),
    #[error(transparent)]
    Lifecycle(#[from] LifecycleError),
    #[error(transparent)]
    Provision(#[from] ProvisionError),
    #[error(transparent)]
    Owner(#[from] MemberError),
    #[error("the business no longer exists")]
    Gone,
    #[error("a backup query failed")]
    Db(#[from] DbError),
}

impl BackupError {
    /// Whether the backup file itself causes the error.
    pub(super) fn is_about_the_file(&self) -> bool {
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
