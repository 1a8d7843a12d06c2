//! The state of an installation in figures, for monitoring: one query, which a server's login may run.

use tenancy::{DbError, SharedTx};

/// The figures of an installation.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Businesses that are open.
    pub active: i64,
    /// Businesses that are suspended, archived or in maintenance.
    pub closed: i64,
    /// Spare schemas.
    pub spare: i64,
    /// Schemas that restores have set aside.
    pub set_aside: i64,
    /// Schemas of businesses and spare schemas that are older than this program.
    pub behind: i64,
    /// Schemas whose last migration failed.
    pub failed_migrations: i64,
    /// Jobs that wait, the recurring ones only if they are overdue.
    pub queued_jobs: i64,
    /// Jobs that run.
    pub running_jobs: i64,
    /// Requested jobs that failed, and are still kept.
    pub failed_jobs: i64,
    /// The time for which the oldest of the jobs that could run has waited, in seconds.
    pub job_wait_s: f64,
    /// Businesses that are not archived and have no verified backup.
    pub without_backup: i64,
    /// The age of the newest verified backup of the business whose backup is the oldest, in seconds.
    pub backup_age_s: f64,
    /// Events in the outbox, counted up to [`MOST_EVENTS`].
    pub outbox_events: i64,
    /// The age of the oldest event in the outbox, in seconds.
    pub outbox_age_s: f64,
}

tenancy::from_row!(Figures {
    active,
    closed,
    spare,
    set_aside,
    behind,
    failed_migrations,
    queued_jobs,
    running_jobs,
    failed_jobs,
    job_wait_s,
    without_backup,
    backup_age_s,
    outbox_events,
    outbox_age_s,
});

/// Events beyond this number are not counted, because each would be read.
pub const MOST_EVENTS: i64 = 100_000;

/// Reads the figures. `latest` is the newest version of a business schema that this program knows.
///
/// # Errors
/// [`DbError`].
pub async fn read(tx: &SharedTx, latest: i32) -> Result<Figures, DbError> {
    const READ: &str = "
        WITH verified AS (
            SELECT t.id, max(b.taken_at) AS taken_at
              FROM shared.tenants t
              LEFT JOIN shared.backups b
                ON b.tenant_id = t.id AND b.verified_at IS NOT NULL AND b.failure IS NULL
             WHERE t.status <> 'archived'
             GROUP BY t.id
        ), waiting AS (
            SELECT run_at FROM shared.jobs WHERE state = 'queued' AND run_at <= $2
        )
        SELECT (SELECT count(*) FROM shared.tenants WHERE status = 'active') AS active,
               (SELECT count(*) FROM shared.tenants WHERE status <> 'active') AS closed,
               (SELECT count(*) FROM shared.schemas WHERE state = 'spare') AS spare,
               (SELECT count(*) FROM shared.schemas WHERE state = 'set_aside') AS set_aside,
               (SELECT count(*) FROM shared.schemas
                 WHERE state IN ('live', 'spare') AND version < $1) AS behind,
               (SELECT count(*) FROM shared.schemas WHERE failure IS NOT NULL) AS failed_migrations,
               (SELECT count(*) FROM waiting) AS queued_jobs,
               (SELECT count(*) FROM shared.jobs WHERE state = 'running') AS running_jobs,
               (SELECT count(*) FROM shared.jobs WHERE state = 'failed') AS failed_jobs,
               coalesce(extract(epoch FROM $2 - (SELECT min(run_at) FROM waiting)), 0)::float8 AS job_wait_s,
               (SELECT count(*) FROM verified WHERE taken_at IS NULL) AS without_backup,
               coalesce(extract(epoch FROM $2 - (SELECT min(taken_at) FROM verified)), 0)::float8
                   AS backup_age_s,
               (SELECT count(*) FROM (SELECT FROM shared.outbox LIMIT $3) counted) AS outbox_events,
               coalesce(extract(epoch FROM $2 - (SELECT created_at FROM shared.outbox
                                                  ORDER BY sequence LIMIT 1)), 0)::float8
                   AS outbox_age_s";
    tx.row(READ, &[&latest, &tx.now(), &MOST_EVENTS]).await
}
