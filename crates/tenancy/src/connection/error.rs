//! What can go wrong between a domain function and PostgreSQL, and which of it is worth another try.

use std::time::Duration;

use tokio_postgres::error::SqlState;

/// A failure of the database or of the way to it.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The cause says which statement failed and why.
    #[error("database query failed")]
    Query(#[source] tokio_postgres::Error),
    #[error("cannot connect to the database")]
    Connect(#[source] tokio_postgres::Error),
    /// All connections were busy for the whole waiting time.
    #[error("no database connection came free within {0:?}")]
    Exhausted(Duration),
    /// The business has as many transactions at work as it may, and enough that wait.
    #[error("the business has too many transactions at the same time")]
    BusinessBusy,
    /// A statement's future was dropped half-way, so nobody knows what it did.
    #[error("a statement of this transaction was abandoned in flight")]
    Abandoned,
    /// A statement failed and the work went on regardless: COMMIT would have been a silent ROLLBACK.
    #[error("the transaction failed before its commit")]
    Failed,
}

impl From<tokio_postgres::Error> for DbError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Query(error)
    }
}

impl DbError {
    /// PostgreSQL's error code, when PostgreSQL answered at all.
    pub fn sqlstate(&self) -> Option<&SqlState> {
        match self {
            Self::Query(error) | Self::Connect(error) => error.code(),
            Self::Exhausted(_) | Self::BusinessBusy | Self::Abandoned | Self::Failed => None,
        }
    }

    /// The name of the constraint that refused a row.
    ///
    /// A sharding extension may append a shard number to it; that is removed here, and nowhere else.
    pub fn constraint(&self) -> Option<&str> {
        let Self::Query(error) = self else { return None };
        error.as_db_error()?.constraint().map(without_shard_number)
    }

    /// Whether the same request may succeed a little later: no connection, or the server is going down or full.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Exhausted(_) | Self::BusinessBusy | Self::Connect(_) => true,
            Self::Query(error) => {
                error.is_closed()
                    || std::error::Error::source(error).is_some_and(|cause| cause.is::<std::io::Error>())
                    || error.code().is_some_and(|code| {
                        let class = &code.code()[..2];
                        // 57014 (statement timeout or cancel) among class 57: the server gave up on this work.
                        matches!(class, "08" | "53" | "57") || may_succeed_again(code)
                    })
            }
            Self::Abandoned | Self::Failed => false,
        }
    }
}

fn without_shard_number(name: &str) -> &str {
    match name.rsplit_once('_') {
        Some((stem, digits)) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => stem,
        _ => name,
    }
}

/// Serialization failure, deadlock, lock timeout: the same work may succeed when run again.
pub(crate) fn may_succeed_again(code: &SqlState) -> bool {
    [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED, SqlState::LOCK_NOT_AVAILABLE]
        .contains(code)
}

/// "cached plan must not change result type": a migration changed a table under a prepared statement.
pub(crate) fn is_stale_plan(code: &SqlState) -> bool {
    *code == SqlState::FEATURE_NOT_SUPPORTED
}

/// The code of the PostgreSQL error at the root of `error`, however many domain errors wrap it.
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

/// `error` with its causes in one line; a cause that its effect has quoted already is not told twice.
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
    fn a_shard_number_is_no_part_of_a_constraint_name() {
        assert_eq!(without_shard_number("variants_sku_key_102008"), "variants_sku_key");
        assert_eq!(without_shard_number("variants_sku_key"), "variants_sku_key");
        assert_eq!(without_shard_number("key_"), "key_");
    }
}
