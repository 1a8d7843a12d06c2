//! The hub of a server: passes new events on to the clients that listen to their business.
//!
//! The hub reads each event once, however many clients there are. A client that is too slow for the hub
//! misses events, sees it by the gap between two positions, and reads them from the database.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tenancy::{Database, DbError, Listener, SharedScope, TenantId, chain};
use tokio::sync::broadcast::{self, Receiver, Sender};

use crate::feed::stored_event::{self, StoredEvent};

/// Passes events on to clients.
pub struct EventHub {
    database: Database,
    feeds: Mutex<HashMap<TenantId, Feed>>,
    next_feed: AtomicU64,
    /// Held while events are read, so that they are passed on in their order.
    reading: tokio::sync::Mutex<()>,
}

/// The events of one business.
struct Feed {
    /// No two feeds have the same number.
    number: u64,
    sender: Sender<Arc<StoredEvent>>,
    /// The last event that was passed on. `None` before the hub has asked for it.
    position: Option<i64>,
}

/// The events of one business that are kept for its slowest client.
const KEPT: usize = 256;
/// The most events that are read at once.
const AT_ONCE: i64 = 1_000;

/// The new events of one business, until it is dropped.
pub struct Subscription {
    receiver: Receiver<Arc<StoredEvent>>,
    hub: Arc<EventHub>,
    tenant: TenantId,
    feed: u64,
}

/// The next event, or why there is none.
#[derive(Debug)]
pub enum Next {
    /// An event.
    Event(Arc<StoredEvent>),
    /// The client was too slow: events are missing before the next one.
    Missed,
    /// There are no more events in this epoch.
    End,
}

impl EventHub {
    /// A hub without clients. It passes events on while [`EventHub::listen`] runs.
    pub fn new(database: Database) -> Self {
        Self {
            database,
            feeds: Mutex::default(),
            next_feed: AtomicU64::new(0),
            reading: tokio::sync::Mutex::default(),
        }
    }

    /// Receives events for as long as the future is polled.
    pub async fn listen(&self) {
        self.database.listen(self).await;
    }

    /// Subscribes to the events of a business. Events that are committed after this returns are received.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn subscribe(self: &Arc<Self>, tenant: TenantId) -> Result<Subscription, DbError> {
        let (receiver, feed) = {
            let mut feeds = self.feeds();
            let number = || self.next_feed.fetch_add(1, Ordering::Relaxed);
            let new = || Feed { number: number(), sender: broadcast::channel(KEPT).0, position: None };
            let feed = feeds.entry(tenant).or_insert_with(new);
            (feed.sender.subscribe(), feed.number)
        };
        let subscription = Subscription { receiver, hub: self.clone(), tenant, feed };
        self.read(&HashSet::from([tenant])).await?;
        Ok(subscription)
    }

    /// The number of clients.
    pub fn clients(&self) -> usize {
        self.feeds().values().map(|feed| feed.sender.receiver_count()).sum()
    }

    fn feeds(&self) -> MutexGuard<'_, HashMap<TenantId, Feed>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the new events of these businesses, and passes them on.
    async fn read(&self, tenants: &HashSet<TenantId>) -> Result<(), DbError> {
        let _reading = self.reading.lock().await;
        let (known, unknown): (Vec<_>, Vec<_>) = {
            let feeds = self.feeds();
            let wanted = feeds.iter().filter(|(tenant, _)| tenants.contains(tenant));
            wanted
                .map(|(tenant, feed)| (*tenant, feed.position))
                .partition(|(_, position)| position.is_some())
        };
        for (tenant, _) in unknown {
            let scope = SharedScope::Tenant(tenant);
            let extent = self
                .database
                .read_shared(scope, async move |tx| stored_event::extent(tx, tenant).await)
                .await?;
            let last = extent.last;
            self.feeds().entry(tenant).and_modify(|feed| feed.position = Some(last));
        }
        let mut known: Vec<(TenantId, i64)> =
            known.into_iter().filter_map(|(tenant, position)| Some((tenant, position?))).collect();
        while !known.is_empty() {
            let wanted: Arc<[(TenantId, i64)]> = known.as_slice().into();
            let events = self
                .database
                .read_shared(SharedScope::Platform, async move |tx| {
                    stored_event::after_each(tx, wanted.clone(), AT_ONCE).await
                })
                .await?;
            let is_all = (events.len() as i64) < AT_ONCE;
            let mut feeds = self.feeds();
            for event in events {
                let (tenant, position) = (event.tenant_id, event.position);
                let Some(feed) = feeds.get_mut(&tenant) else { continue };
                feed.position = Some(position);
                // Fails if the last client has just gone.
                let _ = feed.sender.send(Arc::new(event));
            }
            if is_all {
                break;
            }
            known.retain_mut(|(tenant, position)| {
                let feed = feeds.get(tenant).and_then(|feed| feed.position);
                feed.is_some_and(|last| {
                    *position = last;
                    true
                })
            });
        }
        Ok(())
    }

    async fn hear_of(&self, announced: &HashSet<String>) {
        for forgotten in announced.iter().filter_map(|text| text.strip_prefix("forget ")?.parse().ok()) {
            self.feeds().remove(&forgotten);
        }
        let subscribed: HashSet<TenantId> = self.feeds().keys().copied().collect();
        let named = announced.iter().flat_map(|names| names.split(' ')).filter_map(|id| id.parse().ok());
        let wanted: HashSet<TenantId> = match announced.contains(MANY) {
            true => subscribed,
            false => named.filter(|tenant| subscribed.contains(tenant)).collect(),
        };
        if wanted.is_empty() {
            return;
        }
        while let Err(error) = self.read(&wanted).await {
            tracing::warn!(error = %chain(&error), "events cannot be read; trying again");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// The announcement that stands for more businesses than it could name.
const MANY: &str = "many";

impl Listener for EventHub {
    const CHANNEL: &'static str = "tenantry_events";
    const HEARTBEAT: Duration = Duration::from_secs(5);

    fn begin(&self) -> BoxFuture<'_, Result<(), DbError>> {
        // Events may have been announced while nobody listened.
        let subscribed: HashSet<TenantId> = self.feeds().keys().copied().collect();
        Box::pin(async move { self.read(&subscribed).await })
    }

    fn hear<'a>(&'a self, announced: &'a HashSet<String>) -> BoxFuture<'a, ()> {
        Box::pin(self.hear_of(announced))
    }

    fn is_up_to_date(&self, _: Instant) {}

    fn end(&self) {}
}

impl Subscription {
    /// Waits for the next event.
    pub async fn next(&mut self) -> Next {
        match self.receiver.recv().await {
            Ok(event) => Next::Event(event),
            Err(broadcast::error::RecvError::Lagged(_)) => Next::Missed,
            Err(broadcast::error::RecvError::Closed) => Next::End,
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut feeds = self.hub.feeds();
        // This receiver still counts. The feed may be that of another epoch.
        let is_last = |feed: &Feed| feed.number == self.feed && feed.sender.receiver_count() <= 1;
        if feeds.get(&self.tenant).is_some_and(is_last) {
            feeds.remove(&self.tenant);
        }
    }
}
