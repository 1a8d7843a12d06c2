//! Custom domains of businesses, outside the base domain. A custom domain is served only after the business
//! has proved that it controls the domain.

use chrono::{DateTime, Utc};
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
    /// The host name, which belongs to at most one business.
    pub host: HostName,
    /// Whether this is the primary domain, the main address of the business.
    pub is_primary: bool,
    /// The text that the TXT record at [`Domain::challenge_name`] must hold.
    pub challenge: String,
    /// The time since which the domain is served. `None` until the TXT record has been found.
    pub verified_at: Option<DateTime<Utc>>,
    /// The time of the last check of the TXT record, successful or not. `None` before the first check.
    pub checked_at: Option<DateTime<Utc>>,
    /// When the row was stored.
    pub created_at: DateTime<Utc>,
    /// The business that added the domain.
    #[serde(skip)]
    pub tenant_id: TenantId,
}

crate::from_row!(Domain { host, is_primary, challenge, verified_at, checked_at, created_at, tenant_id });

impl Domain {
    /// The name of the TXT record that proves control of the DNS zone.
    pub fn challenge_name(&self) -> String {
        format!("_tenantry-challenge.{}", self.host)
    }
}

/// A request about a custom domain was refused.
#[derive(Debug, thiserror::Error)]
pub enum DomainError {
    /// A business has already added the domain. It may be the same business.
    #[error(
        "{0} is already a custom domain of a business, perhaps of this one; remove it there first \
         (`tenantry domain remove`)"
    )]
    Taken(HostName),
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
const COLUMNS: &str = "host, tenant_id, is_primary, challenge, verified_at, checked_at, created_at";

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

/// Adds a custom domain to a business. The domain must still be verified. The caller must check that the
/// domain is not the platform's own.
///
/// # Errors
/// [`DomainError::AnAddress`], [`DomainError::PublicSuffix`], [`DomainError::Taken`] and [`DomainError::Db`].
pub async fn insert(tx: &SharedTx, tenant: TenantId, host: &HostName) -> Result<Domain, DomainError> {
    const INSERT: &str = concatcp!(
        "INSERT INTO shared.domains (host, tenant_id, challenge, created_at)
         VALUES ($1, $2, $3, $4)
             ON CONFLICT (host) DO NOTHING
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
    let domain = tx.row_opt(INSERT, &[host, &tenant, &challenge, &tx.now()]).await?;
    domain.ok_or_else(|| DomainError::Taken(host.clone()))
}

/// Records the time and the result of a DNS lookup. A domain that was verified once stays verified.
///
/// # Errors
/// [`DomainError::NotFound`] and [`DomainError::Db`].
pub async fn record_check(
    tx: &SharedTx,
    tenant: TenantId,
    host: &HostName,
    verified: bool,
) -> Result<Domain, DomainError> {
    const RECORD: &str = concatcp!(
        "UPDATE shared.domains
            SET checked_at = $3,
                verified_at = CASE WHEN $4 THEN coalesce(verified_at, $3) ELSE verified_at END
          WHERE tenant_id = $1 AND host = $2
      RETURNING ",
        COLUMNS
    );
    tx.row_opt(RECORD, &[&tenant, host, &tx.now(), &verified]).await?.ok_or(DomainError::NotFound)
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
        Ok(texts) if texts.iter().any(|text| text.trim() == domain.challenge) => Ok(()),
        Ok(found) => Err(DomainError::NoRecord { name, challenge: domain.challenge.clone(), found }),
        Err(source) => Err(DomainError::Lookup { name, source }),
    }
}
