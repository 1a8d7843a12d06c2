//! refinery's migrations, run statement by statement inside a transaction of ours.

use refinery_core::traits::r#async::{AsyncMigrate, AsyncQuery, AsyncTransaction};
use refinery_core::{Migration, Runner};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::connection::error::DbError;
use crate::connection::transaction::Session;
use crate::migration::script::{self, ScriptError};

/// A checked set of migration files and the table that remembers which of them a schema has.
#[derive(Clone)]
pub struct Migrations {
    files: Vec<Migration>,
    history: &'static str,
}

/// The tables that remember the migrations of a business schema and of the `shared` schema, by their bare names.
pub(crate) const HISTORY: &str = "migrations";
pub(crate) const SHARED_HISTORY: &str = "shared_migrations";

/// What a file says to servers that run older code; see [`Migrations::needs_code`].
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
    /// The files of the `shared` schema; they write names qualified.
    ///
    /// # Errors
    /// [`FileError`] when a file cannot be taken apart into statements.
    pub fn of_shared(files: Vec<Migration>) -> Result<Self, FileError> {
        Self::checked(files, "shared.shared_migrations")
    }

    /// The files of a business schema; they write names unqualified, and search_path decides.
    ///
    /// # Errors
    /// [`FileError`] when a file cannot be taken apart into statements.
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

    /// The version that a schema has after all files.
    pub fn latest(&self) -> i32 {
        self.files.iter().map(Migration::version).max().unwrap_or_default()
    }

    /// The same files without those after `version`.
    #[must_use]
    pub fn up_to(&self, version: i32) -> Self {
        let files = self.files.iter().filter(|file| file.version() <= version).cloned().collect();
        Self { files, history: self.history }
    }

    /// The same files and one more, named as a file is: `V0012__name.sql`. For tests of what a later release does.
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

    /// Versions and names, oldest first.
    pub fn files(&self) -> impl Iterator<Item = (i32, &str)> {
        self.files.iter().map(|file| (file.version(), file.name()))
    }

    /// The newest migration that code has to know to serve a schema at `version`.
    ///
    /// Migrations only add, so old code serves new schemas. A file that takes something away says so in a line
    /// `-- needs code: 12`: code whose newest migration is older than 12 still uses what goes.
    pub fn needs_code(&self, version: i32) -> i32 {
        let told = |file: &Migration| {
            let lines = file.sql().unwrap_or_default().lines();
            lines.filter_map(|line| line.trim().strip_prefix(NEEDS_CODE)?.trim().parse().ok()).max()
        };
        self.files.iter().filter(|file| file.version() <= version).filter_map(told).max().unwrap_or(0)
    }

    /// Whether a history of these versions and checksums is this very set, with nothing left to do.
    pub(crate) fn is_complete(&self, history: &[(i32, String)]) -> bool {
        history.len() == self.files.len()
            && self.files.iter().all(|file| {
                let checksum = file.checksum().to_string();
                history.iter().any(|(version, applied)| *version == file.version() && *applied == checksum)
            })
    }

    /// Brings the schema that `session` sees to the newest version; returns the versions applied.
    pub(crate) async fn run(&self, session: &Session) -> Result<Vec<i32>, MigrationError> {
        let mut runner = Runner::new(&self.files).set_grouped(true);
        runner.set_migration_table_name(self.history);
        let report = runner.run_async(&mut OpenTransaction(session)).await?;
        Ok(report.applied_migrations().iter().map(Migration::version).collect())
    }
}

/// A migration failed; nothing of it stays.
#[derive(Debug, thiserror::Error)]
#[error("migrating failed")]
pub struct MigrationError(#[from] refinery_core::Error);

/// A statement of a migration was refused.
#[derive(Debug, thiserror::Error)]
#[error("statement `{statement}` failed")]
struct StatementError {
    statement: String,
    #[source]
    source: DbError,
}

/// refinery runs within the transaction that is already open, instead of opening one per file.
struct OpenTransaction<'a>(&'a Session);

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

/// What refinery is told; it reaches the caller as the cause of a [`MigrationError`].
#[derive(Debug, thiserror::Error)]
enum MigrationFault {
    #[error(transparent)]
    Statement(StatementError),
    #[error("the migration history cannot be read")]
    Query(#[from] DbError),
    #[error("the migration history holds a row that refinery did not write")]
    History,
    #[error(transparent)]
    Script(#[from] ScriptError),
}

/// The first line that is no comment, for messages.
fn first_line(statement: &str) -> String {
    let line = statement.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with("--"));
    line.unwrap_or_default().chars().take(100).collect()
}
