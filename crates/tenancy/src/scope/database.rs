//! The one way in: `read` and `write` lend a scoped transaction to a closure, and run it again when that may help.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use tokio::sync::mpsc::UnboundedSender;

use crate::connection::connect::{ConnectError, Connector, DatabaseUrl, TlsError};
use crate::connection::error::{DbError, is_stale_plan, may_succeed_again, root_sqlstate};
use crate::connection::pool::{Pool, PoolSettings, PoolStatus, Realm};
use crate::connection::transaction::{ROLLBACK, Session};
use crate::failpoint;
use crate::scope::scope::{Mode, ScopedTx, SharedScope, SharedTx, TenantScope, TenantTx};

const MAX_RETRIES: u32 = 3;

/// The setting of a transaction that may idle.
macro_rules! stay_open {
    () => {
        "SET LOCAL idle_in_transaction_session_timeout = 0"
    };
}

/// The database, as one login sees it. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    pool: Arc<Pool>,
}

impl Database {
    /// Makes the pool; connections are opened when they are first needed.
    ///
    /// # Errors
    /// [`TlsError`] when the URL asks for TLS that cannot be set up.
    pub fn new(url: &DatabaseUrl, settings: &PoolSettings) -> Result<Self, TlsError> {
        Ok(Self { pool: Arc::new(Pool::new(url, settings)?) })
    }

    /// Runs `work` in one transaction of `scope` that is always rolled back, and again when that may help.
    ///
    /// Nothing is sent until the first statement: the scope leaves in one flight with it. The end is a ROLLBACK that
    /// nobody waits for. In debug builds the transaction is READ ONLY, so that a test finds a write in a read; release
    /// builds leave that out, for it costs a tenth of the throughput.
    ///
    /// # Errors
    /// What `work` returns, and [`DbError`] when there is no connection.
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

    /// [`Database::read`] for work of several statements that have to agree, such as a document and its lines: all see
    /// the moment of the first one. It costs a tenth of the throughput of a small read.
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

    /// Runs `work` in one transaction of `scope` and commits it; any error rolls back.
    ///
    /// On a serialization failure, a deadlock or a lock timeout the closure runs again, up to three times: let it do
    /// nothing but database work.
    ///
    /// # Errors
    /// What `work` returns, and [`DbError`] when there is no connection or the commit fails.
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

    /// [`Database::read`] for the `shared` schema.
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

    /// Whether the server answers at all.
    ///
    /// # Errors
    /// [`DbError`] when it does not.
    pub async fn ping(&self) -> Result<(), DbError> {
        self.read_shared(SharedScope::Public, async |tx| tx.query_one("SELECT 1", &[]).await.map(drop)).await
    }

    pub fn pool_status(&self) -> PoolStatus {
        self.pool.status()
    }

    /// A transaction of the login itself, for provisioning and migrations.
    pub(crate) async fn begin_unscoped(&self) -> Result<Session, DbError> {
        self.begin_as_login("BEGIN").await
    }

    /// The same for what takes its time: files are read and written meanwhile.
    pub(crate) async fn begin_patient(&self) -> Result<Session, DbError> {
        self.begin_as_login(concat!("BEGIN; ", stay_open!())).await
    }

    /// One that takes its time too, sees one moment and changes nothing.
    pub(crate) async fn begin_snapshot(&self) -> Result<Session, DbError> {
        self.begin_as_login(concat!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ", stay_open!())).await
    }

    async fn begin_as_login(&self, opening: &str) -> Result<Session, DbError> {
        let lent = self.pool.lend(Realm::Shared, None).await?;
        Ok(Session::new(lent, self.pool.clone(), Realm::Shared, format!("{ROLLBACK}{opening}").into()))
    }

    /// A connection of its own, beside the pool: for what outlives transactions, such as a session's lock.
    pub(crate) async fn connect(&self) -> Result<ClientWrapper, DbError> {
        self.pool.connector().open().await.map_err(DbError::Connect)
    }

    /// A connection of its own whose notifications go to `listener`.
    pub(crate) async fn connect_telling(
        &self,
        listener: UnboundedSender<String>,
    ) -> Result<ClientWrapper, DbError> {
        self.pool.connector().open_telling(Some(listener)).await.map_err(DbError::Connect)
    }

    async fn begin<Tx: ScopedTx>(&self, scope: &Tx::Scope, mode: Mode) -> Result<Tx, DbError> {
        let realm = Tx::realm(scope);
        let lent = self.pool.lend(realm, Tx::limit(scope)).await?;
        let session = Session::new(lent, self.pool.clone(), realm, Tx::opening(scope, mode));
        Ok(Tx::over(session, scope))
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
        let mut attempt = 0;
        let mut replanned = false;
        loop {
            let refused;
            // A transaction that failed gives its connection back before the pause.
            let outcome = {
                let tx = self.begin::<Tx>(scope, mode).await?;
                let worked = work(&tx).await;
                refused = tx.was_refused_its_role();
                failpoint::panic_now_and_then();
                match worked {
                    Ok(value) if mode == Mode::Write => {
                        tx.into_session().commit().await.map(|()| value).map_err(E::from)
                    }
                    other => other,
                }
            };
            let Err(error) = outcome else { return outcome };
            if refused && attempt < MAX_RETRIES {
                attempt += 1;
                continue;
            }
            match root_sqlstate(&error) {
                Some(code) if may_succeed_again(code) && attempt < MAX_RETRIES => {
                    attempt += 1;
                    tracing::debug!(sqlstate = code.code(), attempt, "running a transaction again");
                    tokio::time::sleep(pause(attempt)).await;
                }
                Some(code) if is_stale_plan(code) && !replanned => {
                    replanned = true;
                    self.pool.forget_statements(Tx::realm(scope));
                }
                _ => return Err(error),
            }
        }
    }
}

/// 10, 20, 40 ms, give or take half: those who collided must not meet again.
fn pause(attempt: u32) -> Duration {
    let base = Duration::from_millis(5 << attempt);
    base.mul_f64(0.5 + fastrand::f64())
}

/// Opens one connection and closes it again, to tell whether `url` works and which server answers.
///
/// # Errors
/// [`ConnectError`], with the cure.
pub async fn probe(url: &DatabaseUrl) -> Result<ServerVersion, ProbeError> {
    let client = Connector::new(url, &[])?.connect().await?;
    let row = client
        .query_one("SELECT current_setting('server_version_num')::integer AS number", &[])
        .await
        .map_err(DbError::from)?;
    Ok(ServerVersion(row.try_get("number").map_err(DbError::from)?))
}

/// PostgreSQL's `server_version_num`: 150018 is 15.18.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerVersion(i32);

impl ServerVersion {
    /// The oldest server that has all we rely on (UNIQUE NULLS NOT DISTINCT among it).
    pub const OLDEST: Self = Self(150_000);
}

impl std::fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0 / 10_000, self.0 % 10_000)
    }
}

/// Why a URL cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Query(#[from] DbError),
}
