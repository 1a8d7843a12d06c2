//! The upkeep of custom domains: claims expire, and verified domains are verified again.

use chrono::{TimeDelta, Utc};
use serde::Serialize;
use serde_json::json;
use tenancy::domain::{self, Domain, TxtLookup};
use tenancy::{SharedTx, tenant};

use crate::operator::lifecycle::{Operator, OperatorError};
use crate::records::platform_audit;

/// The periods of custom domains.
#[derive(Debug, Clone, Copy)]
pub struct DomainTerms {
    /// The days after which a claim ends if the domain is not verified.
    pub claim_days: u32,
    /// The days after which a verified domain is no longer served if its TXT record stays missing.
    pub missing_days: u32,
}

/// The number of custom domains, by what became of them.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DomainsTended {
    /// Verified domains whose TXT record was found again.
    found: usize,
    /// Verified domains whose TXT record is missing or could not be looked up.
    missing: usize,
    /// Domains that are no longer verified, because their TXT record was missing for too long.
    withdrawn: usize,
    /// Claims that ended.
    expired: usize,
}

/// Removes expired claims, and verifies the domains again that were not verified for a day.
///
/// # Errors
/// [`OperatorError::Db`]. A failed lookup is no error.
pub async fn tend(
    operator: &Operator,
    lookup: &impl TxtLookup,
    terms: DomainTerms,
) -> Result<DomainsTended, OperatorError> {
    let owner_database = &operator.owner_database;
    let mut tended = DomainsTended::default();
    let expire = async |tx: &SharedTx| {
        let expired = domain::remove_expired(tx, terms.claim_days).await?;
        for domain in &expired {
            record(operator, tx, "domain.expired", domain).await?;
        }
        Ok::<_, OperatorError>(expired.len())
    };
    tended.expired = owner_database.write_shared(expire).await?;
    let due = async |tx: &SharedTx| domain::due_for_check(tx, Utc::now() - TimeDelta::days(1)).await;
    for domain in owner_database.write_shared(due).await? {
        match operator.verify_domain(domain.tenant_id, &domain.host, lookup).await {
            Ok(_) => tended.found += 1,
            Err(OperatorError::Db(error)) => return Err(error.into()),
            Err(_) if withdraw(operator, &domain, terms).await? => tended.withdrawn += 1,
            Err(_) => tended.missing += 1,
        }
    }
    Ok(tended)
}

async fn withdraw(operator: &Operator, domain: &Domain, terms: DomainTerms) -> Result<bool, OperatorError> {
    let withdraw = async |tx: &SharedTx| {
        let missing_before = tx.now() - TimeDelta::days(terms.missing_days.into());
        let withdrawn = domain::withdraw(tx, domain, missing_before, terms.claim_days).await?;
        if withdrawn {
            record(operator, tx, "domain.withdrawn", domain).await?;
        }
        Ok(withdrawn)
    };
    operator.owner_database.write_shared(withdraw).await
}

async fn record(
    operator: &Operator,
    tx: &SharedTx,
    action: &str,
    domain: &Domain,
) -> Result<(), OperatorError> {
    let tenant = tenant::find_by_id(tx, domain.tenant_id).await?;
    let details = json!({"host": domain.host});
    Ok(platform_audit::record(tx, &operator.actor, action, tenant.as_ref(), &details).await?)
}
