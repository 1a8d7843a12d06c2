//! What becomes of a business after its creation: suspended, archived, renamed, given its former data back, dropped.
//!
//! All of it is registry rows, so that it takes effect in every server as soon as they hear of it. The schema is only
//! touched when it is dropped, and when the business changes between the one it has and the one that a restore set aside.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::connection::error::DbError;
use crate::connection::transaction::Session;
use crate::names::tenant_names::{RoleName, SchemaName, TenantId, TenantSlug};
use crate::owner::provisioning::Provisioner;
use crate::registry::schema::{self, Schema};
use crate::registry::tenant::{self, Tenant, TenantStatus};
use crate::scope::scope::{ScopedTx, SharedScope, SharedTx};

/// A business cannot be changed like that; nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum LifecycleError {
    #[error("there is no such business")]
    NotFound,
    #[error("the business is {status}, so it cannot be {wanted}; {cure}")]
    WrongStatus { status: TenantStatus, wanted: &'static str, cure: &'static str },
    #[error("the slug \"{0}\" is taken; choose another")]
    SlugTaken(TenantSlug),
    #[error("nothing was set aside for this business: it was never restored, or that was discarded")]
    NothingSetAside,
    #[error("the business is being migrated or restored at this moment; try again when that has ended")]
    Busy,
    #[error("changing the business failed in the database")]
    Db(#[from] DbError),
}

/// A change of status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusChange {
    Suspend,
    Resume,
    Archive,
    Unarchive,
}

impl StatusChange {
    /// The past participle, for messages and the audit log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Suspend => "suspended",
            Self::Resume => "resumed",
            Self::Archive => "archived",
            Self::Unarchive => "unarchived",
        }
    }

    fn target(self) -> TenantStatus {
        match self {
            Self::Suspend => TenantStatus::Suspended,
            Self::Resume | Self::Unarchive => TenantStatus::Active,
            Self::Archive => TenantStatus::Archived,
        }
    }

    fn allows(self, status: TenantStatus) -> bool {
        match self {
            Self::Suspend => status == TenantStatus::Active,
            Self::Resume => status == TenantStatus::Suspended,
            Self::Archive => matches!(status, TenantStatus::Active | TenantStatus::Suspended),
            Self::Unarchive => status == TenantStatus::Archived,
        }
    }
}

/// The business, locked until the transaction ends.
///
/// # Errors
/// [`LifecycleError::NotFound`].
pub async fn lock(tx: &SharedTx, id: TenantId) -> Result<Tenant, LifecycleError> {
    const LOCK: &str = "SELECT FROM shared.tenants WHERE id = $1 FOR NO KEY UPDATE";
    tx.query_opt(LOCK, &[&id.as_uuid()]).await?;
    tenant::find_by_id(tx, id).await?.ok_or(LifecycleError::NotFound)
}

/// Changes a business's status; one that it has already is left alone. Returns whether anything changed.
///
/// # Errors
/// [`LifecycleError`].
pub async fn change_status(
    tx: &SharedTx,
    id: TenantId,
    change: StatusChange,
) -> Result<bool, LifecycleError> {
    const CHANGE: &str = "
        UPDATE shared.tenants
           SET status = $2::text,
               archived_from = CASE WHEN $2::text = 'archived' THEN status END,
               archived_at = CASE WHEN $2::text = 'archived' THEN $3::timestamptz END, updated_at = $3
         WHERE id = $1";
    // Who was suspended before he was archived is suspended again: unarchiving forgives nothing.
    const WAS_SUSPENDED: &str = "SELECT FROM shared.tenants WHERE id = $1 AND archived_from = 'suspended'";
    let tenant = lock(tx, id).await?;
    let mut target = change.target();
    if change == StatusChange::Unarchive && tx.query_opt(WAS_SUSPENDED, &[&id.as_uuid()]).await?.is_some() {
        target = TenantStatus::Suspended;
    }
    if tenant.status == target {
        return Ok(false);
    }
    if !change.allows(tenant.status) {
        let cure = match tenant.status {
            TenantStatus::Migrating | TenantStatus::Restoring => "wait until its maintenance has ended",
            TenantStatus::Archived => "unarchive it first",
            TenantStatus::Suspended => "resume it first",
            TenantStatus::Active => "it is open",
        };
        return Err(LifecycleError::WrongStatus { status: tenant.status, wanted: change.as_str(), cure });
    }
    tx.execute(CHANGE, &[&id.as_uuid(), &target.as_str(), &tx.now()]).await?;
    Ok(true)
}

/// Gives a business another slug. The former one sends people on, and stays reserved for so long.
///
/// # Errors
/// [`LifecycleError`], with the slug when another business has it or had it a short time ago.
pub async fn rename(
    tx: &SharedTx,
    id: TenantId,
    slug: &TenantSlug,
    reserve_for: Duration,
) -> Result<Tenant, LifecycleError> {
    const RENAME: &str = "UPDATE shared.tenants SET slug = $2, updated_at = $3 WHERE id = $1";
    const RESERVE: &str = "
        INSERT INTO shared.former_slugs (slug, tenant_id, reserved_until)
        VALUES ($1, $2, $3)
            ON CONFLICT (slug) DO UPDATE SET tenant_id = EXCLUDED.tenant_id, reserved_until = EXCLUDED.reserved_until";
    let tenant = lock(tx, id).await?;
    if tenant.slug == *slug {
        return Ok(tenant);
    }
    if matches!(tenant.status, TenantStatus::Migrating | TenantStatus::Restoring) {
        return Err(LifecycleError::Busy);
    }
    match tx.execute(RENAME, &[&id.as_uuid(), &slug.as_str(), &tx.now()]).await {
        Err(error) if error.constraint() == Some("tenants_slug_key") => {
            return Err(LifecycleError::SlugTaken(slug.clone()));
        }
        other => other?,
    };
    if tenant::is_slug_reserved(tx, slug, Some(id)).await? {
        return Err(LifecycleError::SlugTaken(slug.clone()));
    }
    let until = tx.now() + reserve_for;
    tx.execute(RESERVE, &[&tenant.slug.as_str(), &id.as_uuid(), &until]).await?;
    tenant::find_by_id(tx, id).await?.ok_or(LifecycleError::NotFound)
}

/// A business's own limits, in place of the installation's; `None` goes back to those.
///
/// # Errors
/// [`LifecycleError`].
pub async fn set_limits(
    tx: &SharedTx,
    id: TenantId,
    limits: tenant::TenantLimits,
) -> Result<(), LifecycleError> {
    const SET: &str = "
        UPDATE shared.tenants SET statement_timeout_ms = $2, max_transactions = $3, updated_at = $4 WHERE id = $1";
    let timeout =
        limits.statement_timeout.map(|timeout| i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX));
    let transactions = limits.max_transactions.map(|count| i32::try_from(count).unwrap_or(i32::MAX));
    lock(tx, id).await?;
    tx.execute(SET, &[&id.as_uuid(), &timeout, &transactions, &tx.now()]).await?;
    Ok(())
}

/// What a restore set aside.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SetAside {
    pub schema: SchemaName,
    pub version: i32,
    pub set_aside_at: DateTime<Utc>,
    #[serde(skip)]
    pub(crate) role: RoleName,
    #[serde(skip)]
    pub(crate) number: crate::BusinessNumber,
}

/// The schemas that were set aside for a business, the latest first.
///
/// # Errors
/// [`DbError`].
pub async fn set_asides(tx: &SharedTx, id: TenantId) -> Result<Vec<SetAside>, DbError> {
    const SET_ASIDES: &str = "
        SELECT number, name, role_name, version, set_aside_at
          FROM shared.schemas
         WHERE state = 'set_aside' AND set_aside_from = $1
         ORDER BY set_aside_at DESC";
    let rows = tx.query(SET_ASIDES, &[&id.as_uuid()]).await?;
    rows.iter()
        .map(|row| {
            let Schema { number, name, role, version } = Schema::from_row(row)?;
            Ok(SetAside { schema: name, version, set_aside_at: row.try_get("set_aside_at")?, role, number })
        })
        .collect()
}

/// What was removed with a business.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dropped {
    /// Its own, and those that were set aside.
    pub schemas: Vec<String>,
    pub tables: i64,
    pub size_bytes: i64,
    pub domains: i64,
}

impl Provisioner {
    /// Changes a business over to what the last restore set aside, and sets aside what it has: again, and all is as before.
    ///
    /// # Errors
    /// [`LifecycleError`]; nothing has changed then.
    pub async fn swap(
        &self,
        id: TenantId,
        record: impl AsyncFn(&SharedTx) -> Result<(), LifecycleError>,
    ) -> Result<SetAside, LifecycleError> {
        let session = self.owner.begin_unscoped().await?;
        let tx = SharedTx::over(session, &SharedScope::Platform);
        let tenant = lock(&tx, id).await?;
        take_lock(&tx, &tenant).await?;
        let aside = set_asides(&tx, id).await?.into_iter().next().ok_or(LifecycleError::NothingSetAside)?;
        schema::point_tenant(&tx, id, aside.number).await?;
        schema::set_aside(&tx, &tenant).await?;
        tx.batch(&schema::admission(&aside.schema, &aside.role)).await?;
        record(&tx).await?;
        tx.into_session().commit().await?;
        Ok(aside)
    }

    /// Drops what restores set aside for a business, one schema to a transaction, in which `record` writes as well;
    /// returns the schemas' names.
    ///
    /// # Errors
    /// [`LifecycleError`]; what was dropped before stays dropped.
    pub async fn discard_set_asides(
        &self,
        id: TenantId,
        record: impl AsyncFn(&SharedTx, &SetAside) -> Result<(), LifecycleError>,
    ) -> Result<Vec<String>, LifecycleError> {
        let mut discarded = Vec::new();
        loop {
            let tx = SharedTx::over(self.owner.begin_unscoped().await?, &SharedScope::Platform);
            // Nobody swaps one of them in meanwhile.
            lock(&tx, id).await?;
            let Some(aside) = set_asides(&tx, id).await?.into_iter().next() else { return Ok(discarded) };
            schema::drop_schema(&tx, &aside.schema, aside.number).await?;
            record(&tx, &aside).await?;
            tx.into_session().commit().await?;
            discarded.push(aside.schema.to_string());
        }
    }

    /// Closes a business for good and removes everything of it: its schemas, its role, its rows in the registry.
    ///
    /// One schema to a transaction, for a transaction holds a lock on each table that it drops. `record` writes in the
    /// last one, while the rows are still there. Run again, it goes on where it was interrupted; until then the business
    /// is archived.
    ///
    /// # Errors
    /// [`LifecycleError`]; before anything is removed, when something else is at work in the business.
    pub async fn drop_tenant(
        &self,
        id: TenantId,
        record: impl AsyncFn(&SharedTx, &Dropped) -> Result<(), LifecycleError>,
    ) -> Result<Dropped, LifecycleError> {
        // Maintenance that nobody is at work in any more was cut off.
        const CLOSE: &str = "
            UPDATE shared.tenants
               SET status = 'archived', archived_at = coalesce(archived_at, $2), updated_at = $2, status_before = NULL,
                   archived_from = CASE WHEN status = 'archived' THEN archived_from
                                        WHEN status IN ('active', 'suspended') THEN status
                                        ELSE status_before END
             WHERE id = $1";
        const COUNT: &str = "
            SELECT (SELECT count(*) FROM shared.domains WHERE tenant_id = $1) AS domains,
                   count(*) AS tables, coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint AS size_bytes
              FROM pg_depend d
              JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'r'
             WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = to_regnamespace($2)
               AND d.classid = 'pg_class'::regclass";
        const DELETE: &str = "DELETE FROM shared.tenants WHERE id = $1";
        // First nobody comes in any more; who is in has the time of the lock timeout to end.
        let close = async |tx: &SharedTx| tx.execute(CLOSE, &[&id.as_uuid(), &tx.now()]).await.map(drop);
        let (tenant, _lock) = self.hold(id, close).await?;
        let mut dropped = Dropped {
            schemas: self.discard_set_asides(id, async |_, _| Ok(())).await?,
            ..Dropped::default()
        };
        let tx = SharedTx::over(self.owner.begin_unscoped().await?, &SharedScope::Platform);
        let row = tx.query_one(COUNT, &[&id.as_uuid(), &tenant.schema.as_str()]).await?;
        let figure = |name: &str| row.try_get::<_, i64>(name).map_err(DbError::from);
        (dropped.tables, dropped.size_bytes) = (figure("tables")?, figure("size_bytes")?);
        dropped.domains = figure("domains")?;
        dropped.schemas.insert(0, tenant.schema.to_string());
        record(&tx, &dropped).await?;
        tx.execute(DELETE, &[&id.as_uuid()]).await?;
        schema::drop_schema(&tx, &tenant.schema, tenant.number).await?;
        tx.into_session().commit().await?;
        Ok(dropped)
    }

    /// Takes the business's lock, which is held for as long as the session lives, and changes the business in a
    /// transaction of its own, so that everybody sees that at once. Returns the business as it was before.
    pub(crate) async fn hold(
        &self,
        id: TenantId,
        change: impl AsyncFn(&SharedTx) -> Result<(), DbError>,
    ) -> Result<(Arc<Tenant>, Session), LifecycleError> {
        let session = self.owner.begin_patient().await?;
        let tenant = self
            .write_shared(async |tx| {
                let tenant = lock(tx, id).await?;
                take_lock(&session, &tenant).await?;
                change(tx).await?;
                Ok::<_, LifecycleError>(tenant)
            })
            .await?;
        Ok((Arc::new(tenant), session))
    }
}

/// Takes the business's lock, which migrations and restores hold while they are at work.
async fn take_lock(session: &Session, tenant: &Tenant) -> Result<(), LifecycleError> {
    match schema::try_lock(session, schema::lock_key(tenant.number)).await? {
        true => Ok(()),
        false => Err(LifecycleError::Busy),
    }
}
