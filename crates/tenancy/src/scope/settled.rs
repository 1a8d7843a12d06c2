//! The moment up to which a business's changes are complete.
//!
//! A transaction stores its own time,
//! [`Transaction::now`](crate::connection::transaction::Transaction::now), and commits later. A program that
//! reads changes in the order of these times could therefore pass the time of a change that is not visible
//! yet. Each transaction that writes holds a shared advisory lock whose key is the second in which it began.
//! The oldest of these locks shows from when on changes may still appear.

use std::time::Duration;

use chrono::{DateTime, Utc};
use const_format::concatcp;

use crate::connection::error::DbError;
use crate::names::database::TenantNumber;
use crate::scope::transactions::TenantTx;

/// The time between [`Transaction::now`](crate::connection::transaction::Transaction::now) and the moment at
/// which the transaction holds its lock. A transaction that took longer is not committed, and runs again.
pub(crate) const BEGINS_WITHIN: Duration = Duration::from_secs(2);

/// The second from which the keys of the locks count, so that they fit an integer until 2094.
const FIRST_SECOND: i64 = 1_767_225_600;

/// The statement with which a transaction that writes takes its lock. Nothing ever waits for it.
pub(crate) fn lock(number: TenantNumber) -> String {
    let number = number.lock_key();
    format!(
        "SELECT pg_advisory_xact_lock_shared({number}, \
         (extract(epoch FROM clock_timestamp())::bigint - {FIRST_SECOND})::integer)"
    )
}

/// The moment up to which all changes of the business are visible to the next statement of `tx`, about two
/// seconds ago if no transaction takes longer. Later statements must be in transactions of their own, or in
/// one whose statements each see the newest data: in a snapshot they would be older than the answer.
///
/// # Errors
/// [`DbError`].
pub async fn settled_until(tx: &TenantTx) -> Result<DateTime<Utc>, DbError> {
    // The clock is read before the locks. A transaction that takes its lock after they are read stores a
    // later time, because it began at most [`BEGINS_WITHIN`] earlier.
    const SETTLED: &str = concatcp!(
        "SELECT to_timestamp(least(extract(epoch FROM statement_timestamp()),
                                   (SELECT min(l.objid::bigint) + ",
        FIRST_SECOND,
        "
                                      FROM pg_locks l
                                     WHERE l.locktype = 'advisory' AND l.objsubid = 2
                                       AND l.classid = $1::bigint::oid
                                       AND l.database = (SELECT oid FROM pg_database
                                                          WHERE datname = current_database())))
                             - ",
        BEGINS_WITHIN.as_secs(),
        ")"
    );
    tx.value(SETTLED, &[&i64::from(tx.tenant().number.lock_key())]).await
}
