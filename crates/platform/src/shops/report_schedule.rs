//! The times at which a job looks at saved reports that are mailed. The schedule itself is in the business.

use chrono::{DateTime, TimeDelta, Utc};
use insight::saved_report::SavedReportId;
use tenancy::{DbError, SharedTx, TenantId};

/// A saved report that is due.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DueReport {
    pub report_id: SavedReportId,
    pub tenant_id: TenantId,
}

tenancy::from_row!(DueReport { report_id, tenant_id });

/// The time in which a change of the saved report is committed.
const SOON: TimeDelta = TimeDelta::seconds(5);

/// Lets the job look at a saved report soon. Call it before the report is saved, so that no schedule is
/// forgotten.
///
/// # Errors
/// [`DbError`].
pub async fn touch(tx: &SharedTx, tenant: TenantId, id: SavedReportId) -> Result<(), DbError> {
    const TOUCH: &str = "
        INSERT INTO shared.report_schedules AS s (report_id, tenant_id, due_at) VALUES ($1, $2, $3)
            ON CONFLICT (report_id) DO UPDATE SET due_at = least(s.due_at, EXCLUDED.due_at)";
    tx.execute(TOUCH, &[&id, &tenant, &(tx.now() + SOON)]).await.map(drop)
}

/// The reports that are due, at most 50.
pub(crate) async fn due(tx: &SharedTx) -> Result<Vec<DueReport>, DbError> {
    const DUE: &str = "
        SELECT report_id, tenant_id FROM shared.report_schedules WHERE due_at <= $1 ORDER BY due_at LIMIT 50";
    tx.rows(DUE, &[&tx.now()]).await
}

/// The time at which the next report is due.
pub(crate) async fn next_due(tx: &SharedTx) -> Result<Option<DateTime<Utc>>, DbError> {
    tx.value("SELECT min(due_at) FROM shared.report_schedules", &[]).await
}

/// Lets the job look again at a time; `None`: never.
pub(crate) async fn set(tx: &SharedTx, id: SavedReportId, at: Option<DateTime<Utc>>) -> Result<(), DbError> {
    const SET: &str = "UPDATE shared.report_schedules SET due_at = $2 WHERE report_id = $1";
    const REMOVE: &str = "DELETE FROM shared.report_schedules WHERE report_id = $1";
    match at {
        Some(at) => tx.execute(SET, &[&id, &at]).await.map(drop),
        None => tx.execute(REMOVE, &[&id]).await.map(drop),
    }
}
