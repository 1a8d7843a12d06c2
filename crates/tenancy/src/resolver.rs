//! Address -> business, from a bounded in-process cache: no query when warm.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use tokio::sync::Semaphore;

use crate::database::Database;
use crate::error::DbError;
use crate::host::{Address, BaseDomain, Destination, HostName};
use crate::scope::SharedScope;
use crate::tenant::{self, Tenant};

/// Bounds of the cache.
#[derive(Debug, Clone)]
pub struct ResolverSettings {
    /// Known businesses, and as many unknown addresses.
    pub capacity: u64,
    /// How long a business is served from memory; a change of its status is seen this much later.
    pub known_for: Duration,
    /// How long an unknown address is answered from memory; a new business whose address was asked for too early
    /// appears this much later.
    pub unknown_for: Duration,
}

impl Default for ResolverSettings {
    fn default() -> Self {
        Self { capacity: 10_000, known_for: Duration::from_secs(5), unknown_for: Duration::from_secs(2) }
    }
}

/// Finds the business behind a request's host and path.
pub struct Resolver {
    database: Database,
    base: BaseDomain,
    known: Cache<Address, Arc<Tenant>>,
    /// Apart from the known ones, so that a flood of random hosts cannot push them out.
    unknown: Cache<Address, ()>,
    /// Bounds what such a flood can ask of the database.
    lookups: Semaphore,
}

/// No answer, for now.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    #[error("too many unknown hosts are being looked up")]
    Busy,
    /// Shared by all requests that waited for the same look-up.
    #[error("looking up a host failed")]
    Database(#[source] Arc<DbError>),
}

/// Why the cache has no business to keep. What requests share, they share by pointer.
enum Miss {
    Unknown,
    Busy,
    Database(Arc<DbError>),
}

impl From<DbError> for Miss {
    fn from(error: DbError) -> Self {
        Self::Database(Arc::new(error))
    }
}

const CONCURRENT_LOOKUPS: usize = 4;
const LOOKUP_WAIT: Duration = Duration::from_secs(2);

impl Resolver {
    pub fn new(database: Database, base: BaseDomain, settings: &ResolverSettings) -> Self {
        Self {
            database,
            base,
            known: Cache::builder().max_capacity(settings.capacity).time_to_live(settings.known_for).build(),
            unknown: Cache::builder()
                .max_capacity(settings.capacity)
                .time_to_live(settings.unknown_for)
                .build(),
            lookups: Semaphore::new(CONCURRENT_LOOKUPS),
        }
    }

    /// What host and path ask for; no look-up.
    pub fn destination(&self, host: &HostName, path: &str) -> Destination {
        self.base.destination(host, path)
    }

    /// The business at `address`. Requests for the same unknown address share one query.
    ///
    /// # Errors
    /// [`ResolveError`] when the registry cannot be asked; `None` when there is no such business.
    pub async fn tenant(&self, address: &Address) -> Result<Option<Arc<Tenant>>, ResolveError> {
        if let Some(tenant) = self.known.get(address).await {
            return Ok(Some(tenant));
        }
        if self.unknown.contains_key(address) {
            return Ok(None);
        }
        match self.known.try_get_with_by_ref(address, self.look_up(address)).await {
            Ok(tenant) => Ok(Some(tenant)),
            Err(miss) => match &*miss {
                Miss::Unknown => {
                    self.unknown.insert(address.clone(), ()).await;
                    Ok(None)
                }
                Miss::Busy => Err(ResolveError::Busy),
                Miss::Database(error) => Err(ResolveError::Database(error.clone())),
            },
        }
    }

    /// The next request for this address asks the registry again.
    pub async fn forget(&self, address: &Address) {
        self.known.invalidate(address).await;
        self.unknown.invalidate(address).await;
    }

    async fn look_up(&self, address: &Address) -> Result<Arc<Tenant>, Miss> {
        let permit = tokio::time::timeout(LOOKUP_WAIT, self.lookups.acquire()).await;
        let Ok(Ok(_permit)) = permit else { return Err(Miss::Busy) };
        let (host, slug) = match address {
            Address::Host(host) => (Some(host.as_str()), None),
            Address::Slug(slug) => (None, Some(slug.as_str())),
        };
        let found = self
            .database
            .read_shared(SharedScope::Public, async |tx| tenant::find_by_address(tx, host, slug).await)
            .await
            .map_err(Miss::from)?;
        found.map(Arc::new).ok_or(Miss::Unknown)
    }
}
