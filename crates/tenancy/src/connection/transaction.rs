//! One connection inside one transaction: statements, the commit, and what happens when any of it is dropped.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::task::Poll;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::future::join;
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use crate::connection::error::DbError;
use crate::connection::pool::{Lent, Loan, Pool, Realm};

/// The values bound to a statement's `$1`, `$2` ...
pub type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// What the opening of every transaction begins with: the end of the one before, if that is still open.
pub(crate) const ROLLBACK: &str = "ROLLBACK; ";

/// A transaction's connection.
///
/// Nothing is sent when it is made. The first statement takes `opening` (BEGIN and the scope) with it in the same
/// flight; PostgreSQL runs them in order, and when the opening fails the statement fails too.
///
/// SQL is `&'static str`: text built at run time does not fit, so every value has to be bound.
pub struct Session {
    /// `None` only after the session has ended or has been handed on.
    loan: Option<Loan>,
    /// The business's turn; another transaction of it may begin when this one has gone.
    _turn: Option<OwnedSemaphorePermit>,
    pool: Arc<Pool>,
    realm: Realm,
    /// [`ROLLBACK`], BEGIN and the scope; the first is left out where there is nothing to roll back.
    opening: Arc<str>,
    opened: AtomicBool,
    /// Held by a statement until it has been sent.
    turns: tokio::sync::Mutex<()>,
    /// A statement was refused, so PostgreSQL will turn COMMIT into ROLLBACK without saying so.
    failed: AtomicBool,
    /// The role was refused; see [`Session::was_refused_its_role`].
    refused: AtomicBool,
    /// A statement's future was dropped between its first poll and its answer.
    abandoned: AtomicBool,
    /// Microseconds since 1970, as PostgreSQL keeps them; a finer value would not compare equal after a round trip.
    now: AtomicI64,
}

impl Session {
    pub(crate) fn new(lent: Lent, pool: Arc<Pool>, realm: Realm, opening: Arc<str>) -> Self {
        Self {
            loan: Some(lent.loan),
            _turn: lent._turn,
            pool,
            realm,
            opening,
            opened: AtomicBool::new(false),
            turns: tokio::sync::Mutex::new(()),
            failed: AtomicBool::new(false),
            refused: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            now: AtomicI64::new(Utc::now().timestamp_micros()),
        }
    }

    /// The transaction's one moment: a parameter for every statement that records a time.
    pub fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.now.load(Ordering::Relaxed)).unwrap_or_default()
    }

    /// What follows happened at this moment and is entered now: a history that is taken over, or made up.
    pub fn set_now(&self, moment: DateTime<Utc>) {
        self.now.store(moment.timestamp_micros(), Ordering::Relaxed);
    }

    /// Runs a query and returns its rows.
    ///
    /// # Errors
    /// [`DbError::Query`] when PostgreSQL refuses it, [`DbError::Abandoned`] after a statement was dropped in flight.
    pub async fn query(&self, sql: &'static str, params: Params<'_>) -> Result<Vec<Row>, DbError> {
        Box::pin(self.run(sql, async |client, statement| client.query(statement, params).await)).await
    }

    /// Runs a query that returns at most one row.
    ///
    /// # Errors
    /// As [`Session::query`], and when there is more than one row.
    pub async fn query_opt(&self, sql: &'static str, params: Params<'_>) -> Result<Option<Row>, DbError> {
        Box::pin(self.run(sql, async |client, statement| client.query_opt(statement, params).await)).await
    }

    /// Runs a query that returns exactly one row.
    ///
    /// # Errors
    /// As [`Session::query`], and when there is not exactly one row.
    pub async fn query_one(&self, sql: &'static str, params: Params<'_>) -> Result<Row, DbError> {
        Box::pin(self.run(sql, async |client, statement| client.query_one(statement, params).await)).await
    }

    /// Runs a statement and returns the number of rows it changed.
    ///
    /// # Errors
    /// As [`Session::query`].
    pub async fn execute(&self, sql: &'static str, params: Params<'_>) -> Result<u64, DbError> {
        Box::pin(self.run(sql, async |client, statement| client.execute(statement, params).await)).await
    }

    /// Its future is boxed by who calls it: documents send a dozen statements in one flight, and the futures of all of them
    /// side by side would be moved about on the stack.
    async fn run<T>(
        &self,
        sql: &'static str,
        send: impl AsyncFnOnce(&Client, &Statement) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, DbError> {
        let flight = self.take_off()?;
        let connection = flight.connection;
        let client = connection.client();
        // Pipelined statements are sent in the order in which they were first polled: one that has to be prepared
        // keeps its turn meanwhile, or a later one would overtake it.
        let turn = self.turns.lock().await;
        let statement = match connection.statement(self.realm, sql) {
            Some(statement) => statement,
            None => match self.after_opening(flight.connection, client.prepare(sql)).await {
                Ok(statement) => {
                    connection.remember(self.realm, sql, &statement);
                    statement
                }
                Err(error) => return flight.land(Err(error)),
            },
        };
        let mut answer = pin!(self.after_opening(connection, send(client, &statement)));
        // The first poll sends; from then on the next statement may follow.
        let answer = match poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx))).await {
            Poll::Ready(answer) => answer,
            Poll::Pending => {
                drop(turn);
                answer.await
            }
        };
        flight.land(answer)
    }

    /// Runs SQL text that takes no parameters, in the simple protocol: DDL and settings.
    pub(crate) async fn batch(&self, sql: &str) -> Result<(), DbError> {
        let flight = self.take_off()?;
        let client = flight.connection.client();
        let answer = self.after_opening(flight.connection, client.batch_execute(sql)).await;
        flight.land(answer)
    }

    /// Runs a query whose text is not known at compile time: refinery's history of a schema.
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
            Ok(stream) => Ok(CopyOut { flight: Some(flight), stream: Box::pin(stream) }),
            Err(error) => flight.land(Err(error)),
        }
    }

    /// Begins `COPY ... FROM STDIN`.
    pub(crate) async fn copy_in(&self, sql: &str) -> Result<CopyIn<'_>, DbError> {
        let flight = self.take_off()?;
        let client = flight.connection.client();
        match self.after_opening(flight.connection, client.copy_in(sql)).await {
            Ok(sink) => Ok(CopyIn { flight, sink: Box::pin(sink) }),
            Err(error) => flight.land(Err(error)),
        }
    }

    /// Runs `statements` one by one, but sends each without waiting for the answer to the one before.
    ///
    /// # Errors
    /// The first refusal, with the index of its statement; those after it fail only because of it.
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
        // The first poll sends; awaiting all of them in order collects the answers.
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

    /// Sends the opening, the first time, and `statement` right behind it; the opening's error is the one to tell.
    async fn after_opening<T>(
        &self,
        connection: &Loan,
        statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, tokio_postgres::Error> {
        if cfg!(feature = "unscoped") && self.opening.is_empty() {
            if connection.take_unfinished() {
                connection.client().batch_execute("ROLLBACK").await?;
            }
            return statement.await;
        }
        if self.opened.swap(true, Ordering::Relaxed) {
            return statement.await;
        }
        let opening =
            if connection.take_unfinished() { &*self.opening } else { &self.opening[ROLLBACK.len()..] };
        // `join` polls its futures in order, and the first poll of a tokio-postgres future sends its message.
        let (opened, answer) = join(connection.client().batch_execute(opening), statement).await;
        if let Err(error) = &opened
            && error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE)
        {
            connection.wear_out();
            self.refused.store(true, Ordering::Relaxed);
        }
        opened?;
        answer
    }

    /// Whether PostgreSQL refused the role of the scope, so that another connection may be granted it.
    ///
    /// A backend keeps a list of the roles that its login may take. One that was making that list when a role was created
    /// may keep it without that role until the next one is created (PostgreSQL 15, `roles_is_member_of`): the first requests of
    /// a business would be refused on that connection. It is not lent again.
    pub(crate) fn was_refused_its_role(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    fn take_off(&self) -> Result<Flight<'_>, DbError> {
        if self.abandoned.load(Ordering::Relaxed) {
            return Err(DbError::Abandoned);
        }
        match &self.loan {
            Some(connection) => Ok(Flight { session: self, connection, landed: false }),
            None => Err(DbError::Abandoned),
        }
    }

    /// Commits, and gives the connection back to the pool.
    ///
    /// # Errors
    /// [`DbError::Failed`] when a statement was refused before; [`DbError::Query`] when PostgreSQL refuses the commit.
    pub(crate) async fn commit(mut self) -> Result<(), DbError> {
        if !*self.opened.get_mut() {
            return Ok(());
        }
        if *self.failed.get_mut() {
            return Err(DbError::Failed);
        }
        let flight = self.take_off()?;
        let answer = flight.connection.client().batch_execute("COMMIT").await;
        flight.land(answer)?;
        self.loan = None;
        Ok(())
    }

    /// The same transaction under another scope, whose settings are already in force.
    pub(crate) fn into_realm(mut self, realm: Realm) -> Self {
        self.realm = realm;
        self
    }
}

impl Drop for Session {
    /// Without a statement in flight: a ROLLBACK that nobody waits for; whatever the next user sends comes after it.
    ///
    /// With one in flight the connection never goes back: its next user would wait for the statement, and a COMMIT
    /// of theirs would keep what it left open. It is taken out of the pool, cancelled on the server, and closed.
    fn drop(&mut self) {
        let Some(loan) = self.loan.take() else { return };
        if *self.abandoned.get_mut() {
            let connection = Loan::take(loan);
            let token = connection.client().cancel_token();
            drop(connection);
            // Outside of a runtime, at the end of the process, closing has to do.
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                let pool = self.pool.clone();
                runtime.spawn(async move { pool.connector().cancel(token).await });
            }
        } else if *self.opened.get_mut() {
            loan.roll_back_soon();
        }
    }
}

/// Runs two steps of one transaction so that their first statements leave in one flight; PostgreSQL runs them in order.
///
/// Both are always awaited: a step given up because the other failed would be abandoned in flight, and cost the
/// connection.
///
/// # Errors
/// The first step's error before the second's, which often only says that the transaction had failed.
pub fn both<A, B, E>(
    first: impl Future<Output = Result<A, E>>,
    second: impl Future<Output = Result<B, E>>,
) -> impl Future<Output = Result<(A, B), E>> {
    // `join` polls the first one first, and a session sends statements in the order of their first polls. Not an `async fn`:
    // that would hold both steps twice, as its arguments and as what it awaits, and steps within steps double at each depth.
    join(first, second).map(|(first, second)| Ok((first?, second?)))
}

/// The rows of a table on their way out, in PostgreSQL's text format. Dropped early, it costs the connection.
pub struct CopyOut<'a> {
    /// `None` once all has come.
    flight: Option<Flight<'a>>,
    stream: Pin<Box<tokio_postgres::CopyOutStream>>,
}

impl CopyOut<'_> {
    /// The next piece; `None` after the last.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, DbError> {
        if self.flight.is_none() {
            return Ok(None);
        }
        let piece = self.stream.next().await.transpose();
        match (piece, self.flight.take()) {
            (Ok(Some(piece)), flight) => {
                self.flight = flight;
                Ok(Some(piece))
            }
            (answer, Some(flight)) => flight.land(answer.map(|_| None)),
            (answer, None) => Ok(answer.map(|_| None)?),
        }
    }
}

/// The rows of a table on their way in. Dropped before its end, it costs the connection, and nothing is kept.
pub struct CopyIn<'a> {
    flight: Flight<'a>,
    sink: Pin<Box<tokio_postgres::CopyInSink<Bytes>>>,
}

impl CopyIn<'_> {
    /// Sends a piece on.
    ///
    /// # Errors
    /// [`DbError`] when PostgreSQL refuses what came before.
    pub async fn send(&mut self, piece: Bytes) -> Result<(), DbError> {
        let Err(error) = self.sink.send(piece).await else { return Ok(()) };
        self.flight.session.failed.store(true, Ordering::Relaxed);
        // A refusal comes as an answer out of turn; what it says stands in the answer to the end.
        let refusal = self.sink.as_mut().finish().await.err();
        Err(DbError::Query(refusal.filter(|refusal| refusal.as_db_error().is_some()).unwrap_or(error)))
    }

    /// Ends the copy; returns the number of rows.
    ///
    /// # Errors
    /// [`DbError`] when PostgreSQL refuses a row.
    pub async fn finish(mut self) -> Result<u64, DbError> {
        let answer = self.sink.as_mut().finish().await;
        self.flight.land(answer)
    }
}

/// A statement between its first poll and its answer.
struct Flight<'a> {
    session: &'a Session,
    connection: &'a Loan,
    landed: bool,
}

impl Flight<'_> {
    fn land<T>(mut self, answer: Result<T, tokio_postgres::Error>) -> Result<T, DbError> {
        self.landed = true;
        answer.map_err(|error| {
            self.session.failed.store(true, Ordering::Relaxed);
            DbError::Query(error)
        })
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        if !self.landed {
            self.session.abandoned.store(true, Ordering::Relaxed);
        }
    }
}
