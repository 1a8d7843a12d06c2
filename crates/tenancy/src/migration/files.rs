//! Runs the migrations of refinery statement by statement, inside a transaction of our own.

use refinery_core::traits::r#async::{AsyncMigrate, AsyncQuery, AsyncTransaction};
use refinery_core::{Migration, Runner};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::connection::error::DbError;
use crate::connection::transaction::Transaction;
use crate::migration::script::{self, ScriptError};

/// A checked set of migration files, and the history table that records which of them a schema has.
#[derive(Clone)]
pub struct Migrations {
    files: Vec<Migration>,
    history: &'static str,
}

/// The history tables of a business schema and of the `shared` schema, as names without a schema.
pub(crate) const HISTORY: &str = "migrations";
pub(crate) const SHARED_HISTORY: &str = "shared_migrations";

/// The comment with which a file excludes servers that run older code; see [`Migrations::needs_code`].
pub(crate) const NEEDS_CODE: &str = "-- needs code:";

/// A migration file is malformed.
#[derive(Debug, thiserror::Error)]
#[error("migration {file} cannot be used")]
pub struct FileError {
    file: String,
    #[source]
    source: ScriptError,
}

impl Migrations {
    /// The files of the `shared` schema, whose SQL must use qualified names.
    ///
    /// # Errors
    /// [`FileError`] when a file cannot be split into statements.
    pub fn of_shared(files: Vec<Migration>) -> Result<Self, FileError> {
        Self::checked(files, "shared.shared_migrations")
    }

    /// The files of a business schema, whose SQL must use unqualified names. The search_path selects the
    /// schema.
    ///
    /// # Errors
    /// [`FileError`] when a file cannot be split into statements.
    pub fn of_tenant(files: Vec<Migration>) -> Result<Self, FileError> {
        Self::checked(files, HISTORY)
    }

    fn checked(files: Vec<Migration>, history: &'static str) -> Result<Self, FileError> {
        for file in &files {
            if let Err(source) = script::statements(file.sql().unwrap_or_default()) {
                return Err(FileError { file: file.to_string(), source });
            }
        }
        Ok(Self { files, history })
    }

    /// The version of a schema after all files have been applied.
    pub fn latest(&self) -> i32 {
        self.files.iter().map(Migration::version).max().unwrap_or_default()
    }

    /// The same files, up to and including `version`.
    #[must_use]
    pub fn up_to(&self, version: i32) -> Self {
        let files = self.files.iter().filter(|file| file.version() <= version).cloned().collect();
        Self { files, history: self.history }
    }

    /// The same files and one more, with a file name such as `V0012__name.sql`.
    ///
    /// # Errors
    /// [`FileError`] when the name or the text cannot be used.
    pub fn and(self, file: &str, sql: &str) -> Result<Self, FileError> {
        let stem = file.strip_suffix(".sql").unwrap_or(file);
        let unusable = |source| FileError { file: file.to_owned(), source };
        let migration = Migration::unapplied(stem, sql).map_err(|_| unusable(ScriptError::Name))?;
        let mut files = self.files;
        files.push(migration);
        Self::checked(files, self.history)
    }

    /// The version and the name of each file, oldest first.
    pub fn files(&self) -> impl Iterator<Item = (i32, &str)> {
        self.files.iter().map(|file| (file.version(), file.name()))
    }

    /// The newest migration that code must know to serve a schema at `version`.
    ///
    /// Most migrations only add, so old code can serve new schemas. A file that removes something must
    /// contain a line such as `-- needs code: 12`. Code whose newest migration is older than 12 still uses
    /// the removed part.
    pub fn needs_code(&self, version: i32) -> i32 {
        let told = |file: &Migration| {
            let lines = file.sql().unwrap_or_default().lines();
            lines.filter_map(|line| line.trim().strip_prefix(NEEDS_CODE)?.trim().parse().ok()).max()
        };
        self.files.iter().filter(|file| file.version() <= version).filter_map(told).max().unwrap_or(0)
    }

    /// Whether a history with these versions and checksums matches this set exactly, with no file left to
    /// apply.
    pub(crate) fn is_complete(&self, history: &[(i32, String)]) -> bool {
        history.len() == self.files.len()
            && self.files.iter().all(|file| {
                let checksum = file.checksum().to_string();
                history.iter().any(|(version, applied)| *version == file.version() && *applied == checksum)
            })
    }

    /// Migrates the schema that `transaction` sees to the newest version. Returns the versions that were
    /// applied.
    pub(crate) async fn run(&self, transaction: &Transaction) -> Result<Vec<i32>, MigrationError> {
        let mut runner = Runner::new(&self.files).set_grouped(true);
        runner.set_migration_table_name(self.history);
        let report = runner.run_async(&mut OpenTransaction(transaction)).await?;
        Ok(report.applied_migrations().iter().map(Migration::version).collect())
    }
}

/// A migration failed. None of its changes are kept.
#[derive(Debug, thiserror::Error)]
#[error("the migration failed")]
pub struct MigrationError(#[from] refinery_core::Error);

/// A statement of a migration failed.
#[derive(Debug, thiserror::Error)]
#[error("statement `{statement}` failed")]
struct StatementError {
    statement: String,
    #[source]
    source: DbError,
}

/// Makes refinery use the transaction that is already open, instead of one transaction per file.
struct OpenTransaction<'a>(&'a Transaction);

impl AsyncTransaction for OpenTransaction<'_> {
    type Error = MigrationFault;

    async fn execute<'a, T: Iterator<Item = &'a str> + Send + 'a>(
        &'a mut self,
        queries: T,
    ) -> Result<usize, MigrationFault> {
        let mut statements = Vec::new();
        for sql in queries {
            statements.extend(script::statements(sql)?);
        }
        match self.0.pipeline(&statements).await {
            Ok(()) => Ok(statements.len()),
            Err((index, source)) => Err(MigrationFault::Statement(StatementError {
                statement: first_line(statements.get(index).copied().unwrap_or_default()),
                source,
            })),
        }
    }
}

impl AsyncQuery<Vec<Migration>> for OpenTransaction<'_> {
    async fn query<'a>(&'a mut self, query: &'a str) -> Result<Vec<Migration>, MigrationFault> {
        let rows = self.0.query_text(query).await?;
        rows.iter()
            .map(|row| {
                let applied_on: String = row.try_get("applied_on").map_err(DbError::from)?;
                let checksum: String = row.try_get("checksum").map_err(DbError::from)?;
                Ok(Migration::applied(
                    row.try_get("version").map_err(DbError::from)?,
                    row.try_get("name").map_err(DbError::from)?,
                    OffsetDateTime::parse(&applied_on, &Rfc3339).map_err(|_| MigrationFault::History)?,
                    checksum.parse().map_err(|_| MigrationFault::History)?,
                ))
            })
            .collect()
    }
}

impl AsyncMigrate for OpenTransaction<'_> {}

/// The error that refinery receives. The caller gets this error as the source of a [`MigrationError`].
#[derive(Debug, thiserror::Error)]
enum MigrationFault {
    #[error(transparent)]
    Statement(StatementError),
    #[error("the migration history cannot be read")]
    Query(#[from] DbError),
    #[error("the migration history has a row that refinery did not write")]
    History,
    #[error(transparent)]
    Script(#[from] ScriptError),
}

/// The first line that is not a comment, for error messages.
fn first_line(statement: &str) -> String {
    let line = statement.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with("--"));
    line.unwrap_or_default().chars().take(100).collect()
}
