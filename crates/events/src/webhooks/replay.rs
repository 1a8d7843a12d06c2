//! Replays: events that an endpoint gets once more, one or those of a span. They have the ids that they had.

use chrono::{DateTime, Utc};
use identity::auth_event::{AuthAction, By};
use tenancy::{SharedTx, TenantId};
use uuid::Uuid;
use values::IfVersion;

use crate::webhooks::change::{self, EndpointError};
use crate::webhooks::endpoint::{Endpoint, EndpointId, EndpointStatus};

/// The events of a replay. Only kept events can be replayed.
#[derive(Debug, Clone, Copy)]
pub enum Replayed {
    /// One event.
    Event(Uuid),
    /// The events of a span of time, both ends included, and those that have their place between them.
    Span(DateTime<Utc>, DateTime<Utc>),
}

/// Sends events again, of the topics that the endpoint has chosen. New events come before them.
///
/// # Errors
/// [`EndpointError`]; an endpoint has one replay at a time.
pub async fn request(
    tx: &SharedTx,
    tenant: TenantId,
    id: EndpointId,
    replayed: Replayed,
    by: By<'_>,
) -> Result<Endpoint, EndpointError> {
    const FIND: &str = "
        SELECT min(position) AS first, max(position) AS last FROM shared.events
         WHERE tenant_id = $1 AND (id = $2 OR created_at BETWEEN $3 AND $4)";
    const REPLAY: &str = "
        UPDATE shared.webhook_endpoints
           SET replay_next = $2, replay_until = $3, replay_due_at = $4, replay_attempts = 0,
               version = version + 1
         WHERE id = $1";
    struct Found {
        first: Option<i64>,
        last: Option<i64>,
    }
    tenancy::from_row!(Found { first, last });
    let present = change::lock(tx, tenant, id, IfVersion::ANY).await?;
    if present.status != EndpointStatus::Active {
        return Err(EndpointError::Status("Resume the webhook before you replay events."));
    }
    if present.replaying > 0 {
        return Err(EndpointError::Status(
            "A replay is running. Wait until replaying is 0, or stop the replay.",
        ));
    }
    let (event, from, to) = match replayed {
        Replayed::Event(event) => (Some(event), None, None),
        Replayed::Span(from, to) => (None, Some(from), Some(to)),
    };
    let found: Found = tx.row(FIND, &[&tenant, &event, &from, &to]).await?;
    let (Some(first), Some(last)) = (found.first, found.last) else {
        return Err(EndpointError::Status("No such events are kept."));
    };
    tx.execute(REPLAY, &[&id, &first, &last, &tx.now()]).await?;
    change::recorded(tx, tenant, id, AuthAction::WebhookReplayed, by).await
}

/// Stops sending events again. Stopping it again changes nothing.
///
/// # Errors
/// [`EndpointError`].
pub async fn stop(
    tx: &SharedTx,
    tenant: TenantId,
    id: EndpointId,
    by: By<'_>,
) -> Result<Endpoint, EndpointError> {
    const STOP: &str = "
        UPDATE shared.webhook_endpoints
           SET replay_next = NULL, replay_until = NULL, replay_due_at = NULL, version = version + 1
         WHERE id = $1";
    let present = change::lock(tx, tenant, id, IfVersion::ANY).await?;
    if present.replaying == 0 {
        return Ok(present);
    }
    tx.execute(STOP, &[&id]).await?;
    change::recorded(tx, tenant, id, AuthAction::WebhookReplayStopped, by).await
}
