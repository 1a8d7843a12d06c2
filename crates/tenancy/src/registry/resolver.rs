//! Address -> business, from a bounded in-process cache: no query when warm.
//!
//! The registry tells of its changes (LISTEN), so what is in memory is right until then. While nobody listens, for the
//! connection broke, it is looked at again after a second. Where the registry cannot be read at all, known businesses
//! are served from memory.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use moka::future::Cache;
use tokio::sync::{Semaphore, mpsc};

use crate::connection::error::{DbError, chain};
use crate::names::host::{Address, BaseDomain, Destination, HostName};
use crate::registry::tenant::{self, Tenant};
use crate::scope::database::Database;
use crate::scope::scope::SharedScope;

/// Bounds of the cache.
#[derive(Debug, Clone)]
pub struct ResolverSettings {
    /// Known businesses, and as many unknown addresses.
    pub capacity: u64,
    /// How long a business is served from memory without asking again, while changes are told.
    pub known_for: Duration,
    /// How long an unknown address is answered from memory; a new business whose address was asked for too early
    /// appears this much later at most.
    pub unknown_for: Duration,
    /// How long a business is served from memory while the registry cannot be read.
    pub stale_for: Duration,
}

impl Default for ResolverSettings {
    fn default() -> Self {
        Self {
            capacity: 10_000,
            known_for: Duration::from_secs(60),
            unknown_for: Duration::from_secs(2),
            stale_for: Duration::from_secs(3600),
        }
    }
}

/// Finds the business behind a request's host and path.
pub struct Resolver {
    database: Database,
    base: BaseDomain,
    settings: ResolverSettings,
    known: Cache<Address, Arc<Known>>,
    /// Apart from the known ones, so that a flood of random hosts cannot push them out.
    unknown: Cache<Address, ()>,
    /// Bounds what such a flood can ask of the database.
    lookups: Semaphore,
    /// Businesses that are known are looked at again beside that flood, not behind it.
    renewals: Semaphore,
    /// Counted up with every change that is told, so that a look-up under way notices that it may be too late.
    changes: AtomicU64,
    is_listening: AtomicBool,
}

/// A business, as it was read.
struct Known {
    tenant: Arc<Tenant>,
    read_at: Instant,
    /// How many changes had been told before.
    read_after: u64,
    /// Changes may have gone unheard since.
    is_doubted: AtomicBool,
    /// Somebody is looking again.
    is_renewing: AtomicBool,
}

impl Known {
    fn is_fresh(&self, known_for: Duration) -> bool {
        !self.is_doubted.load(Ordering::Relaxed) && self.read_at.elapsed() < known_for
    }
}

/// Somebody who looks again; a request that is given up meanwhile leaves it to the next one.
struct Renewing<'a>(&'a Known);

impl Drop for Renewing<'_> {
    fn drop(&mut self) {
        self.0.is_renewing.store(false, Ordering::Relaxed);
    }
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
/// While changes are not told.
const KNOWN_UNTOLD: Duration = Duration::from_millis(500);
/// The listening connection is tried this often, and given up when it does not answer for as long.
const HEARTBEAT: Duration = Duration::from_secs(5);
const RECONNECT: Duration = Duration::from_millis(200);

impl Resolver {
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

    /// The installation's domain.
    pub fn base(&self) -> &BaseDomain {
        &self.base
    }

    /// What host and path ask for; no look-up.
    pub fn destination(&self, host: &HostName, path: &str) -> Destination {
        self.base.destination(host, path)
    }

    /// Whether changes of the registry are told to this process at the moment.
    pub fn is_listening(&self) -> bool {
        self.is_listening.load(Ordering::Relaxed)
    }

    /// The business at `address`. Requests for the same unknown address share one query.
    ///
    /// # Errors
    /// [`ResolveError`] when the registry cannot be asked; `None` when there is no such business.
    pub async fn tenant(&self, address: &Address) -> Result<Option<Arc<Tenant>>, ResolveError> {
        if let Some(known) = self.known.get(address).await {
            let fresh_for = if self.is_listening() { self.settings.known_for } else { self.known_untold() };
            // One request looks again; the others are served meanwhile, and all of them when it is of no avail.
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
                    tracing::warn!(error = %chain(&*error), "the registry cannot be read; known businesses are served from memory");
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

    /// A change that was told between the look-up and its entry here found nothing to forget.
    async fn forget_if_late(&self, address: &Address, known: &Known) {
        if known.read_after != self.changes.load(Ordering::Acquire) {
            self.known.invalidate(address).await;
        }
    }

    /// The next request for this address asks the registry again.
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
            // A change that was told meanwhile may be newer than what was read; in a storm of them a second is enough.
            if changes == self.changes.load(Ordering::Acquire) || read_at.elapsed() > Duration::from_secs(1) {
                let tenant = found.map(Arc::new).ok_or(Miss::Unknown)?;
                return Ok(Arc::new(Known {
                    tenant,
                    read_at,
                    read_after: changes,
                    is_doubted: false.into(),
                    is_renewing: false.into(),
                }));
            }
        }
    }

    /// Hears of the registry's changes for as long as it is polled. Connects again whenever the connection breaks, and
    /// then takes nothing in memory for granted.
    pub async fn listen(&self) {
        loop {
            if let Err(error) = self.listen_once().await {
                tracing::warn!(error = %chain(&error), "changes of the registry are not told; connecting again");
            }
            self.is_listening.store(false, Ordering::Relaxed);
            tokio::time::sleep(RECONNECT).await;
        }
    }

    async fn listen_once(&self) -> Result<(), DbError> {
        const LISTEN: &str = "LISTEN tenantry_registry";
        let (sender, mut told) = mpsc::unbounded_channel();
        let client = self.database.connect_telling(sender).await?;
        client.batch_execute(LISTEN).await?;
        // What changed before this moment was not told.
        self.doubt_everything();
        self.is_listening.store(true, Ordering::Relaxed);
        let mut changed = Vec::new();
        loop {
            match tokio::time::timeout(HEARTBEAT, told.recv_many(&mut changed, 10_000)).await {
                Ok(0) => return Ok(()),
                Ok(_) => self.forget_changed(&changed.drain(..).collect()).await,
                Err(_) => {
                    let alive = tokio::time::timeout(HEARTBEAT, client.batch_execute("")).await;
                    alive.map_err(|_| DbError::Exhausted(HEARTBEAT))??;
                }
            }
        }
    }

    fn doubt_everything(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.unknown.invalidate_all();
        for (_, known) in &self.known {
            known.is_doubted.store(true, Ordering::Relaxed);
        }
    }

    /// The payloads are businesses' ids, or the numbers of their schemas.
    async fn forget_changed(&self, changed: &HashSet<String>) {
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
