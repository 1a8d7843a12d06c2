//! What happened in a business and is still to be told outside: rows of `shared.outbox`, written with the change.

use serde_json::Value;
use uuid::Uuid;

use crate::connection::error::DbError;
use crate::scope::scope::{SharedTx, TenantTx};

/// Writes what is to be told, in the transaction of the change; told is what was committed, and nothing else.
///
/// The one table outside of its schema that a business writes to, and it reads none of it: a NOTIFY here would cost
/// everybody's commits a lock.
///
/// # Errors
/// [`DbError`].
pub async fn write(tx: &TenantTx, topic: &str, payload: &Value) -> Result<(), DbError> {
    const INSERT: &str = "
        INSERT INTO shared.outbox (id, tenant_role, tenant_id, topic, payload, created_at)
        VALUES ($1, current_user, $2, $3, $4, $5)";
    let tenant = tx.tenant().id.as_uuid();
    tx.execute(INSERT, &[&Uuid::now_v7(), &tenant, &topic, payload, &tx.now()]).await.map(drop)
}

/// Forgets what is older than so many days; returns how many rows that were.
///
/// # Errors
/// [`DbError`].
pub async fn prune(tx: &SharedTx, keep_days: u32) -> Result<u64, DbError> {
    // Read from the oldest on, and only until the first that stays.
    const PRUNE: &str = "
        DELETE FROM shared.outbox
         WHERE transaction_id < coalesce((SELECT transaction_id FROM shared.outbox WHERE created_at >= $1
                                           ORDER BY transaction_id, id LIMIT 1), pg_current_xact_id())";
    tx.execute(PRUNE, &[&(tx.now() - chrono::TimeDelta::days(keep_days.into()))]).await
}
