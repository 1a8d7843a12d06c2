//! The registry: one row of `shared.tenants` per business, and the queries that read it.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::error::DbError;
use crate::names::{BusinessNumber, RoleName, SchemaName, TenantId, TenantSlug};
use crate::scope::{Openings, SharedTx, TenantScope};

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
        f.write_str(match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Archived => "archived",
            Self::Migrating => "migrating",
            Self::Restoring => "restoring",
        })
    }
}

/// One business, as the registry has it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tenant {
    pub id: TenantId,
    pub number: BusinessNumber,
    pub slug: TenantSlug,
    pub name: String,
    pub status: TenantStatus,
    pub schema: SchemaName,
    pub role: RoleName,
    /// The last migration its schema has.
    pub schema_version: i32,
    pub created_at: DateTime<Utc>,
    #[serde(skip)]
    pub(crate) openings: Openings,
}

impl Tenant {
    /// Leave to act as this business, whatever its status: who lets people in checks that first.
    pub fn scope(self: &Arc<Self>) -> TenantScope {
        TenantScope::of(self.clone())
    }

    fn from_row(row: &Row) -> Result<Self, DbError> {
        let schema = SchemaName::from_registry(row.try_get("schema_name")?);
        let role = RoleName::from_registry(row.try_get("role_name")?);
        Ok(Self {
            openings: Openings::new(&role, &schema),
            id: TenantId::from_uuid(row.try_get("id")?),
            number: BusinessNumber::from_sequence(row.try_get("number")?),
            slug: TenantSlug::from_registry(row.try_get("slug")?),
            name: row.try_get("name")?,
            status: TenantStatus::from_registry(row.try_get("status")?),
            schema,
            role,
            schema_version: row.try_get("schema_version")?,
            created_at: row.try_get("created_at")?,
        })
    }
}

/// The business with this slug.
///
/// # Errors
/// [`DbError`]; an unknown slug is `None`.
pub async fn find(tx: &SharedTx, slug: &TenantSlug) -> Result<Option<Tenant>, DbError> {
    const FIND: &str = "
        SELECT id, number, slug, name, status, schema_name, role_name, schema_version, created_at
          FROM shared.tenants
         WHERE slug = $1";
    tx.query_opt(FIND, &[&slug.as_str()]).await?.as_ref().map(Tenant::from_row).transpose()
}

/// The business with this id.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find_by_id(tx: &SharedTx, id: TenantId) -> Result<Option<Tenant>, DbError> {
    const FIND_BY_ID: &str = "
        SELECT id, number, slug, name, status, schema_name, role_name, schema_version, created_at
          FROM shared.tenants
         WHERE id = $1";
    tx.query_opt(FIND_BY_ID, &[&id.as_uuid()]).await?.as_ref().map(Tenant::from_row).transpose()
}

/// Up to `limit` businesses in the order in which they were made, from the one after `after` on.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &SharedTx, after: Option<TenantId>, limit: i64) -> Result<Vec<Tenant>, DbError> {
    const LIST: &str = "
        SELECT id, number, slug, name, status, schema_name, role_name, schema_version, created_at
          FROM shared.tenants
         WHERE id > $1
         ORDER BY id
         LIMIT $2";
    let rows = tx.query(LIST, &[&after.map_or(Uuid::nil(), TenantId::as_uuid), &limit]).await?;
    rows.iter().map(Tenant::from_row).collect()
}

/// The business that answers at a host of its own, or else the one with this slug.
///
/// # Errors
/// [`DbError`]; no such business is `None`.
pub(crate) async fn find_by_address(
    tx: &SharedTx,
    host: Option<&str>,
    slug: Option<&str>,
) -> Result<Option<Tenant>, DbError> {
    const FIND_BY_ADDRESS: &str = "
        SELECT id, number, slug, name, status, schema_name, role_name, schema_version, created_at
          FROM shared.find_tenant($1, $2)";
    tx.query_opt(FIND_BY_ADDRESS, &[&host, &slug]).await?.as_ref().map(Tenant::from_row).transpose()
}
