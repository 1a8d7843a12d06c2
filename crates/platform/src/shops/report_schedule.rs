//! The times at which a job looks at saved reports that are mailed. The schedule itself is in the business.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use insight::saved_report::{self, SavedReportId};
use tenancy::{DbError, OwnerDatabase, SharedTx, Tenant, TenantId, TenantTx};

/// A saved report that is due.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DueReport {
    pub report_id: SavedReportId,
    pub tenant_id: TenantId,
    changes: i32,
}

tenancy::from_row!(DueReport { report_id, tenant_id, changes });

/// The time in which a change of the saved report is committed.
const SOON: TimeDelta = TimeDelta::seconds(5);

/// Lets the job look at a saved report soon. Call it before the report is saved, so that no schedule is
/// forgotten, and after that, so that the job sees a change that took longer.
///
/// # Errors
/// [`DbError`].
pub async fn touch(tx: &SharedTx, tenant: TenantId, id: SavedReportId) -> Result<(), DbError> {
    const TOUCH: &str = "
        INSERT INTO shared.report_schedules AS s (report_id, tenant_id, due_at) VALUES ($1, $2, $3)
            ON CONFLICT (report_id) DO UPDATE
           SET due_at = least(s.due_at, EXCLUDED.due_at), changes = s.changes + 1";
    tx.execute(TOUCH, &[&id, &tenant, &(tx.now() + SOON)]).await.map(drop)
}

/// The reports that are due, at most 50.
pub(crate) async fn due(tx: &SharedTx) -> Result<Vec<DueReport>, DbError> {
    const DUE: &str = "
        SELECT report_id, tenant_id, changes FROM shared.report_schedules
         WHERE due_at <= $1 ORDER BY due_at LIMIT 50";
    tx.rows(DUE, &[&tx.now()]).await
}

/// The time at which the next report is due.
pub(crate) async fn next_due(tx: &SharedTx) -> Result<Option<DateTime<Utc>>, DbError> {
    tx.value("SELECT min(due_at) FROM shared.report_schedules", &[]).await
}

/// Lets the job look again at a time; `None`: never. A report that was changed meanwhile stays due.
pub(crate) async fn set(tx: &SharedTx, due: DueReport, at: Option<DateTime<Utc>>) -> Result<(), DbError> {
    const SET: &str = "UPDATE shared.report_schedules SET due_at = $3 WHERE report_id = $1 AND changes = $2";
    const REMOVE: &str = "DELETE FROM shared.report_schedules WHERE report_id = $1 AND changes = $2";
    match at {
        Some(at) => tx.execute(SET, &[&due.report_id, &due.changes, &at]).await.map(drop),
        None => tx.execute(REMOVE, &[&due.report_id, &due.changes]).await.map(drop),
    }
}

/// Lets the job look at all mailed reports of a business whose schema was replaced.
pub(crate) async fn touch_all(owner_database: &OwnerDatabase, tenant: &Arc<Tenant>) -> Result<(), DbError> {
    let mailed = async |tx: &TenantTx| saved_report::mailed(tx).await;
    let mailed = owner_database.write_tenant(tenant, mailed).await?;
    let touch = async |tx: &SharedTx| {
        for id in &mailed {
            touch(tx, tenant.id, *id).await?;
        }
        Ok(())
    };
    owner_database.write_shared(touch).await
}
