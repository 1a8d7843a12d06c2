//! The relay: moves events out of the outbox after their commit, gives them their positions, and announces
//! the businesses that have new ones.
//!
//! Every server runs a relay, and a lock lets one of them work at a time. So no server is missed when it
//! dies: the others move what it wrote. A server wakes its own relay when it has committed an event, so
//! that nobody has to ask the database all the time.

use std::time::Duration;

use tokio::time::Instant;

use crate::connection::error::{DbError, chain};
use crate::registry::locks::{EVENTS_LOCK, LOCK_CLASS};
use crate::scope::database::Database;
use crate::scope::transactions::SharedScope;

/// The rest after a turn. Events that are written meanwhile are moved together. After a longer time without
/// events, the next one is moved at once.
const REST: Duration = Duration::from_millis(60);
/// The pause after a turn that failed.
const AFTER_FAILURE: Duration = Duration::from_millis(500);
/// Events of servers that died, and of commands, wait at most this long.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);
/// The most events that are moved at once.
const AT_MOST: i32 = 2_000;

impl Database {
    /// Relays events for as long as the future is polled.
    pub async fn relay_events(self) {
        let event_written = self.event_written();
        loop {
            let pause = match relay(self.clone()).await {
                Ok(moved) if moved == AT_MOST => continue,
                Ok(_) => LONGEST_SLEEP,
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "events are not relayed; trying again");
                    AFTER_FAILURE
                }
            };
            let rested = Instant::now() + REST;
            // Ends at once if an event was committed since the last time.
            let _ = tokio::time::timeout(pause, event_written.notified()).await;
            tokio::time::sleep_until(rested).await;
        }
    }
}

/// Moves the events that wait in the outbox. Returns their number.
async fn relay(database: Database) -> Result<i32, DbError> {
    const RELAY: &str = "SELECT shared.relay_events($1, $2, $3)";
    database
        .write_shared(SharedScope::Platform, async |tx| {
            tx.value(RELAY, &[&LOCK_CLASS, &EVENTS_LOCK, &AT_MOST]).await
        })
        .await
}
