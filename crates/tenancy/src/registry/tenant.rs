//! The registry: one row of `shared.tenants` per business, and the queries that read it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::connection::error::DbError;
use crate::connection::transaction::Session;
use crate::names::host::HostName;
use crate::names::tenant_names::{BusinessNumber, RoleName, SchemaName, TenantId, TenantSlug};
use crate::owner::provisioning::NewTenant;
use crate::registry::schema::Schema;
use crate::scope::scope::{Openings, SharedTx, TenantScope};

/// Whether a business is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TenantStatus {
    Active,
    /// Closed by the platform for now; data kept, nobody gets in.
    Suspended,
    /// Closed for good; data kept for a while.
    Archived,
    /// In maintenance: a migration or a restore is at work in the schema.
    Migrating,
    Restoring,
}

impl TenantStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Archived => "archived",
            Self::Migrating => "migrating",
            Self::Restoring => "restoring",
        }
    }

    fn from_registry(text: &str) -> Self {
        match text {
            "active" => Self::Active,
            "suspended" => Self::Suspended,
            "archived" => Self::Archived,
            "restoring" => Self::Restoring,
            // The CHECK of the column leaves only this one. Maintenance is also the safe reading of the unknown.
            _ => Self::Migrating,
        }
    }
}

impl fmt::Display for TenantStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One business, as the registry has it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tenant {
    pub id: TenantId,
    /// The number of its schema.
    pub number: BusinessNumber,
    pub slug: TenantSlug,
    pub name: String,
    pub status: TenantStatus,
    pub schema: SchemaName,
    pub role: RoleName,
    /// The last migration its schema has.
    pub schema_version: i32,
    /// Code whose own newest migration is older than this cannot serve it.
    #[serde(skip)]
    pub needs_code: i32,
    /// The verified host of its own that stands for all its addresses, if it chose one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary_host: Option<HostName>,
    /// Whether its other addresses send people to the primary host.
    #[serde(skip)]
    pub redirects_to_primary: bool,
    #[serde(skip)]
    pub limits: TenantLimits,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    #[serde(skip)]
    pub(crate) openings: Openings,
}

/// What a business has instead of the installation's own limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TenantLimits {
    #[serde(skip)]
    pub statement_timeout: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_transactions: Option<usize>,
}

impl TenantLimits {
    pub fn statement_timeout_ms(&self) -> Option<u64> {
        self.statement_timeout.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX))
    }
}

impl Tenant {
    /// Leave to act as this business, whatever its status: who lets people in checks that first.
    pub fn scope(self: &Arc<Self>) -> TenantScope {
        TenantScope::of(self.clone())
    }

    /// A business that is being made, in a schema that was made for it.
    pub(crate) fn new(new: &NewTenant, schema: &Schema, needs_code: i32, created_at: DateTime<Utc>) -> Self {
        Self {
            openings: Openings::new(&schema.role, &schema.name, None),
            id: new.id.unwrap_or_else(TenantId::new),
            number: schema.number,
            slug: new.slug.clone(),
            name: new.name.clone(),
            status: TenantStatus::Active,
            schema: schema.name.clone(),
            role: schema.role.clone(),
            schema_version: schema.version,
            needs_code,
            primary_host: None,
            redirects_to_primary: false,
            limits: TenantLimits::default(),
            archived_at: None,
            created_at,
        }
    }

    pub(crate) fn from_row(row: &Row) -> Result<Self, DbError> {
        let schema = SchemaName::from_registry(row.try_get("schema_name")?);
        let role = RoleName::from_registry(row.try_get("role_name")?);
        let statement_timeout_ms: Option<i32> = row.try_get("statement_timeout_ms")?;
        let max_transactions: Option<i32> = row.try_get("max_transactions")?;
        let primary_host: Option<String> = row.try_get("primary_host")?;
        let limits = TenantLimits {
            statement_timeout: statement_timeout_ms.map(|ms| Duration::from_millis(ms.unsigned_abs().into())),
            max_transactions: max_transactions.and_then(|count| usize::try_from(count).ok()),
        };
        Ok(Self {
            openings: Openings::new(&role, &schema, limits.statement_timeout),
            id: TenantId::from_uuid(row.try_get("id")?),
            number: BusinessNumber::from_sequence(row.try_get("number")?),
            slug: TenantSlug::from_registry(row.try_get("slug")?),
            name: row.try_get("name")?,
            status: TenantStatus::from_registry(row.try_get("status")?),
            schema,
            role,
            schema_version: row.try_get("schema_version")?,
            needs_code: row.try_get("needs_code")?,
            primary_host: primary_host.map(HostName::from_registry),
            redirects_to_primary: row.try_get("redirects_to_primary")?,
            limits,
            archived_at: row.try_get("archived_at")?,
            created_at: row.try_get("created_at")?,
        })
    }
}

/// A query of the registry whose columns [`Tenant::from_row`] reads.
macro_rules! tenants_where {
    ($condition:literal) => {
        concat!(
            "
        SELECT t.id, t.number, t.slug, t.name, t.status, s.name AS schema_name, s.role_name,
               s.version AS schema_version, s.needs_code, d.host AS primary_host, t.redirects_to_primary,
               t.statement_timeout_ms, t.max_transactions, t.archived_at, t.created_at
          FROM shared.tenants t
          JOIN shared.schemas s ON s.number = t.number
          LEFT JOIN shared.domains d ON d.tenant_id = t.id AND d.is_primary AND d.verified_at IS NOT NULL
         WHERE ",
            $condition
        )
    };
}

/// The business with this slug.
///
/// # Errors
/// [`DbError`]; an unknown slug is `None`.
pub async fn find(tx: &SharedTx, slug: &TenantSlug) -> Result<Option<Tenant>, DbError> {
    const FIND: &str = tenants_where!("t.slug = $1");
    tx.query_opt(FIND, &[&slug.as_str()]).await?.as_ref().map(Tenant::from_row).transpose()
}

/// The business that had this slug before it was renamed.
///
/// # Errors
/// [`DbError`]; a slug that no business had is `None`.
pub async fn find_renamed(tx: &SharedTx, slug: &TenantSlug) -> Result<Option<Tenant>, DbError> {
    const FIND_RENAMED: &str =
        tenants_where!("t.id = (SELECT tenant_id FROM shared.former_slugs WHERE slug = $1)");
    tx.query_opt(FIND_RENAMED, &[&slug.as_str()]).await?.as_ref().map(Tenant::from_row).transpose()
}

/// The business with this id.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find_by_id(tx: &SharedTx, id: TenantId) -> Result<Option<Tenant>, DbError> {
    const FIND_BY_ID: &str = tenants_where!("t.id = $1");
    tx.query_opt(FIND_BY_ID, &[&id.as_uuid()]).await?.as_ref().map(Tenant::from_row).transpose()
}

/// Up to `limit` businesses in the order in which they were made, from the one after `after` on.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &SharedTx, after: Option<TenantId>, limit: i64) -> Result<Vec<Tenant>, DbError> {
    const LIST: &str = tenants_where!("t.id > $1 ORDER BY t.id LIMIT $2");
    let rows = tx.query(LIST, &[&after.map_or(Uuid::nil(), TenantId::as_uuid), &limit]).await?;
    rows.iter().map(Tenant::from_row).collect()
}

/// All businesses, in the order in which they were made.
///
/// # Errors
/// [`DbError`].
pub async fn all(tx: &SharedTx) -> Result<Vec<Arc<Tenant>>, DbError> {
    Ok(list(tx, None, i64::MAX).await?.into_iter().map(Arc::new).collect())
}

/// Whether the slug is another business's former one, and still reserved; a reservation whose time is over is removed, and
/// so is one of the business's own. Asked after the slug was taken: a rename under way holds it until it has reserved it.
pub(crate) async fn is_slug_reserved(
    session: &Session,
    slug: &TenantSlug,
    own: Option<TenantId>,
) -> Result<bool, DbError> {
    const RELEASE: &str =
        "DELETE FROM shared.former_slugs WHERE slug = $1 AND (tenant_id = $2 OR reserved_until <= $3)";
    const RESERVED: &str = "SELECT FROM shared.former_slugs WHERE slug = $1";
    session.execute(RELEASE, &[&slug.as_str(), &own.map(TenantId::as_uuid), &session.now()]).await?;
    Ok(session.query_opt(RESERVED, &[&slug.as_str()]).await?.is_some())
}

/// The business that answers at a host of its own, or else the one that has this slug, or had it before a rename.
///
/// # Errors
/// [`DbError`]; no such business is `None`.
pub(crate) async fn find_by_address(
    tx: &SharedTx,
    host: Option<&str>,
    slug: Option<&str>,
) -> Result<Option<Tenant>, DbError> {
    const FIND_BY_ADDRESS: &str = "
        SELECT id, number, slug, name, status, schema_name, role_name, schema_version, needs_code, primary_host,
               redirects_to_primary, statement_timeout_ms, max_transactions, archived_at, created_at
          FROM shared.find_tenant($1, $2)";
    tx.query_opt(FIND_BY_ADDRESS, &[&host, &slug]).await?.as_ref().map(Tenant::from_row).transpose()
}
