//! Custom domains of businesses, outside the base domain.
//!
//! Anybody can claim any domain. A claim keeps nobody else from claiming the same domain, is not served, and
//! expires. A business that has proved that it controls the domain owns it alone, for as long as the proof
//! can be found.

use chrono::{DateTime, TimeDelta, Utc};
use const_format::concatcp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::connection::error::DbError;
use crate::names::host::HostName;
use crate::names::tenant::TenantId;
use crate::scope::transactions::SharedTx;

/// A custom domain of a business.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Domain {
    /// The host name. Several businesses may claim it; it is verified for at most one of them.
    pub host: HostName,
    /// Whether this is the primary domain, the main address of the business.
    pub is_primary: bool,
    /// The text that the TXT record at [`Domain::challenge_name`] must hold.
    pub challenge: String,
    /// The time since which the domain is served. `None` until the TXT record has been found.
    pub verified_at: Option<DateTime<Utc>>,
    /// The time of the last check of the TXT record, successful or not. `None` before the first check.
    pub checked_at: Option<DateTime<Utc>>,
    /// The time at which the claim ends if the domain is not verified by then. `None` for a verified domain.
    pub expires_at: Option<DateTime<Utc>>,
    /// The time since which checks have not found the TXT record of the verified domain. `None` if the last
    /// check found it.
    pub missing_since: Option<DateTime<Utc>>,
    /// When the row was stored.
    pub created_at: DateTime<Utc>,
    /// The business that added the domain.
    #[serde(skip)]
    pub tenant_id: TenantId,
}

crate::from_row!(Domain {
    host,
    is_primary,
    challenge,
    verified_at,
    checked_at,
    expires_at,
    missing_since,
    created_at,
    tenant_id,
});

impl Domain {
    /// The name of the TXT record that proves control of the DNS zone.
    pub fn challenge_name(&self) -> String {
        format!("_tenantry-challenge.{}", self.host)
    }
}

/// A request about a custom domain was refused.
#[derive(Debug, thiserror::Error)]
pub enum DomainError {
    /// The domain is verified for another business, whose TXT record is published or could not be looked up.
    #[error(
        "{0} is a custom domain of another business; remove it there first (`tenantry domain remove`), or \
         remove the TXT record of that business from DNS"
    )]
    Taken(HostName),
    /// The domain is verified for this business.
    #[error("{0} is already a verified custom domain of this business")]
    Present(HostName),
    /// The host name is the base domain, or a name below it.
    #[error("{0} is the platform's own domain or a name below it; use a host name outside it")]
    OfThePlatform(HostName),
    /// An IP address was given in place of a host name, or a name that browsers take for one.
    #[error("an IP address cannot be a custom domain; use a host name whose last part is no number")]
    AnAddress,
    /// Everybody may register names below the host.
    #[error("{0} belongs to nobody alone; use a host name below it, such as shop.{0}")]
    PublicSuffix(HostName),
    /// The business has not added the domain, or has removed it.
    #[error("the business has no such custom domain")]
    NotFound,
    /// The TXT record of the domain has never been found.
    #[error("{0} must be verified before it can become the primary domain")]
    NotVerified(HostName),
    /// The DNS lookup succeeded, but no TXT record holds the challenge.
    #[error("{}", no_record(.name, .challenge, .found))]
    NoRecord {
        /// The name of the TXT record.
        name: String,
        /// The text that the record must hold.
        challenge: String,
        /// The texts of the records at `name`. Empty if there are none.
        found: Vec<String>,
    },
    /// The DNS lookup did not return an answer.
    #[error("the DNS lookup of {name} failed; try again")]
    Lookup {
        /// The name of the TXT record.
        name: String,
        /// The error of the DNS resolver.
        source: LookupError,
    },
    /// A query failed, or no connection was available.
    #[error("a domain query failed")]
    Db(#[from] DbError),
}

fn no_record(name: &str, challenge: &str, found: &[String]) -> String {
    let found = match found {
        [] => "nothing".to_owned(),
        // The owner of the zone can store any text there.
        some => some.join(", ").chars().filter(|letter| !letter.is_control()).collect(),
    };
    format!(
        "the TXT record of {name} must hold {challenge}, but holds {found}; a new record may take a while to \
         become visible"
    )
}

/// A DNS lookup failed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LookupError(pub String);

/// Looks up TXT records in DNS.
pub trait TxtLookup {
    /// Returns the texts of the TXT records at `name`, or an empty list if there are none.
    fn txt(&self, name: &str) -> impl Future<Output = Result<Vec<String>, LookupError>>;
}

/// The part of a custom domain that a backup stores.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SavedDomain {
    /// The host name in lower case.
    pub host: String,
}

/// The columns of a [`Domain`].
const COLUMNS: &str = "host, tenant_id, is_primary, challenge, verified_at, checked_at, expires_at,
                       missing_since, created_at";

/// Lists the custom domains of a business, the primary domain first.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &SharedTx, tenant: TenantId) -> Result<Vec<Domain>, DbError> {
    const LIST: &str = concatcp!(
        "SELECT ",
        COLUMNS,
        " FROM shared.domains WHERE tenant_id = $1 ORDER BY is_primary DESC, host"
    );
    tx.rows(LIST, &[&tenant]).await
}

/// Finds a custom domain of a business.
///
/// # Errors
/// [`DomainError::NotFound`] and [`DomainError::Db`].
pub async fn find(tx: &SharedTx, tenant: TenantId, host: &HostName) -> Result<Domain, DomainError> {
    const FIND: &str =
        concatcp!("SELECT ", COLUMNS, " FROM shared.domains WHERE tenant_id = $1 AND host = $2");
    tx.row_opt(FIND, &[&tenant, host]).await?.ok_or(DomainError::NotFound)
}

/// Finds the domain as that of the business for which it is verified.
///
/// # Errors
/// [`DbError`]; a domain that is not verified for a business is `None`.
pub async fn find_verified(tx: &SharedTx, host: &HostName) -> Result<Option<Domain>, DbError> {
    const FIND: &str =
        concatcp!("SELECT ", COLUMNS, " FROM shared.domains WHERE host = $1 AND verified_at IS NOT NULL");
    tx.row_opt(FIND, &[host]).await
}

/// Claims a custom domain for a business, for `claim_days` days. A business that claims the domain again
/// keeps its challenge and gets the time anew. The caller must check that the domain is not the platform's
/// own, and whether it is verified for another business.
///
/// # Errors
/// [`DomainError::AnAddress`], [`DomainError::PublicSuffix`], [`DomainError::Present`] and
/// [`DomainError::Db`].
pub async fn claim(
    tx: &SharedTx,
    tenant: TenantId,
    host: &HostName,
    claim_days: u32,
) -> Result<Domain, DomainError> {
    const CLAIM: &str = concatcp!(
        "INSERT INTO shared.domains AS d (host, tenant_id, challenge, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (host, tenant_id) DO UPDATE SET expires_at = EXCLUDED.expires_at
          WHERE d.verified_at IS NULL
      RETURNING ",
        COLUMNS
    );
    if host.is_address() {
        return Err(DomainError::AnAddress);
    }
    if host.is_public_suffix() {
        return Err(DomainError::PublicSuffix(host.clone()));
    }
    let challenge = format!("tenantry-{}", Uuid::new_v4().simple());
    let expires_at = tx.now() + TimeDelta::days(claim_days.into());
    let domain = tx.row_opt(CLAIM, &[host, &tenant, &challenge, &tx.now(), &expires_at]).await?;
    domain.ok_or_else(|| DomainError::Present(host.clone()))
}

/// Records that a check found the TXT record: the domain is verified for this business. Returns the business
/// for which it was verified before, if that is another one; it loses the domain.
///
/// # Errors
/// [`DomainError::NotFound`] and [`DomainError::Db`].
pub async fn record_found(
    tx: &SharedTx,
    tenant: TenantId,
    host: &HostName,
) -> Result<(Domain, Option<TenantId>), DomainError> {
    // Checks of the same host wait for each other, so that only one business gets the domain.
    const LOCK: &str = "SELECT FROM shared.domains WHERE host = $1 ORDER BY tenant_id FOR UPDATE";
    const TAKE: &str = "
        DELETE FROM shared.domains
         WHERE host = $1 AND tenant_id <> $2 AND verified_at IS NOT NULL
     RETURNING tenant_id";
    const VERIFY: &str = concatcp!(
        "UPDATE shared.domains
            SET checked_at = $3, verified_at = coalesce(verified_at, $3), expires_at = NULL,
                missing_since = NULL
          WHERE tenant_id = $1 AND host = $2
      RETURNING ",
        COLUMNS
    );
    find(tx, tenant, host).await?;
    tx.query(LOCK, &[host]).await?;
    let loser = tx.value_opt(TAKE, &[host, &tenant]).await?;
    let domain = tx.row_opt(VERIFY, &[&tenant, host, &tx.now()]).await?.ok_or(DomainError::NotFound)?;
    Ok((domain, loser))
}

/// Records that a check did not find the TXT record. A verified domain stays verified, and the time since
/// which the record is missing is kept.
///
/// # Errors
/// [`DomainError::NotFound`] and [`DomainError::Db`].
pub async fn record_missing(tx: &SharedTx, tenant: TenantId, host: &HostName) -> Result<Domain, DomainError> {
    const RECORD: &str = concatcp!(
        "UPDATE shared.domains
            SET checked_at = $3,
                missing_since = CASE WHEN verified_at IS NOT NULL THEN coalesce(missing_since, $3) END
          WHERE tenant_id = $1 AND host = $2
      RETURNING ",
        COLUMNS
    );
    tx.row_opt(RECORD, &[&tenant, host, &tx.now()]).await?.ok_or(DomainError::NotFound)
}

/// Records that a lookup failed, so that the result is not known.
///
/// # Errors
/// [`DbError`].
pub async fn record_failed_lookup(tx: &SharedTx, tenant: TenantId, host: &HostName) -> Result<(), DbError> {
    const RECORD: &str = "UPDATE shared.domains SET checked_at = $3 WHERE tenant_id = $1 AND host = $2";
    tx.execute(RECORD, &[&tenant, host, &tx.now()]).await.map(drop)
}

/// Lists the verified domains whose TXT record was last looked up before `checked_before`. A domain whose
/// record was missing is always due.
///
/// # Errors
/// [`DbError`].
pub async fn due_for_check(tx: &SharedTx, checked_before: DateTime<Utc>) -> Result<Vec<Domain>, DbError> {
    const DUE: &str = concatcp!(
        "SELECT ",
        COLUMNS,
        " FROM shared.domains
          WHERE verified_at IS NOT NULL
            AND (missing_since IS NOT NULL OR checked_at IS NULL OR checked_at < $1)
          ORDER BY checked_at NULLS FIRST LIMIT 1000"
    );
    tx.rows(DUE, &[&checked_before]).await
}

/// Lists the verified domains whose TXT record was not found at the last check.
///
/// # Errors
/// [`DbError`].
pub async fn missing(tx: &SharedTx) -> Result<Vec<Domain>, DbError> {
    const MISSING: &str = concatcp!(
        "SELECT ",
        COLUMNS,
        " FROM shared.domains WHERE verified_at IS NOT NULL AND missing_since IS NOT NULL ORDER BY host"
    );
    tx.rows(MISSING, &[]).await
}

/// Makes a verified domain whose TXT record is missing since `missing_before` or longer a claim again.
/// Returns whether it did: the record may have been found meanwhile.
///
/// # Errors
/// [`DbError`].
pub async fn withdraw(
    tx: &SharedTx,
    domain: &Domain,
    missing_before: DateTime<Utc>,
    claim_days: u32,
) -> Result<bool, DbError> {
    const WITHDRAW: &str = "
        UPDATE shared.domains
           SET verified_at = NULL, is_primary = false, missing_since = NULL, expires_at = $4
         WHERE host = $1 AND tenant_id = $2 AND missing_since <= $3";
    const STAY: &str = "
        UPDATE shared.tenants SET redirects_to_primary = false, updated_at = $2
         WHERE id = $1 AND redirects_to_primary
           AND NOT EXISTS (SELECT FROM shared.domains WHERE tenant_id = $1 AND is_primary)";
    let expires_at = tx.now() + TimeDelta::days(claim_days.into());
    let params: crate::Params<'_> = &[&domain.host, &domain.tenant_id, &missing_before, &expires_at];
    let withdrawn = tx.execute(WITHDRAW, params).await? > 0;
    tx.execute(STAY, &[&domain.tenant_id, &tx.now()]).await?;
    Ok(withdrawn)
}

/// Removes the claims that have expired, and returns them. Claims of an earlier release, which have no end,
/// end
/// `claim_days` days after they were made.
///
/// # Errors
/// [`DbError`].
pub async fn remove_expired(tx: &SharedTx, claim_days: u32) -> Result<Vec<Domain>, DbError> {
    const REMOVE: &str = concatcp!(
        "DELETE FROM shared.domains
          WHERE verified_at IS NULL AND coalesce(expires_at, created_at + make_interval(days => $2)) <= $1
      RETURNING ",
        COLUMNS
    );
    let days = i32::try_from(claim_days).unwrap_or(i32::MAX);
    tx.rows(REMOVE, &[&tx.now(), &days]).await
}

/// Makes a verified custom domain the primary domain. With `None`, the business has no primary domain.
/// `redirects` says whether all other addresses of the business redirect to the primary domain.
///
/// # Errors
/// [`DomainError::NotFound`], [`DomainError::NotVerified`] and [`DomainError::Db`].
pub async fn set_primary(
    tx: &SharedTx,
    tenant: TenantId,
    host: Option<&HostName>,
    redirects: bool,
) -> Result<(), DomainError> {
    const UNSET: &str = "UPDATE shared.domains SET is_primary = false WHERE tenant_id = $1 AND is_primary";
    const SET: &str = "UPDATE shared.domains SET is_primary = true WHERE tenant_id = $1 AND host = $2";
    const REDIRECT: &str =
        "UPDATE shared.tenants SET redirects_to_primary = $2, updated_at = $3 WHERE id = $1";
    tx.execute(UNSET, &[&tenant]).await?;
    if let Some(host) = host {
        if find(tx, tenant, host).await?.verified_at.is_none() {
            return Err(DomainError::NotVerified(host.clone()));
        }
        tx.execute(SET, &[&tenant, &host]).await?;
    }
    tx.execute(REDIRECT, &[&tenant, &(redirects && host.is_some()), &tx.now()]).await?;
    Ok(())
}

/// Removes a custom domain from a business.
///
/// # Errors
/// [`DomainError::NotFound`] and [`DomainError::Db`].
pub async fn delete(tx: &SharedTx, tenant: TenantId, host: &HostName) -> Result<(), DomainError> {
    const DELETE: &str = "DELETE FROM shared.domains WHERE tenant_id = $1 AND host = $2";
    match tx.execute(DELETE, &[&tenant, &host]).await? {
        0 => Err(DomainError::NotFound),
        _ => Ok(()),
    }
}

/// Looks up in DNS whether the challenge of `domain` is published.
///
/// # Errors
/// [`DomainError::NoRecord`] and [`DomainError::Lookup`].
pub async fn look_for_challenge(domain: &Domain, lookup: &impl TxtLookup) -> Result<(), DomainError> {
    let name = domain.challenge_name();
    match lookup.txt(&name).await {
        Ok(texts)
            if !domain.challenge.is_empty() && texts.iter().any(|text| text.trim() == domain.challenge) =>
        {
            Ok(())
        }
        Ok(found) => Err(DomainError::NoRecord { name, challenge: domain.challenge.clone(), found }),
        Err(source) => Err(DomainError::Lookup { name, source }),
    }
}
