//! The lane of an endpoint: its place among the events of its business, and what is next on it.

use chrono::{DateTime, TimeDelta, Utc};
use const_format::concatcp;
use identity::{Sealer, Unreadable};
use tenancy::{DbError, SharedTx, TenantId};

use crate::feed::stored_event::{self, StoredEvent};
use crate::topic_filter::TopicFilter;
use crate::webhooks::attempt::{Attempt, Outcome};
use crate::webhooks::delivery::{self, DeliveryKind};
use crate::webhooks::endpoint::{EndpointId, POSITION};
use crate::webhooks::message::Message;
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
    /// The epoch of the events of the business.
    epoch: i32,
    last_position: i64,
    replay_next: Option<i64>,
    replay_until: Option<i64>,
    pub(super) attempts: i32,
    pub(super) failing_since: Option<DateTime<Utc>>,
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
    epoch,
    last_position,
    replay_next,
    replay_until,
    attempts,
    failing_since,
    version,
});

/// An event that is next on a lane.
#[derive(Debug)]
pub(super) struct Upcoming {
    pub(super) event: StoredEvent,
    pub(super) kind: DeliveryKind,
}

// $1 is the present moment. A new epoch begins at its beginning, and has no events to be sent again.
const COLUMNS: &str = concatcp!(
    "e.id, e.tenant_id, e.url, e.topics, e.sealed_secret, e.sealed_with,
     CASE WHEN e.former_expires_at > $1 THEN e.former_sealed_secret END AS former_sealed_secret,
     CASE WHEN e.former_expires_at > $1 THEN e.former_sealed_with END AS former_sealed_with,
     coalesce(p.epoch, 0) AS epoch, ",
    POSITION,
    " AS last_position,
     CASE WHEN coalesce(p.epoch, 0) = e.epoch THEN e.replay_next END AS replay_next, e.replay_until,
     e.attempts, e.failing_since, e.version"
);
const FROM: &str = "
    FROM shared.webhook_endpoints e LEFT JOIN shared.event_positions p ON p.tenant_id = e.tenant_id ";

/// The lane of an endpoint.
pub(super) async fn find(tx: &SharedTx, tenant: TenantId, id: EndpointId) -> Result<Option<Lane>, DbError> {
    const FIND: &str = concatcp!("SELECT ", COLUMNS, FROM, "WHERE e.id = $2 AND e.tenant_id = $3");
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
                   + (SELECT count(*) FROM unnest($3::uuid[]) b WHERE b = e.tenant_id) AS place ",
        FROM,
        "     JOIN shared.tenants t ON t.id = e.tenant_id AND t.status = 'active'
             WHERE e.status = 'active' AND e.due_at <= $1 AND e.id <> ALL ($2)
               AND (e.replay_next IS NOT NULL OR coalesce(p.last_position, 0) > ",
        POSITION,
        ")) ready
          WHERE place <= $4
          ORDER BY place, served_at LIMIT $5"
    );
    let (endpoints, tenants): (Vec<EndpointId>, Vec<TenantId>) = busy.iter().copied().unzip();
    tx.rows(DUE, &[&tx.now(), &endpoints, &tenants, &most_of_business, &limit]).await
}

/// The time of the next attempt at an endpoint that failed.
pub(super) async fn next_due(tx: &SharedTx) -> Result<Option<DateTime<Utc>>, DbError> {
    const NEXT: &str = "
        SELECT min(due_at) FROM shared.webhook_endpoints WHERE status = 'active' AND due_at > $1";
    tx.value(NEXT, &[&tx.now()]).await
}

/// The events that are read at once.
const PAGE: i64 = 50;

impl Lane {
    /// The secrets that sign a message.
    pub(super) fn secrets(&self, sealer: &Sealer) -> Result<Vec<WebhookSecret>, Unreadable> {
        let open = |bytes: &[u8], with: &str| {
            let sealed = SealedSecret { bytes: bytes.to_vec(), sealed_with: with.to_owned() };
            WebhookSecret::open(self.id, &sealed, sealer)
        };
        let mut secrets = vec![open(&self.sealed_secret, &self.sealed_with)?];
        if let (Some(bytes), Some(with)) = (&self.former_sealed_secret, &self.former_sealed_with) {
            secrets.push(open(bytes, with)?);
        }
        Ok(secrets)
    }

    /// The next events of the chosen topics: new ones before those that are sent again. Passes over the
    /// others. Empty if nothing is left to do, or if somebody has changed the endpoint.
    pub(super) async fn upcoming(&mut self, tx: &SharedTx) -> Result<Vec<Upcoming>, DbError> {
        loop {
            let (kind, after) = match self.replay_next {
                _ if self.has_new(tx).await? => (DeliveryKind::Event, self.last_position),
                Some(next) => (DeliveryKind::Replay, next - 1),
                None => return Ok(Vec::new()),
            };
            let mut events = stored_event::after(tx, self.tenant_id, after, PAGE).await?;
            if let (DeliveryKind::Replay, Some(until)) = (kind, self.replay_until) {
                events.retain(|event| event.position <= until);
            }
            let last = events.last().map(|event| event.position);
            let chosen = TopicFilter::stored(self.topics.clone());
            events.retain(|event| chosen.includes(&event.topic));
            if !events.is_empty() {
                return Ok(events.into_iter().map(|event| Upcoming { event, kind }).collect());
            }
            // Nothing was chosen of these, or the replay has reached its end.
            let passed = last.or(self.replay_until).unwrap_or(after);
            if !self.advance(tx, kind, passed).await? {
                return Ok(Vec::new());
            }
        }
    }

    async fn has_new(&self, tx: &SharedTx) -> Result<bool, DbError> {
        const HAS_NEW: &str =
            "SELECT EXISTS (SELECT FROM shared.events WHERE tenant_id = $1 AND position > $2)";
        tx.value(HAS_NEW, &[&self.tenant_id, &self.last_position]).await
    }

    /// Moves on to a position. Returns `false` if somebody has changed the endpoint meanwhile: then the lane
    /// has to be read again.
    pub(super) async fn advance(
        &mut self,
        tx: &SharedTx,
        kind: DeliveryKind,
        position: i64,
    ) -> Result<bool, DbError> {
        const ADVANCE: &str = "
            UPDATE shared.webhook_endpoints
               SET epoch = $2, last_position = $3, replay_next = $4, replay_until = $5, attempts = 0,
                   failing_since = NULL, failing_position = NULL, served_at = $6
             WHERE id = $1 AND version = $7 AND status = 'active'";
        match kind {
            DeliveryKind::Replay => {
                self.replay_next = Some(position + 1).filter(|next| Some(*next) <= self.replay_until);
            }
            DeliveryKind::Event | DeliveryKind::Test => self.last_position = position,
        }
        if self.replay_next.is_none() {
            self.replay_until = None;
        }
        self.attempts = 0;
        self.failing_since = None;
        let advanced = tx
            .execute(
                ADVANCE,
                &[
                    &self.id,
                    &self.epoch,
                    &self.last_position,
                    &self.replay_next,
                    &self.replay_until,
                    &tx.now(),
                    &self.version,
                ],
            )
            .await?;
        Ok(advanced == 1)
    }

    /// Notes that an event was not taken. Returns whether the endpoint is given up.
    pub(super) async fn put_off(
        &mut self,
        tx: &SharedTx,
        upcoming: &Upcoming,
        attempt: &Attempt,
        give_up_after: TimeDelta,
    ) -> Result<bool, DbError> {
        const PUT_OFF: &str = "
            UPDATE shared.webhook_endpoints
               SET attempts = $2, failing_since = $3, failing_position = $4, due_at = $5, served_at = $6,
                   status = CASE WHEN $7 THEN 'failed' ELSE status END,
                   version = CASE WHEN $7 THEN version + 1 ELSE version END
             WHERE id = $1 AND version = $8 AND status = 'active'";
        self.attempts += 1;
        let since = *self.failing_since.get_or_insert(attempt.started_at);
        let is_over = attempt.outcome == Outcome::Gone || tx.now() - since >= give_up_after;
        let due_at = tx.now() + pause(self.attempts, attempt);
        let (position, version) = (upcoming.event.position, self.version);
        let noted = tx
            .execute(
                PUT_OFF,
                &[&self.id, &self.attempts, &since, &position, &due_at, &tx.now(), &is_over, &version],
            )
            .await?;
        Ok(is_over && noted == 1)
    }

    /// Writes an attempt into the log.
    pub(super) async fn log(
        &self,
        tx: &SharedTx,
        message: &Message,
        upcoming: &Upcoming,
        attempt: &Attempt,
    ) -> Result<(), DbError> {
        let number = self.attempts + 1;
        delivery::insert(tx, self.tenant_id, self.id, message, upcoming.kind, number, attempt).await.map(drop)
    }
}

/// The pauses after the first attempts that failed; later ones are as long as the last.
const PAUSES_S: [u32; 10] = [5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200];

/// The pause after an attempt that failed: longer each time, not the same for all endpoints, and at least as
/// long as the endpoint asks for.
fn pause(attempts: i32, attempt: &Attempt) -> TimeDelta {
    let at = usize::try_from(attempts - 1).unwrap_or(0).min(PAUSES_S.len() - 1);
    let seconds = f64::from(PAUSES_S[at]) * (1.0 + fastrand::f64() / 5.0);
    let pause = TimeDelta::milliseconds((seconds * 1000.0) as i64);
    let asked = attempt.retry_after.and_then(|rest| TimeDelta::from_std(rest).ok()).unwrap_or_default();
    pause.max(asked)
}
