//! Dropping a business: it is closed first, then its schemas are removed, and its rows at last.

use std::cell::RefCell;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::connection::error::{DbError, chain};
use crate::names::tenant::TenantId;
use crate::owner::lifecycle::LifecycleError;
use crate::owner::provisioning::OwnerDatabase;
use crate::registry::schema;
use crate::scope::tenant::Tenant;
use crate::scope::transactions::{ScopedTx, SharedScope, SharedTx};

/// The objects that were removed with a business.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dropped {
    /// The schema of the business, and the schemas that were set aside for it.
    pub schemas: Vec<String>,
    /// Number of tables in the schema of the business. Schemas that were set aside are not counted.
    pub tables: i64,
    /// The size of these tables, indexes included, in bytes.
    pub size_bytes: i64,
    /// Number of custom domains, verified or not.
    pub domains: i64,
}

/// The status of a business, with what it had before.
struct Standing {
    status: String,
    status_before: Option<String>,
    archived_at: Option<DateTime<Utc>>,
    archived_from: Option<String>,
}

crate::from_row!(Standing { status, status_before, archived_at, archived_from });

impl OwnerDatabase {
    /// Closes a business permanently, and removes its schemas, their roles and its registry rows.
    ///
    /// Each schema is dropped in its own transaction, because a transaction holds a lock on each table that
    /// it drops. `record` writes in the last transaction, while the rows still exist. If the drop fails, the
    /// business gets its status back, and `record_failure` writes the reason. After an interruption, the
    /// business stays archived, and another call continues the drop.
    ///
    /// # Errors
    /// [`LifecycleError::Busy`] when another process is working on the business; nothing has changed then.
    /// [`LifecycleError::NotDropped`] and [`LifecycleError::StaysArchived`] when the drop failed.
    pub async fn drop_tenant(
        &self,
        id: TenantId,
        record: impl AsyncFn(&SharedTx, &Dropped) -> Result<(), LifecycleError>,
        record_failure: impl AsyncFn(&SharedTx, &str) -> Result<(), LifecycleError>,
    ) -> Result<Dropped, LifecycleError> {
        const STANDING: &str = "
            SELECT status, status_before, archived_at, archived_from FROM shared.tenants WHERE id = $1";
        // This process holds the lock of the business, so a status of maintenance is left over from an
        // interrupted process.
        const CLOSE: &str = "
            UPDATE shared.tenants
               SET status = 'archived', archived_at = coalesce(archived_at, $2), updated_at = $2,
                   status_before = NULL,
                   archived_from = CASE WHEN status = 'archived' THEN archived_from
                                        WHEN status IN ('active', 'suspended') THEN status
                                        ELSE status_before END
             WHERE id = $1";
        const REOPEN: &str = "
            UPDATE shared.tenants
               SET status = $2, status_before = $3, archived_at = $4, archived_from = $5, updated_at = $6
             WHERE id = $1";
        // New requests are refused first. Running transactions may end within the lock timeout of the drop.
        let standing = RefCell::new(None);
        let close = async |tx: &SharedTx| {
            let before = tx.row::<Standing>(STANDING, &[&id]).await?;
            standing.replace(Some(before));
            tx.execute(CLOSE, &[&id, &tx.now()]).await.map(drop)
        };
        let (tenant, _lock) = self.hold(id, close).await?;
        let error = match self.remove(&tenant, record).await {
            Ok(dropped) => return Ok(dropped),
            Err(error) => error,
        };
        let Some(before) = standing.take() else { return Err(error) };
        let reason = chain(&error);
        let reopened = self.write_shared(async |tx| {
            let Standing { status, status_before, archived_at, archived_from } = &before;
            let params: crate::Params<'_> =
                &[&id, status, status_before, archived_at, archived_from, &tx.now()];
            tx.execute(REOPEN, params).await?;
            record_failure(tx, &reason).await
        });
        Err(match reopened.await {
            Ok(()) => LifecycleError::NotDropped(Box::new(error)),
            Err(_) => LifecycleError::StaysArchived(Box::new(error)),
        })
    }

    async fn remove(
        &self,
        tenant: &Tenant,
        record: impl AsyncFn(&SharedTx, &Dropped) -> Result<(), LifecycleError>,
    ) -> Result<Dropped, LifecycleError> {
        const COUNT: &str = "
            SELECT (SELECT count(*) FROM shared.domains WHERE tenant_id = $1) AS domains,
                   count(*) AS tables, coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint AS size_bytes
              FROM pg_depend d
              JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'r'
             WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = to_regnamespace($2)
               AND d.classid = 'pg_class'::regclass";
        const DELETE: &str = "DELETE FROM shared.tenants WHERE id = $1";
        let mut dropped = Dropped {
            schemas: self.discard_set_asides(tenant.id, async |_, _| Ok(())).await?,
            ..Dropped::default()
        };
        let tx = SharedTx::over(self.owner.begin_unscoped().await?, &SharedScope::Platform);
        let row = tx.query_one(COUNT, &[&tenant.id, &tenant.schema.as_str()]).await?;
        let figure = |name: &str| row.try_get::<_, i64>(name).map_err(DbError::from);
        (dropped.tables, dropped.size_bytes) = (figure("tables")?, figure("size_bytes")?);
        dropped.domains = figure("domains")?;
        dropped.schemas.insert(0, tenant.schema.to_string());
        record(&tx, &dropped).await?;
        tx.execute(DELETE, &[&tenant.id]).await?;
        schema::drop_schema(&tx, &tenant.schema, tenant.number).await?;
        tx.into_transaction().commit().await?;
        Ok(dropped)
    }
}
