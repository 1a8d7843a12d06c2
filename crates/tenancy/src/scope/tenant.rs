//! A tenant: one business, as stored in the registry.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::names::database::{RoleName, SchemaName, TenantNumber};
use crate::names::host::HostName;
use crate::names::tenant::{TenantId, TenantSlug};
use crate::scope::licence::Licence;
use crate::scope::opening::Openings;
use crate::scope::transactions::TenantScope;

values::words! {
    /// The status of a business.
    pub enum TenantStatus {
        /// Open. The members can sign in and work.
        Active = "active",
        /// Closed by the platform temporarily. The data is kept, and nobody can sign in.
        Suspended = "suspended",
        /// Closed until the business is unarchived. The data is kept until the business is dropped.
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
    /// The id. A rename, a swap or a restore of the business does not change it.
    pub id: TenantId,
    /// The number of the business's schema.
    pub number: TenantNumber,
    /// The short name in the addresses of the business. Changes when the business is renamed.
    pub slug: TenantSlug,
    /// The display name.
    pub name: String,
    /// Whether the business is open, closed or in maintenance.
    pub status: TenantStatus,
    /// The schema that holds the data. A restore or a swap gives the business another schema.
    pub schema: SchemaName,
    /// The PostgreSQL role that may use the schema.
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
    /// The business's own limits, which the platform's staff set.
    #[serde(skip)]
    pub limits: TenantLimits,
    /// Until when the business may sell, and how much it may have.
    #[serde(skip)]
    pub licence: Licence,
    /// When the business was archived. `None` if the business is not archived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived_at: Option<DateTime<Utc>>,
    /// When the row was stored.
    pub created_at: DateTime<Utc>,
    #[serde(skip)]
    pub(crate) openings: Openings,
}

/// The limits of one business. A limit that is not set defaults to the installation's limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TenantLimits {
    /// The longest time that one SQL statement of the business may run.
    #[serde(skip)]
    pub statement_timeout: Option<Duration>,
    /// Number of transactions of the business that may run at the same time, in each process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_transactions: Option<usize>,
}

impl TenantLimits {
    /// Returns the statement timeout in milliseconds. `None` if the business has no own timeout.
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
