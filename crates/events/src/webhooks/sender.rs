//! Sends the events of all businesses to their endpoints, in one elected process.
//!
//! Each endpoint has a lane of its own: its events go out one after the other, so it gets them in their
//! order. Lanes take turns, and those of one business are never more than a share of all, so that an
//! endpoint that is slow or busy delays no other business. A process that dies loses nothing: what it sent
//! last may be sent once more, with the same id.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use identity::auth_event::{AuthAction, By, Who};
use identity::{Sealer, mails, membership};
use serde_json::json;
use tenancy::{DbError, OwnerDatabase, SharedTx, TenantId, chain, tenant};
use tokio::sync::Notify;

use crate::webhooks::attempt::{Attempt, Courier, Outcome};
use crate::webhooks::change::{self, EndpointError};
use crate::webhooks::endpoint::EndpointId;
use crate::webhooks::lane::{self, Lane, Upcoming};
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
/// A lane makes room for others after this time.
const TURN: Duration = Duration::from_secs(5);
/// The longest pause between two looks at the lanes.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The pause after a look that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

impl WebhookSender {
    /// Sends events for as long as the future is polled. `prompted` is notified when there may be something
    /// to send.
    pub async fn run(self, owner_database: Arc<OwnerDatabase>, prompted: Rc<Notify>) {
        let mut turns = FuturesUnordered::new();
        let mut busy = Vec::new();
        loop {
            let pause = match self.look(&owner_database, &busy).await {
                Ok((due, pause)) => {
                    for lane in due {
                        busy.push((lane.id, lane.tenant_id));
                        turns.push(self.serve(&owner_database, lane));
                    }
                    pause
                }
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "webhooks cannot be looked at; trying again");
                    AFTER_FAILURE
                }
            };
            tokio::select! {
                Some(served) = turns.next(), if !turns.is_empty() => busy.retain(|(id, _)| *id != served),
                () = prompted.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// The lanes to be served now, and the time until another one is due.
    async fn look(
        &self,
        owner_database: &OwnerDatabase,
        busy: &[(EndpointId, TenantId)],
    ) -> Result<(Vec<Lane>, Duration), DbError> {
        let free = i64::try_from(LANES.saturating_sub(busy.len())).unwrap_or(0);
        owner_database
            .write_shared(async |tx| {
                let due = lane::due(tx, busy, LANES_OF_BUSINESS, free).await?;
                let next = lane::next_due(tx).await?;
                let pause = next.and_then(|next| (next - tx.now()).to_std().ok()).unwrap_or(LONGEST_PAUSE);
                Ok::<_, DbError>((due, pause.min(LONGEST_PAUSE)))
            })
            .await
    }

    /// Serves a lane until it is empty, fails, or has had its turn.
    async fn serve(&self, owner_database: &OwnerDatabase, lane: Lane) -> EndpointId {
        let id = lane.id;
        if let Err(error) = self.take_turn(owner_database, lane).await {
            tracing::warn!(endpoint.id = %id, error = %chain(&error), "a webhook endpoint cannot be served");
            // Not again and again without a pause.
            tokio::time::sleep(AFTER_FAILURE).await;
        }
        id
    }

    async fn take_turn(&self, owner_database: &OwnerDatabase, mut lane: Lane) -> Result<(), EndpointError> {
        let secrets = lane.secrets(&self.sealer)?;
        let end = Instant::now() + TURN;
        while Instant::now() < end {
            let read = async |tx: &SharedTx| {
                let mut lane = lane.clone();
                let upcoming = lane.upcoming(tx).await?;
                Ok::<_, DbError>((lane, upcoming))
            };
            let (read, upcoming) = owner_database.write_shared(read).await?;
            lane = read;
            if upcoming.is_empty() {
                return Ok(());
            }
            for upcoming in &upcoming {
                let message = Message::of(&upcoming.event, lane.tenant_id).map_err(DbError::Payload)?;
                let attempt = self.courier.deliver(&lane.url, &secrets, &message).await;
                let note = async |tx: &SharedTx| {
                    let mut lane = lane.clone();
                    let goes_on = self.note(tx, &mut lane, &message, upcoming, &attempt).await?;
                    Ok::<_, EndpointError>((lane, goes_on))
                };
                let (noted, goes_on) = owner_database.write_shared(note).await?;
                lane = noted;
                if !goes_on || Instant::now() >= end {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Records what came of an attempt. Returns whether the lane goes on.
    async fn note(
        &self,
        tx: &SharedTx,
        lane: &mut Lane,
        message: &Message,
        upcoming: &Upcoming,
        attempt: &Attempt,
    ) -> Result<bool, EndpointError> {
        lane.log(tx, message, upcoming, attempt).await?;
        if attempt.outcome == Outcome::Delivered {
            return Ok(lane.advance(tx, upcoming.kind, upcoming.event.position).await?);
        }
        if lane.put_off(tx, upcoming, attempt, self.give_up_after).await? {
            give_up(tx, lane, attempt).await?;
        }
        Ok(false)
    }
}

/// Tells the owners that an endpoint gets no events any more.
async fn give_up(tx: &SharedTx, lane: &Lane, attempt: &Attempt) -> Result<(), EndpointError> {
    let endpoint = change::read(tx, lane.tenant_id, lane.id).await?;
    let by = By { who: Who::Nobody, origin: None };
    change::record(tx, &endpoint, AuthAction::WebhookFailed, by).await?;
    let Some(business) = tenant::find_by_id(tx, lane.tenant_id).await? else { return Ok(()) };
    let since = endpoint.failing_since.unwrap_or_else(Utc::now);
    let parameters = json!({
        "business": business.name,
        "url": endpoint.url,
        "since": since.format("%-d %B %Y at %H:%M UTC").to_string(),
        "isGone": attempt.outcome == Outcome::Gone,
    });
    for address in membership::owner_emails(tx, lane.tenant_id).await? {
        let (template, tenant) = (mails::Template::WebhookFailed, Some(lane.tenant_id));
        mails::queue(tx, template, tenant, address.as_str(), &parameters).await?;
    }
    Ok(())
}
