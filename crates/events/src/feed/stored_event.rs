//! The events of a business in their order, as clients read them: live, or from the past.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::Value;
use tenancy::{DbError, SharedTx, TenantId};
use uuid::Uuid;

/// An event with its position among the events of its business.
#[derive(Debug)]
pub struct StoredEvent {
    pub(super) tenant_id: TenantId,
    /// Counts the events of the business from 1, without a gap.
    pub position: i64,
    /// The id of the event; an event that is delivered twice has the same id.
    pub id: Uuid,
    /// The topic, such as `order.placed`.
    pub topic: String,
    /// The version of the payload's format.
    pub version: i16,
    /// The payload, whose fields depend on the topic and the version.
    pub payload: Value,
    /// The time of the change.
    pub created_at: DateTime<Utc>,
    /// The text that is sent to all clients, once one of them has made it.
    pub rendered: OnceLock<Bytes>,
}

tenancy::from_row!(StoredEvent {
    tenant_id, position, id, topic, version, payload, created_at,
} with { rendered: OnceLock::new() });

/// The stored events of a business: from the oldest one that is kept to the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// Positions of another epoch mean other events: those of another database, or of a time before a
    /// restore.
    pub epoch: String,
    /// The position before the oldest event that is kept.
    pub before_first: i64,
    /// The position of the last event; 0 before the first one.
    pub last: i64,
}

tenancy::from_row!(Extent { epoch, before_first, last });

/// The extent of the events of a business.
///
/// # Errors
/// [`DbError`].
pub async fn extent(tx: &SharedTx, tenant: TenantId) -> Result<Extent, DbError> {
    // The name of the WAL begins with the timeline, which is another one after a recovery.
    const EXTENT: &str = "
        SELECT left(encode(sha256(convert_to(
                        concat_ws(' ', wanted.id, coalesce(p.epoch, 0),
                                  (SELECT system_identifier FROM pg_control_system()),
                                  left(pg_walfile_name(pg_current_wal_lsn()), 8)), 'UTF8')),
                   'hex'), 8) AS epoch,
               coalesce((SELECT e.position - 1 FROM shared.events e
                          WHERE e.tenant_id = wanted.id ORDER BY e.position LIMIT 1),
                        p.last_position, 0) AS before_first,
               coalesce(p.last_position, 0) AS last
          FROM (SELECT $1::uuid AS id) AS wanted
          LEFT JOIN shared.event_positions p ON p.tenant_id = wanted.id";
    tx.row(EXTENT, &[&tenant]).await
}

const SELECT: &str = "
    SELECT e.tenant_id, e.position, e.id, e.topic, e.version, e.payload, e.created_at
      FROM shared.events e ";

/// The position before the first kept event after `position`, or the last position if there is none.
///
/// # Errors
/// [`DbError`].
pub async fn before_next(tx: &SharedTx, tenant: TenantId, position: i64) -> Result<i64, DbError> {
    const BEFORE_NEXT: &str = "
        SELECT coalesce((SELECT e.position - 1 FROM shared.events e
                          WHERE e.tenant_id = $1 AND e.position > $2 ORDER BY e.position LIMIT 1),
                        (SELECT last_position FROM shared.event_positions WHERE tenant_id = $1), 0)";
    tx.value(BEFORE_NEXT, &[&tenant, &position]).await
}

/// The events of a business after a position, oldest first.
///
/// # Errors
/// [`DbError`].
pub async fn after(
    tx: &SharedTx,
    tenant: TenantId,
    position: i64,
    limit: i64,
) -> Result<Vec<StoredEvent>, DbError> {
    const AFTER: &str = const_format::concatcp!(
        SELECT,
        "WHERE e.tenant_id = $1 AND e.position > $2 ORDER BY e.position LIMIT $3"
    );
    tx.rows(AFTER, &[&tenant, &position, &limit]).await
}

/// The events of several businesses, each after its position; those of one business are oldest first.
///
/// # Errors
/// [`DbError`].
pub(super) async fn after_each(
    tx: &SharedTx,
    positions: Arc<[(TenantId, i64)]>,
    limit: i64,
) -> Result<Vec<StoredEvent>, DbError> {
    const AFTER_EACH: &str = const_format::concatcp!(
        SELECT,
        "JOIN unnest($1::uuid[], $2::bigint[]) AS wanted (tenant_id, position)
           ON e.tenant_id = wanted.tenant_id AND e.position > wanted.position
        ORDER BY e.tenant_id, e.position LIMIT $3"
    );
    let (tenants, positions): (Vec<TenantId>, Vec<i64>) = positions.iter().copied().unzip();
    tx.rows(AFTER_EACH, &[&tenants, &positions, &limit]).await
}

/// Forgets the events of a business, and begins another epoch: after a restore, they are not what happened.
///
/// # Errors
/// [`DbError`].
pub async fn forget(tx: &SharedTx, tenant: TenantId) -> Result<(), DbError> {
    const FORGET: &str = "DELETE FROM shared.events WHERE tenant_id = $1";
    const BEGIN: &str = "
        INSERT INTO shared.event_positions AS p (tenant_id, epoch, last_position) VALUES ($1, 1, 0)
            ON CONFLICT (tenant_id) DO UPDATE SET epoch = p.epoch + 1, last_position = 0";
    const ANNOUNCE: &str = "SELECT pg_notify('tenantry_events', 'forget ' || $1::uuid)";
    tx.execute(FORGET, &[&tenant]).await?;
    tx.execute(BEGIN, &[&tenant]).await?;
    tx.execute(ANNOUNCE, &[&tenant]).await.map(drop)
}

/// Deletes events that are older than `keep_days` days. Returns the number of deleted events.
///
/// # Errors
/// [`DbError`].
pub async fn prune(tx: &SharedTx, keep_days: u32) -> Result<u64, DbError> {
    const PRUNE: &str = "DELETE FROM shared.events WHERE created_at < $1";
    tx.execute(PRUNE, &[&(tx.now() - chrono::TimeDelta::days(keep_days.into()))]).await
}
