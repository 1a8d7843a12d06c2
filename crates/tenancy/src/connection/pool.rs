//! The connections of one login: deadpools of connections that remember their prepared statements.
//!
//! There are several small pools, and a business's number chooses its own: a connection then sees a share of the
//! businesses, so its statements are still there when a business comes back, and its backend remembers fewer tables.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{self, Metrics, Object, PoolError, QueueMode, RecycleError, RecycleResult, Timeouts};
use deadpool_postgres::ClientWrapper;
use futures_util::FutureExt;
use lru::LruCache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::{Client, Statement};

use crate::connection::connect::{Connector, DatabaseUrl, TlsError};
use crate::connection::error::DbError;
use crate::names::tenant_names::BusinessNumber;

/// Limits of one login's connections. Every duration and count is configured, none is guessed here.
#[derive(Debug, Clone)]
pub struct PoolSettings {
    /// Connections for all tenants together.
    pub max_connections: usize,
    /// Among how many pools they are divided; at most one for each connection.
    pub pools: usize,
    /// Transactions of one business at the same time, unless it has a limit of its own.
    pub max_transactions_per_business: usize,
    /// How many more may wait for a turn, and how long, before they are refused.
    pub max_waiting_per_business: usize,
    pub business_wait_timeout: Duration,
    /// How long a request waits for a free connection before it is refused.
    pub wait_timeout: Duration,
    /// Age after which a connection is replaced: a backend never gives back what it learned of a catalogue.
    pub max_lifetime: Duration,
    /// Distinct businesses after which a connection is replaced, for the same reason (about 0.4 MiB each).
    pub max_businesses_per_connection: usize,
    /// Prepared statements kept on a connection; the least recently used go first.
    pub max_statements_per_connection: NonZeroUsize,
    /// Bounds of one statement, of waiting for a lock, and of a transaction that idles.
    pub statement_timeout: Duration,
    pub lock_timeout: Duration,
    pub idle_in_transaction_timeout: Duration,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            max_connections: 20,
            pools: 5,
            max_transactions_per_business: 10,
            max_waiting_per_business: 200,
            business_wait_timeout: Duration::from_secs(3),
            wait_timeout: Duration::from_secs(5),
            max_lifetime: Duration::from_secs(3600),
            max_businesses_per_connection: 200,
            max_statements_per_connection: NonZeroUsize::MIN.saturating_add(499),
            statement_timeout: Duration::from_secs(15),
            lock_timeout: Duration::from_secs(2),
            idle_in_transaction_timeout: Duration::from_secs(30),
        }
    }
}

/// How full a pool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolStatus {
    pub max_connections: usize,
    pub open: usize,
    pub idle: usize,
    pub waiting: usize,
}

/// Whose tables a statement was planned for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Realm {
    Shared,
    Business(BusinessNumber),
}

/// The part of a connection that outlives a loan by a moment.
struct Link {
    client: ClientWrapper,
    /// Whether the last transaction still waits for its ROLLBACK.
    unfinished: Mutex<bool>,
}

impl Link {
    fn unfinished(&self) -> std::sync::MutexGuard<'_, bool> {
        self.unfinished.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the ROLLBACK, if nobody has; held against whoever opens the next transaction meanwhile.
    fn roll_back(&self) {
        let mut unfinished = self.unfinished();
        if std::mem::take(&mut *unfinished) {
            let _ = self.client.batch_execute("ROLLBACK").now_or_never();
        }
    }
}

/// One pooled connection.
pub(crate) struct Connection {
    link: Arc<Link>,
    /// Keyed by realm too: a statement planned for one schema is planned anew whenever it runs in another.
    statements: Mutex<LruCache<(Realm, &'static str), Statement>>,
    visited: HashSet<BusinessNumber>,
    migrations_seen: usize,
    /// It is not to be lent again.
    is_worn_out: AtomicBool,
}

impl Connection {
    pub(crate) fn client(&self) -> &Client {
        &self.link.client
    }

    /// Keeps the connection from being lent again.
    pub(crate) fn wear_out(&self) {
        self.is_worn_out.store(true, Ordering::Relaxed);
    }

    /// Ends the transaction with a ROLLBACK that nobody waits for.
    ///
    /// Under load the next user takes it along in the message that opens his own: that saves the server an answer, and
    /// a sixth of the cost of a small read. Otherwise it is sent as soon as what is ready to run has run.
    pub(crate) fn roll_back_soon(&self) {
        *self.link.unfinished() = true;
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                let link = self.link.clone();
                runtime.spawn(async move {
                    tokio::task::yield_now().await;
                    link.roll_back();
                });
            }
            Err(_) => self.link.roll_back(),
        }
    }

    /// Whether the one who opens a transaction now has to end the last one in the same message.
    pub(crate) fn take_unfinished(&self) -> bool {
        std::mem::take(&mut *self.link.unfinished())
    }

    pub(crate) fn statement(&self, realm: Realm, sql: &'static str) -> Option<Statement> {
        self.statements().get(&(realm, sql)).cloned()
    }

    pub(crate) fn remember(&self, realm: Realm, sql: &'static str, statement: &Statement) {
        self.statements().put((realm, sql), statement.clone());
    }

    fn forget(&self, realm: Realm) {
        let mut statements = self.statements();
        let stale: Vec<_> =
            statements.iter().map(|(key, _)| *key).filter(|(planned_for, _)| *planned_for == realm).collect();
        for key in stale {
            statements.pop(&key);
        }
    }

    fn statements(&self) -> std::sync::MutexGuard<'_, LruCache<(Realm, &'static str), Statement>> {
        // The cache is whole at every step, so a panic elsewhere leaves it usable.
        self.statements.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The realms whose tables changed under prepared statements, in the order in which that was found out.
///
/// A connection compares its position with the end when it is handed out: one atomic load while nothing migrates.
#[derive(Default)]
pub(crate) struct MigratedRealms {
    count: AtomicUsize,
    realms: Mutex<Vec<Realm>>,
}

impl MigratedRealms {
    fn push(&self, realm: Realm) {
        let mut realms = self.realms.lock().unwrap_or_else(PoisonError::into_inner);
        realms.push(realm);
        self.count.store(realms.len(), Ordering::Release);
    }

    fn since(&self, position: usize) -> Vec<Realm> {
        self.realms.lock().unwrap_or_else(PoisonError::into_inner)[position..].to_vec()
    }
}

pub(crate) struct Manager {
    connector: Connector,
    max_statements: NonZeroUsize,
    max_lifetime: Duration,
    max_businesses: usize,
    migrated: Arc<MigratedRealms>,
}

impl managed::Manager for Manager {
    type Type = Connection;
    type Error = tokio_postgres::Error;

    async fn create(&self) -> Result<Connection, tokio_postgres::Error> {
        Ok(Connection {
            link: Arc::new(Link { client: self.connector.open().await?, unfinished: Mutex::new(false) }),
            statements: Mutex::new(LruCache::new(self.max_statements)),
            visited: HashSet::new(),
            migrations_seen: self.migrated.count.load(Ordering::Acquire),
            is_worn_out: AtomicBool::new(false),
        })
    }

    async fn recycle(
        &self,
        connection: &mut Connection,
        metrics: &Metrics,
    ) -> RecycleResult<tokio_postgres::Error> {
        let is_worn_out = *connection.is_worn_out.get_mut();
        if is_worn_out || metrics.age() > self.max_lifetime || connection.visited.len() >= self.max_businesses
        {
            return Err(RecycleError::message("retired: it has served its time"));
        }
        // No query asks whether it works: a scope begins with its own BEGIN, and a connection that was abandoned in
        // flight never comes back.
        if connection.client().is_closed() {
            return Err(RecycleError::message("closed"));
        }
        Ok(())
    }
}

/// A connection on loan; it goes back to the pool when dropped.
pub(crate) type Loan = Object<Manager>;

/// The pools of one login.
pub(crate) struct Pool {
    /// A business's number chooses one of them.
    pools: Vec<managed::Pool<Manager>>,
    turns: Turns,
    connector: Connector,
    migrated: Arc<MigratedRealms>,
    wait_timeout: Duration,
}

/// How long a business waits for a connection of its own pool before another pool helps out.
const HELP_AFTER: Duration = Duration::from_millis(1);

impl Pool {
    /// Opens no connection yet.
    pub(crate) fn new(url: &DatabaseUrl, settings: &PoolSettings) -> Result<Self, TlsError> {
        let milliseconds = |duration: Duration| duration.as_millis().to_string();
        // Empty, so that a query outside of a scope finds no table at all.
        let mut search_path = String::new();
        if cfg!(feature = "unscoped") {
            assert!(
                std::env::var_os("TENANTRY_UNSCOPED").is_some(),
                "this build serves one business's rows to everybody; it is for scripts/bench alone"
            );
            search_path.push_str("business_1,extensions");
        }
        let connector = Connector::new(
            url,
            &[
                ("search_path", search_path),
                // What the domain's locking relies on, whatever a DBA has set.
                ("default_transaction_isolation", r"read\ committed".to_owned()),
                // One plan for each statement, made once: planning anew for each value costs a rarely seen business
                // more than the query, and no test could tell which plan production will change to.
                ("plan_cache_mode", "force_generic_plan".to_owned()),
                // One plan for all values supposes more rows than there are, and the default (4, for discs that turn) then
                // reads tables whole that are in memory.
                ("random_page_cost", "1.1".to_owned()),
                ("statement_timeout", milliseconds(settings.statement_timeout)),
                ("lock_timeout", milliseconds(settings.lock_timeout)),
                ("idle_in_transaction_session_timeout", milliseconds(settings.idle_in_transaction_timeout)),
            ],
        )?;
        let migrated = Arc::new(MigratedRealms::default());
        let count = settings.pools.clamp(1, settings.max_connections.max(1));
        let pools = (0..count).map(|index| {
            let manager = Manager {
                connector: connector.clone(),
                max_statements: settings.max_statements_per_connection,
                max_lifetime: settings.max_lifetime,
                max_businesses: settings.max_businesses_per_connection,
                migrated: migrated.clone(),
            };
            // The first ones take what cannot be divided.
            let size =
                settings.max_connections / count + usize::from(index < settings.max_connections % count);
            // The connection that was used last has the most in its caches, and those left over are never opened.
            let builder = managed::Pool::builder(manager).max_size(size).queue_mode(QueueMode::Lifo);
            let built = builder.runtime(Runtime::Tokio1).build();
            #[expect(
                clippy::expect_used,
                reason = "build fails only without a runtime, and one is given above"
            )]
            built.expect("a runtime is given")
        });
        Ok(Self {
            pools: pools.collect(),
            turns: Turns::new(settings),
            connector,
            migrated,
            wait_timeout: settings.wait_timeout,
        })
    }

    /// A connection for `realm`; `limit` is the business's own limit of transactions at the same time.
    pub(crate) async fn lend(&self, realm: Realm, limit: Option<usize>) -> Result<Lent, DbError> {
        let turn = match realm {
            Realm::Business(number) => Some(self.turns.take(number, limit).await?),
            Realm::Shared => None,
        };
        let mut loan = self.borrow(realm).await.map_err(|error| match error {
            PoolError::Backend(error) => DbError::Connect(error),
            PoolError::Timeout(_)
            | PoolError::Closed
            | PoolError::NoRuntimeSpecified
            | PoolError::PostCreateHook(_) => DbError::Exhausted(self.wait_timeout),
        })?;
        let seen = loan.migrations_seen;
        if seen < self.migrated.count.load(Ordering::Acquire) {
            let migrated = self.migrated.since(seen);
            loan.migrations_seen += migrated.len();
            migrated.into_iter().for_each(|realm| loan.forget(realm));
        }
        if let Realm::Business(number) = realm {
            loan.visited.insert(number);
        }
        Ok(Lent { loan, _turn: turn })
    }

    /// From the realm's own pool; from another one when none comes free in a moment; else whoever is first in its own.
    async fn borrow(&self, realm: Realm) -> Result<Loan, PoolError<tokio_postgres::Error>> {
        let count = self.pools.len();
        let own = match realm {
            Realm::Shared => 0,
            Realm::Business(number) => usize::try_from(number.get()).unwrap_or_default() % count,
        };
        let waiting =
            |wait| Timeouts { wait: Some(wait), create: Some(Duration::from_secs(10)), recycle: None };
        if count > 1 {
            for (distance, wait) in
                (0..count).zip(std::iter::once(HELP_AFTER).chain(std::iter::repeat(Duration::ZERO)))
            {
                match get(&self.pools[(own + distance) % count], waiting(wait)).await {
                    Err(PoolError::Timeout(_)) => {}
                    other => return other,
                }
            }
        }
        get(&self.pools[own], waiting(self.wait_timeout)).await
    }

    /// Every connection forgets the statements of `realm` before it is used again.
    pub(crate) fn forget_statements(&self, realm: Realm) {
        self.migrated.push(realm);
    }

    pub(crate) fn connector(&self) -> &Connector {
        &self.connector
    }

    pub(crate) fn status(&self) -> PoolStatus {
        let mut sum = PoolStatus { max_connections: 0, open: 0, idle: 0, waiting: 0 };
        for status in self.pools.iter().map(managed::Pool::status) {
            sum.max_connections += status.max_size;
            sum.open += status.size;
            sum.idle += status.available;
            sum.waiting += status.waiting;
        }
        sum
    }
}

/// A connection that exists, or one that has to be opened: by a task of its own, so that it is there for the next one
/// when whoever asked for it gives up meanwhile.
#[expect(clippy::disallowed_methods, reason = "the one place that takes a connection")]
async fn get(
    pool: &managed::Pool<Manager>,
    timeouts: Timeouts,
) -> Result<Loan, PoolError<tokio_postgres::Error>> {
    let status = pool.status();
    if status.available > 0 || status.size >= status.max_size {
        return pool.timeout_get(&timeouts).await;
    }
    let pool = pool.clone();
    let opening = tokio::spawn(async move { pool.timeout_get(&timeouts).await });
    // The task ends early only with the runtime, and then nobody is served.
    opening.await.unwrap_or(Err(PoolError::Closed))
}

/// A connection and its business's turn.
pub(crate) struct Lent {
    pub(crate) loan: Loan,
    pub(crate) _turn: Option<OwnedSemaphorePermit>,
}

/// Sees to it that one business does not take all connections: so many transactions at the same time, a short queue
/// behind them, and nobody else.
struct Turns {
    businesses: Mutex<HashMap<BusinessNumber, Arc<Turn>>>,
    most: usize,
    most_waiting: usize,
    wait_timeout: Duration,
}

struct Turn {
    /// What the semaphore was made for; a business whose limit has changed gets another one.
    most: usize,
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// Businesses that are remembered before those at rest are forgotten.
const REMEMBERED: usize = 4096;

impl Turns {
    fn new(settings: &PoolSettings) -> Self {
        Self {
            businesses: Mutex::default(),
            most: settings.max_transactions_per_business,
            most_waiting: settings.max_waiting_per_business,
            wait_timeout: settings.business_wait_timeout,
        }
    }

    async fn take(
        &self,
        number: BusinessNumber,
        limit: Option<usize>,
    ) -> Result<OwnedSemaphorePermit, DbError> {
        let turn = self.turn(number, limit.unwrap_or(self.most));
        if let Ok(permit) = turn.permits.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let _waiting = Waiting::join(&turn.waiting, self.most_waiting).ok_or(DbError::BusinessBusy)?;
        match tokio::time::timeout(self.wait_timeout, turn.permits.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(DbError::BusinessBusy),
        }
    }

    fn turn(&self, number: BusinessNumber, most: usize) -> Arc<Turn> {
        let mut businesses = self.businesses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = businesses.get(&number).filter(|turn| turn.most == most) {
            return turn.clone();
        }
        if businesses.len() >= REMEMBERED {
            businesses.retain(|_, turn| turn.permits.available_permits() < turn.most);
        }
        let turn =
            Arc::new(Turn { most, permits: Arc::new(Semaphore::new(most)), waiting: AtomicUsize::new(0) });
        businesses.insert(number, turn.clone());
        turn
    }
}

/// A place in a queue, given up when dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn join(waiting: &'a AtomicUsize, most: usize) -> Option<Self> {
        let place = Self(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < most).then_some(place)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
