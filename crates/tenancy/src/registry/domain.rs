//! Hosts of a business's own, outside of the base domain. One is served once its owner has shown that it is his.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::connection::error::DbError;
use crate::names::host::HostName;
use crate::names::tenant_names::TenantId;
use crate::scope::scope::SharedTx;

/// A host of a business's own.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Domain {
    pub host: HostName,
    /// The one that stands for all the business's addresses.
    pub is_primary: bool,
    /// What has to stand in the TXT record of [`Domain::challenge_name`].
    pub challenge: String,
    /// Served since; `None` until the record was found.
    pub verified_at: Option<DateTime<Utc>>,
    pub checked_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    #[serde(skip)]
    pub tenant_id: TenantId,
}

impl Domain {
    /// The name of the TXT record by which the owner of the zone shows that the host is his.
    pub fn challenge_name(&self) -> String {
        format!("_tenantry-challenge.{}", self.host)
    }

    fn from_row(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            host: HostName::from_registry(row.try_get("host")?),
            is_primary: row.try_get("is_primary")?,
            challenge: row.try_get("challenge")?,
            verified_at: row.try_get("verified_at")?,
            checked_at: row.try_get("checked_at")?,
            created_at: row.try_get("created_at")?,
            tenant_id: TenantId::from_uuid(row.try_get("tenant_id")?),
        })
    }
}

/// A host cannot be a business's like that.
#[derive(Debug, thiserror::Error)]
pub enum DomainError {
    #[error(
        "{0} is a business's already, verified or waiting to be; take it from there first (`tenantry domain remove`)"
    )]
    Taken(HostName),
    #[error("{0} lies below the platform's own domain; a business answers there by its slug")]
    OfThePlatform(HostName),
    #[error("an IP address cannot be a business's host; give a name")]
    AnAddress,
    #[error("the business does not have this host")]
    NotFound,
    #[error("{0} has to be verified before it can be the primary host")]
    NotVerified(HostName),
    #[error("{}", no_record(.name, .challenge, .found))]
    NoRecord { name: String, challenge: String, found: Vec<String> },
    #[error("DNS could not be asked for {name}; try again")]
    Lookup { name: String, source: LookupError },
    #[error("a domain query failed")]
    Db(#[from] DbError),
}

fn no_record(name: &str, challenge: &str, found: &[String]) -> String {
    let found = match found {
        [] => "nothing".to_owned(),
        // Whoever owns the zone may write anything there.
        some => some.join(", ").chars().filter(|letter| !letter.is_control()).collect(),
    };
    format!(
        "the TXT record of {name} has to hold {challenge}, and holds {found}; a new record may take a while to be seen"
    )
}

/// DNS did not answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LookupError(pub String);

/// Asks DNS for TXT records.
pub trait TxtLookup {
    /// The texts at `name`; none when there is no such record.
    fn txt(&self, name: &str) -> impl Future<Output = Result<Vec<String>, LookupError>>;
}

/// What a backup keeps of a host.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SavedDomain {
    pub host: String,
}

macro_rules! with_domain_columns {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            " host, tenant_id, is_primary, challenge, verified_at, checked_at, created_at ",
            $after
        )
    };
}

/// A business's own hosts, the primary one first.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &SharedTx, tenant: TenantId) -> Result<Vec<Domain>, DbError> {
    const LIST: &str = with_domain_columns!(
        "SELECT",
        "FROM shared.domains WHERE tenant_id = $1 ORDER BY is_primary DESC, host"
    );
    tx.query(LIST, &[&tenant.as_uuid()]).await?.iter().map(Domain::from_row).collect()
}

/// A business's own host.
///
/// # Errors
/// [`DomainError::NotFound`].
pub async fn find(tx: &SharedTx, tenant: TenantId, host: &HostName) -> Result<Domain, DomainError> {
    const FIND: &str =
        with_domain_columns!("SELECT", "FROM shared.domains WHERE tenant_id = $1 AND host = $2");
    let row = tx.query_opt(FIND, &[&tenant.as_uuid(), &host.as_str()]).await?;
    Ok(Domain::from_row(&row.ok_or(DomainError::NotFound)?)?)
}

/// Gives a business a host that is still to be verified.
///
/// # Errors
/// [`DomainError`].
pub async fn insert(tx: &SharedTx, tenant: TenantId, host: &HostName) -> Result<Domain, DomainError> {
    const INSERT: &str = with_domain_columns!(
        "INSERT INTO shared.domains (host, tenant_id, challenge, created_at)
         VALUES ($1, $2, $3, $4)
             ON CONFLICT (host) DO NOTHING
      RETURNING",
        ""
    );
    if host.is_address() {
        return Err(DomainError::AnAddress);
    }
    let challenge = format!("tenantry-{}", Uuid::new_v4().simple());
    let row = tx.query_opt(INSERT, &[&host.as_str(), &tenant.as_uuid(), &challenge, &tx.now()]).await?;
    match row {
        Some(row) => Ok(Domain::from_row(&row)?),
        None => Err(DomainError::Taken(host.clone())),
    }
}

/// Records that DNS was asked, and what came of it.
///
/// # Errors
/// [`DomainError`].
pub async fn record_check(
    tx: &SharedTx,
    tenant: TenantId,
    host: &HostName,
    verified: bool,
) -> Result<Domain, DomainError> {
    const RECORD: &str = with_domain_columns!(
        "UPDATE shared.domains
            SET checked_at = $3, verified_at = CASE WHEN $4 THEN coalesce(verified_at, $3) ELSE verified_at END
          WHERE tenant_id = $1 AND host = $2
      RETURNING",
        ""
    );
    let row = tx.query_opt(RECORD, &[&tenant.as_uuid(), &host.as_str(), &tx.now(), &verified]).await?;
    Ok(Domain::from_row(&row.ok_or(DomainError::NotFound)?)?)
}

/// Makes a verified host the primary one; `None` leaves the business without. `redirects` says whether its other
/// addresses send people there.
///
/// # Errors
/// [`DomainError`].
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
    tx.execute(UNSET, &[&tenant.as_uuid()]).await?;
    if let Some(host) = host {
        if find(tx, tenant, host).await?.verified_at.is_none() {
            return Err(DomainError::NotVerified(host.clone()));
        }
        tx.execute(SET, &[&tenant.as_uuid(), &host.as_str()]).await?;
    }
    tx.execute(REDIRECT, &[&tenant.as_uuid(), &(redirects && host.is_some()), &tx.now()]).await?;
    Ok(())
}

/// Takes a host from a business.
///
/// # Errors
/// [`DomainError`].
pub async fn delete(tx: &SharedTx, tenant: TenantId, host: &HostName) -> Result<(), DomainError> {
    const DELETE: &str = "DELETE FROM shared.domains WHERE tenant_id = $1 AND host = $2";
    match tx.execute(DELETE, &[&tenant.as_uuid(), &host.as_str()]).await? {
        0 => Err(DomainError::NotFound),
        _ => Ok(()),
    }
}

/// Asks DNS whether the challenge of `domain` is published.
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
