//! Database errors, and the errors after which a retry may succeed.

use std::time::Duration;

use tokio_postgres::error::SqlState;
use values::NewerWord;

/// A failure of the database or of the connection to it.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// A statement failed, the connection broke, or a column could not be read as the expected type. The
    /// cause says why.
    #[error("a database query failed")]
    Query(#[source] tokio_postgres::Error),
    /// No connection could be opened. The cause says why.
    #[error("cannot connect to the database")]
    Connect(#[source] tokio_postgres::Error),
    /// The server does not answer, takes no connections, or is gone.
    #[error("the database server does not answer")]
    NoServer,
    /// All connections were busy for the whole wait timeout.
    #[error("no database connection became available within {0:?}")]
    Exhausted(Duration),
    /// The business has reached its limit of concurrent transactions, and the queue is full or the wait for a
    /// turn timed out.
    #[error("the business has too many concurrent transactions")]
    TenantBusy,
    /// The future of a statement was dropped before the answer arrived, so the effect of the statement is
    /// unknown.
    #[error("a statement of this transaction was cancelled before its answer arrived")]
    Abandoned,
    /// A statement failed, and the work continued after the failure. PostgreSQL would have executed COMMIT as
    /// ROLLBACK and returned no error.
    #[error("a statement failed, so the transaction cannot be committed")]
    Failed,
    /// A newer release stored a word that this release does not know.
    #[error(transparent)]
    NewerData(NewerWord),
    /// The payload of an event is not JSON.
    #[error("the payload of an event cannot be written as JSON")]
    Payload(#[source] serde_json::Error),
    /// The columns of the statement do not match the type that reads its rows.
    #[error("the query result has no column {0}")]
    Column(&'static str),
}

impl From<tokio_postgres::Error> for DbError {
    fn from(error: tokio_postgres::Error) -> Self {
        match std::error::Error::source(&error).and_then(|cause| cause.downcast_ref::<NewerWord>()) {
            Some(word) => Self::NewerData(word.clone()),
            None => Self::Query(error),
        }
    }
}

impl DbError {
    /// PostgreSQL's error code, if PostgreSQL sent an answer.
    pub fn sqlstate(&self) -> Option<&SqlState> {
        match self {
            Self::Query(error) | Self::Connect(error) => error.code(),
            Self::NoServer
            | Self::Exhausted(_)
            | Self::TenantBusy
            | Self::Abandoned
            | Self::Failed
            | Self::NewerData(_)
            | Self::Payload(_)
            | Self::Column(_) => None,
        }
    }

    /// The name of the constraint that refused a row.
    ///
    /// A sharding extension may append a shard number to the name. Only this function removes that number.
    pub fn constraint(&self) -> Option<&str> {
        let Self::Query(error) = self else { return None };
        error.as_db_error()?.constraint().map(without_shard_number)
    }

    /// Whether there is no server that could do the work: none answers, or the one that answers takes no
    /// writes.
    pub fn is_without_server(&self) -> bool {
        match self {
            Self::NoServer | Self::Connect(_) => true,
            Self::Query(error) => is_broken(error) || self.is_read_only(),
            _ => false,
        }
    }

    /// Whether the server refused a write because it takes none.
    pub fn is_read_only(&self) -> bool {
        self.sqlstate() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION)
    }

    /// Whether the same request may succeed a little later. This is so if there is no connection or no turn,
    /// if the server is shutting down or out of resources, if the server cancelled the statement, and after a
    /// serialization failure, a deadlock or a lock timeout.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::NoServer | Self::Exhausted(_) | Self::TenantBusy | Self::Connect(_) => true,
            Self::Query(error) => {
                self.is_without_server()
                    || error.code().is_some_and(|code| {
                        let class = &code.code()[..2];
                        // Class 57 includes 57014 (statement timeout or cancel): the server stopped this
                        // work.
                        matches!(class, "08" | "53" | "57") || may_succeed_again(code)
                    })
            }
            Self::Abandoned | Self::Failed | Self::NewerData(_) | Self::Payload(_) | Self::Column(_) => false,
        }
    }
}

/// Whether the connection broke, or the server is ending it.
pub(crate) fn is_broken(error: &tokio_postgres::Error) -> bool {
    error.is_closed()
        || std::error::Error::source(error).is_some_and(|cause| cause.is::<std::io::Error>())
        || error.code().is_some_and(|code| {
            [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW].contains(code)
        })
}

fn without_shard_number(name: &str) -> &str {
    match name.rsplit_once('_') {
        Some((stem, digits)) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => stem,
        _ => name,
    }
}

/// Serialization failure, deadlock or lock timeout: a retry of the same work may succeed.
pub(crate) fn may_succeed_again(code: &SqlState) -> bool {
    [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED, SqlState::LOCK_NOT_AVAILABLE]
        .contains(code)
}

/// "cached plan must not change result type": a migration changed a table after a statement had been
/// prepared.
pub(crate) fn is_stale_plan(code: &SqlState) -> bool {
    *code == SqlState::FEATURE_NOT_SUPPORTED
}

/// The code of the PostgreSQL error at the root of `error`, even if several domain errors wrap it.
pub(crate) fn root_sqlstate<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a SqlState> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(postgres) = error.downcast_ref::<tokio_postgres::Error>() {
            return postgres.code();
        }
        cause = error.source();
    }
    None
}

/// Joins `error` and its causes in one line. A cause whose text is already in the line is left out.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let told = error.to_string();
        if !text.contains(&told) {
            text.push_str(": ");
            text.push_str(&told);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_number_is_removed_from_a_constraint_name() {
        assert_eq!(without_shard_number("variants_sku_key_102008"), "variants_sku_key");
        assert_eq!(without_shard_number("variants_sku_key"), "variants_sku_key");
        assert_eq!(without_shard_number("key_"), "key_");
    }
}
