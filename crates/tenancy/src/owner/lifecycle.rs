//! Changes of a business after its creation: suspend, archive, rename, and swap with the schema that a
//! restore set aside.
//!
//! Almost every change affects registry rows only, so each server applies the change as soon as the registry
//! announces it. A schema itself is touched only by a swap with the schema that a restore set aside.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::connection::error::DbError;
use crate::connection::row::read_row;
use crate::connection::transaction::Transaction;
use crate::names::database::{RoleName, SchemaName};
use crate::names::tenant::{TenantId, TenantSlug};
use crate::owner::provisioning::OwnerDatabase;
use crate::registry::locks;
use crate::registry::schema::{self, Schema};
use crate::registry::tenant::{self};
use crate::scope::tenant::{Tenant, TenantLimits, TenantStatus};
use crate::scope::transactions::{ScopedTx, SharedScope, SharedTx};

/// A change of a business was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum LifecycleError {
    /// The registry has no business with this id.
    #[error("there is no such business")]
    NotFound,
    /// The current status of the business does not allow the change.
    #[error("the business is {status}, so it cannot be {wanted}; {cure}")]
    WrongStatus {
        /// The current status.
        status: TenantStatus,
        /// The change that was refused, as a past participle.
        wanted: &'static str,
        /// The step that must come first, for the error text.
        cure: &'static str,
    },
    /// Another business uses the slug, or the slug is still reserved for its former business.
    #[error("the slug \"{0}\" is taken; choose another")]
    SlugTaken(TenantSlug),
    /// A swap found no schema that a restore set aside.
    #[error("no data is set aside for this business: it was never restored, or the data was discarded")]
    NothingSetAside,
    /// A drop failed, and the business has its status again. Only data that restores had set aside may be
    /// gone.
    #[error("the business was not dropped, and is as it was; solve the problem, then drop it again")]
    NotDropped(#[source] Box<Self>),
    /// A drop failed, and the business could not be opened again.
    #[error(
        "the business was not dropped, and stays archived; solve the problem, then drop it again, or \
         unarchive it"
    )]
    StaysArchived(#[source] Box<Self>),
    /// Another process holds the lock of the business, or the business is in maintenance.
    #[error("the business is being migrated or restored; try again after the migration or restore has ended")]
    Busy,
    /// A query failed, or no connection was available.
    #[error("a query that changes a business failed")]
    Db(#[from] DbError),
}

/// A change of status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusChange {
    /// Closes an active business temporarily.
    Suspend,
    /// Opens a suspended business again.
    Resume,
    /// Closes an active or suspended business, and keeps its data until it is dropped.
    Archive,
    /// Gives an archived business back the status that it had before.
    Unarchive,
}

impl StatusChange {
    /// Returns the past participle, for messages and the audit log.
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

/// Returns the business, and locks its row until the transaction ends.
///
/// # Errors
/// [`LifecycleError::NotFound`] and [`LifecycleError::Db`].
pub async fn lock(tx: &SharedTx, id: TenantId) -> Result<Tenant, LifecycleError> {
    const LOCK: &str = "SELECT FROM shared.tenants WHERE id = $1 FOR NO KEY UPDATE";
    tx.query_opt(LOCK, &[&id]).await?;
    tenant::find_by_id(tx, id).await?.ok_or(LifecycleError::NotFound)
}

/// Changes the status of a business. Returns `false` if the business already has the new status.
///
/// # Errors
/// [`LifecycleError::NotFound`]; [`LifecycleError::WrongStatus`] when the current status does not allow the
/// change; [`LifecycleError::Db`].
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
    // A business that was suspended before it was archived is suspended again when it is unarchived.
    const WAS_SUSPENDED: &str = "SELECT FROM shared.tenants WHERE id = $1 AND archived_from = 'suspended'";
    let tenant = lock(tx, id).await?;
    let mut target = change.target();
    if change == StatusChange::Unarchive && tx.query_opt(WAS_SUSPENDED, &[&id]).await?.is_some() {
        target = TenantStatus::Suspended;
    }
    if tenant.status == target {
        return Ok(false);
    }
    if !change.allows(tenant.status) {
        let cure = match tenant.status {
            TenantStatus::Migrating | TenantStatus::Restoring => "wait until the maintenance has ended",
            TenantStatus::Archived => "unarchive it first",
            TenantStatus::Suspended | TenantStatus::Active => "it is not archived",
        };
        return Err(LifecycleError::WrongStatus { status: tenant.status, wanted: change.as_str(), cure });
    }
    tx.execute(CHANGE, &[&id, &target.as_str(), &tx.now()]).await?;
    Ok(true)
}

/// Changes the slug of a business. For the time `reserve_for`, the former slug redirects to the new one and
/// stays reserved. If the business has this slug already, nothing changes.
///
/// # Errors
/// [`LifecycleError`]; [`LifecycleError::SlugTaken`] when the slug belongs to another business, or is still
/// reserved for another business; [`LifecycleError::Busy`] when the business is in maintenance.
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
            ON CONFLICT (slug) DO UPDATE
               SET tenant_id = EXCLUDED.tenant_id, reserved_until = EXCLUDED.reserved_until";
    let tenant = lock(tx, id).await?;
    if tenant.slug == *slug {
        return Ok(tenant);
    }
    if matches!(tenant.status, TenantStatus::Migrating | TenantStatus::Restoring) {
        return Err(LifecycleError::Busy);
    }
    match tx.execute(RENAME, &[&id, &slug.as_str(), &tx.now()]).await {
        Err(error) if error.constraint() == Some("tenants_slug_key") => {
            return Err(LifecycleError::SlugTaken(slug.clone()));
        }
        other => other?,
    };
    if tenant::is_slug_reserved(tx, slug, Some(id)).await? {
        return Err(LifecycleError::SlugTaken(slug.clone()));
    }
    let until = tx.now() + reserve_for;
    tx.execute(RESERVE, &[&tenant.slug.as_str(), &id, &until]).await?;
    tenant::find_by_id(tx, id).await?.ok_or(LifecycleError::NotFound)
}

/// Changes the display name of a business.
///
/// # Errors
/// [`LifecycleError`].
pub async fn set_name(tx: &SharedTx, id: TenantId, name: &str) -> Result<(), LifecycleError> {
    const SET: &str = "UPDATE shared.tenants SET name = $2, updated_at = $3 WHERE id = $1";
    lock(tx, id).await?;
    tx.execute(SET, &[&id, &name, &tx.now()]).await?;
    Ok(())
}

/// Sets a business's own limits, which replace those of the installation. `None` restores the limit of the
/// installation.
///
/// # Errors
/// [`LifecycleError`].
pub async fn set_limits(tx: &SharedTx, id: TenantId, limits: TenantLimits) -> Result<(), LifecycleError> {
    const SET: &str = "
        UPDATE shared.tenants
           SET statement_timeout_ms = $2, max_transactions = $3, updated_at = $4
         WHERE id = $1";
    let timeout =
        limits.statement_timeout.map(|timeout| i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX));
    let transactions = limits.max_transactions.map(|count| i32::try_from(count).unwrap_or(i32::MAX));
    lock(tx, id).await?;
    tx.execute(SET, &[&id, &timeout, &transactions, &tx.now()]).await?;
    Ok(())
}

/// A schema that a restore set aside.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SetAside {
    /// The name of the schema.
    pub schema: SchemaName,
    /// The version of the newest migration in the schema. No run migrates the schema while it is set aside.
    pub version: i32,
    /// When a restore or a swap replaced the schema.
    pub set_aside_at: DateTime<Utc>,
    #[serde(skip)]
    pub(crate) role: RoleName,
    #[serde(skip)]
    pub(crate) number: crate::TenantNumber,
}

/// Lists the schemas that were set aside for a business, newest first.
///
/// # Errors
/// [`DbError`].
pub async fn set_asides(tx: &SharedTx, id: TenantId) -> Result<Vec<SetAside>, DbError> {
    const SET_ASIDES: &str = "
        SELECT number, name, role_name, version, set_aside_at
          FROM shared.schemas
         WHERE state = 'set_aside' AND set_aside_from = $1
         ORDER BY set_aside_at DESC";
    let rows = tx.query(SET_ASIDES, &[&id]).await?;
    rows.iter()
        .map(|row| {
            let Schema { number, name, role, version } = read_row(row)?;
            Ok(SetAside { schema: name, version, set_aside_at: row.try_get("set_aside_at")?, role, number })
        })
        .collect()
}

impl OwnerDatabase {
    /// The businesses of the registry whose schema does not exist, such as those of a registry that was
    /// restored into a new database.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn without_data(&self) -> Result<HashSet<TenantId>, DbError> {
        const WITHOUT: &str = "
            SELECT t.id FROM shared.tenants t JOIN shared.schemas s ON s.number = t.number
             WHERE NOT EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = s.name)";
        let read = async |tx: &SharedTx| tx.values(WITHOUT, &[]).await;
        Ok(self.write_shared(read).await?.into_iter().collect())
    }

    /// Swaps the schema of a business with the schema that was set aside last. A second swap undoes the
    /// first. `record` writes in the same transaction. Returns the schema that the business uses now.
    ///
    /// # Errors
    /// [`LifecycleError`]. Nothing has changed then.
    pub async fn swap(
        &self,
        id: TenantId,
        record: impl AsyncFn(&SharedTx) -> Result<(), LifecycleError>,
    ) -> Result<SetAside, LifecycleError> {
        let transaction = self.owner.begin_unscoped().await?;
        let tx = SharedTx::over(transaction, &SharedScope::Platform);
        let tenant = lock(&tx, id).await?;
        take_lock(&tx, &tenant).await?;
        let aside = set_asides(&tx, id).await?.into_iter().next().ok_or(LifecycleError::NothingSetAside)?;
        schema::point_tenant(&tx, id, aside.number).await?;
        schema::set_aside(&tx, &tenant).await?;
        tx.batch(&schema::admission(&aside.schema, &aside.role)).await?;
        record(&tx).await?;
        tx.into_transaction().commit().await?;
        Ok(aside)
    }

    /// Drops the schemas that restores set aside for a business, each in its own transaction. `record` writes
    /// in the same transaction. Returns the names of the schemas.
    ///
    /// # Errors
    /// [`LifecycleError`]. Schemas that were dropped before the error stay dropped.
    pub async fn discard_set_asides(
        &self,
        id: TenantId,
        record: impl AsyncFn(&SharedTx, &SetAside) -> Result<(), LifecycleError>,
    ) -> Result<Vec<String>, LifecycleError> {
        let mut discarded = Vec::new();
        loop {
            let tx = SharedTx::over(self.owner.begin_unscoped().await?, &SharedScope::Platform);
            // The lock prevents a swap with one of these schemas.
            lock(&tx, id).await?;
            let Some(aside) = set_asides(&tx, id).await?.into_iter().next() else { return Ok(discarded) };
            schema::drop_schema(&tx, &aside.schema, aside.number).await?;
            record(&tx, &aside).await?;
            tx.into_transaction().commit().await?;
            discarded.push(aside.schema.to_string());
        }
    }

    /// Takes the business's lock, which is held as long as the returned transaction lives. Changes the
    /// business in a separate transaction, so that all processes see the change immediately. Returns the
    /// business as it was before the change.
    pub(crate) async fn hold(
        &self,
        id: TenantId,
        change: impl AsyncFn(&SharedTx) -> Result<(), DbError>,
    ) -> Result<(Arc<Tenant>, Transaction), LifecycleError> {
        let transaction = self.owner.begin_patient().await?;
        let tenant = self
            .write_shared(async |tx| {
                let tenant = lock(tx, id).await?;
                take_lock(&transaction, &tenant).await?;
                change(tx).await?;
                Ok::<_, LifecycleError>(tenant)
            })
            .await?;
        Ok((Arc::new(tenant), transaction))
    }
}

/// Takes the business's lock, which migrations and restores hold while they run.
async fn take_lock(transaction: &Transaction, tenant: &Tenant) -> Result<(), LifecycleError> {
    match locks::try_lock(transaction, tenant.number.lock_key()).await? {
        true => Ok(()),
        false => Err(LifecycleError::Busy),
    }
}
