//! Finds the business at an address, from a bounded in-process cache. A cached business needs no query.
//!
//! The registry announces its changes (LISTEN), so a cached business is correct until a change is announced.
//! While the listening connection is broken, a cached business is read again after half a second. While the
//! registry cannot be read at all, known businesses are served from the cache.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, ready};
use moka::future::Cache;
use tokio::sync::Semaphore;

use crate::connection::error::{DbError, chain};
use crate::names::host::{Address, BaseDomain, HostName, HostTarget};
use crate::registry::tenant::{self};
use crate::scope::announcements::Listener;
use crate::scope::database::Database;
use crate::scope::tenant::Tenant;
use crate::scope::transactions::SharedScope;

/// Limits of the cache.
#[derive(Debug, Clone)]
pub struct ResolverSettings {
    /// Maximum number of cached addresses of businesses, and also of cached unknown addresses.
    pub capacity: u64,
    /// Time that a business is served from the cache without a query, while changes are announced.
    pub known_for: Duration,
    /// Time that an unknown address stays in the cache. If the address of a new business was requested before
    /// the business existed, the business appears with this delay at most.
    pub unknown_for: Duration,
    /// Time that a business is served from the cache while the registry cannot be read.
    pub stale_for: Duration,
    /// Whether a business needs its licence to sell.
    pub requires_licence: bool,
}

impl Default for ResolverSettings {
    fn default() -> Self {
        Self {
            capacity: 10_000,
            known_for: Duration::from_secs(60),
            unknown_for: Duration::from_secs(2),
            stale_for: Duration::from_secs(3600),
            requires_licence: false,
        }
    }
}

/// Finds the business behind a request's host and path.
pub struct Resolver {
    database: Database,
    base: BaseDomain,
    settings: ResolverSettings,
    known: Cache<Address, Arc<Known>>,
    /// A separate cache, so that a flood of random hosts cannot evict known businesses.
    unknown: Cache<Address, ()>,
    /// Limits the concurrent lookups of unknown addresses, so that a flood of random hosts cannot overload
    /// the database.
    lookups: Semaphore,
    /// A separate limit for known businesses that are read again, so that they do not queue behind a flood of
    /// random hosts.
    renewals: Semaphore,
    /// Incremented with every announced change, so that a lookup in progress notices that its result may be
    /// out of date.
    changes: AtomicU64,
    is_listening: AtomicBool,
}

/// A business, as it was read from the registry.
struct Known {
    tenant: Arc<Tenant>,
    read_at: Instant,
    /// Number of changes that had been announced before the read.
    read_after: u64,
    /// Changes may have been missed since the read.
    is_doubted: AtomicBool,
    /// A request is reading the business again.
    is_renewing: AtomicBool,
}

impl Known {
    fn is_fresh(&self, known_for: Duration) -> bool {
        !self.is_doubted.load(Ordering::Relaxed) && self.read_at.elapsed() < known_for
    }
}

/// A request that reads the business again. If that request is dropped, the next request may read.
struct Renewing<'a>(&'a Known);

impl Drop for Renewing<'_> {
    fn drop(&mut self) {
        self.0.is_renewing.store(false, Ordering::Relaxed);
    }
}

/// The registry could not answer. A later attempt may succeed.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The address is not in the cache, and its lookup waited too long for its turn.
    #[error("too many unknown hosts are being looked up")]
    Busy,
    /// The lookup failed. All requests that waited for the same lookup share this error.
    #[error("the lookup of a host failed")]
    Database(#[source] Arc<DbError>),
}

/// The reason why a lookup returned no business. Requests that wait for the same lookup share its error by
/// pointer.
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
/// The payload that announces a change of every business.
const EVERY_BUSINESS: &str = "*";
const LOOKUP_WAIT: Duration = Duration::from_secs(2);
/// Time that a business is served from the cache while changes are not announced.
const KNOWN_UNTOLD: Duration = Duration::from_millis(500);

impl Resolver {
    /// Creates a resolver with empty caches. It does not listen for changes yet.
    pub fn new(database: Database, base: BaseDomain, settings: &ResolverSettings) -> Self {
        Self {
            database,
            base,
            known: Cache::builder()
                .max_capacity(settings.capacity)
                .time_to_live(settings.stale_for.max(settings.known_for))
                .build(),
            unknown: Cache::builder()
                .max_capacity(settings.capacity)
                .time_to_live(settings.unknown_for)
                .build(),
            settings: settings.clone(),
            lookups: Semaphore::new(CONCURRENT_LOOKUPS),
            renewals: Semaphore::new(CONCURRENT_LOOKUPS),
            changes: AtomicU64::new(0),
            is_listening: AtomicBool::new(false),
        }
    }

    /// The base domain of the installation.
    pub fn base(&self) -> &BaseDomain {
        &self.base
    }

    /// The target of a request, by its host and path. Needs no lookup.
    pub fn target(&self, host: &HostName, path: &str) -> HostTarget {
        self.base.target(host, path)
    }

    /// Whether this process receives the changes of the registry at the moment.
    pub fn is_listening(&self) -> bool {
        self.is_listening.load(Ordering::Relaxed)
    }

    /// Finds the business at `address`. Requests for the same address that is not in the cache share one
    /// query.
    ///
    /// # Errors
    /// [`ResolveError`] when the registry cannot be read. Returns `None` when there is no such business.
    pub async fn tenant(&self, address: &Address) -> Result<Option<Arc<Tenant>>, ResolveError> {
        if let Some(known) = self.known.get(address).await {
            let fresh_for = if self.is_listening() { self.settings.known_for } else { self.known_untold() };
            // One request reads the business again. Until then, and if the read fails, all other requests are
            // served from the cache.
            if known.is_fresh(fresh_for) || known.is_renewing.swap(true, Ordering::Relaxed) {
                return Ok(Some(known.tenant.clone()));
            }
            let renewing = Renewing(&known);
            let renewed = self.look_up(address, &self.renewals).await;
            drop(renewing);
            return match renewed {
                Ok(renewed) => {
                    self.known.insert(address.clone(), renewed.clone()).await;
                    self.forget_if_late(address, &renewed).await;
                    Ok(Some(renewed.tenant.clone()))
                }
                Err(Miss::Unknown) => {
                    self.known.invalidate(address).await;
                    Ok(None)
                }
                Err(Miss::Busy) => Ok(Some(known.tenant.clone())),
                Err(Miss::Database(error)) => {
                    tracing::warn!(
                        error = %chain(&*error),
                        "the registry cannot be read; known businesses are served from the cache"
                    );
                    Ok(Some(known.tenant.clone()))
                }
            };
        }
        if self.unknown.contains_key(address) {
            return Ok(None);
        }
        match self.known.try_get_with_by_ref(address, self.look_up(address, &self.lookups)).await {
            Ok(known) => {
                self.forget_if_late(address, &known).await;
                Ok(Some(known.tenant.clone()))
            }
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

    /// A change that was announced between the lookup and its entry in the cache found no entry to remove.
    /// The entry is therefore removed here.
    async fn forget_if_late(&self, address: &Address, known: &Known) {
        if known.read_after != self.changes.load(Ordering::Acquire) {
            self.known.invalidate(address).await;
        }
    }

    /// Removes `address` from the cache, so that the next request for it reads the registry again.
    pub async fn forget(&self, address: &Address) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.known.invalidate(address).await;
        self.unknown.invalidate(address).await;
    }

    fn known_untold(&self) -> Duration {
        self.settings.known_for.min(KNOWN_UNTOLD)
    }

    async fn look_up(&self, address: &Address, permits: &Semaphore) -> Result<Arc<Known>, Miss> {
        let permit = tokio::time::timeout(LOOKUP_WAIT, permits.acquire()).await;
        let Ok(Ok(_permit)) = permit else { return Err(Miss::Busy) };
        let (host, slug) = match address {
            Address::Host(host) => (Some(host.as_str()), None),
            Address::Slug(slug) => (None, Some(slug.as_str())),
        };
        loop {
            let (changes, read_at) = (self.changes.load(Ordering::Acquire), Instant::now());
            let found = self
                .database
                .read_shared(SharedScope::Public, async |tx| tenant::find_by_address(tx, host, slug).await)
                .await
                .map_err(Miss::from)?;
            // A change that was announced during the read may be newer than the result, so the read is
            // repeated. If changes never stop, one second of repeated reads is enough.
            if changes == self.changes.load(Ordering::Acquire) || read_at.elapsed() > Duration::from_secs(1) {
                let mut tenant = found.ok_or(Miss::Unknown)?;
                tenant.licence.is_required = self.settings.requires_licence;
                return Ok(Arc::new(Known {
                    tenant: Arc::new(tenant),
                    read_at,
                    read_after: changes,
                    is_doubted: false.into(),
                    is_renewing: false.into(),
                }));
            }
        }
    }

    /// Receives the registry's changes for as long as the future is polled. Connects again whenever the
    /// connection breaks, and then treats every cached business as out of date.
    pub async fn listen(&self) {
        self.database.listen(self).await;
    }

    fn doubt_everything(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.unknown.invalidate_all();
        for (_, known) in &self.known {
            known.is_doubted.store(true, Ordering::Relaxed);
        }
    }

    /// Removes changed businesses from the cache. A payload is the id of a business, the number of its
    /// schema, or [`EVERY_BUSINESS`].
    async fn forget_changed(&self, changed: &HashSet<String>) {
        if changed.contains(EVERY_BUSINESS) {
            self.doubt_everything();
        }
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.unknown.invalidate_all();
        for (address, known) in &self.known {
            let tenant = &known.tenant;
            if changed.contains(&tenant.id.to_string()) || changed.contains(&tenant.number.to_string()) {
                self.known.invalidate(&*address).await;
            }
        }
    }
}

impl Listener for Resolver {
    const CHANNEL: &'static str = "tenantry_registry";
    const HEARTBEAT: Duration = Duration::from_secs(5);

    fn begin(&self) -> BoxFuture<'_, Result<(), DbError>> {
        self.doubt_everything();
        self.is_listening.store(true, Ordering::Relaxed);
        Box::pin(ready(Ok(())))
    }

    fn hear<'a>(&'a self, announced: &'a HashSet<String>) -> BoxFuture<'a, ()> {
        Box::pin(self.forget_changed(announced))
    }

    fn is_up_to_date(&self, _: Instant) {}

    fn end(&self) {
        self.is_listening.store(false, Ordering::Relaxed);
    }
}
