//! Idempotency keys: a request that is sent twice has one effect, and gets the same answer twice.
//!
//! The row is written in the transaction of the effect, so that the effect and the stored answer are
//! committed together or not at all. A second request with the key waits at the row until the first has
//! ended, but no longer than the lock timeout.

use chrono::TimeDelta;
use serde_json::Value;
use tenancy::{DbError, TenantTx};
use tokio_postgres::error::SqlState;
use uuid::Uuid;

use crate::records::document::Fingerprint;

/// The answer to the first request with a key.
#[derive(Debug, Clone)]
pub struct StoredAnswer {
    /// The HTTP status.
    pub status: u16,
    /// Names and values of HTTP headers, as a JSON object.
    pub headers: Value,
    /// The body of the HTTP answer, byte for byte.
    pub body: Vec<u8>,
}

/// What a key stands for.
#[derive(Debug)]
pub enum Claim {
    /// The key is new: do the work, then [`store`] the answer.
    New,
    /// The work has been done: return this answer again.
    Done(StoredAnswer),
}

/// A key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdempotencyError {
    /// The key was claimed by a request with another fingerprint.
    #[error("the idempotency key was used for another request; use a new key")]
    OtherRequest,
    /// The first request with the key has not ended. The error has no cause on purpose: with the lock timeout
    /// as its cause, the transaction would run again.
    #[error("the first request with this idempotency key is still running")]
    InProgress,
    /// A query failed.
    #[error("an idempotency query failed")]
    Db(#[from] DbError),
}

struct Row {
    request_hash: Fingerprint,
    status: Option<i16>,
    headers: Option<Value>,
    body: Option<Vec<u8>>,
}

tenancy::from_row!(Row { request_hash, status, headers, body });

/// Claims `key` for `principal` until the transaction ends; its commit makes the claim last. `fingerprint`
/// decides whether a second use means the same request. Waits while another transaction holds the key.
///
/// # Errors
/// [`IdempotencyError`].
pub async fn claim(
    tx: &TenantTx,
    principal: Uuid,
    key: &str,
    fingerprint: &Fingerprint,
) -> Result<Claim, IdempotencyError> {
    const CLAIM: &str = "
        INSERT INTO idempotency_keys (principal_id, key, request_hash, created_at) VALUES ($1, $2, $3, $4)
            ON CONFLICT (principal_id, key) DO NOTHING";
    const FIND: &str = "
        SELECT request_hash, status, headers, body FROM idempotency_keys
         WHERE principal_id = $1 AND key = $2";
    let claimed = tx.execute(CLAIM, &[&principal, &key, fingerprint, &tx.now()]).await;
    let claimed = claimed.map_err(|error| match error.sqlstate() {
        Some(code) if *code == SqlState::LOCK_NOT_AVAILABLE => IdempotencyError::InProgress,
        _ => error.into(),
    })?;
    if claimed == 1 {
        return Ok(Claim::New);
    }
    let first: Row = tx.row_opt(FIND, &[&principal, &key]).await?.ok_or(IdempotencyError::InProgress)?;
    if first.request_hash != *fingerprint {
        return Err(IdempotencyError::OtherRequest);
    }
    match (first.status, first.headers, first.body) {
        (Some(status), Some(headers), Some(body)) => {
            Ok(Claim::Done(StoredAnswer { status: status.unsigned_abs(), headers, body }))
        }
        _ => Err(IdempotencyError::InProgress),
    }
}

/// Deletes keys that are older than `keep_days` days; returns the number of deleted keys.
///
/// # Errors
/// [`DbError`].
pub async fn forget(tx: &TenantTx, keep_days: u32) -> Result<u64, DbError> {
    const FORGET: &str = "DELETE FROM idempotency_keys WHERE created_at < $1";
    tx.execute(FORGET, &[&(tx.now() - TimeDelta::days(keep_days.into()))]).await
}

/// Stores the answer to the request that claimed `key`.
///
/// # Errors
/// [`DbError`].
pub async fn store(tx: &TenantTx, principal: Uuid, key: &str, answer: &StoredAnswer) -> Result<(), DbError> {
    const STORE: &str = "
        UPDATE idempotency_keys SET status = $3, headers = $4, body = $5
         WHERE principal_id = $1 AND key = $2";
    let status = i16::try_from(answer.status).unwrap_or(200);
    tx.execute(STORE, &[&principal, &key, &status, &answer.headers, &answer.body]).await.map(drop)
}
