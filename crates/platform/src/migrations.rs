//! The migration files, embedded in the binary.

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

#[cfg(test)]
mod tests {
    #[test]
    fn every_file_can_be_sent_statement_by_statement() {
        assert!(super::of_shared().unwrap().latest() >= 2);
        assert!(super::of_tenant().unwrap().latest() >= 3);
    }
}
