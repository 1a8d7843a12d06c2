//! The migration files, embedded in the binary.

use tenancy::Tenant;
use tenancy::migrations::{FileError, Migrations};

mod shared_files {
    refinery::embed_migrations!("../../migrations_shared");
}

mod tenant_files {
    refinery::embed_migrations!("../../migrations_tenant");
}

/// The migration files of the `shared` schema.
///
/// # Errors
/// [`FileError`] when a file cannot be split into statements.
pub fn of_shared() -> Result<Migrations, FileError> {
    Migrations::of_shared(shared_files::migrations::runner().get_migrations().clone())
}

/// The migration files of a business schema.
///
/// # Errors
/// [`FileError`] when a file cannot be split into statements.
pub fn of_tenant() -> Result<Migrations, FileError> {
    Migrations::of_tenant(tenant_files::migrations::runner().get_migrations().clone())
}

/// The oldest version of a business schema that this code can serve. Raise this number when the code starts
/// to depend on a migration. Code must not depend on a migration before the release after that migration.
/// Before the first release, the number may be that of the newest migration.
const SERVES_FROM: i32 = 51;

/// The window of schema versions that this code serves. Businesses migrate one after another while servers of
/// two releases run. The code therefore meets schemas that are older or newer than the code.
#[derive(Debug, Clone, Copy)]
pub struct Served {
    from: i32,
    /// The newest migration that this code knows.
    code: i32,
}

impl Served {
    /// The window of this code.
    ///
    /// # Errors
    /// [`FileError`] when a migration cannot be read.
    pub fn by_this_code() -> Result<Self, FileError> {
        Ok(Self { from: SERVES_FROM, code: of_tenant()?.latest() })
    }

    /// The newest version of a business schema that this code knows.
    pub fn latest(&self) -> i32 {
        self.code
    }

    /// Whether this code can serve the business's schema.
    pub fn includes(&self, tenant: &Tenant) -> bool {
        tenant.schema_version >= self.from && tenant.needs_code <= self.code
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_migration_file_can_be_split_into_statements() {
        assert!(super::of_shared().unwrap().latest() >= 2);
        assert!(super::of_tenant().unwrap().latest() >= 3);
    }
}
