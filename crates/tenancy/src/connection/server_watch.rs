//! Watches the PostgreSQL server: whether it answers, whether it takes writes, and whether another server has
//! taken its place. Connections that are of no use any more leave the pools at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::connection::connect::Connector;
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
}

/// The knowledge about the server that the pools of one login share.
pub(crate) struct ServerWatch {
    state: watch::Sender<ServerState>,
    started: Instant,
    /// Milliseconds after `started` at which the server last answered the watch.
    heard_at: AtomicU64,
    /// Connections that were opened in an earlier generation are not lent any more.
    generation: AtomicU64,
    /// Wakes the watch before its time.
    suspicion: Notify,
}

/// Interval between two questions to the server.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// Without an answer for this time, nobody can say that a business is the cause of a wait.
const LATE_AFTER: Duration = Duration::from_millis(750);
/// Interval between two new connections of the watch. Only a new connection shows that the server takes no
/// connections any more, or that the address leads to another server.
const CONNECT_EVERY: Duration = Duration::from_secs(5);
/// Longest time for one attempt to connect. It is short, so that an attempt that began before the server came
/// back does not delay the next one.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// Pause between two attempts to connect.
const RECONNECT_AFTER: Duration = Duration::from_millis(200);

impl ServerWatch {
    pub(crate) fn new() -> Self {
        Self {
            state: watch::Sender::new(ServerState::Unknown),
            started: Instant::now(),
            heard_at: AtomicU64::new(0),
            generation: AtomicU64::new(0),
            suspicion: Notify::new(),
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

    /// Makes all connections that are open now leave the pools, and makes the watch look at once.
    pub(crate) fn retire_connections(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.suspect();
    }

    /// Makes the watch look at once, with a new connection.
    pub(crate) fn suspect(&self) {
        self.suspicion.notify_one();
    }

    /// Watches the server for as long as the future is polled. A server that does not answer for
    /// `longest_silence` counts as gone; all connections of `connector` are then closed, so that the requests
    /// that wait on them end. `retired` is called whenever open connections must leave the pools.
    pub(crate) async fn keep(&self, connector: &Connector, longest_silence: Duration, retired: impl Fn()) {
        let (mut client, mut identity) = (None, None);
        let mut connected_at = Instant::now();
        let mut is_suspected = false;
        loop {
            let is_due = is_suspected || connected_at.elapsed() > CONNECT_EVERY;
            // While the server is read-only, a new connection may lead to the one that takes writes now.
            if client.is_none() || is_due || self.state() == ServerState::ReadOnly {
                match tokio::time::timeout(CONNECT_WITHIN, connector.open()).await {
                    Ok(Ok(opened)) => client = Some(opened),
                    Ok(Err(error)) => {
                        client = None;
                        self.see(state_after(&error), &retired);
                        if self.state().is_down() {
                            // A server that is shutting down may be waiting for its clients, also for those
                            // whose last transaction has just ended.
                            retired();
                            connector.close_lasting();
                        } else {
                            tracing::warn!(error = %chain(&error), "the database cannot be watched");
                        }
                        tokio::time::sleep(RECONNECT_AFTER).await;
                        continue;
                    }
                    // The connection at hand, if there is one, shows whether the server is only slow.
                    Err(_) => {}
                }
                connected_at = Instant::now();
            }
            let Some(asked) = &client else {
                self.give_up(connector, &retired);
                continue;
            };
            match tokio::time::timeout(longest_silence, Answer::ask(asked)).await {
                Ok(Ok(answer)) => self.hear(answer, &mut identity, &retired),
                Ok(Err(_)) => {
                    client = None;
                    tokio::time::sleep(RECONNECT_AFTER).await;
                    continue;
                }
                Err(_) => {
                    client = None;
                    self.give_up(connector, &retired);
                    continue;
                }
            }
            is_suspected = tokio::select! {
                () = tokio::time::sleep(ASK_EVERY) => false,
                () = self.suspicion.notified() => true,
            };
        }
    }

    fn hear(&self, answer: Answer, identity: &mut Option<String>, retired: &impl Fn()) {
        let heard_at = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heard_at.store(heard_at, Ordering::Relaxed);
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

    /// The server does not answer. Nothing that waits for it is worth the wait.
    fn give_up(&self, connector: &Connector, retired: &impl Fn()) {
        self.see(ServerState::Silent, retired);
        connector.close_all();
    }

    fn silence(&self) -> Duration {
        self.started.elapsed().saturating_sub(Duration::from_millis(self.heard_at.load(Ordering::Relaxed)))
    }
}

/// The state that a failed attempt to connect shows. A server that refuses only this login, or that has no
/// free connection, may serve the connections that are open.
fn state_after(error: &tokio_postgres::Error) -> ServerState {
    match error.code() {
        None => ServerState::Unreachable,
        Some(code) if *code == SqlState::CANNOT_CONNECT_NOW => ServerState::Unreachable,
        Some(_) => ServerState::Unknown,
    }
}

/// What the server says about itself.
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
