//! Watches the PostgreSQL server: whether it answers, whether it takes writes, and whether another server has
//! taken its place. Connections that are of no use any more leave the pools at once. The watch asks often
//! while connections are used, and seldom while they are not.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use deadpool_postgres::ClientWrapper;
use tokio::sync::{Notify, watch};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::connection::connector::Connector;
use crate::connection::error::{DbError, chain};

/// The state of the PostgreSQL server, as the watch found it last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerState {
    /// Nothing is known: nobody watches, or the server refuses the watch's own connection.
    Unknown,
    /// The server answers and takes writes.
    Ready,
    /// The server answers and takes no writes, as a standby does.
    ReadOnly,
    /// No server listens, or it is starting up or shutting down.
    Unreachable,
    /// The server does not answer.
    Silent,
}

impl ServerState {
    /// Whether a request would wait in vain.
    pub(crate) fn is_down(self) -> bool {
        matches!(self, Self::Unreachable | Self::Silent)
    }

    /// Whether the watch looks for a change for the better.
    fn is_troubled(self) -> bool {
        self.is_down() || self == Self::ReadOnly
    }
}

/// The knowledge about the server that the pools of one login share.
pub(crate) struct ServerWatch {
    state: watch::Sender<ServerState>,
    started: Instant,
    /// Milliseconds after `started` at which the server last answered the watch.
    heard_at: AtomicU64,
    /// Milliseconds after `started` at which somebody last wanted a connection.
    used_at: AtomicU64,
    /// Milliseconds after `started` at which somebody wanted a connection after a time of rest.
    roused_at: AtomicU64,
    /// Connections that were opened in an earlier generation are not lent any more.
    generation: AtomicU64,
    /// Wakes the watch before its time.
    suspicion: Notify,
    /// Ends the rest of the watch.
    use_begins: Notify,
}

/// Interval between two questions to the server while connections are used.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// Interval between two questions to the server while nobody uses a connection.
const ASK_AT_REST_EVERY: Duration = Duration::from_secs(2);
/// Time without a use after which the watch rests.
const REST_AFTER: Duration = Duration::from_secs(2);
/// Without an answer for this time, nobody can say that a business is the cause of a wait.
const LATE_AFTER: Duration = Duration::from_millis(750);
/// Interval between two new connections of the watch. Only a new connection shows that the server takes no
/// connections any more, or that the address leads to another server.
const CONNECT_EVERY: Duration = Duration::from_secs(5);
/// The same while nobody uses a connection.
const CONNECT_AT_REST_EVERY: Duration = Duration::from_secs(30);
/// Pause between two attempts to connect.
const RECONNECT_AFTER: Duration = Duration::from_millis(200);
/// Pause between two attempts to connect while the connection at hand answers.
const CONNECT_AGAIN_AFTER: Duration = Duration::from_secs(1);

impl ServerWatch {
    pub(crate) fn new() -> Self {
        Self {
            state: watch::Sender::new(ServerState::Unknown),
            started: Instant::now(),
            heard_at: AtomicU64::new(0),
            used_at: AtomicU64::new(0),
            roused_at: AtomicU64::new(0),
            generation: AtomicU64::new(0),
            suspicion: Notify::new(),
            use_begins: Notify::new(),
        }
    }

    pub(crate) fn state(&self) -> ServerState {
        *self.state.borrow()
    }

    /// Returns when the server is known to be down.
    pub(crate) async fn down(&self) {
        // The sender lives as long as `self`, so the wait ends only with such a state.
        let _ = self.state.subscribe().wait_for(|state| state.is_down()).await;
    }

    /// Whether the server has not answered the watch for a moment, so that waits are the server's fault.
    pub(crate) fn is_late(&self) -> bool {
        self.state() != ServerState::Unknown && self.silence() > LATE_AFTER
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Makes the connections of this generation leave the pools, and makes the watch look at once.
    /// Connections that are newer stay: they were opened after the trouble.
    pub(crate) fn retire(&self, generation: u64) {
        let next = generation + 1;
        let _ = self.generation.compare_exchange(generation, next, Ordering::AcqRel, Ordering::Acquire);
        self.suspect();
    }

    /// Makes the watch look at once, with a new connection.
    pub(crate) fn suspect(&self) {
        self.suspicion.notify_one();
    }

    /// Somebody wants a connection, so the state of the server matters.
    pub(crate) fn note_use(&self) {
        let was_resting = self.rests();
        self.used_at.store(self.milliseconds(), Ordering::Relaxed);
        if was_resting {
            self.roused_at.store(self.milliseconds(), Ordering::Relaxed);
            self.use_begins.notify_one();
        }
    }

    /// Whether nobody has wanted a connection for a while.
    fn rests(&self) -> bool {
        self.since(&self.used_at) > REST_AFTER
    }

    /// Watches the server for as long as the future is polled. A server that does not answer for
    /// `longest_silence` counts as gone; all connections of `connector` are then closed, so that the requests
    /// that wait on them end. `retired` is called whenever open connections must leave the pools.
    ///
    /// The watch asks on one connection, and opens the next one meanwhile. The connection at hand is what
    /// counts: a new one may fail for reasons of its own, such as a name server that is down.
    pub(crate) async fn keep(&self, connector: &Connector, longest_silence: Duration, retired: impl Fn()) {
        let mut client: Option<Arc<ClientWrapper>> = None;
        let mut question: Option<LocalFuture<'_, Result<Answer, DbError>>> = None;
        let mut attempt: Option<LocalFuture<'_, Result<ClientWrapper, DbError>>> = None;
        let (mut identity, mut told) = (None, String::new());
        let mut next_attempt = Instant::now();
        let mut next_question = Instant::now();
        let mut heard_at = Instant::now();
        loop {
            let (ask_every, connect_every) = match self.rests() && !self.state().is_troubled() {
                true => (ASK_AT_REST_EVERY, CONNECT_AT_REST_EVERY),
                false => (ASK_EVERY, CONNECT_EVERY),
            };
            if attempt.is_none() && next_attempt <= Instant::now() {
                attempt = Some(Box::pin(connector.open()));
            }
            if question.is_none()
                && next_question <= Instant::now()
                && let Some(client) = client.clone()
            {
                // A pause is no silence.
                heard_at = heard_at.max(Instant::now() - ASK_EVERY);
                question = Some(Box::pin(async move { Answer::ask(&client).await }));
            }
            tokio::select! {
                opened = poll_optional(&mut attempt) => match opened {
                    Ok(opened) => {
                        // The sign-in was an answer, too.
                        heard_at = Instant::now();
                        (client, question) = (Some(Arc::new(opened)), None);
                        (next_attempt, next_question) = (Instant::now() + connect_every, Instant::now());
                    }
                    Err(error) => {
                        let is_heard = client.is_some();
                        let pause = if is_heard { CONNECT_AGAIN_AFTER } else { RECONNECT_AFTER };
                        next_attempt = Instant::now() + pause;
                        if is_shutting_down(&error) || !is_heard {
                            (client, question) = (None, None);
                            self.see(state_after(&error), &retired);
                        }
                        if self.state().is_down() {
                            // A server that is shutting down may be waiting for its clients, also for those
                            // whose last transaction has just ended.
                            retired();
                            connector.close_lasting();
                        } else if told != chain(&error) {
                            told = chain(&error);
                            tracing::warn!(error = %told, "the watch over the database cannot connect");
                        }
                    }
                },
                answer = poll_optional(&mut question) => match answer {
                    Ok(answer) => {
                        heard_at = Instant::now();
                        next_question = heard_at + ask_every;
                        told.clear();
                        self.hear(answer, &mut identity, &retired);
                        // A new connection may lead to the server that takes writes now.
                        if self.state() == ServerState::ReadOnly && attempt.is_none() {
                            next_attempt = next_attempt.min(heard_at + ASK_EVERY);
                        }
                    }
                    // The connection broke. Whether the server did, a new one shows.
                    Err(_) => {
                        client = None;
                        next_attempt = Instant::now();
                    }
                },
                () = self.suspicion.notified() => next_attempt = Instant::now(),
                () = self.use_begins.notified() => {
                    next_question = Instant::now();
                    next_attempt = next_attempt.min(Instant::now() + CONNECT_EVERY);
                }
                () = tokio::time::sleep(ASK_EVERY) => {}
            }
            if heard_at.elapsed() > longest_silence + (ask_every - ASK_EVERY)
                && !self.state().is_down()
                && self.waits_in_vain(&question, &attempt)
            {
                self.see(ServerState::Silent, &retired);
                // Nothing that waits for the server is worth the wait.
                connector.close_all();
                (client, question) = (None, None);
            }
        }
    }

    /// Whether an answer is missing, and not only a reason to ask.
    fn waits_in_vain<A, B>(&self, question: &Option<A>, attempt: &Option<B>) -> bool {
        question.is_some() || (attempt.is_some() && self.state() != ServerState::Unknown)
    }

    fn hear(&self, answer: Answer, identity: &mut Option<String>, retired: &impl Fn()) {
        self.heard_at.store(self.milliseconds(), Ordering::Relaxed);
        if identity.replace(answer.identity.clone()).is_some_and(|before| before != answer.identity) {
            tracing::warn!("another database server answers at the address");
            self.generation.fetch_add(1, Ordering::AcqRel);
            retired();
        }
        self.see(if answer.is_read_only { ServerState::ReadOnly } else { ServerState::Ready }, retired);
    }

    fn see(&self, state: ServerState, retired: &impl Fn()) {
        let before = self.state.send_replace(state);
        if before == state {
            return;
        }
        match state {
            ServerState::Ready if before == ServerState::Unknown => {}
            ServerState::Ready => tracing::info!("the database takes writes again"),
            ServerState::ReadOnly => tracing::warn!("the database takes no writes"),
            ServerState::Unreachable => tracing::warn!("the database cannot be reached"),
            ServerState::Silent => tracing::warn!("the database does not answer"),
            ServerState::Unknown => {}
        }
        // Connections that were opened before the change may lead to a server that has lost its place.
        if before != ServerState::Unknown && state != ServerState::Unknown {
            self.generation.fetch_add(1, Ordering::AcqRel);
            retired();
        }
    }

    /// The time since the last answer that was due. There are few answers while the watch rests.
    fn silence(&self) -> Duration {
        let pause = if self.rests() { ASK_AT_REST_EVERY } else { Duration::ZERO };
        self.since(&self.heard_at).min(self.since(&self.roused_at)).saturating_sub(pause)
    }

    fn milliseconds(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn since(&self, moment: &AtomicU64) -> Duration {
        Duration::from_millis(self.milliseconds().saturating_sub(moment.load(Ordering::Relaxed)))
    }
}

/// The state that a failed attempt to connect shows. A server that refuses only this login, or that has no
/// free connection, may serve the connections that are open. So may one whose name cannot be looked up.
fn state_after(error: &DbError) -> ServerState {
    let DbError::Connect(error) = error else { return ServerState::Silent };
    if error.code() == Some(&SqlState::CANNOT_CONNECT_NOW) {
        return ServerState::Unreachable;
    }
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<io::Error>());
    match cause.map(io::Error::kind) {
        // The driver's word for a server that does not meet target_session_attrs=read-write.
        Some(io::ErrorKind::PermissionDenied) => ServerState::ReadOnly,
        Some(
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::TimedOut
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::NotFound,
        ) => ServerState::Unreachable,
        _ => ServerState::Unknown,
    }
}

/// Whether the server said that it takes no connections, because it is starting up or shutting down.
fn is_shutting_down(error: &DbError) -> bool {
    error.sqlstate() == Some(&SqlState::CANNOT_CONNECT_NOW)
}

type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Polls a future that may be absent, and removes it when it has ended. An absent one never ends.
async fn poll_optional<T>(future: &mut Option<LocalFuture<'_, T>>) -> T {
    let output = match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    };
    *future = None;
    output
}

/// The answer of the server to the watch.
struct Answer {
    is_read_only: bool,
    /// Different after a restart and on another server.
    identity: String,
}

impl Answer {
    async fn ask(client: &Client) -> Result<Self, DbError> {
        // A simple query needs one round trip, and nothing to prepare.
        const ASK: &str = "
            SELECT current_setting('transaction_read_only') = 'on' AS is_read_only,
                   concat_ws(' ', inet_server_addr(), inet_server_port(), pg_postmaster_start_time())";
        for message in client.simple_query(ASK).await? {
            if let tokio_postgres::SimpleQueryMessage::Row(row) = message {
                return Ok(Self {
                    is_read_only: row.get(0) == Some("t"),
                    identity: row.get(1).unwrap_or_default().to_owned(),
                });
            }
        }
        Err(DbError::Failed)
    }
}
