//! A tenant: one business, as stored in the registry.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::names::database::{BusinessNumber, RoleName, SchemaName};
use crate::names::host::HostName;
use crate::names::tenant::{TenantId, TenantSlug};
use crate::scope::opening::Openings;
use crate::scope::transactions::TenantScope;

values::words! {
    /// The status of a business.
    pub enum TenantStatus {
        /// Open. The members can sign in and work.
        Active = "active",
        /// Closed by the platform temporarily. The data is kept, and nobody can sign in.
        Suspended = "suspended",
        /// Closed permanently. The data is kept until the business is dropped.
        Archived = "archived",
        /// In maintenance: a migration is changing the schema.
        Migrating = "migrating",
        /// In maintenance: a restore is replacing the schema.
        Restoring = "restoring",
    }
}

/// One business, as stored in the registry.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tenant {
    pub id: TenantId,
    /// The number of the business's schema.
    pub number: BusinessNumber,
    pub slug: TenantSlug,
    pub name: String,
    pub status: TenantStatus,
    pub schema: SchemaName,
    pub role: RoleName,
    /// The version of the newest migration in the schema.
    pub schema_version: i32,
    /// Code whose newest migration is older than this version cannot serve the business.
    #[serde(skip)]
    pub needs_code: i32,
    /// The primary domain: the verified custom domain that is the main address of the business. `None` if the
    /// business has chosen no primary domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary_host: Option<HostName>,
    /// Whether all other addresses of the business redirect to the primary domain.
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

/// The limits of one business. A limit that is not set defaults to the installation's limit.
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
    /// Permission to act as this business, whatever its status. Code that admits people must check the status
    /// first.
    pub fn scope(self: &Arc<Self>) -> TenantScope {
        TenantScope::of(self.clone())
    }
}
