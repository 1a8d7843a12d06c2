//! The server's only access to scoped transactions: `read`, `write` and their variants run a closure inside
//! one, and run the closure again when a retry may help.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use const_format::concatcp;
use deadpool_postgres::ClientWrapper;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;
use tokio_postgres::error::SqlState;

use crate::connection::connect::{DatabaseUrl, TlsError};
use crate::connection::error::{DbError, is_stale_plan, may_succeed_again, root_sqlstate};
use crate::connection::pool::{Pool, PoolStatus, SchemaKey};
use crate::connection::pool_settings::PoolSettings;
use crate::connection::server_watch::ServerState;
use crate::connection::transaction::{ROLLBACK, Transaction};
use crate::failpoint;
use crate::scope::opening::Mode;
use crate::scope::settled::BEGINS_WITHIN;
use crate::scope::transactions::{ScopedTx, SharedScope, SharedTx, TenantScope, TenantTx};

const MAX_RETRIES: usize = 3;

/// The setting of a transaction that may be idle for any time.
const STAY_OPEN: &str = "SET LOCAL idle_in_transaction_session_timeout = 0";

/// The database, as seen by one login. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    pool: Arc<Pool>,
    /// Notified when a transaction with an event was committed.
    event_written: Arc<Notify>,
}

impl Database {
    /// Creates the pools. Connections are opened on first use.
    ///
    /// # Errors
    /// [`TlsError`] when the URL requires TLS that cannot be set up.
    pub fn new(url: &DatabaseUrl, settings: &PoolSettings) -> Result<Self, TlsError> {
        Ok(Self { pool: Arc::new(Pool::new(url, settings)?), event_written: Arc::default() })
    }

    /// The same database with connections of its own, for work in the background that must not wait behind
    /// requests.
    #[must_use]
    pub fn beside(&self, settings: &PoolSettings) -> Self {
        Self { pool: Arc::new(self.pool.beside(settings)), event_written: self.event_written.clone() }
    }

    /// Runs `work` in one transaction of `scope`, which is always rolled back. Runs `work` again when a retry
    /// may help.
    ///
    /// Nothing is sent before the first statement; the scope is sent in one flight with it. The transaction
    /// ends with a ROLLBACK that nobody waits for. In debug builds the transaction is READ ONLY, so that
    /// tests find a write inside a read. Release builds omit READ ONLY, because it costs a tenth of the
    /// throughput.
    ///
    /// # Errors
    /// The error of `work`, and [`DbError`] when there is no connection or the business has too many
    /// transactions.
    pub async fn read<T, E>(
        &self,
        scope: &TenantScope,
        work: impl AsyncFn(&TenantTx) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: Error + From<DbError> + 'static,
    {
        self.run(scope, Mode::Read, work).await
    }

    /// As [`Database::read`], for several statements that must agree, such as a document and its lines. All
    /// statements see the data at the moment of the first one. A snapshot costs a tenth of the throughput of
    /// a small read.
    ///
    /// # Errors
    /// As [`Database::read`].
    pub async fn read_snapshot<T, E>(
        &self,
        scope: &TenantScope,
        work: impl AsyncFn(&TenantTx) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: Error + From<DbError> + 'static,
    {
        self.run(scope, Mode::Snapshot, work).await
    }

    /// Runs `work` in one transaction of `scope` and commits it. Any error rolls the transaction back.
    ///
    /// After a serialization failure, a deadlock or a lock timeout, `work` runs again, up to three times. It
    /// also runs again when a prepared statement is out of date after a migration, when the connection turns
    /// out to be broken or does not know the role of a new business yet, and when the server takes no writes
    /// any more and another one may have taken its place. `work` must therefore do nothing except database
    /// work.
    ///
    /// # Errors
    /// The error of `work`, and [`DbError`] when there is no connection, the business has too many
    /// transactions or the commit fails.
    pub async fn write<T, E>(
        &self,
        scope: &TenantScope,
        work: impl AsyncFn(&TenantTx) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: Error + From<DbError> + 'static,
    {
        self.run(scope, Mode::Write, work).await
    }

    /// As [`Database::read`], for the `shared` schema.
    ///
    /// # Errors
    /// As [`Database::read`].
    pub async fn read_shared<T, E>(
        &self,
        scope: SharedScope,
        work: impl AsyncFn(&SharedTx) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: Error + From<DbError> + 'static,
    {
        self.run(&scope, Mode::Read, work).await
    }

    /// As [`Database::write`], for the `shared` schema.
    ///
    /// # Errors
    /// As [`Database::write`].
    pub async fn write_shared<T, E>(
        &self,
        scope: SharedScope,
        work: impl AsyncFn(&SharedTx) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: Error + From<DbError> + 'static,
    {
        self.run(&scope, Mode::Write, work).await
    }

    /// Checks that the server answers.
    ///
    /// # Errors
    /// [`DbError`] when the server does not answer.
    pub async fn ping(&self) -> Result<(), DbError> {
        self.read_shared(SharedScope::Public, async |tx| tx.query_one("SELECT 1", &[]).await.map(drop)).await
    }

    /// Watches the server for as long as the future is polled, so that its failures are noticed at once:
    /// connections that are of no use leave the pools, and requests that would wait in vain are refused.
    pub async fn keep_watch(&self) {
        self.pool.keep_watch().await;
    }

    /// The state of the server, which is known only while [`Database::keep_watch`] is polled.
    pub fn server_state(&self) -> ServerState {
        self.pool.watch().state()
    }

    /// Whether the server has not answered the watch for a moment: it is slow or hangs.
    pub fn is_server_late(&self) -> bool {
        self.pool.watch().is_late()
    }

    /// Returns the connection counts at this moment, for the metrics.
    pub fn pool_status(&self) -> PoolStatus {
        self.pool.status()
    }

    /// Begins a transaction of the login itself, for provisioning and migrations.
    pub(crate) async fn begin_unscoped(&self) -> Result<Transaction, DbError> {
        self.begin_as_login("BEGIN").await
    }

    /// As [`Database::begin_unscoped`], for long work that reads and writes files between its statements. The
    /// transaction may be idle for any time.
    pub(crate) async fn begin_patient(&self) -> Result<Transaction, DbError> {
        self.begin_as_login(concatcp!("BEGIN; ", STAY_OPEN)).await
    }

    /// As [`Database::begin_patient`], for reads only. All statements see the same moment.
    pub(crate) async fn begin_snapshot(&self) -> Result<Transaction, DbError> {
        self.begin_as_login(concatcp!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ", STAY_OPEN)).await
    }

    async fn begin_as_login(&self, opening: &str) -> Result<Transaction, DbError> {
        let lent = self.pool.lend(SchemaKey::Shared, None).await?;
        Ok(Transaction::new(
            lent,
            self.pool.clone(),
            SchemaKey::Shared,
            format!("{ROLLBACK}{opening}").into(),
        ))
    }

    /// Notified when a transaction with an event was committed.
    pub(crate) fn event_written(&self) -> Arc<Notify> {
        self.event_written.clone()
    }

    /// Opens a connection outside the pools, for uses that outlive a transaction, such as a session lock.
    pub(crate) async fn connect(&self) -> Result<ClientWrapper, DbError> {
        self.pool.connector().open_lasting(None).await
    }

    /// Opens a connection outside the pools that sends its notifications to `listener`.
    pub(crate) async fn connect_telling(
        &self,
        listener: UnboundedSender<String>,
    ) -> Result<ClientWrapper, DbError> {
        self.pool.connector().open_lasting(Some(listener)).await
    }

    async fn begin<Tx: ScopedTx>(&self, scope: &Tx::Scope, mode: Mode) -> Result<Tx, DbError> {
        let schema_key = Tx::schema_key(scope);
        let lent = self.pool.lend(schema_key, Tx::limit(scope)).await?;
        let transaction = Transaction::new(lent, self.pool.clone(), schema_key, Tx::opening(scope, mode));
        let transaction = match mode {
            Mode::Write => transaction.beginning_within(BEGINS_WITHIN),
            Mode::Read | Mode::Snapshot => transaction,
        };
        Ok(Tx::over(transaction, scope))
    }

    async fn run<Tx: ScopedTx, T, E>(
        &self,
        scope: &Tx::Scope,
        mode: Mode,
        work: impl AsyncFn(&Tx) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: Error + From<DbError> + 'static,
    {
        let mut pauses = pauses();
        let mut replanned = false;
        loop {
            let (never_began, generation);
            // A failed transaction must return its connection before the pause.
            let outcome = {
                let tx = self.begin::<Tx>(scope, mode).await?;
                let worked = work(&tx).await;
                (never_began, generation) = (tx.never_began(), tx.generation());
                failpoint::panic_now_and_then();
                match worked {
                    Ok(value) if mode == Mode::Write => {
                        let has_event = tx.has_event();
                        let committed = tx.into_transaction().commit().await;
                        if has_event && committed.is_ok() {
                            self.event_written.notify_one();
                        }
                        committed.map(|()| value).map_err(E::from)
                    }
                    other => other,
                }
            };
            let Err(error) = outcome else { return outcome };
            let code = root_sqlstate(&error);
            let is_read_only = mode == Mode::Write && code == Some(&SqlState::READ_ONLY_SQL_TRANSACTION);
            if is_read_only {
                // The server was demoted. New connections may lead to the one that took its place.
                self.pool.watch().retire(generation);
            }
            if never_began || is_read_only || code.is_some_and(may_succeed_again) {
                let Some(pause) = pauses.next() else { return Err(error) };
                tracing::debug!(sqlstate = code.map(SqlState::code), "running a transaction again");
                if !never_began {
                    tokio::time::sleep(pause).await;
                }
                continue;
            }
            match code {
                Some(code) if is_stale_plan(code) && !replanned => {
                    replanned = true;
                    self.pool.forget_statements(Tx::schema_key(scope));
                }
                _ => return Err(error),
            }
        }
    }
}

/// 10, 20 and 40 ms, each lengthened at random, so that transactions that collided do not collide again.
fn pauses() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(10))
        .with_max_times(MAX_RETRIES)
        .with_jitter()
        .build()
}
