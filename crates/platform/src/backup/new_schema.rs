//! A business gets another schema, by a restore or a swap: what the platform keeps about it follows.

use std::sync::Arc;

use events::webhooks::endpoint;
use insight::saved_report;
use tenancy::{DbError, OwnerDatabase, SharedTx, Tenant, TenantId, TenantTx, chain};
use till::register;

use crate::shops::{received_payment, report_schedule};

/// Forgets the events of the former schema, and delivers the payments by mobile money again, in the
/// transaction that gives the business its new schema.
pub(crate) async fn follow(tx: &SharedTx, id: TenantId) -> Result<(), DbError> {
    events::stored::forget(tx, id).await?;
    endpoint::begin_epoch(tx, id).await?;
    received_payment::deliver_again(tx, id).await
}

/// Lets the reports be mailed that the new schema has. Call it after the commit.
pub(crate) async fn schedule_reports(owner_database: &OwnerDatabase, id: TenantId) {
    let schedule = async {
        let Some(tenant) = owner_database.find_tenant(id).await? else { return Ok(()) };
        report_schedule::touch_all(owner_database, &tenant).await
    };
    if let Err(error) = schedule.await {
        // The schema of an older release has no saved reports.
        tracing::warn!(error = %chain(&error), "the mails of saved reports were not scheduled");
    }
}

/// Stops what a copy of a business must not do beside the original: use its fiscal devices, and mail its
/// reports.
pub(crate) async fn part(owner_database: &OwnerDatabase, copy: &Arc<Tenant>) -> Result<(), DbError> {
    let part = async |tx: &TenantTx| {
        register::forget_devices(tx).await?;
        saved_report::stop_all_mails(tx).await
    };
    owner_database.write_tenant(copy, part).await
}
