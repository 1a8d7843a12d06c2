//! Sends the events of all businesses to their endpoints, in one elected process.
//!
//! Each endpoint has a lane of its own: its events go out one after the other, so it gets them in their
//! order. Lanes take turns, and those of one business are never more than a share of all, so that an
//! endpoint that is slow or busy delays no other business. A process that dies loses nothing: what it sent
//! last may be sent once more, with the same id.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use identity::Sealer;
use tenancy::{DbError, OwnerDatabase, SharedTx, TenantId, chain};
use tokio::sync::{Notify, Semaphore};

use crate::feed::stored_event::StoredEvent;
use crate::webhooks::attempt::{Attempt, Courier, Outcome};
use crate::webhooks::change::EndpointError;
use crate::webhooks::delivery::DeliveryKind;
use crate::webhooks::endpoint::EndpointId;
use crate::webhooks::failing::{self, Failing};
use crate::webhooks::lane::{self, Ahead, Lane};
use crate::webhooks::message::Message;

/// Sends events to endpoints.
#[derive(Clone)]
pub struct WebhookSender {
    /// Carries the messages.
    pub courier: Courier,
    /// Opens the secrets of endpoints.
    pub sealer: Sealer,
    /// The time after which an endpoint that takes no event is given up.
    pub give_up_after: TimeDelta,
}

/// The lanes that are served at the same time.
const LANES: usize = 64;
/// The lanes of one business that are served at the same time.
const LANES_OF_BUSINESS: i64 = 4;
/// The transactions of lanes that run at the same time. The jobs need connections, too.
const TRANSACTIONS: usize = 4;
/// A lane makes room for others after this time.
const TURN: Duration = Duration::from_secs(5);
/// The pause between two looks at the lanes, at least and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(60));
/// The pause after a look that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// The rest of a lane that cannot be served, for example because its secret cannot be read.
const REST: TimeDelta = TimeDelta::seconds(60);

/// A sender at work.
struct Work {
    sender: WebhookSender,
    owner_database: Arc<OwnerDatabase>,
    transactions: Semaphore,
}

impl WebhookSender {
    /// Sends events for as long as the future is polled. `prompted` is notified when there may be something
    /// to send.
    pub async fn run(self, owner_database: Arc<OwnerDatabase>, prompted: Rc<Notify>) {
        let work = Work { sender: self, owner_database, transactions: Semaphore::new(TRANSACTIONS) };
        let mut turns = FuturesUnordered::new();
        let mut busy: Vec<(EndpointId, TenantId)> = Vec::new();
        loop {
            // The turns go on meanwhile: they may have the connections for which the look waits.
            let looking = work.look(busy.clone());
            tokio::pin!(looking);
            // The look leaves out a lane whose turn ends meanwhile. Its next event may have come in between.
            let mut has_left_out = false;
            let (due, pause) = loop {
                tokio::select! {
                    looked = &mut looking => break looked,
                    Some(served) = turns.next(), if !turns.is_empty() => {
                        busy.retain(|(id, _)| *id != served);
                        has_left_out = true;
                    }
                }
            };
            for lane in due {
                busy.push((lane.id, lane.tenant_id));
                turns.push(work.serve(lane));
            }
            let pause = if has_left_out { Duration::ZERO } else { pause };
            tokio::select! {
                Some(served) = turns.next(), if !turns.is_empty() => busy.retain(|(id, _)| *id != served),
                () = prompted.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
            tokio::time::sleep(PAUSES.0).await;
        }
    }
}

impl Work {
    /// The lanes to be served now, and the time until another one is due.
    async fn look(&self, busy: Vec<(EndpointId, TenantId)>) -> (Vec<Lane>, Duration) {
        let free = i64::try_from(LANES.saturating_sub(busy.len())).unwrap_or(0);
        let looked = self
            .owner_database
            .write_shared(async |tx| {
                let due = lane::due(tx, &busy, LANES_OF_BUSINESS, free).await?;
                let next = lane::next_due(tx).await?;
                let pause = next.and_then(|next| (next - tx.now()).to_std().ok()).unwrap_or(PAUSES.1);
                Ok::<_, DbError>((due, pause.min(PAUSES.1)))
            })
            .await;
        looked.unwrap_or_else(|error| {
            tracing::warn!(error = %chain(&error), "webhooks cannot be looked at; trying again");
            (Vec::new(), AFTER_FAILURE)
        })
    }

    /// Runs one transaction of a lane.
    async fn transact<T, E>(&self, work: impl AsyncFn(&SharedTx) -> Result<T, E>) -> Result<T, E>
    where
        E: std::error::Error + From<DbError> + 'static,
    {
        // The semaphore is never closed.
        let _turn = self.transactions.acquire().await;
        self.owner_database.write_shared(work).await
    }

    /// Serves a lane until it is empty, fails, or has had its turn.
    async fn serve(&self, lane: Lane) -> EndpointId {
        let id = lane.id;
        if let Err(error) = self.take_turn(lane).await {
            tracing::warn!(endpoint.id = %id, error = %chain(&error), "a webhook endpoint cannot be served");
            if self.transact(async |tx| lane::rest(tx, id, REST).await).await.is_err() {
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
        id
    }

    async fn take_turn(&self, mut lane: Lane) -> Result<(), EndpointError> {
        let secrets = lane.secrets(&self.sender.sealer)?;
        let end = Instant::now() + TURN;
        while Instant::now() < end {
            let read = async |tx: &SharedTx| {
                let mut lane = lane.clone();
                let ahead = lane.ahead(tx).await?;
                if matches!(ahead, Ahead::Gap) {
                    failing::give_up(tx, lane.tenant_id, lane.id, Failing::Deleted).await?;
                }
                Ok::<_, EndpointError>((lane, ahead))
            };
            let (read, ahead) = self.transact(read).await?;
            lane = read;
            let (events, kind) = match ahead {
                Ahead::Events(events, kind) => (events, kind),
                Ahead::Passed => continue,
                Ahead::Nothing | Ahead::Gap => return Ok(()),
            };
            for event in &events {
                let message = Message::of(event, lane.tenant_id).map_err(DbError::Payload)?;
                let attempt = self.sender.courier.deliver(&lane.url, &secrets, &message).await;
                let note = async |tx: &SharedTx| {
                    let mut lane = lane.clone();
                    let goes_on = self.note(tx, &mut lane, &message, event, kind, &attempt).await?;
                    Ok::<_, EndpointError>((lane, goes_on))
                };
                let (noted, goes_on) = self.transact(note).await?;
                lane = noted;
                if !goes_on || Instant::now() >= end {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Records an attempt. Returns whether the lane goes on.
    async fn note(
        &self,
        tx: &SharedTx,
        lane: &mut Lane,
        message: &Message,
        event: &StoredEvent,
        kind: DeliveryKind,
        attempt: &Attempt,
    ) -> Result<bool, EndpointError> {
        lane.log(tx, message, kind, attempt).await?;
        if attempt.outcome == Outcome::Delivered {
            return Ok(lane.advance(tx, kind, event.position).await?);
        }
        if kind == DeliveryKind::Replay {
            lane.put_off_replay(tx, attempt).await?;
        } else {
            let failing = lane.put_off(tx, event.position, attempt, self.sender.give_up_after).await?;
            if let Some(why) = failing {
                failing::give_up(tx, lane.tenant_id, lane.id, why).await?;
            }
        }
        Ok(false)
    }
}
