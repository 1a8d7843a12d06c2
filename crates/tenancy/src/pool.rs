//! The connections of one login: a deadpool of connections that remember their prepared statements.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{self, Metrics, Object, PoolError, RecycleError, RecycleResult, Timeouts};
use deadpool_postgres::ClientWrapper;
use futures_util::FutureExt;
use lru::LruCache;
use tokio_postgres::{Client, Statement};

use crate::connect::{Connector, DatabaseUrl, TlsError};
use crate::error::DbError;
use crate::names::BusinessNumber;

/// Limits of one login's connections. Every duration and count is configured, none is guessed here.
#[derive(Debug, Clone)]
pub struct PoolSettings {
    /// Connections for all tenants together.
    pub max_connections: usize,
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
}

impl Connection {
    pub(crate) fn client(&self) -> &Client {
        &self.link.client
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
        })
    }

    async fn recycle(
        &self,
        connection: &mut Connection,
        metrics: &Metrics,
    ) -> RecycleResult<tokio_postgres::Error> {
        if metrics.age() > self.max_lifetime || connection.visited.len() >= self.max_businesses {
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

/// The pool of one login.
pub(crate) struct Pool {
    inner: managed::Pool<Manager>,
    connector: Connector,
    migrated: Arc<MigratedRealms>,
    wait_timeout: Duration,
}

impl Pool {
    /// Opens no connection yet.
    pub(crate) fn new(url: &DatabaseUrl, settings: &PoolSettings) -> Result<Self, TlsError> {
        let milliseconds = |duration: Duration| duration.as_millis().to_string();
        let connector = Connector::new(
            url,
            &[
                // Empty, so that a query outside of a scope finds no table at all.
                ("search_path", String::new()),
                // What the domain's locking relies on, whatever a DBA has set.
                ("default_transaction_isolation", r"read\ committed".to_owned()),
                ("statement_timeout", milliseconds(settings.statement_timeout)),
                ("lock_timeout", milliseconds(settings.lock_timeout)),
                ("idle_in_transaction_session_timeout", milliseconds(settings.idle_in_transaction_timeout)),
            ],
        )?;
        let migrated = Arc::new(MigratedRealms::default());
        let manager = Manager {
            connector: connector.clone(),
            max_statements: settings.max_statements_per_connection,
            max_lifetime: settings.max_lifetime,
            max_businesses: settings.max_businesses_per_connection,
            migrated: migrated.clone(),
        };
        let inner = managed::Pool::builder(manager)
            .max_size(settings.max_connections)
            .timeouts(Timeouts {
                wait: Some(settings.wait_timeout),
                create: Some(Duration::from_secs(10)),
                recycle: None,
            })
            .runtime(Runtime::Tokio1)
            .build();
        #[expect(clippy::expect_used, reason = "build fails only without a runtime, and one is given above")]
        let inner = inner.expect("a runtime is given");
        Ok(Self { inner, connector, migrated, wait_timeout: settings.wait_timeout })
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that takes a connection")]
    pub(crate) async fn lend(&self, realm: Realm) -> Result<Loan, DbError> {
        let mut loan = self.inner.get().await.map_err(|error| match error {
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
        Ok(loan)
    }

    /// Every connection forgets the statements of `realm` before it is used again.
    pub(crate) fn forget_statements(&self, realm: Realm) {
        self.migrated.push(realm);
    }

    pub(crate) fn connector(&self) -> &Connector {
        &self.connector
    }

    pub(crate) fn status(&self) -> PoolStatus {
        let status = self.inner.status();
        PoolStatus {
            max_connections: status.max_size,
            open: status.size,
            idle: status.available,
            waiting: status.waiting,
        }
    }
}
