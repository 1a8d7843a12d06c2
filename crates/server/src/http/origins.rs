//! The origins of web pages that a business allows, kept in memory: a browser asks before it sends a request,
//! and everybody can ask.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use tenancy::{Database, DbError, SharedScope, SharedTx, Tenant};
use values::Origin;

/// The allowed origins of the businesses that were asked for last.
pub struct Origins {
    database: Database,
    /// By the address in memory of the business, as the registry gave it out for a host. After a change of
    /// the settings, the registry gives the business out anew.
    known: Cache<usize, Arc<Known>>,
    /// Origins, and whether a program without a secret has its pages there.
    of_programs: Cache<String, bool>,
}

/// A program that is registered or changed is known so much later.
const PROGRAMS_KNOWN_FOR: Duration = Duration::from_secs(5);

struct Known {
    /// As long as the business is kept here, no other one has its address in memory.
    _tenant: Arc<Tenant>,
    origins: Vec<Origin>,
}

impl Origins {
    pub fn new(database: Database, capacity: u64) -> Self {
        let known = Cache::builder().max_capacity(capacity).time_to_idle(Duration::from_secs(600)).build();
        let of_programs = Cache::builder().max_capacity(capacity).time_to_live(PROGRAMS_KNOWN_FOR).build();
        Self { database, known, of_programs }
    }

    /// Whether a program without a secret has its pages at this origin, from which it gets tokens.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn allow_program(&self, origin: &str) -> Result<bool, Arc<DbError>> {
        const FIND: &str = "SELECT shared.has_page_at($1)";
        // Nothing else can be the beginning of a registered address.
        if !origin.is_ascii() || origin.len() > 260 || !origin.contains("://") {
            return Ok(false);
        }
        let read = async {
            let find = async |tx: &SharedTx| tx.value(FIND, &[&origin]).await;
            self.database.read_shared(SharedScope::Public, find).await
        };
        self.of_programs.try_get_with(origin.to_owned(), read).await
    }

    /// Whether pages of this origin may call the API of the business.
    ///
    /// # Errors
    /// [`DbError`] when the settings cannot be read.
    pub async fn allow(&self, tenant: &Arc<Tenant>, origin: &str) -> Result<bool, Arc<DbError>> {
        let read = async {
            let read = async |tx: &tenancy::TenantTx| inventory::settings::origins(tx).await;
            let origins = self.database.read(&tenant.scope(), read).await?;
            Ok::<_, DbError>(Arc::new(Known { _tenant: tenant.clone(), origins }))
        };
        // Requests that come at the same time share one query.
        let known = self.known.try_get_with(Arc::as_ptr(tenant).addr(), read).await?;
        Ok(known.origins.iter().any(|listed| listed.as_str() == origin))
    }
}
