//! The origins of web pages that a business allows, kept in memory: a browser asks before it sends a request,
//! and everybody can ask.

use std::sync::Arc;

use moka::future::Cache;
use tenancy::{Database, DbError, Tenant, TenantId};
use values::Origin;

/// The allowed origins of the businesses that were asked for last.
pub struct Origins {
    database: Database,
    /// The origins, and the business as it was when they were read. A change of the settings makes the
    /// registry give out the business anew.
    known: Cache<TenantId, Arc<Known>>,
}

struct Known {
    tenant: Arc<Tenant>,
    origins: Vec<Origin>,
}

impl Origins {
    pub fn new(database: Database, capacity: u64) -> Self {
        Self { database, known: Cache::new(capacity) }
    }

    /// Whether pages of this origin may call the API of the business.
    ///
    /// # Errors
    /// [`DbError`] when the settings cannot be read.
    pub async fn allow(&self, tenant: &Arc<Tenant>, origin: &str) -> Result<bool, Arc<DbError>> {
        let is_listed = |known: &Known| known.origins.iter().any(|listed| listed.as_str() == origin);
        if let Some(known) = self.known.get(&tenant.id).await {
            if Arc::ptr_eq(&known.tenant, tenant) {
                return Ok(is_listed(&known));
            }
            self.known.invalidate(&tenant.id).await;
        }
        let read = async {
            let read = async |tx: &tenancy::TenantTx| inventory::settings::origins(tx).await;
            let origins = self.database.read(&tenant.scope(), read).await?;
            Ok::<_, DbError>(Arc::new(Known { tenant: tenant.clone(), origins }))
        };
        // Requests that come at the same time share one query.
        Ok(is_listed(&*self.known.try_get_with(tenant.id, read).await?))
    }
}
