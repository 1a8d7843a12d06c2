//! The opening of a transaction: BEGIN, the role and the search_path, in one message.

use std::sync::Arc;
use std::time::Duration;

use crate::connection::transaction::ROLLBACK;
use crate::names::database::{RoleName, SchemaName, TenantNumber};
use crate::scope::settled;

/// Returns the statement that makes the schema visible to the transaction, whatever role the transaction has.
pub(crate) fn search_path(schema: &SchemaName) -> String {
    // pg_temp must be last. By default PostgreSQL searches it first, and a temporary table would then hide a
    // table of the business.
    format!("SET LOCAL search_path = {}, extensions, pg_temp", schema.quoted())
}

/// The kind of a transaction. Only [`Mode::Write`] keeps its changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Read,
    /// A read whose statements all see the same moment.
    Snapshot,
    Write,
}

impl Mode {
    /// In debug builds, reads are READ ONLY, so that tests find a write inside a read.
    pub(crate) fn begin(self) -> &'static str {
        match self {
            Self::Read if cfg!(debug_assertions) => "BEGIN READ ONLY",
            Self::Snapshot if cfg!(debug_assertions) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Self::Snapshot => "BEGIN ISOLATION LEVEL REPEATABLE READ",
            Self::Read | Self::Write => "BEGIN",
        }
    }
}

/// The opening messages of one tenant's transactions, built once per tenant and sent with each transaction.
#[derive(Debug, Clone)]
pub(crate) struct Openings {
    read: Arc<str>,
    snapshot: Arc<str>,
    write: Arc<str>,
    settings: String,
}

impl Openings {
    pub(crate) fn new(
        number: TenantNumber,
        role: &RoleName,
        schema: &SchemaName,
        statement_timeout: Option<Duration>,
    ) -> Self {
        let mut settings = format!("SET LOCAL ROLE {}; {}", role.quoted(), search_path(schema));
        // A business without its own timeout uses the login's default, because each setting costs time in
        // every transaction.
        if let Some(timeout) = statement_timeout {
            settings.push_str(&format!("; SET LOCAL statement_timeout = {}", timeout.as_millis()));
        }
        let opening = |mode: Mode| format!("{ROLLBACK}{}; {settings}", mode.begin());
        Self {
            read: opening(Mode::Read).into(),
            snapshot: opening(Mode::Snapshot).into(),
            write: format!("{}; {}", opening(Mode::Write), settled::lock(number)).into(),
            settings,
        }
    }

    pub(crate) fn of(&self, mode: Mode) -> Arc<str> {
        match mode {
            Mode::Read => self.read.clone(),
            Mode::Snapshot => self.snapshot.clone(),
            Mode::Write => self.write.clone(),
        }
    }

    /// Only the settings, for use inside a transaction.
    pub(crate) fn settings(&self) -> &str {
        &self.settings
    }
}
