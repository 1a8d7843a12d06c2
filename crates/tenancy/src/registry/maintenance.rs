//! Maintenance: a business is closed during a restore, and gets its earlier status back afterwards.

use crate::connection::error::DbError;
use crate::connection::transaction::Transaction;
use crate::names::tenant::TenantId;

/// Closes the business for a restore, and stores its earlier status.
pub(crate) async fn begin_maintenance(tx: &Transaction, tenant: TenantId) -> Result<(), DbError> {
    const BEGIN: &str = "
        UPDATE shared.tenants
           SET status_before = coalesce(status_before, status), status = 'restoring', updated_at = $2
         WHERE id = $1";
    tx.execute(BEGIN, &[&tenant, &tx.now()]).await.map(drop)
}

/// Gives the business its earlier status back. Returns whether the business was in maintenance.
pub(crate) async fn end_maintenance(tx: &Transaction, tenant: TenantId) -> Result<bool, DbError> {
    const END: &str = "
        UPDATE shared.tenants
           SET status = coalesce(status_before, 'active'), status_before = NULL, updated_at = $2
         WHERE id = $1 AND status IN ('migrating', 'restoring')";
    Ok(tx.execute(END, &[&tenant, &tx.now()]).await? > 0)
}
