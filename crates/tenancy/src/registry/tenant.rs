//! The registry of tenants: one row of `shared.tenants` per business, and the queries that read these rows.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use const_format::concatcp;
use values::Key;

use crate::connection::error::DbError;
use crate::connection::transaction::Transaction;
use crate::names::database::{RoleName, SchemaName, TenantNumber};
use crate::names::host::HostName;
use crate::names::tenant::{TenantId, TenantSlug};
use crate::registry::schema::Schema;
use crate::scope::licence::{Licence, PlanKey, PlanLimits};
use crate::scope::opening::Openings;
use crate::scope::tenant::{Tenant, TenantLimits, TenantStatus};
use crate::scope::transactions::SharedTx;

/// The data of a business that is to be created.
#[derive(Debug, Clone)]
pub struct NewTenant {
    /// The slug, which no other business may use or have reserved.
    pub slug: TenantSlug,
    /// The display name of the business.
    pub name: String,
    /// The earlier id, when a dropped business is restored. With `None`, the business gets a new id.
    pub id: Option<TenantId>,
}

impl NewTenant {
    /// The new business, in the schema that was created for it.
    pub(crate) fn tenant(&self, schema: &Schema, needs_code: i32, created_at: DateTime<Utc>) -> Tenant {
        Tenant {
            openings: Openings::new(schema.number, &schema.role, &schema.name, None),
            id: self.id.unwrap_or_else(TenantId::new),
            number: schema.number,
            slug: self.slug.clone(),
            name: self.name.clone(),
            status: TenantStatus::Active,
            schema: schema.name.clone(),
            role: schema.role.clone(),
            schema_version: schema.version,
            needs_code,
            primary_host: None,
            redirects_to_primary: false,
            limits: TenantLimits::default(),
            licence: Licence::free(),
            archived_at: None,
            created_at,
        }
    }
}

/// A tenant, as the registry's queries return it.
struct TenantRow {
    id: TenantId,
    number: TenantNumber,
    slug: TenantSlug,
    name: String,
    status: TenantStatus,
    schema_name: SchemaName,
    role_name: RoleName,
    schema_version: i32,
    needs_code: i32,
    primary_host: Option<HostName>,
    redirects_to_primary: bool,
    statement_timeout_ms: Option<i32>,
    max_transactions: Option<i32>,
    archived_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    plan: PlanKey,
    plan_name: String,
    is_licensed: bool,
    licensed_until: Option<DateTime<Utc>>,
    grace_days: i32,
    max_members: Option<i32>,
    max_locations: Option<i32>,
    max_products: Option<i32>,
    max_registers: Option<i32>,
}

crate::from_row!(TenantRow {
    id,
    number,
    slug,
    name,
    status,
    schema_name,
    role_name,
    schema_version,
    needs_code,
    primary_host,
    redirects_to_primary,
    statement_timeout_ms,
    max_transactions,
    archived_at,
    created_at,
    plan,
    plan_name,
    is_licensed,
    licensed_until,
    grace_days,
    max_members,
    max_locations,
    max_products,
    max_registers,
});

impl From<TenantRow> for Tenant {
    fn from(row: TenantRow) -> Self {
        let limits = TenantLimits {
            statement_timeout: row
                .statement_timeout_ms
                .map(|ms| Duration::from_millis(ms.unsigned_abs().into())),
            max_transactions: row.max_transactions.and_then(|count| usize::try_from(count).ok()),
        };
        let licence = Licence {
            plan: row.plan,
            plan_name: row.plan_name,
            is_granted: row.is_licensed,
            valid_until: row.licensed_until,
            grace_days: row.grace_days,
            limits: PlanLimits {
                max_members: row.max_members,
                max_locations: row.max_locations,
                max_products: row.max_products,
                max_registers: row.max_registers,
            },
            is_required: false,
        };
        Self {
            openings: Openings::new(row.number, &row.role_name, &row.schema_name, limits.statement_timeout),
            id: row.id,
            number: row.number,
            slug: row.slug,
            name: row.name,
            status: row.status,
            schema: row.schema_name,
            role: row.role_name,
            schema_version: row.schema_version,
            needs_code: row.needs_code,
            primary_host: row.primary_host,
            redirects_to_primary: row.redirects_to_primary,
            limits,
            licence,
            archived_at: row.archived_at,
            created_at: row.created_at,
        }
    }
}

/// Reads the columns of [`TenantRow`]. The caller appends a condition.
const SELECT: &str = "
    SELECT t.id, t.number, t.slug, t.name, t.status, s.name AS schema_name, s.role_name,
           s.version AS schema_version, s.needs_code, d.host AS primary_host, t.redirects_to_primary,
           t.statement_timeout_ms, t.max_transactions, t.archived_at, t.created_at, t.plan,
           p.name AS plan_name, t.is_licensed, t.licensed_until, p.grace_days, p.max_members,
           p.max_locations, p.max_products, p.max_registers
      FROM shared.tenants t
      JOIN shared.plans p ON p.key = t.plan
      JOIN shared.schemas s ON s.number = t.number
      LEFT JOIN shared.domains d ON d.tenant_id = t.id AND d.is_primary AND d.verified_at IS NOT NULL ";

/// Finds the business with this slug.
///
/// # Errors
/// [`DbError`]; an unknown slug is `None`.
pub async fn find(tx: &SharedTx, slug: &TenantSlug) -> Result<Option<Tenant>, DbError> {
    const FIND: &str = concatcp!(SELECT, "WHERE t.slug = $1");
    Ok(tx.row_opt::<TenantRow>(FIND, &[&slug.as_str()]).await?.map(Tenant::from))
}

/// Finds the business that had this slug before it was renamed, also after the reservation has ended.
///
/// # Errors
/// [`DbError`]; a slug that no business had is `None`.
pub async fn find_renamed(tx: &SharedTx, slug: &TenantSlug) -> Result<Option<Tenant>, DbError> {
    const FIND_RENAMED: &str =
        concatcp!(SELECT, "WHERE t.id = (SELECT tenant_id FROM shared.former_slugs WHERE slug = $1)");
    Ok(tx.row_opt::<TenantRow>(FIND_RENAMED, &[&slug.as_str()]).await?.map(Tenant::from))
}

/// Finds the business with this id.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find_by_id(tx: &SharedTx, id: TenantId) -> Result<Option<Tenant>, DbError> {
    const FIND_BY_ID: &str = concatcp!(SELECT, "WHERE t.id = $1");
    Ok(tx.row_opt::<TenantRow>(FIND_BY_ID, &[&id]).await?.map(Tenant::from))
}

/// Lists up to `limit` businesses in the order of their creation, starting after `after`.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &SharedTx, after: Option<TenantId>, limit: i64) -> Result<Vec<Tenant>, DbError> {
    const LIST: &str = concatcp!(SELECT, "WHERE t.id > $1 ORDER BY t.id LIMIT $2");
    let after = after.unwrap_or_else(TenantId::lowest);
    let rows = tx.rows::<TenantRow>(LIST, &[&after, &limit]).await?;
    Ok(rows.into_iter().map(Tenant::from).collect())
}

/// Lists all businesses in the order of their creation.
///
/// # Errors
/// [`DbError`].
pub async fn all(tx: &SharedTx) -> Result<Vec<Arc<Tenant>>, DbError> {
    Ok(list(tx, None, i64::MAX).await?.into_iter().map(Arc::new).collect())
}

/// Whether the slug is a former slug of another business and is still reserved. Removes the reservation if it
/// has expired or belongs to `own`.
///
/// Must be called after the slug has been taken: a concurrent rename holds its former slug until that slug is
/// reserved.
pub(crate) async fn is_slug_reserved(
    transaction: &Transaction,
    slug: &TenantSlug,
    own: Option<TenantId>,
) -> Result<bool, DbError> {
    const RELEASE: &str =
        "DELETE FROM shared.former_slugs WHERE slug = $1 AND (tenant_id = $2 OR reserved_until <= $3)";
    const RESERVED: &str = "SELECT FROM shared.former_slugs WHERE slug = $1";
    transaction.execute(RELEASE, &[&slug.as_str(), &own, &transaction.now()]).await?;
    Ok(transaction.query_opt(RESERVED, &[&slug.as_str()]).await?.is_some())
}

/// Finds the business with this verified custom domain. Otherwise, finds the business that has this slug, or
/// for which the slug is still reserved after a rename.
///
/// # Errors
/// [`DbError`]; no such business is `None`.
pub async fn find_by_address(
    tx: &SharedTx,
    host: Option<&str>,
    slug: Option<&str>,
) -> Result<Option<Tenant>, DbError> {
    const FIND_BY_ADDRESS: &str = "
        SELECT id, number, slug, name, status, schema_name, role_name, schema_version, needs_code,
               primary_host, redirects_to_primary, statement_timeout_ms, max_transactions, archived_at,
               created_at, plan, plan_name, is_licensed, licensed_until, grace_days, max_members,
               max_locations, max_products, max_registers
          FROM shared.find_tenant($1, $2)";
    Ok(tx.row_opt::<TenantRow>(FIND_BY_ADDRESS, &[&host, &slug]).await?.map(Tenant::from))
}
