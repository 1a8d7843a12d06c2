//! The connection pools of one login. Each pool is a deadpool pool, and each connection caches its prepared
//! statements.
//!
//! There are several small pools, and the number of a business selects its pool. Each connection therefore
//! serves only a share of the businesses. When a business sends its next request, the connection still has
//! the prepared statements in its cache. Each PostgreSQL backend also caches fewer tables.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use deadpool::Runtime;
use deadpool::managed::{self, Metrics, Object, PoolError, QueueMode, RecycleError, RecycleResult, Timeouts};
use deadpool_postgres::ClientWrapper;
use futures_util::FutureExt;
use lru::LruCache;
use tokio::sync::OwnedSemaphorePermit;
use tokio_postgres::{Client, Statement};

use crate::connection::clock::Clock;
use crate::connection::connect::{DatabaseUrl, TlsError};
use crate::connection::connector::Connector;
use crate::connection::error::DbError;
use crate::connection::pool_settings::PoolSettings;
use crate::connection::server_watch::ServerWatch;
use crate::connection::transaction::ROLLBACK;
use crate::connection::turns::Turns;
use crate::names::database::TenantNumber;

/// The connection counts of all pools of one login, added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolStatus {
    /// The highest number of connections that may be open at the same time.
    pub max_connections: usize,
    /// Open connections, both idle and in use.
    pub open: usize,
    /// Open connections that no transaction uses.
    pub idle: usize,
    /// Callers that wait for a connection.
    pub waiting: usize,
    /// Transactions that have waited for longer than a millisecond for their turn or for a connection.
    pub waits: u64,
    /// The sum of these waits, in microseconds.
    pub waited_us: u64,
}

/// The schema whose tables a statement was planned for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum SchemaKey {
    Shared,
    Tenant(TenantNumber),
}

/// The part of a connection that the ROLLBACK task may still use for a moment after the loan ends.
struct Link {
    client: ClientWrapper,
    /// Whether the ROLLBACK of the last transaction must still be sent.
    unfinished: Mutex<bool>,
}

impl Link {
    fn unfinished(&self) -> std::sync::MutexGuard<'_, bool> {
        self.unfinished.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the ROLLBACK if it has not been sent yet. The lock on `unfinished` is held until then, so that
    /// no other transaction can begin before the ROLLBACK.
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
    /// The schema is part of the key, because PostgreSQL plans a statement again whenever the statement runs
    /// in another schema.
    statements: Mutex<LruCache<(SchemaKey, &'static str), Statement>>,
    visited: HashSet<TenantNumber>,
    migrations_seen: usize,
    clock: Clock,
    /// The generation of [`ServerWatch`] in which the connection was opened.
    generation: u64,
    /// The connection must not be lent again.
    is_worn_out: AtomicBool,
}

impl Connection {
    pub(crate) fn client(&self) -> &Client {
        &self.link.client
    }

    /// The generation in which the connection was opened.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Marks the connection so that it is not lent again.
    pub(crate) fn wear_out(&self) {
        self.is_worn_out.store(true, Ordering::Relaxed);
    }

    /// Ends the transaction with a ROLLBACK and does not wait for its answer.
    ///
    /// Under load, the next transaction sends the ROLLBACK in the same message as its own opening. The common
    /// message saves the server one answer, and saves a sixth of the cost of a small read. Otherwise the
    /// ROLLBACK is sent as soon as all tasks that are ready now have run.
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

    /// What the database's clock shows now.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Returns whether the next transaction must send the ROLLBACK of the last one in its opening message,
    /// and clears that mark.
    pub(crate) fn take_unfinished(&self) -> bool {
        std::mem::take(&mut *self.link.unfinished())
    }

    pub(crate) fn statement(&self, schema_key: SchemaKey, sql: &'static str) -> Option<Statement> {
        self.statements().get(&(schema_key, sql)).cloned()
    }

    pub(crate) fn remember(&self, schema_key: SchemaKey, sql: &'static str, statement: &Statement) {
        self.statements().put((schema_key, sql), statement.clone());
    }

    fn forget(&self, schema_key: SchemaKey) {
        let mut statements = self.statements();
        let stale: Vec<_> = statements
            .iter()
            .map(|(key, _)| *key)
            .filter(|(planned_for, _)| *planned_for == schema_key)
            .collect();
        for key in stale {
            statements.pop(&key);
        }
    }

    fn statements(&self) -> std::sync::MutexGuard<'_, LruCache<(SchemaKey, &'static str), Statement>> {
        // The cache is consistent at every step, so it stays usable after a panic elsewhere.
        self.statements.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Schemas whose tables changed after statements had been prepared for them, in the order of discovery.
///
/// When a connection is lent, it compares its position in this list with the end of the list. While nothing
/// migrates, the comparison costs one atomic load.
#[derive(Default)]
pub(crate) struct MigratedSchemas {
    count: AtomicUsize,
    schema_keys: Mutex<Vec<SchemaKey>>,
}

impl MigratedSchemas {
    fn push(&self, schema_key: SchemaKey) {
        let mut schema_keys = self.schema_keys.lock().unwrap_or_else(PoisonError::into_inner);
        schema_keys.push(schema_key);
        self.count.store(schema_keys.len(), Ordering::Release);
    }

    fn since(&self, position: usize) -> Vec<SchemaKey> {
        self.schema_keys.lock().unwrap_or_else(PoisonError::into_inner)[position..].to_vec()
    }
}

pub(crate) struct Manager {
    connector: Connector,
    max_statements: NonZeroUsize,
    max_lifetime: Duration,
    max_businesses: usize,
    migrated: Arc<MigratedSchemas>,
    watch: Arc<ServerWatch>,
}

impl Manager {
    async fn open(&self) -> Result<(ClientWrapper, Clock), DbError> {
        let opening = async {
            let client = self.connector.open().await?;
            let clock = Clock::read(&client, "").await.map_err(DbError::Connect)?;
            Ok((client, clock))
        };
        tokio::select! {
            biased;
            () = self.watch.down() => Err(DbError::NoServer),
            opened = opening => opened,
        }
    }
}

impl managed::Manager for Manager {
    type Type = Connection;
    type Error = DbError;

    async fn create(&self) -> Result<Connection, DbError> {
        let generation = self.watch.generation();
        // Opening is rare, so its future is boxed and does not make the future of each request larger.
        let (client, clock) = Box::pin(self.open()).await?;
        Ok(Connection {
            link: Arc::new(Link { client, unfinished: Mutex::new(false) }),
            statements: Mutex::new(LruCache::new(self.max_statements)),
            visited: HashSet::new(),
            migrations_seen: self.migrated.count.load(Ordering::Acquire),
            clock,
            generation,
            is_worn_out: AtomicBool::new(false),
        })
    }

    async fn recycle(&self, connection: &mut Connection, metrics: &Metrics) -> RecycleResult<DbError> {
        let is_worn_out = *connection.is_worn_out.get_mut();
        if is_worn_out || metrics.age() > self.max_lifetime || connection.visited.len() >= self.max_businesses
        {
            return Err(RecycleError::message("the connection is retired"));
        }
        // No query tests the connection. A scope begins with its own BEGIN, and a connection that was dropped
        // with a statement in flight never returns to the pool.
        if connection.client().is_closed() || connection.generation != self.watch.generation() {
            return Err(RecycleError::message(
                "the connection leads nowhere, or to a server that was replaced",
            ));
        }
        if connection.clock.is_old() {
            let before = if connection.take_unfinished() { ROLLBACK } else { "" };
            connection.clock = Clock::read(connection.client(), before).await.map_err(DbError::Query)?;
        }
        Ok(())
    }
}

/// A borrowed connection, which returns to the pool when it is dropped.
pub(crate) type Loan = Object<Manager>;

/// The pools of one login.
pub(crate) struct Pool {
    /// The number of a business selects one of these pools.
    pools: Vec<managed::Pool<Manager>>,
    turns: Turns,
    connector: Connector,
    migrated: Arc<MigratedSchemas>,
    watch: Arc<ServerWatch>,
    /// Whether the watch must look closely while connections are used.
    serves_requests: bool,
    wait_timeout: Duration,
    longest_silence: Duration,
    waits: AtomicU64,
    waited_us: AtomicU64,
}

/// Time that a business waits for a connection of its own pool before it may take one of another pool.
const HELP_AFTER: Duration = Duration::from_millis(1);

impl Pool {
    /// Creates the pools. Connections are opened on first use.
    pub(crate) fn new(url: &DatabaseUrl, settings: &PoolSettings) -> Result<Self, TlsError> {
        let milliseconds = |duration: Duration| duration.as_millis().to_string();
        // The search_path is empty, so that a query outside a scope finds no table.
        let search_path = String::new();
        let connector = Connector::new(
            url,
            &[
                ("search_path", search_path),
                // The locking of the domain code relies on this level, whatever default a DBA has set.
                ("default_transaction_isolation", r"read\ committed".to_owned()),
                // Each statement gets one plan, made once. For a business with few requests, a new plan for
                // each value costs more than the query. With changing plans, no test could know which plan
                // production will use.
                ("plan_cache_mode", "force_generic_plan".to_owned()),
                // A plan for all values assumes more rows than the tables have. With the default of 4, made
                // for spinning disks, PostgreSQL then scans whole tables that are in memory.
                ("random_page_cost", "1.1".to_owned()),
                ("statement_timeout", milliseconds(settings.statement_timeout)),
                ("lock_timeout", milliseconds(settings.lock_timeout)),
                ("idle_in_transaction_session_timeout", milliseconds(settings.idle_in_transaction_timeout)),
            ],
        )?;
        let (migrated, watch) = (Arc::default(), Arc::new(ServerWatch::new()));
        Ok(Self::with(connector, migrated, watch, settings))
    }

    /// Other pools to the same server for work in the background, with the same watch over it.
    pub(crate) fn beside(&self, settings: &PoolSettings) -> Self {
        let pool = Self::with(self.connector.clone(), self.migrated.clone(), self.watch.clone(), settings);
        Self { serves_requests: false, ..pool }
    }

    fn with(
        connector: Connector,
        migrated: Arc<MigratedSchemas>,
        watch: Arc<ServerWatch>,
        settings: &PoolSettings,
    ) -> Self {
        let count = settings.pools.clamp(1, settings.max_connections.max(1));
        let pools = (0..count).map(|index| {
            let manager = Manager {
                connector: connector.clone(),
                max_statements: settings.max_statements_per_connection,
                max_lifetime: settings.max_lifetime,
                max_businesses: settings.max_businesses_per_connection,
                migrated: migrated.clone(),
                watch: watch.clone(),
            };
            // The first pools get the remainder of the division.
            let size =
                settings.max_connections / count + usize::from(index < settings.max_connections % count);
            // LIFO: the connection that was used last has the fullest caches, and surplus connections are
            // never opened.
            let builder = managed::Pool::builder(manager).max_size(size).queue_mode(QueueMode::Lifo);
            let built = builder.runtime(Runtime::Tokio1).build();
            #[expect(
                clippy::expect_used,
                reason = "build fails only without a runtime, and one is given above"
            )]
            built.expect("a runtime is given")
        });
        Self {
            pools: pools.collect(),
            turns: Turns::new(
                settings.max_transactions_per_business,
                settings.max_waiting_per_business,
                settings.business_wait_timeout,
            ),
            connector,
            migrated,
            watch,
            serves_requests: true,
            waits: AtomicU64::new(0),
            waited_us: AtomicU64::new(0),
            wait_timeout: settings.wait_timeout,
            longest_silence: settings.longest_silence,
        }
    }

    /// Lends a connection for `schema_key`. `limit` is the business's own limit of concurrent transactions.
    pub(crate) async fn lend(&self, schema_key: SchemaKey, limit: Option<usize>) -> Result<Lent, DbError> {
        if self.serves_requests {
            self.watch.note_use();
        }
        let asked = Instant::now();
        let lent = self.lend_now(schema_key, limit).await;
        let waited = asked.elapsed();
        if waited > Duration::from_millis(1) {
            self.waits.fetch_add(1, Ordering::Relaxed);
            let waited_us = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
            self.waited_us.fetch_add(waited_us, Ordering::Relaxed);
        }
        lent
    }

    async fn lend_now(&self, schema_key: SchemaKey, limit: Option<usize>) -> Result<Lent, DbError> {
        if self.watch.state().is_down() {
            return Err(DbError::NoServer);
        }
        let turn = match schema_key {
            SchemaKey::Tenant(number) => Some(self.turns.take(number, limit).await.map_err(|error| {
                // The business waits for a server that does not answer, so it is not the business's fault.
                if self.watch.is_late() { DbError::NoServer } else { error }
            })?),
            SchemaKey::Shared => None,
        };
        let mut loan = self.borrow(schema_key).await.map_err(|error| match error {
            PoolError::Backend(error) => error,
            PoolError::Timeout(_)
            | PoolError::Closed
            | PoolError::NoRuntimeSpecified
            | PoolError::PostCreateHook(_) => DbError::Exhausted(self.wait_timeout),
        })?;
        let seen = loan.migrations_seen;
        if seen < self.migrated.count.load(Ordering::Acquire) {
            let migrated = self.migrated.since(seen);
            loan.migrations_seen += migrated.len();
            migrated.into_iter().for_each(|schema_key| loan.forget(schema_key));
        }
        if let SchemaKey::Tenant(number) = schema_key {
            loan.visited.insert(number);
        }
        Ok(Lent { loan, _turn: turn })
    }

    /// Borrows a connection of the schema's own pool. If none is free after `HELP_AFTER`, tries the other
    /// pools. If all are busy, waits in the queue of the schema's own pool.
    async fn borrow(&self, schema_key: SchemaKey) -> Result<Loan, PoolError<DbError>> {
        let count = self.pools.len();
        let own = match schema_key {
            SchemaKey::Shared => 0,
            SchemaKey::Tenant(number) => usize::try_from(number.get()).unwrap_or_default() % count,
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

    /// Makes every connection drop its prepared statements of `schema_key` before the connection is used
    /// again.
    pub(crate) fn forget_statements(&self, schema_key: SchemaKey) {
        self.migrated.push(schema_key);
    }

    pub(crate) fn connector(&self) -> &Connector {
        &self.connector
    }

    pub(crate) fn watch(&self) -> &ServerWatch {
        &self.watch
    }

    /// Watches the server for as long as the future is polled; see [`PoolSettings::longest_silence`].
    pub(crate) async fn keep_watch(&self) {
        let longest_silence = self.longest_silence;
        let close_idle = || {
            for pool in &self.pools {
                pool.retain(|_, _| false);
            }
        };
        self.watch.keep(&self.connector, longest_silence, close_idle).await;
    }

    pub(crate) fn status(&self) -> PoolStatus {
        let (waits, waited_us) = (self.waits.load(Ordering::Relaxed), self.waited_us.load(Ordering::Relaxed));
        let mut sum = PoolStatus { max_connections: 0, open: 0, idle: 0, waiting: 0, waits, waited_us };
        for status in self.pools.iter().map(managed::Pool::status) {
            sum.max_connections += status.max_size;
            sum.open += status.size;
            sum.idle += status.available;
            sum.waiting += status.waiting;
        }
        sum
    }
}

/// Takes an existing connection or opens a new one. A separate task opens the connection, so that the
/// connection is available to the next caller if this caller stops waiting.
#[expect(clippy::disallowed_methods, reason = "the one place that takes a connection")]
async fn get(pool: &managed::Pool<Manager>, timeouts: Timeouts) -> Result<Loan, PoolError<DbError>> {
    let status = pool.status();
    if status.available > 0 || status.size >= status.max_size {
        return pool.timeout_get(&timeouts).await;
    }
    let pool = pool.clone();
    let opening = tokio::spawn(async move { pool.timeout_get(&timeouts).await });
    // The task ends early only when the runtime shuts down, and then no request is served any more.
    opening.await.unwrap_or(Err(PoolError::Closed))
}

/// A borrowed connection and the turn of its business.
pub(crate) struct Lent {
    pub(crate) loan: Loan,
    pub(crate) _turn: Option<OwnedSemaphorePermit>,
}
