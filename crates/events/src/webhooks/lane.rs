//! The lane of an endpoint: its place among the events of its business, and the events that come next.

use chrono::{DateTime, TimeDelta, Utc};
use const_format::concatcp;
use identity::{Sealer, Unreadable};
use tenancy::{DbError, SharedTx, TenantId};

use crate::feed::stored_event::{self, StoredEvent};
use crate::topic_filter::TopicFilter;
use crate::webhooks::attempt::{Attempt, Outcome};
use crate::webhooks::delivery::{self, DeliveryKind};
use crate::webhooks::endpoint::EndpointId;
use crate::webhooks::failing::Failing;
use crate::webhooks::message::Message;
use crate::webhooks::pause;
use crate::webhooks::secret::{SealedSecret, WebhookSecret};

/// An endpoint as its sender sees it.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    pub(super) id: EndpointId,
    pub(super) tenant_id: TenantId,
    pub(super) url: String,
    topics: Vec<String>,
    sealed_secret: Vec<u8>,
    sealed_with: String,
    former_sealed_secret: Option<Vec<u8>>,
    former_sealed_with: Option<String>,
    last_position: i64,
    attempts: i32,
    failing_since: Option<DateTime<Utc>>,
    replay_next: Option<i64>,
    replay_until: Option<i64>,
    replay_due_at: Option<DateTime<Utc>>,
    replay_attempts: i32,
    version: i32,
}

tenancy::from_row!(Lane {
    id,
    tenant_id,
    url,
    topics,
    sealed_secret,
    sealed_with,
    former_sealed_secret,
    former_sealed_with,
    last_position,
    attempts,
    failing_since,
    replay_next,
    replay_until,
    replay_due_at,
    replay_attempts,
    version,
});

/// The next part of a lane.
#[derive(Debug)]
pub(super) enum Ahead {
    /// Nothing, or somebody has changed the endpoint: the lane has to be read again.
    Nothing,
    /// Events that were not chosen were passed. More may follow.
    Passed,
    /// Events of the chosen topics.
    Events(Vec<StoredEvent>, DeliveryKind),
    /// Events that the endpoint has not got were deleted.
    Gap,
}

// $1 is the present moment.
const COLUMNS: &str = "
    e.id, e.tenant_id, e.url, e.topics, e.sealed_secret, e.sealed_with,
    CASE WHEN e.former_expires_at > $1 THEN e.former_sealed_secret END AS former_sealed_secret,
    CASE WHEN e.former_expires_at > $1 THEN e.former_sealed_with END AS former_sealed_with,
    e.last_position, e.attempts, e.failing_since, e.replay_next, e.replay_until,
    e.replay_due_at, e.replay_attempts, e.version";

/// The lane of an endpoint.
pub(super) async fn find(tx: &SharedTx, tenant: TenantId, id: EndpointId) -> Result<Option<Lane>, DbError> {
    const FIND: &str = concatcp!(
        "SELECT ",
        COLUMNS,
        " FROM shared.webhook_endpoints e WHERE e.id = $2 AND e.tenant_id = $3"
    );
    tx.row_opt(FIND, &[&tx.now(), &id, &tenant]).await
}

/// The lanes on which something is due, those that have waited longest first. A business gets no more than
/// `most_of_business` of them, including those in `busy`.
pub(super) async fn due(
    tx: &SharedTx,
    busy: &[(EndpointId, TenantId)],
    most_of_business: i64,
    limit: i64,
) -> Result<Vec<Lane>, DbError> {
    const DUE: &str = concatcp!(
        "SELECT * FROM (
            SELECT ",
        COLUMNS,
        ",         e.served_at,
                   row_number() OVER (PARTITION BY e.tenant_id ORDER BY e.served_at, e.id)
                   + (SELECT count(*) FROM unnest($3::uuid[]) b WHERE b = e.tenant_id) AS place
              FROM shared.webhook_endpoints e
              JOIN shared.tenants t ON t.id = e.tenant_id AND t.status = 'active'
              LEFT JOIN shared.event_positions p ON p.tenant_id = e.tenant_id
             WHERE e.status = 'active' AND e.due_at <= $1 AND e.id <> ALL ($2)
               AND (coalesce(p.last_position, 0) > e.last_position OR e.replay_due_at <= $1)) ready
          WHERE place <= $4
          ORDER BY place, served_at LIMIT $5"
    );
    let (endpoints, tenants): (Vec<EndpointId>, Vec<TenantId>) = busy.iter().copied().unzip();
    tx.rows(DUE, &[&tx.now(), &endpoints, &tenants, &most_of_business, &limit]).await
}

/// The time of the next attempt after one that failed.
pub(super) async fn next_due(tx: &SharedTx) -> Result<Option<DateTime<Utc>>, DbError> {
    const NEXT: &str = "
        SELECT least(min(due_at) FILTER (WHERE due_at > $1),
                     min(replay_due_at) FILTER (WHERE replay_due_at > $1))
          FROM shared.webhook_endpoints WHERE status = 'active'";
    tx.value(NEXT, &[&tx.now()]).await
}

/// Lets a lane rest if it cannot be served, so that it does not hold up others.
pub(super) async fn rest(tx: &SharedTx, id: EndpointId, pause: TimeDelta) -> Result<(), DbError> {
    const REST: &str = "UPDATE shared.webhook_endpoints SET due_at = $2, served_at = $3 WHERE id = $1";
    tx.execute(REST, &[&id, &(tx.now() + pause), &tx.now()]).await.map(drop)
}

/// The events that are read at once.
const PAGE: i64 = 50;
/// The attempts after which a replay ends.
const MOST_REPLAY_ATTEMPTS: i32 = 5;
/// The fewest attempts before an endpoint fails. Time alone is no proof: the sender may have been stopped.
const FEWEST_ATTEMPTS: i32 = 8;

impl Lane {
    /// The secrets that sign a message.
    pub(super) fn secrets(&self, sealer: &Sealer) -> Result<Vec<WebhookSecret>, Unreadable> {
        let open = |bytes: &[u8], with: &str| {
            let sealed = SealedSecret { bytes: bytes.to_vec(), sealed_with: with.to_owned() };
            WebhookSecret::open(self.id, &sealed, sealer)
        };
        let mut secrets = vec![open(&self.sealed_secret, &self.sealed_with)?];
        if let (Some(bytes), Some(with)) = (&self.former_sealed_secret, &self.former_sealed_with) {
            // A former secret that cannot be read any more is of no use to anybody.
            secrets.extend(open(bytes, with));
        }
        Ok(secrets)
    }

    /// The next part: new events before those of a replay.
    pub(super) async fn ahead(&mut self, tx: &SharedTx) -> Result<Ahead, DbError> {
        const LAST: &str = "
            SELECT coalesce(p.last_position, 0) FROM shared.webhook_endpoints e
              LEFT JOIN shared.event_positions p ON p.tenant_id = e.tenant_id
             WHERE e.id = $1 AND e.version = $2 AND e.status = 'active'";
        // Read before the events, so that none of up to there is still to come. Nothing goes out to an
        // address, or with a secret, that somebody has changed.
        let Some(last) = tx.value_opt::<i64>(LAST, &[&self.id, &self.version]).await? else {
            return Ok(Ahead::Nothing);
        };
        if last > self.last_position {
            let events = stored_event::after(tx, self.tenant_id, self.last_position, PAGE).await?;
            return match events.first() {
                Some(first) if first.position == self.last_position + 1 => {
                    self.chosen(tx, events, DeliveryKind::Event).await
                }
                _ => Ok(Ahead::Gap),
            };
        }
        let (Some(next), Some(until)) = (self.replay_next, self.replay_until) else {
            return Ok(Ahead::Nothing);
        };
        if self.replay_due_at > Some(tx.now()) {
            return Ok(Ahead::Nothing);
        }
        let mut events = stored_event::after(tx, self.tenant_id, next - 1, PAGE).await?;
        events.retain(|event| event.position <= until);
        if events.is_empty() {
            let is_ours = self.advance(tx, DeliveryKind::Replay, until).await?;
            return Ok(if is_ours { Ahead::Passed } else { Ahead::Nothing });
        }
        self.chosen(tx, events, DeliveryKind::Replay).await
    }

    /// Those of the events whose topics are chosen. Passes over a page of which none is.
    async fn chosen(
        &mut self,
        tx: &SharedTx,
        mut events: Vec<StoredEvent>,
        kind: DeliveryKind,
    ) -> Result<Ahead, DbError> {
        let last = events.last().map_or(self.last_position, |event| event.position);
        let topics = TopicFilter::stored(self.topics.clone());
        events.retain(|event| topics.includes(&event.topic));
        if events.is_empty() {
            let is_ours = self.advance(tx, kind, last).await?;
            return Ok(if is_ours { Ahead::Passed } else { Ahead::Nothing });
        }
        Ok(Ahead::Events(events, kind))
    }

    /// Moves on to a position. Returns `false` if somebody has changed the endpoint meanwhile, or another
    /// process serves it: then the lane has to be read again.
    pub(super) async fn advance(
        &mut self,
        tx: &SharedTx,
        kind: DeliveryKind,
        position: i64,
    ) -> Result<bool, DbError> {
        const ADVANCE: &str = "
            UPDATE shared.webhook_endpoints
               SET last_position = $2, attempts = 0, failing_since = NULL, failing_position = NULL,
                   served_at = $3
             WHERE id = $1 AND version = $4 AND status = 'active' AND last_position = $5";
        const REPLAYED: &str = "
            UPDATE shared.webhook_endpoints
               SET replay_next = $2,
                   replay_until = CASE WHEN $2::bigint IS NOT NULL THEN replay_until END,
                   replay_due_at = CASE WHEN $2::bigint IS NOT NULL THEN $3::timestamptz END,
                   replay_attempts = 0, served_at = $3
             WHERE id = $1 AND version = $4 AND status = 'active' AND replay_next = $5";
        let moved = if kind == DeliveryKind::Replay {
            let before = self.replay_next;
            self.replay_next = Some(position + 1).filter(|next| Some(*next) <= self.replay_until);
            self.replay_attempts = 0;
            tx.execute(REPLAYED, &[&self.id, &self.replay_next, &tx.now(), &self.version, &before]).await?
        } else {
            let before = std::mem::replace(&mut self.last_position, position);
            (self.attempts, self.failing_since) = (0, None);
            tx.execute(ADVANCE, &[&self.id, &position, &tx.now(), &self.version, &before]).await?
        };
        Ok(moved == 1)
    }

    /// Records a failed attempt at a new event. Returns why the endpoint cannot go on; `None` if it can.
    pub(super) async fn put_off(
        &self,
        tx: &SharedTx,
        position: i64,
        attempt: &Attempt,
        give_up_after: TimeDelta,
    ) -> Result<Option<Failing>, DbError> {
        const PUT_OFF: &str = "
            UPDATE shared.webhook_endpoints
               SET attempts = $2, failing_since = $3, failing_position = $4, due_at = $5, served_at = $6
             WHERE id = $1 AND version = $7 AND status = 'active' AND last_position = $8";
        let attempts = self.attempts + 1;
        let since = self.failing_since.unwrap_or(attempt.started_at);
        let due_at = tx.now() + pause::after(attempts, attempt.retry_after);
        let (now, version, last) = (tx.now(), self.version, self.last_position);
        let noted = tx
            .execute(PUT_OFF, &[&self.id, &attempts, &since, &position, &due_at, &now, &version, &last])
            .await?;
        let is_late = now - since >= give_up_after && attempts >= FEWEST_ATTEMPTS;
        let failing = match attempt.outcome {
            Outcome::Gone => Some(Failing::Gone),
            _ => is_late.then_some(Failing::TakesNothing),
        };
        Ok(failing.filter(|_| noted == 1))
    }

    /// Records a failed attempt at a replayed event. After five attempts, the replay ends.
    pub(super) async fn put_off_replay(&self, tx: &SharedTx, attempt: &Attempt) -> Result<(), DbError> {
        const PUT_OFF: &str = "
            UPDATE shared.webhook_endpoints
               SET replay_attempts = $2, replay_due_at = $3, served_at = $4,
                   replay_next = CASE WHEN $3::timestamptz IS NOT NULL THEN replay_next END,
                   replay_until = CASE WHEN $3::timestamptz IS NOT NULL THEN replay_until END
             WHERE id = $1 AND version = $5 AND replay_next = $6";
        let attempts = self.replay_attempts + 1;
        let goes_on = attempts < MOST_REPLAY_ATTEMPTS && attempt.outcome != Outcome::Gone;
        let due_at = goes_on.then(|| tx.now() + pause::after(attempts, attempt.retry_after));
        let params: tenancy::Params<'_> =
            &[&self.id, &attempts, &due_at, &tx.now(), &self.version, &self.replay_next];
        tx.execute(PUT_OFF, params).await.map(drop)
    }

    /// Writes an attempt into the log.
    pub(super) async fn log(
        &self,
        tx: &SharedTx,
        message: &Message,
        kind: DeliveryKind,
        attempt: &Attempt,
    ) -> Result<(), DbError> {
        let before = if kind == DeliveryKind::Replay { self.replay_attempts } else { self.attempts };
        delivery::insert(tx, self.tenant_id, self.id, message, kind, before + 1, attempt).await.map(drop)
    }
}
