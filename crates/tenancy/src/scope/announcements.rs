//! Announcements: short messages that a transaction sends to all servers when it commits (NOTIFY).

use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use crate::connection::error::{DbError, chain};
use crate::scope::database::Database;

/// Reacts to the announcements on one channel.
pub trait Listener {
    /// The channel on which the announcements are sent.
    const CHANNEL: &'static str;
    /// The interval at which the connection is tested. It is closed if it does not answer within the same
    /// time.
    const HEARTBEAT: Duration;

    /// The process has begun to listen. Announcements before this moment were missed, so what they were about
    /// must be read. If that fails, the connection is opened again.
    fn begin(&self) -> BoxFuture<'_, Result<(), DbError>>;

    /// Something was announced.
    fn hear<'a>(&'a self, announced: &'a HashSet<String>) -> BoxFuture<'a, ()>;

    /// Whatever was announced before `moment` has been heard.
    fn is_up_to_date(&self, moment: Instant);

    /// The process does not listen any more.
    fn end(&self);
}

const RECONNECT: Duration = Duration::from_millis(200);

impl Database {
    /// Passes announcements to `listener` for as long as the future is polled. Connects again whenever the
    /// connection breaks.
    pub async fn listen<L: Listener>(&self, listener: &L) {
        loop {
            if let Err(error) = self.listen_once(listener).await {
                let error = chain(&error);
                tracing::warn!(%error, "announcements on {} are not received; connecting again", L::CHANNEL);
            }
            listener.end();
            tokio::time::sleep(RECONNECT).await;
        }
    }

    async fn listen_once<L: Listener>(&self, listener: &L) -> Result<(), DbError> {
        let (sender, mut told) = mpsc::unbounded_channel();
        let opening = self.connect_telling(sender);
        let client =
            tokio::time::timeout(CONNECT, opening).await.map_err(|_| DbError::Exhausted(CONNECT))??;
        let command = format!("LISTEN {}", L::CHANNEL);
        let listening = tokio::time::timeout(CONNECT, client.batch_execute(&command)).await;
        listening.map_err(|_| DbError::Exhausted(CONNECT))??;
        let mut moment = Instant::now();
        listener.begin().await?;
        let mut announced = Vec::new();
        loop {
            listener.is_up_to_date(moment);
            // The test comes in time however much is announced.
            let wait = L::HEARTBEAT.saturating_sub(moment.elapsed());
            match tokio::time::timeout(wait, told.recv_many(&mut announced, AT_ONCE)).await {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(_) => {
                    let asked = Instant::now();
                    let alive = tokio::time::timeout(L::HEARTBEAT, client.batch_execute("")).await;
                    alive.map_err(|_| DbError::Exhausted(L::HEARTBEAT))??;
                    // The answer comes after whatever was announced before the question.
                    while let Ok(payload) = told.try_recv() {
                        announced.push(payload);
                    }
                    moment = asked;
                }
            }
            if !announced.is_empty() {
                let announced = announced.drain(..).collect();
                listener.hear(&announced).await;
            }
        }
    }
}

const AT_ONCE: usize = 10_000;
/// A server that hangs accepts a connection and never answers on it.
const CONNECT: Duration = Duration::from_secs(10);
