//! The upkeep of custom domains: claims expire, and verified domains are verified again.

use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use futures_util::StreamExt as _;
use serde::Serialize;
use serde_json::json;
use tenancy::domain::{self, Domain, DomainError, TxtLookup};
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

/// Lookups at the same time. Each uses a connection of the owner for a moment.
const LOOKUPS_AT_ONCE: usize = 8;
/// Longest time for one lookup.
const LOOKUP_WITHIN: Duration = Duration::from_secs(5);
/// Time after which a run ends.
const WORK_FOR: Duration = Duration::from_secs(60);

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
    let due = owner_database.write_shared(due).await?;
    let mut checks = futures_util::stream::iter(&due)
        .map(|domain| check(operator, domain, lookup, terms))
        .buffer_unordered(LOOKUPS_AT_ONCE);
    let deadline = Instant::now() + WORK_FOR;
    // Nothing may be awaited in this loop: the other checks stand still meanwhile, with their locks.
    while let Some(checked) = checks.next().await {
        match checked? {
            Check::Found => tended.found += 1,
            Check::Withdrawn => tended.withdrawn += 1,
            Check::Missing => tended.missing += 1,
        }
        // The others are due in the next run. Other recurring jobs wait for this one.
        if Instant::now() > deadline {
            break;
        }
    }
    Ok(tended)
}

/// The result of a check.
enum Check {
    Found,
    /// The record is missing, or the name servers did not answer, or the domain has gone meanwhile.
    Missing,
    /// The record was missing for too long.
    Withdrawn,
}

async fn check(
    operator: &Operator,
    domain: &Domain,
    lookup: &impl TxtLookup,
    terms: DomainTerms,
) -> Result<Check, OperatorError> {
    let (id, host) = (domain.tenant_id, &domain.host);
    match tokio::time::timeout(LOOKUP_WITHIN, operator.verify_domain(id, host, lookup)).await {
        Ok(Ok(_)) => Ok(Check::Found),
        Ok(Err(OperatorError::Domain(DomainError::NoRecord { .. }))) => {
            let is_withdrawn = withdraw(operator, domain, terms).await?;
            Ok(if is_withdrawn { Check::Withdrawn } else { Check::Missing })
        }
        Ok(Err(OperatorError::Db(error))) => Err(error.into()),
        Ok(Err(_)) => Ok(Check::Missing),
        Err(_) => {
            let record = async |tx: &SharedTx| domain::record_failed_lookup(tx, id, host).await;
            operator.owner_database.write_shared(record).await?;
            Ok(Check::Missing)
        }
    }
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
