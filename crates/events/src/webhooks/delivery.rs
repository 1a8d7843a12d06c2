//! The log of deliveries: one row for each attempt.

use chrono::{DateTime, TimeDelta, Utc};
use const_format::concatcp;
use identity::Sealer;
use tenancy::{Database, DbError, SharedScope, SharedTx, TenantId};
use uuid::Uuid;
use values::{Page, PageRequest};

use crate::webhooks::attempt::{Attempt, Courier, Outcome};
use crate::webhooks::change::EndpointError;
use crate::webhooks::endpoint::EndpointId;
use crate::webhooks::lane;
use crate::webhooks::message::Message;

values::ids! {
    /// The id of an attempt.
    DeliveryId,
}

values::words! {
    /// Why a message was sent.
    pub enum DeliveryKind {
        /// The event is new, or is retried.
        Event = "event",
        /// A member replays the event.
        Replay = "replay",
        /// A member tests the webhook.
        Test = "test",
    }
}

/// An attempt to deliver a message.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The id.
    pub id: DeliveryId,
    /// The id of the event, which the message has as `webhook-id`.
    pub event_id: Uuid,
    /// The topic.
    pub topic: String,
    /// Why the message was sent.
    pub kind: DeliveryKind,
    /// The number of the attempt, from 1.
    pub attempt: i32,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// The time until the answer, in milliseconds.
    pub took_ms: i32,
    /// The outcome.
    pub outcome: Outcome,
    /// The status of the answer, if there was one.
    pub http_status: Option<i16>,
    /// The beginning of the answer's body.
    pub response: Option<String>,
}

tenancy::from_row!(Delivery {
    id,
    event_id,
    topic,
    kind,
    attempt,
    started_at,
    took_ms,
    outcome,
    http_status,
    response,
});

const COLUMNS: &str =
    "id, event_id, topic, kind, attempt, started_at, took_ms, outcome, http_status, response";

/// Which attempts are wanted. `None` wants all.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeliveryFilter {
    /// Those of this event.
    pub event: Option<Uuid>,
    /// Those with this outcome.
    pub outcome: Option<Outcome>,
}

/// A page of the attempts at an endpoint, newest first.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &SharedTx,
    tenant: TenantId,
    endpoint: EndpointId,
    filter: DeliveryFilter,
    page: &PageRequest<DeliveryId>,
) -> Result<Page<Delivery>, DbError> {
    const LIST: &str = concatcp!(
        "SELECT ",
        COLUMNS,
        " FROM shared.webhook_deliveries
          WHERE tenant_id = $1 AND endpoint_id = $2 AND id < $3
            AND ($4::uuid IS NULL OR event_id = $4) AND ($5::text IS NULL OR outcome = $5)
          ORDER BY id DESC LIMIT $6"
    );
    let (event, outcome) = (filter.event, filter.outcome);
    let found =
        tx.rows(LIST, &[&tenant, &endpoint, &page.below(), &event, &outcome, &page.limit.and_one()]).await?;
    Ok(page.page(found, |delivery: &Delivery| delivery.id))
}

/// Sends a test message to an endpoint of any status, and waits for the answer.
///
/// # Errors
/// [`EndpointError`]; an endpoint that does not take the message is no error.
pub async fn test(
    database: &Database,
    tenant: TenantId,
    endpoint: EndpointId,
    courier: &Courier,
    sealer: &Sealer,
) -> Result<Delivery, EndpointError> {
    let scope = SharedScope::Tenant(tenant);
    let read = async |tx: &SharedTx| lane::find(tx, tenant, endpoint).await;
    let lane = database.read_shared(scope, read).await?.ok_or(EndpointError::Unknown)?;
    let secrets = lane.secrets(sealer)?;
    let message = Message::test(tenant, Utc::now()).map_err(DbError::Payload)?;
    let attempt = courier.deliver(&lane.url, &secrets, &message).await;
    let write =
        async |tx: &SharedTx| insert(tx, tenant, endpoint, &message, DeliveryKind::Test, 1, &attempt).await;
    Ok(database.write_shared(SharedScope::Tenant(tenant), write).await?)
}

/// Writes an attempt into the log.
pub(super) async fn insert(
    tx: &SharedTx,
    tenant: TenantId,
    endpoint: EndpointId,
    message: &Message,
    kind: DeliveryKind,
    number: i32,
    attempt: &Attempt,
) -> Result<Delivery, DbError> {
    const INSERT: &str = concatcp!(
        "INSERT INTO shared.webhook_deliveries (tenant_id, endpoint_id, ",
        COLUMNS,
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING ",
        COLUMNS
    );
    tx.row(
        INSERT,
        &[
            &tenant,
            &endpoint,
            &DeliveryId::new(),
            &message.id,
            &message.topic,
            &kind,
            &number,
            &attempt.started_at,
            &attempt.took_ms,
            &attempt.outcome,
            &attempt.http_status,
            &attempt.response,
        ],
    )
    .await
}

/// The days for which attempts are kept.
const KEPT_DAYS: i64 = 14;

/// Deletes attempts that are older than two weeks. Returns their number.
///
/// # Errors
/// [`DbError`].
pub async fn prune(tx: &SharedTx) -> Result<u64, DbError> {
    const PRUNE: &str = "DELETE FROM shared.webhook_deliveries WHERE started_at < $1";
    tx.execute(PRUNE, &[&(tx.now() - TimeDelta::days(KEPT_DAYS))]).await
}
