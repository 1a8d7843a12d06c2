//! A transaction on one connection: its statements, its commit, and its end when it is dropped early.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use futures_util::future::join;
use postgres_types::FromSql;
use tokio::sync::OwnedSemaphorePermit;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use crate::connection::copy_stream::{CopyIn, CopyOut};
use crate::connection::error::{DbError, is_broken};
use crate::connection::pool::{Lent, Loan, Pool, SchemaKey};
use crate::connection::row::{FromRow, read_rows};

/// The values bound to a statement's `$1`, `$2` ...
pub type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// The start of every opening message: ends the previous transaction on the connection, if that transaction
/// is still open.
pub(crate) const ROLLBACK: &str = "ROLLBACK; ";

/// An open transaction and its connection.
///
/// The constructor sends nothing. The first statement is sent in one flight with `opening` (BEGIN and the
/// scope). PostgreSQL runs both in order. If the opening fails, the statement fails, too.
///
/// SQL is `&'static str`. Text that is built at run time does not compile, so every value must be a bound
/// parameter.
pub struct Transaction {
    /// `None` only after the transaction has ended or has been passed on.
    loan: Option<Loan>,
    /// The business's turn. Another transaction of the business may begin when this one ends.
    _turn: Option<OwnedSemaphorePermit>,
    pool: Arc<Pool>,
    schema_key: SchemaKey,
    /// [`ROLLBACK`], BEGIN and the scope. The ROLLBACK is not sent if there is nothing to roll back.
    opening: Arc<str>,
    opened: AtomicBool,
    /// A statement holds this lock until the statement has been sent.
    turns: tokio::sync::Mutex<()>,
    /// A statement failed, so PostgreSQL will execute COMMIT as ROLLBACK and return no error.
    pub(crate) failed: AtomicBool,
    /// An event was written, which is to be relayed after the commit.
    has_event: AtomicBool,
    /// PostgreSQL refused the role, or the transaction began too late; see [`Transaction::never_began`].
    never_began: AtomicBool,
    /// The moment of `now`, and how much later the transaction may begin. `None` for any time.
    begins_within: Option<(Instant, Duration)>,
    /// A statement's future was dropped between its first poll and its answer.
    abandoned: AtomicBool,
    /// Microseconds since 1970, the precision of PostgreSQL. A more precise value would not be equal to
    /// itself after it was stored and read back.
    now: AtomicI64,
}

impl Transaction {
    pub(crate) fn new(lent: Lent, pool: Arc<Pool>, schema_key: SchemaKey, opening: Arc<str>) -> Self {
        let now = AtomicI64::new(lent.loan.now().timestamp_micros());
        Self {
            loan: Some(lent.loan),
            _turn: lent._turn,
            pool,
            schema_key,
            opening,
            opened: AtomicBool::new(false),
            turns: tokio::sync::Mutex::new(()),
            failed: AtomicBool::new(false),
            has_event: AtomicBool::new(false),
            never_began: AtomicBool::new(false),
            begins_within: None,
            abandoned: AtomicBool::new(false),
            now,
        }
    }

    /// Refuses the commit, so that the transaction runs again, if it begins later than this after its time.
    #[must_use]
    pub(crate) fn beginning_within(mut self, limit: Duration) -> Self {
        self.begins_within = Some((Instant::now(), limit));
        self
    }

    /// The time of the transaction, by the database's clock. Every statement that records a time must use
    /// this value as a parameter.
    pub fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.now.load(Ordering::Relaxed)).unwrap_or_default()
    }

    /// Notes that an event was written.
    pub(crate) fn note_event(&self) {
        self.has_event.store(true, Ordering::Relaxed);
    }

    /// Whether an event was written.
    pub(crate) fn has_event(&self) -> bool {
        self.has_event.load(Ordering::Relaxed)
    }

    /// Sets the time of the transaction, for events of the past that are entered now: imported history or
    /// demo data.
    pub fn set_now(&self, moment: DateTime<Utc>) {
        self.now.store(moment.timestamp_micros(), Ordering::Relaxed);
    }

    /// Runs a query and returns its rows.
    ///
    /// # Errors
    /// [`DbError::Query`] when PostgreSQL refuses the query; [`DbError::Abandoned`] after a statement of this
    /// transaction was dropped in flight.
    pub async fn query(&self, sql: &'static str, params: Params<'_>) -> Result<Vec<Row>, DbError> {
        Box::pin(self.run(sql, async |client, statement| client.query(statement, params).await)).await
    }

    /// Runs a query that returns at most one row.
    ///
    /// # Errors
    /// As [`Transaction::query`], and when there is more than one row.
    pub async fn query_opt(&self, sql: &'static str, params: Params<'_>) -> Result<Option<Row>, DbError> {
        Box::pin(self.run(sql, async |client, statement| client.query_opt(statement, params).await)).await
    }

    /// Runs a query that returns exactly one row.
    ///
    /// # Errors
    /// As [`Transaction::query`], and when there is not exactly one row.
    pub async fn query_one(&self, sql: &'static str, params: Params<'_>) -> Result<Row, DbError> {
        Box::pin(self.run(sql, async |client, statement| client.query_one(statement, params).await)).await
    }

    /// Runs a statement and returns the number of rows it changed.
    ///
    /// # Errors
    /// As [`Transaction::query`].
    pub async fn execute(&self, sql: &'static str, params: Params<'_>) -> Result<u64, DbError> {
        Box::pin(self.run(sql, async |client, statement| client.execute(statement, params).await)).await
    }

    /// Runs a query and reads its rows.
    ///
    /// # Errors
    /// As [`Transaction::query`], and when a row cannot be read as a `T`.
    pub async fn rows<T: FromRow>(&self, sql: &'static str, params: Params<'_>) -> Result<Vec<T>, DbError> {
        read_rows(&self.query(sql, params).await?)
    }

    /// Runs a query that returns at most one row, and reads it.
    ///
    /// # Errors
    /// As [`Transaction::query_opt`], and when the row cannot be read as a `T`.
    pub async fn row_opt<T: FromRow>(
        &self,
        sql: &'static str,
        params: Params<'_>,
    ) -> Result<Option<T>, DbError> {
        let row = self.query_opt(sql, params).await?;
        Ok(read_rows(row.as_slice())?.pop())
    }

    /// Runs a query that returns exactly one row, and reads it.
    ///
    /// # Errors
    /// As [`Transaction::query_one`], and when the row cannot be read as a `T`.
    pub async fn row<T: FromRow>(&self, sql: &'static str, params: Params<'_>) -> Result<T, DbError> {
        let row = self.query_one(sql, params).await?;
        // `read_rows` returns one value per row, so there is always one value here.
        read_rows(std::slice::from_ref(&row))?.pop().ok_or(DbError::Failed)
    }

    /// Runs a query that returns rows of one column, and reads them.
    ///
    /// # Errors
    /// As [`Transaction::query`], and when a cell cannot be read as a `T`.
    pub async fn values<T: for<'a> FromSql<'a>>(
        &self,
        sql: &'static str,
        params: Params<'_>,
    ) -> Result<Vec<T>, DbError> {
        self.query(sql, params).await?.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// Runs a query that returns at most one row of one column, and reads it.
    ///
    /// # Errors
    /// As [`Transaction::query_opt`], and when the cell cannot be read as a `T`.
    pub async fn value_opt<T: for<'a> FromSql<'a>>(
        &self,
        sql: &'static str,
        params: Params<'_>,
    ) -> Result<Option<T>, DbError> {
        self.query_opt(sql, params).await?.map(|row| Ok(row.try_get(0)?)).transpose()
    }

    /// Runs a query that returns exactly one row of one column, and reads it.
    ///
    /// # Errors
    /// As [`Transaction::query_one`], and when the cell cannot be read as a `T`.
    pub async fn value<T: for<'a> FromSql<'a>>(
        &self,
        sql: &'static str,
        params: Params<'_>,
    ) -> Result<T, DbError> {
        Ok(self.query_one(sql, params).await?.try_get(0)?)
    }

    /// Runs one statement. Callers must box the future of this function. A document sends a dozen statements
    /// in one flight, and the futures of all of them would otherwise be moved around together on the stack.
    async fn run<T>(
        &self,
        sql: &'static str,
        send: impl AsyncFnOnce(&Client, &Statement) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, DbError> {
        let flight = self.take_off()?;
        let connection = flight.connection;
        let client = connection.client();
        // Pipelined statements are sent in the order of their first polls. A statement that must first be
        // prepared therefore keeps its turn; otherwise a later statement would overtake it.
        let turn = self.turns.lock().await;
        let statement = match connection.statement(self.schema_key, sql) {
            Some(statement) => statement,
            None => match self.after_opening(flight.connection, client.prepare(sql)).await {
                Ok(statement) => {
                    connection.remember(self.schema_key, sql, &statement);
                    statement
                }
                Err(error) => return flight.land(Err(error)),
            },
        };
        let mut answer = pin!(self.after_opening(connection, send(client, &statement)));
        // The first poll sends the statement. From then on, the next statement may be sent.
        let answer = match poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx))).await {
            Poll::Ready(answer) => answer,
            Poll::Pending => {
                drop(turn);
                answer.await
            }
        };
        flight.land(answer)
    }

    /// Runs SQL text without parameters, in the simple query protocol. Used for DDL and settings.
    pub(crate) async fn batch(&self, sql: &str) -> Result<(), DbError> {
        let flight = self.take_off()?;
        let client = flight.connection.client();
        let answer = self.after_opening(flight.connection, client.batch_execute(sql)).await;
        flight.land(answer)
    }

    /// Undoes everything since a savepoint, also a failed statement.
    pub(crate) async fn roll_back_to(&self, savepoint: &str) -> Result<(), DbError> {
        self.batch(&format!("ROLLBACK TO SAVEPOINT {savepoint}")).await?;
        self.failed.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Runs a query whose text is not known at compile time. Used for refinery's history of a schema.
    pub(crate) async fn query_text(&self, sql: &str) -> Result<Vec<Row>, DbError> {
        let flight = self.take_off()?;
        let client = flight.connection.client();
        let answer = self.after_opening(flight.connection, client.query(sql, &[])).await;
        flight.land(answer)
    }

    /// Begins `COPY ... TO STDOUT`.
    pub(crate) async fn copy_out(&self, sql: &str) -> Result<CopyOut<'_>, DbError> {
        let flight = self.take_off()?;
        let client = flight.connection.client();
        match self.after_opening(flight.connection, client.copy_out(sql)).await {
            Ok(stream) => Ok(CopyOut::new(flight, stream)),
            Err(error) => flight.land(Err(error)),
        }
    }

    /// Begins `COPY ... FROM STDIN`.
    pub(crate) async fn copy_in(&self, sql: &str) -> Result<CopyIn<'_>, DbError> {
        let flight = self.take_off()?;
        let client = flight.connection.client();
        match self.after_opening(flight.connection, client.copy_in(sql)).await {
            Ok(sink) => Ok(CopyIn::new(flight, sink)),
            Err(error) => flight.land(Err(error)),
        }
    }

    /// Runs `statements` in order. Each statement is sent without waiting for the answer to the previous one.
    ///
    /// # Errors
    /// The error of the first statement that failed, with its index. Later statements fail only because of
    /// that one.
    pub(crate) async fn pipeline(&self, statements: &[&str]) -> Result<(), (usize, DbError)> {
        let flight = self.take_off().map_err(|error| (0, error))?;
        let client = flight.connection.client();
        if let Err(error) = self.after_opening(flight.connection, std::future::ready(Ok(()))).await {
            return flight.land(Err(error)).map_err(|error| (0, error));
        }
        let mut answers: Vec<_> = statements.iter().map(|sql| Box::pin(client.batch_execute(sql))).collect();
        let mut outcome = Ok(());
        let mut refuse = |index, answer: Result<(), tokio_postgres::Error>| {
            if let (Ok(()), Err(error)) = (&outcome, answer) {
                outcome = Err((index, error));
            }
        };
        // The first poll sends each statement. The answers are then awaited in order.
        let early: Vec<_> = answers.iter_mut().map(|answer| answer.now_or_never()).collect();
        for (index, (early, answer)) in early.into_iter().zip(answers).enumerate() {
            let answer = match early {
                Some(answer) => answer,
                None => answer.await,
            };
            refuse(index, answer);
        }
        match outcome {
            Ok(()) => flight.land(Ok(())).map_err(|error| (0, error)),
            Err((index, error)) => flight.land(Err(error)).map_err(|error| (index, error)),
        }
    }

    /// Sends `statement`. Before the transaction's first statement, also sends the opening in the same
    /// flight. If the opening fails, its error is returned, because it is the cause of the statement's error.
    async fn after_opening<T>(
        &self,
        connection: &Loan,
        statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, tokio_postgres::Error> {
        if self.opened.swap(true, Ordering::Relaxed) {
            return statement.await;
        }
        let opening =
            if connection.take_unfinished() { &*self.opening } else { &self.opening[ROLLBACK.len()..] };
        // `join` polls its futures in order, and the first poll of a tokio-postgres future sends its message.
        let (opened, answer) = join(connection.client().batch_execute(opening), statement).await;
        if let Err(error) = &opened
            && (is_broken(error) || error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE))
        {
            connection.wear_out();
            self.never_began.store(true, Ordering::Relaxed);
        }
        opened?;
        if self.begins_within.is_some_and(|(since, limit)| since.elapsed() > limit) {
            self.never_began.store(true, Ordering::Relaxed);
        }
        answer
    }

    /// Whether the transaction could not begin on its connection, or not in time. A retry may then succeed:
    /// the connection was broken, PostgreSQL refused the role of the scope, or somebody was slow.
    ///
    /// A backend caches the list of roles that its login may take. If a role is created while the backend
    /// builds that list, the list may lack the new role. The list then stays incomplete until the next role
    /// is created (PostgreSQL 15, `roles_is_member_of`). The first requests of a new business would be
    /// refused on that connection, so the connection is not lent again.
    pub(crate) fn never_began(&self) -> bool {
        self.never_began.load(Ordering::Relaxed)
    }

    /// The generation of the connections to which that of this transaction belongs.
    pub(crate) fn generation(&self) -> u64 {
        self.loan.as_ref().map_or(0, |connection| connection.generation())
    }

    fn take_off(&self) -> Result<Flight<'_>, DbError> {
        if self.abandoned.load(Ordering::Relaxed) {
            return Err(DbError::Abandoned);
        }
        match &self.loan {
            Some(connection) => Ok(Flight { transaction: self, connection, landed: false }),
            None => Err(DbError::Abandoned),
        }
    }

    /// Commits, and returns the connection to the pool.
    ///
    /// # Errors
    /// [`DbError::Failed`] when an earlier statement failed; [`DbError::Query`] when PostgreSQL refuses the
    /// commit.
    pub(crate) async fn commit(mut self) -> Result<(), DbError> {
        if !*self.opened.get_mut() {
            return Ok(());
        }
        if *self.failed.get_mut() || *self.never_began.get_mut() {
            return Err(DbError::Failed);
        }
        let flight = self.take_off()?;
        let answer = flight.connection.client().batch_execute("COMMIT").await;
        flight.land(answer)?;
        self.loan = None;
        Ok(())
    }

    /// Moves the transaction to another scope, whose settings must already be in force.
    pub(crate) fn into_schema(mut self, schema_key: SchemaKey) -> Self {
        self.schema_key = schema_key;
        self
    }
}

impl Drop for Transaction {
    /// Without a statement in flight, sends a ROLLBACK and does not wait for its answer. PostgreSQL runs the
    /// ROLLBACK before anything that the next user of the connection sends.
    ///
    /// With a statement in flight, the connection does not return to the pool. The next user of the
    /// connection would have to wait for that statement, and the next COMMIT would store the unfinished work.
    /// The connection is therefore taken out of the pool, the statement is cancelled on the server, and the
    /// connection is closed.
    fn drop(&mut self) {
        let Some(loan) = self.loan.take() else { return };
        if *self.abandoned.get_mut() {
            let connection = Loan::take(loan);
            let token = connection.client().cancel_token();
            drop(connection);
            // Without a runtime, at the end of the process, the statement cannot be cancelled, so the
            // connection is only closed.
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                let pool = self.pool.clone();
                runtime.spawn(async move { pool.connector().cancel(token).await });
            }
        } else if *self.opened.get_mut() {
            loan.roll_back_soon();
        }
    }
}

/// A statement between its first poll and its answer.
pub(crate) struct Flight<'a> {
    pub(crate) transaction: &'a Transaction,
    connection: &'a Loan,
    landed: bool,
}

impl Flight<'_> {
    pub(crate) fn land<T>(mut self, answer: Result<T, tokio_postgres::Error>) -> Result<T, DbError> {
        self.landed = true;
        answer.map_err(|error| {
            self.transaction.failed.store(true, Ordering::Relaxed);
            if is_broken(&error) {
                self.transaction.pool.watch().suspect();
            }
            DbError::Query(error)
        })
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        if !self.landed {
            self.transaction.abandoned.store(true, Ordering::Relaxed);
        }
    }
}
