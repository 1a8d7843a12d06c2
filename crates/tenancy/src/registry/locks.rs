//! Advisory locks. The holder of a lock is the only one that works on a schema, or on one part of the
//! installation.

use const_format::concatcp;

use crate::connection::error::DbError;
use crate::connection::transaction::Transaction;

/// Keys of advisory locks, used together with [`LOCK_CLASS`]. The key of a schema's own lock is the number of
/// the schema.
pub(crate) const SHARED_LOCK: i32 = -1;
pub(crate) const SPARES_LOCK: i32 = -2;
pub(crate) const JOBS_LOCK: i32 = -3;
pub(crate) const PROBES_LOCK: i32 = -4;
pub(crate) const COMPARISON_LOCK: i32 = -5;
pub(crate) const EVENTS_LOCK: i32 = -6;
/// The first half of all our advisory locks: "tent" in ASCII, which separates our locks from those of other
/// programs.
pub(crate) const LOCK_CLASS: i32 = 0x7465_6e74;

/// The SQL condition that a row `l` of pg_locks is one of our advisory locks, held in this database.
/// `l.objid` is the key of the lock.
pub(crate) const IS_OUR_LOCK: &str = concatcp!(
    "l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND l.classid = ",
    LOCK_CLASS,
    "::oid AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
);

/// Takes the lock if it is free, and returns whether it was free. The lock is held until the transaction
/// ends.
pub(crate) async fn try_lock(transaction: &Transaction, key: i32) -> Result<bool, DbError> {
    const TRY_LOCK: &str = "SELECT pg_try_advisory_xact_lock($1, $2) AS locked";
    Ok(transaction.query_one(TRY_LOCK, &[&LOCK_CLASS, &key]).await?.try_get("locked")?)
}

/// Waits for the lock. The lock is held until the transaction ends.
pub(crate) async fn lock(transaction: &Transaction, key: i32) -> Result<(), DbError> {
    const LOCK: &str = "SELECT pg_advisory_xact_lock($1, $2)";
    transaction.execute(LOCK, &[&LOCK_CLASS, &key]).await.map(drop)
}
