//! The actions of the operator on a business after its creation. Each action and its entry in the audit log
//! are written in one transaction.

use std::sync::Arc;
use std::time::Duration;

use identity::member_backup;
use inventory::settings::{self, CurrencyChangeError};
use serde::Serialize;
use serde_json::{Value, json};
use tenancy::TenantLimits;
use tenancy::domain::DomainError;
use tenancy::dropping::Dropped;
use tenancy::lifecycle::{self, LifecycleError, SetAside, StatusChange};
use tenancy::{DbError, OwnerDatabase, SharedTx, Tenant, TenantId, TenantSlug, TenantTx};
use values::{Currency, Name};

use crate::backup::{self, Backup, new_schema};
use crate::records::platform_audit::{self, Actor};
use crate::shops::licence::GrantError;
use crate::shops::plan::PlanError;

/// The action was refused or failed. Nothing has changed, except for schemas that a discard or a drop has
/// already removed, the closing of a business by a drop, and the time of a failed domain check.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The business does not exist or is busy, or its status or slug does not allow the action.
    #[error(transparent)]
    Lifecycle(#[from] LifecycleError),
    /// The custom domain is taken or unknown, or its verification failed.
    #[error(transparent)]
    Domain(#[from] DomainError),
    /// A business without a verified backup was to be dropped, and `without_backup` is not set.
    #[error(
        "{0} has no verified backup with an undamaged file on this machine; \
         run `tenantry backup create {0} --verify`, or use --without-backup"
    )]
    NoBackup(TenantSlug),
    /// The licence was not granted.
    #[error(transparent)]
    Grant(#[from] GrantError),
    /// The plan was not changed.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The currency of a business with amounts was to be changed.
    #[error(transparent)]
    Currency(#[from] CurrencyChangeError),
    /// PostgreSQL refused a query, or the connection failed.
    #[error("an operator query failed")]
    Db(#[from] DbError),
}

/// How often a change of the currency is tried again because a lock is taken.
const CURRENCY_TRIES: usize = 10;

impl OperatorError {
    /// Whether the same action may succeed a little later, such as when a lock could not be taken in time.
    fn may_succeed_later(&self) -> bool {
        match self {
            Self::Currency(CurrencyChangeError::Db(error))
            | Self::Lifecycle(LifecycleError::Db(error))
            | Self::Db(error) => error.is_unavailable(),
            _ => false,
        }
    }
}

/// Performs the actions of the operator. `actor` is a member of the platform's staff or a command.
pub struct Operator {
    /// The database, opened with the login that owns the schemas.
    pub owner_database: Arc<OwnerDatabase>,
    /// The user or command that the audit log stores with each action.
    pub actor: Actor,
}

/// The summary of the data that was removed with a business.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Removed {
    /// The schemas and domains of the business.
    #[serde(flatten)]
    pub dropped: Dropped,
    /// The number of members that the business had. Their users still exist.
    pub members: usize,
}

impl Operator {
    /// Suspends, resumes, archives or unarchives a business. A business that already has the status stays
    /// unchanged, and the audit log gets no entry.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn change_status(&self, id: TenantId, change: StatusChange) -> Result<Tenant, OperatorError> {
        self.act(id, async |tx, tenant| {
            if lifecycle::change_status(tx, id, change).await? {
                self.record(tx, &format!("tenant.{}", change.as_str()), tenant, &json!({})).await?;
            }
            Ok(lifecycle::lock(tx, id).await?)
        })
        .await
    }

    /// Changes the slug of a business. For `reserve_for`, the former slug redirects to the new slug and stays
    /// reserved.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn rename(
        &self,
        id: TenantId,
        slug: &TenantSlug,
        reserve_for: Duration,
    ) -> Result<Tenant, OperatorError> {
        self.act(id, async |tx, before| {
            if before.slug == *slug {
                return Ok(lifecycle::lock(tx, id).await?);
            }
            let renamed = lifecycle::rename(tx, id, slug, reserve_for).await?;
            let details = json!({"from": before.slug.to_string()});
            self.record(tx, "tenant.renamed", &renamed, &details).await?;
            Ok(renamed)
        })
        .await
    }

    /// Changes the display name of a business.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn set_name(&self, id: TenantId, name: &Name) -> Result<Tenant, OperatorError> {
        self.act(id, async |tx, tenant| {
            if tenant.name != name.as_str() {
                lifecycle::set_name(tx, id, name.as_str()).await?;
                let details = json!({"from": tenant.name, "to": name});
                self.record(tx, "tenant.named", tenant, &details).await?;
            }
            Ok(lifecycle::lock(tx, id).await?)
        })
        .await
    }

    /// Changes the currency of a business that has no amounts yet.
    ///
    /// # Errors
    /// [`OperatorError::Currency`] when the business has a product or a purchase order.
    pub async fn set_currency(&self, id: TenantId, currency: &Currency) -> Result<(), OperatorError> {
        let change =
            async |tx: &TenantTx| Ok::<_, OperatorError>(settings::change_currency(tx, currency).await?);
        let record = async |tx: &SharedTx, tenant: &Tenant, before: &Option<String>| {
            if let Some(before) = before {
                let details = json!({"from": before, "to": currency.code()});
                self.record(tx, "tenant.currency", tenant, &details).await?;
            }
            Ok::<_, OperatorError>(())
        };
        let mut tries = 0;
        loop {
            match self.owner_database.write_both(id, change, record).await {
                // Somebody reads the settings in a long transaction, such as a backup.
                Err(error) if tries < CURRENCY_TRIES && error.may_succeed_later() => {
                    tries += 1;
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                done => return done,
            }
        }
    }

    /// Sets the limits of a business. A limit that is `None` defaults to the limit of the installation.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn set_limits(&self, id: TenantId, limits: TenantLimits) -> Result<Tenant, OperatorError> {
        self.act(id, async |tx, tenant| {
            lifecycle::set_limits(tx, id, limits).await?;
            let details = json!({
                "statementTimeoutMs": limits.statement_timeout.map(|timeout| timeout.as_millis()),
                "maxTransactions": limits.max_transactions,
            });
            self.record(tx, "tenant.limited", tenant, &details).await?;
            Ok(lifecycle::lock(tx, id).await?)
        })
        .await
    }

    /// Swaps the schema of a business with the schema that was set aside last. Returns the schema that the
    /// business uses now.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn swap(&self, tenant: &Tenant) -> Result<SetAside, OperatorError> {
        let record = async |tx: &SharedTx| {
            new_schema::follow(tx, tenant.id).await?;
            let details = json!({"setAside": tenant.schema.as_str()});
            Ok(platform_audit::record(tx, &self.actor, "tenant.swapped", Some(tenant), &details).await?)
        };
        let aside = self.owner_database.swap(tenant.id, record).await?;
        new_schema::schedule_reports(&self.owner_database, tenant.id).await;
        Ok(aside)
    }

    /// Drops the schemas that restores set aside for a business. Returns the names of these schemas.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn discard(&self, tenant: &Tenant) -> Result<Vec<String>, OperatorError> {
        let record = async |tx: &SharedTx, aside: &SetAside| {
            let details = json!({"schema": aside.schema.as_str()});
            Ok(platform_audit::record(tx, &self.actor, "tenant.discarded", Some(tenant), &details).await?)
        };
        Ok(self.owner_database.discard_set_asides(tenant.id, record).await?)
    }

    /// The newest verified backup, from which a dropped business can be restored. Reads the whole backup file
    /// to check it. Returns `None` when there is no such backup and `without_backup` is set.
    ///
    /// # Errors
    /// [`OperatorError::NoBackup`] when there is no such backup and `without_backup` is not set;
    /// [`OperatorError::Db`].
    pub async fn backup_before_drop(
        &self,
        tenant: &Tenant,
        without_backup: bool,
    ) -> Result<Option<Backup>, OperatorError> {
        match backup::newest_verified(&self.owner_database, tenant.id).await? {
            None if !without_backup => Err(OperatorError::NoBackup(tenant.slug.clone())),
            backup => Ok(backup),
        }
    }

    /// Drops a business permanently. `backup` is the result of [`Operator::backup_before_drop`].
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn drop_tenant(
        &self,
        tenant: &Tenant,
        backup: Option<&Backup>,
    ) -> Result<Removed, OperatorError> {
        let backup = backup.map(|backup| backup.file.display().to_string());
        let members = self
            .owner_database
            .write_shared(async |tx| member_backup::list(tx, tenant.id).await)
            .await?
            .len();
        let record = async |tx: &SharedTx, dropped: &Dropped| {
            let details = json!({"removed": dropped, "members": members, "backup": backup});
            Ok(platform_audit::record(tx, &self.actor, "tenant.dropped", Some(tenant), &details).await?)
        };
        let record_failure = async |tx: &SharedTx, reason: &str| {
            let details = json!({"reason": reason});
            Ok(platform_audit::record(tx, &self.actor, "tenant.drop_failed", Some(tenant), &details).await?)
        };
        let dropped = self.owner_database.drop_tenant(tenant.id, record, record_failure).await?;
        Ok(Removed { dropped, members })
    }

    /// Runs `deed` in one transaction that locks the business.
    pub(super) async fn act<T>(
        &self,
        id: TenantId,
        deed: impl AsyncFn(&SharedTx, &Tenant) -> Result<T, OperatorError>,
    ) -> Result<T, OperatorError> {
        self.owner_database
            .write_shared(async |tx| {
                let tenant = lifecycle::lock(tx, id).await?;
                deed(tx, &tenant).await
            })
            .await
    }

    pub(super) async fn record(
        &self,
        tx: &SharedTx,
        action: &str,
        tenant: &Tenant,
        details: &Value,
    ) -> Result<(), DbError> {
        platform_audit::record(tx, &self.actor, action, Some(tenant), details).await
    }
}
