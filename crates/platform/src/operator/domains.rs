//! The actions of the operator on custom domains. Each action and its entry in the audit log are written in
//! one transaction.

use serde_json::json;
use tenancy::domain::{self, Domain, DomainError, TxtLookup};
use tenancy::{HostName, SharedTx, Tenant, TenantId, lifecycle, tenant};

use crate::operator::lifecycle::{Operator, OperatorError};
use crate::records::platform_audit;

impl Operator {
    /// Claims a custom domain for a business, for `claim_days` days. The domain must still be verified.
    ///
    /// A domain that is verified for another business cannot be claimed while its TXT record for that
    /// business is published.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn add_domain(
        &self,
        id: TenantId,
        host: &HostName,
        base: &HostName,
        claim_days: u32,
        lookup: &impl TxtLookup,
    ) -> Result<Domain, OperatorError> {
        if host.is_at_or_below(base) {
            return Err(DomainError::OfThePlatform(host.clone()).into());
        }
        let held = self.act(id, async |tx, _| Ok(domain::find_verified(tx, host).await?)).await?;
        if let Some(held) = held.filter(|held| held.tenant_id != id)
            && !matches!(domain::look_for_challenge(&held, lookup).await, Err(DomainError::NoRecord { .. }))
        {
            return Err(DomainError::Taken(host.clone()).into());
        }
        self.act(id, async |tx, tenant| {
            let domain = domain::claim(tx, id, host, claim_days).await?;
            self.record(tx, "domain.added", tenant, &json!({"host": host})).await?;
            Ok(domain)
        })
        .await
    }

    /// Verifies a custom domain by the challenge in its DNS records. The business answers at a verified
    /// domain. A business for which the domain was verified before loses it.
    ///
    /// # Errors
    /// [`OperatorError`], with the DNS records that were found instead of the challenge.
    pub async fn verify_domain(
        &self,
        id: TenantId,
        host: &HostName,
        lookup: &impl TxtLookup,
    ) -> Result<Domain, OperatorError> {
        let before = self.act(id, async |tx, _| Ok(domain::find(tx, id, host).await?)).await?;
        let found = domain::look_for_challenge(&before, lookup).await;
        // The registry records successful and failed checks.
        let checked = self
            .act(id, async |tx, tenant| {
                match &found {
                    Ok(()) => {}
                    Err(DomainError::NoRecord { .. }) => {
                        return Ok(domain::record_missing(tx, id, host).await?);
                    }
                    Err(_) => {
                        domain::record_failed_lookup(tx, id, host).await?;
                        return Ok(domain::find(tx, id, host).await?);
                    }
                }
                let (checked, loser) = domain::record_found(tx, id, host).await?;
                if before.verified_at.is_none() {
                    self.record(tx, "domain.verified", tenant, &json!({"host": host})).await?;
                }
                if let Some(loser) = loser {
                    self.record_loss(tx, loser, host, tenant).await?;
                }
                Ok(checked)
            })
            .await?;
        found?;
        Ok(checked)
    }

    /// Records that a business lost a custom domain to another one.
    async fn record_loss(
        &self,
        tx: &SharedTx,
        loser: TenantId,
        host: &HostName,
        winner: &Tenant,
    ) -> Result<(), OperatorError> {
        let loser = tenant::find_by_id(tx, loser).await?;
        let details = json!({"host": host, "to": winner.slug.as_str()});
        platform_audit::record(tx, &self.actor, "domain.lost", loser.as_ref(), &details).await?;
        Ok(())
    }

    /// Makes a verified custom domain the primary domain of a business; with `None` the business has no
    /// primary domain. With `redirects` the other addresses of the business redirect to the primary domain.
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

    /// Removes a custom domain from a business.
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
}
