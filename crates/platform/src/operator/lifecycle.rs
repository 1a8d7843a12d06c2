//! What the operator does to a business after its creation, each in one transaction with its entry in the audit log.

use std::sync::Arc;
use std::time::Duration;

use identity::membership;
use serde::Serialize;
use serde_json::{Value, json};
use tenancy::domain::{self, Domain, DomainError, TxtLookup};
use tenancy::lifecycle::{self, Dropped, LifecycleError, SetAside, StatusChange};
use tenancy::tenant::TenantLimits;
use tenancy::{DbError, HostName, Provisioner, SharedTx, Tenant, TenantId, TenantSlug};

use crate::backup::{self, Backup};
use crate::operator::audit::{self, Actor};

/// Something was refused; nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    #[error(transparent)]
    Lifecycle(#[from] LifecycleError),
    #[error(transparent)]
    Domain(#[from] DomainError),
    #[error(
        "{0} has no verified backup whose file is here; take one with `tenantry backup create {0} --verify`, or say --without-backup"
    )]
    NoBackup(TenantSlug),
    #[error("an operator's query failed")]
    Db(#[from] DbError),
}

/// One of the platform's staff, or a command, at work.
pub struct Operator {
    pub provisioner: Arc<Provisioner>,
    pub actor: Actor,
}

/// What was removed with a business.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Removed {
    #[serde(flatten)]
    pub dropped: Dropped,
    pub members: usize,
}

impl Operator {
    /// Suspends, resumes, archives or unarchives a business. One that is so already is left alone.
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

    /// Gives a business another slug; the former one sends people on and stays reserved for so long.
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

    /// Gives a business limits of its own.
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

    /// Changes a business over to what the last restore set aside.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn swap(&self, tenant: &Tenant) -> Result<SetAside, OperatorError> {
        let record = async |tx: &SharedTx| {
            let details = json!({"setAside": tenant.schema.as_str()});
            Ok(audit::record(tx, &self.actor, "tenant.swapped", Some(tenant), &details).await?)
        };
        Ok(self.provisioner.swap(tenant.id, record).await?)
    }

    /// Drops what restores set aside for a business.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn discard(&self, tenant: &Tenant) -> Result<Vec<String>, OperatorError> {
        let record = async |tx: &SharedTx, aside: &SetAside| {
            let details = json!({"schema": aside.schema.as_str()});
            Ok(audit::record(tx, &self.actor, "tenant.discarded", Some(tenant), &details).await?)
        };
        Ok(self.provisioner.discard_set_asides(tenant.id, record).await?)
    }

    /// The backup by which a business that is dropped can come back; it reads the whole file.
    ///
    /// # Errors
    /// [`OperatorError::NoBackup`], unless it is meant to be dropped without.
    pub async fn backup_before_drop(
        &self,
        tenant: &Tenant,
        without_backup: bool,
    ) -> Result<Option<Backup>, OperatorError> {
        match backup::newest_verified(&self.provisioner, tenant.id).await? {
            None if !without_backup => Err(OperatorError::NoBackup(tenant.slug.clone())),
            backup => Ok(backup),
        }
    }

    /// Removes a business for good; `backup` is what [`Operator::backup_before_drop`] found.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn drop_tenant(
        &self,
        tenant: &Tenant,
        backup: Option<&Backup>,
    ) -> Result<Removed, OperatorError> {
        let backup = backup.map(|backup| backup.file.display().to_string());
        let members =
            self.provisioner.write_shared(async |tx| membership::list(tx, tenant.id).await).await?.len();
        let record = async |tx: &SharedTx, dropped: &Dropped| {
            let details = json!({"removed": dropped, "members": members, "backup": backup});
            Ok(audit::record(tx, &self.actor, "tenant.dropped", Some(tenant), &details).await?)
        };
        let dropped = self.provisioner.drop_tenant(tenant.id, record).await?;
        Ok(Removed { dropped, members })
    }

    /// Gives a business a host that is still to be verified.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn add_domain(
        &self,
        id: TenantId,
        host: &HostName,
        base: &HostName,
    ) -> Result<Domain, OperatorError> {
        if host.is_at_or_below(base) {
            return Err(DomainError::OfThePlatform(host.clone()).into());
        }
        self.act(id, async |tx, tenant| {
            let domain = domain::insert(tx, id, host).await?;
            self.record(tx, "domain.added", tenant, &json!({"host": host})).await?;
            Ok(domain)
        })
        .await
    }

    /// Asks DNS whether the host is the business's, and serves it from then on.
    ///
    /// # Errors
    /// [`OperatorError`], with what DNS holds instead.
    pub async fn verify_domain(
        &self,
        id: TenantId,
        host: &HostName,
        lookup: &impl TxtLookup,
    ) -> Result<Domain, OperatorError> {
        let domain = self.act(id, async |tx, _| Ok(domain::find(tx, id, host).await?)).await?;
        let found = domain::look_for_challenge(&domain, lookup).await;
        // That it was looked for is kept, whatever came of it.
        let checked = self
            .act(id, async |tx, tenant| {
                let checked = domain::record_check(tx, id, host, found.is_ok()).await?;
                if domain.verified_at.is_none() && found.is_ok() {
                    self.record(tx, "domain.verified", tenant, &json!({"host": host})).await?;
                }
                Ok(checked)
            })
            .await?;
        found?;
        Ok(checked)
    }

    /// Makes a verified host the one that stands for all; `None` leaves the business without.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn set_primary_domain(
        &self,
        id: TenantId,
        host: Option<&HostName>,
        redirects: bool,
    ) -> Result<Tenant, OperatorError> {
        self.act(id, async |tx, tenant| {
            domain::set_primary(tx, id, host, redirects).await?;
            let details = json!({"host": host, "redirects": redirects});
            self.record(tx, "domain.primary", tenant, &details).await?;
            Ok(lifecycle::lock(tx, id).await?)
        })
        .await
    }

    /// Takes a host from a business.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn remove_domain(&self, id: TenantId, host: &HostName) -> Result<(), OperatorError> {
        self.act(id, async |tx, tenant| {
            domain::delete(tx, id, host).await?;
            Ok(self.record(tx, "domain.removed", tenant, &json!({"host": host})).await?)
        })
        .await
    }

    /// One transaction with the business locked.
    async fn act<T>(
        &self,
        id: TenantId,
        deed: impl AsyncFn(&SharedTx, &Tenant) -> Result<T, OperatorError>,
    ) -> Result<T, OperatorError> {
        self.provisioner
            .write_shared(async |tx| {
                let tenant = lifecycle::lock(tx, id).await?;
                deed(tx, &tenant).await
            })
            .await
    }

    async fn record(
        &self,
        tx: &SharedTx,
        action: &str,
        tenant: &Tenant,
        details: &Value,
    ) -> Result<(), DbError> {
        audit::record(tx, &self.actor, action, Some(tenant), details).await
    }
}
