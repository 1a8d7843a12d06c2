//! The migration files, embedded in the binary.

use tenancy::Tenant;
use tenancy::migrations::{FileError, Migrations};

mod shared_files {
    refinery::embed_migrations!("../../migrations_shared");
}

mod tenant_files {
    refinery::embed_migrations!("../../migrations_tenant");
}

/// The files of the `shared` schema.
///
/// # Errors
/// [`FileError`] when one cannot be taken apart into statements.
pub fn of_shared() -> Result<Migrations, FileError> {
    Migrations::of_shared(shared_files::migrations::runner().get_migrations().clone())
}

/// The files of a business schema.
///
/// # Errors
/// [`FileError`] when one cannot be taken apart into statements.
pub fn of_tenant() -> Result<Migrations, FileError> {
    Migrations::of_tenant(tenant_files::migrations::runner().get_migrations().clone())
}

/// The oldest version of a business schema that this code can serve: raise it when code begins to need what a
/// migration adds, a release after that migration.
const SERVES_FROM: i32 = 17;

/// The window of schema versions that this code serves. Businesses migrate one after another while servers of two
/// releases run, so code meets schemas that are older and newer than itself.
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

    /// Whether this code can work in the business's schema.
    pub fn includes(&self, tenant: &Tenant) -> bool {
        tenant.schema_version >= self.from && tenant.needs_code <= self.code
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_file_can_be_sent_statement_by_statement() {
        assert!(super::of_shared().unwrap().latest() >= 2);
        assert!(super::of_tenant().unwrap().latest() >= 3);
    }
}
