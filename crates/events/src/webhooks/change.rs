//! Changes of endpoints by members. Each is in the log of authentication events.

use chrono::TimeDelta;
use identity::auth_event::{self, AuthAction, AuthEvent, By};
use identity::{OverlapError, Sealer, Unreadable};
use serde_json::json;
use tenancy::{DbError, SharedTx, TenantId};
use values::{IfVersion, Note};

use crate::feed::stored_event;
use crate::topic_filter::TopicFilter;
use crate::webhooks::address::WebhookAddress;
use crate::webhooks::endpoint::{self, Endpoint, EndpointId, EndpointStatus};
use crate::webhooks::secret::WebhookSecret;

/// An endpoint to be made.
#[derive(Debug, Clone)]
pub struct NewEndpoint {
    /// The address.
    pub address: WebhookAddress,
    /// A note for people.
    pub description: Option<Note>,
    /// The chosen topics.
    pub topics: TopicFilter,
}

/// A change of an endpoint. `None` leaves a field as it is.
#[derive(Debug, Clone)]
pub struct EndpointChange {
    /// The address.
    pub address: Option<WebhookAddress>,
    /// A note for people.
    pub description: Option<Option<Note>>,
    /// The chosen topics. Events that were passed over are not sent later.
    pub topics: Option<TopicFilter>,
}

values::words! {
    /// The event with which a webhook goes on.
    pub enum ResumeFrom {
        /// The event at which the webhook stopped.
        WhereItStopped = "where_it_stopped",
        /// The oldest kept event that the webhook did not get.
        Oldest = "oldest",
        /// The next new event.
        Now = "now",
    }
}

/// An endpoint was not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The business has no such endpoint.
    #[error("there is no such webhook")]
    Unknown,
    /// Another endpoint has the address.
    #[error("another webhook of the business has this url")]
    Taken,
    /// The business has as many endpoints as it may have.
    #[error("a business may have {MOST_ENDPOINTS} webhooks; delete one first")]
    TooMany,
    /// The endpoint was changed since its version was read.
    #[error("the webhook was changed in the meantime; read it again")]
    Stale,
    /// The former secret would stay valid for too long.
    #[error(transparent)]
    Overlap(#[from] OverlapError),
    /// The endpoint is not in the right status. The text says what to do.
    #[error("{0}")]
    Status(&'static str),
    /// Events that the endpoint has not got were deleted, because they are too old.
    #[error(
        "{0} events that the webhook did not get were deleted, because they were too old; resume it with \
         from: oldest or from: now"
    )]
    Gone(i64),
    /// The secrets cannot be read or written with the present password keys.
    #[error("the secret of the webhook cannot be read any more; rotate the secret")]
    Sealing(#[from] Unreadable),
    /// PostgreSQL refused a query, or the connection failed.
    #[error("a webhook query failed")]
    Db(#[from] DbError),
}

/// The most endpoints of a business.
const MOST_ENDPOINTS: i64 = 20;

/// Makes an endpoint, which gets the events from now on. Returns it with its secret.
///
/// # Errors
/// [`EndpointError`].
pub async fn create(
    tx: &SharedTx,
    tenant: TenantId,
    new: &NewEndpoint,
    sealer: &Sealer,
    by: By<'_>,
) -> Result<(Endpoint, WebhookSecret), EndpointError> {
    const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('webhooks ' || $1::text, 0))::text";
    const COUNT: &str = "SELECT count(*) FROM shared.webhook_endpoints WHERE tenant_id = $1";
    const INSERT: &str = "
        INSERT INTO shared.webhook_endpoints
               (id, tenant_id, url, description, topics, status, sealed_secret, sealed_with, created_at,
                due_at, served_at, last_position)
        SELECT $1, $2, $3, $4, $5, 'active', $6, $7, $8, $8, $8, coalesce(p.last_position, 0)
          FROM (SELECT $2::uuid AS id) t LEFT JOIN shared.event_positions p ON p.tenant_id = t.id";
    // Two at the same moment do not both make the last endpoint.
    tx.execute(LOCK, &[&tenant.to_string()]).await?;
    if tx.value::<i64>(COUNT, &[&tenant]).await? >= MOST_ENDPOINTS {
        return Err(EndpointError::TooMany);
    }
    let (id, secret) = (EndpointId::new(), WebhookSecret::generate());
    let sealed = secret.seal(id, sealer)?;
    let (url, description, topics) = (new.address.url().as_str(), &new.description, new.topics.names());
    tx.execute(
        INSERT,
        &[&id, &tenant, &url, description, &topics, &sealed.bytes, &sealed.sealed_with, &tx.now()],
    )
    .await
    .map_err(taken)?;
    Ok((recorded(tx, tenant, id, AuthAction::WebhookCreated, by).await?, secret))
}

/// Changes an endpoint. With another address or other topics, it is retried at once.
///
/// # Errors
/// [`EndpointError`].
pub async fn change(
    tx: &SharedTx,
    tenant: TenantId,
    id: EndpointId,
    change: &EndpointChange,
    if_version: IfVersion,
    by: By<'_>,
) -> Result<Endpoint, EndpointError> {
    const CHANGE: &str = "
        UPDATE shared.webhook_endpoints
           SET url = coalesce($2, url), description = CASE WHEN $3 THEN $4 ELSE description END,
               topics = coalesce($5, topics), version = version + 1
         WHERE id = $1";
    const BEGIN_ANEW: &str = "
        UPDATE shared.webhook_endpoints
           SET attempts = 0, failing_since = NULL, failing_position = NULL, due_at = $2
         WHERE id = $1";
    lock(tx, tenant, id, if_version).await?;
    let url = change.address.as_ref().map(|address| address.url().as_str());
    let topics = change.topics.as_ref().map(TopicFilter::names);
    let (is_described, description) = (change.description.is_some(), change.description.clone().flatten());
    tx.execute(CHANGE, &[&id, &url, &is_described, &description, &topics]).await.map_err(taken)?;
    if url.is_some() || topics.is_some() {
        tx.execute(BEGIN_ANEW, &[&id, &tx.now()]).await?;
    }
    recorded(tx, tenant, id, AuthAction::WebhookChanged, by).await
}

/// Gives an endpoint another secret. Messages are signed with the former one, too, for a while.
///
/// # Errors
/// [`EndpointError`].
pub async fn rotate(
    tx: &SharedTx,
    tenant: TenantId,
    id: EndpointId,
    overlap: TimeDelta,
    if_version: IfVersion,
    sealer: &Sealer,
    by: By<'_>,
) -> Result<(Endpoint, WebhookSecret), EndpointError> {
    const ROTATE: &str = "
        UPDATE shared.webhook_endpoints
           SET former_sealed_secret = CASE WHEN $2::timestamptz IS NOT NULL THEN sealed_secret END,
               former_sealed_with = CASE WHEN $2::timestamptz IS NOT NULL THEN sealed_with END,
               former_expires_at = $2,
               sealed_secret = $3, sealed_with = $4, version = version + 1
         WHERE id = $1";
    identity::check_overlap(overlap)?;
    lock(tx, tenant, id, if_version).await?;
    let secret = WebhookSecret::generate();
    let sealed = secret.seal(id, sealer)?;
    // Without an overlap, no clock decides whether the former secret still signs.
    let former_expires_at = (overlap > TimeDelta::zero()).then(|| tx.now() + overlap);
    tx.execute(ROTATE, &[&id, &former_expires_at, &sealed.bytes, &sealed.sealed_with]).await?;
    Ok((recorded(tx, tenant, id, AuthAction::WebhookRotated, by).await?, secret))
}

/// Pauses an endpoint. Pausing it again changes nothing.
///
/// # Errors
/// [`EndpointError`].
pub async fn pause(
    tx: &SharedTx,
    tenant: TenantId,
    id: EndpointId,
    by: By<'_>,
) -> Result<Endpoint, EndpointError> {
    const PAUSE: &str =
        "UPDATE shared.webhook_endpoints SET status = 'paused', version = version + 1 WHERE id = $1";
    let present = lock(tx, tenant, id, IfVersion::ANY).await?;
    if present.status == EndpointStatus::Paused {
        return Ok(present);
    }
    tx.execute(PAUSE, &[&id]).await?;
    recorded(tx, tenant, id, AuthAction::WebhookPaused, by).await
}

/// Lets a paused or failed endpoint go on. Resuming an active one changes nothing.
///
/// # Errors
/// [`EndpointError`]; [`EndpointError::Gone`] if events in between were deleted.
pub async fn resume(
    tx: &SharedTx,
    tenant: TenantId,
    id: EndpointId,
    from: ResumeFrom,
    by: By<'_>,
) -> Result<Endpoint, EndpointError> {
    const RESUME: &str = "
        UPDATE shared.webhook_endpoints
           SET status = 'active', attempts = 0, failing_since = NULL, failing_position = NULL, due_at = $2,
               last_position = $3, version = version + 1
         WHERE id = $1";
    let present = lock(tx, tenant, id, IfVersion::ANY).await?;
    if present.status == EndpointStatus::Active {
        return Ok(present);
    }
    let stopped_at = present.last_position;
    // An event may be deleted before an older one: its transaction took longer.
    let before_next = stored_event::before_next(tx, tenant, stopped_at).await?;
    let position = match from {
        ResumeFrom::Now => stored_event::extent(tx, tenant).await?.last,
        ResumeFrom::Oldest => before_next,
        ResumeFrom::WhereItStopped if stopped_at < before_next => {
            return Err(EndpointError::Gone(before_next - stopped_at));
        }
        ResumeFrom::WhereItStopped => stopped_at,
    };
    tx.execute(RESUME, &[&id, &tx.now(), &position]).await?;
    recorded(tx, tenant, id, AuthAction::WebhookResumed, by).await
}

/// Skips the event at which an endpoint fails.
///
/// # Errors
/// [`EndpointError`].
pub async fn skip(
    tx: &SharedTx,
    tenant: TenantId,
    id: EndpointId,
    by: By<'_>,
) -> Result<Endpoint, EndpointError> {
    const SKIP: &str = "
        UPDATE shared.webhook_endpoints
           SET last_position = greatest(last_position, failing_position), attempts = 0, failing_since = NULL,
               failing_position = NULL, due_at = $2, version = version + 1
         WHERE id = $1";
    let present = lock(tx, tenant, id, IfVersion::ANY).await?;
    if present.attempts == 0 {
        return Err(EndpointError::Status(
            "No event of this webhook waits for a retry, so there is none to skip.",
        ));
    }
    tx.execute(SKIP, &[&id, &tx.now()]).await?;
    recorded(tx, tenant, id, AuthAction::WebhookSkipped, by).await
}

/// Deletes an endpoint. Its log of deliveries is pruned later.
///
/// # Errors
/// [`EndpointError`].
pub async fn delete(
    tx: &SharedTx,
    tenant: TenantId,
    id: EndpointId,
    if_version: IfVersion,
    by: By<'_>,
) -> Result<(), EndpointError> {
    const DELETE: &str = "DELETE FROM shared.webhook_endpoints WHERE id = $1";
    let present = lock(tx, tenant, id, if_version).await?;
    tx.execute(DELETE, &[&id]).await?;
    record(tx, &present, AuthAction::WebhookDeleted, by).await
}

async fn read(tx: &SharedTx, tenant: TenantId, id: EndpointId) -> Result<Endpoint, EndpointError> {
    endpoint::find(tx, tenant, id).await?.ok_or(EndpointError::Unknown)
}

/// An endpoint that nobody else changes meanwhile. The sender waits, too.
pub(super) async fn lock(
    tx: &SharedTx,
    tenant: TenantId,
    id: EndpointId,
    if_version: IfVersion,
) -> Result<Endpoint, EndpointError> {
    const LOCK: &str = "
        SELECT id FROM shared.webhook_endpoints WHERE id = $1 AND tenant_id = $2 FOR UPDATE";
    tx.value_opt::<EndpointId>(LOCK, &[&id, &tenant]).await?;
    let present = read(tx, tenant, id).await?;
    match if_version.allows(present.version) {
        true => Ok(present),
        false => Err(EndpointError::Stale),
    }
}

fn taken(error: DbError) -> EndpointError {
    match error.constraint() {
        Some("webhook_endpoints_url_key") => EndpointError::Taken,
        _ => error.into(),
    }
}

/// The endpoint after a change, which is recorded.
pub(super) async fn recorded(
    tx: &SharedTx,
    tenant: TenantId,
    id: EndpointId,
    action: AuthAction,
    by: By<'_>,
) -> Result<Endpoint, EndpointError> {
    let endpoint = read(tx, tenant, id).await?;
    record(tx, &endpoint, action, by).await?;
    Ok(endpoint)
}

async fn record(
    tx: &SharedTx,
    endpoint: &Endpoint,
    action: AuthAction,
    by: By<'_>,
) -> Result<(), EndpointError> {
    let details = json!({"endpointId": endpoint.id, "host": endpoint.host(), "topics": endpoint.topics});
    let event = AuthEvent { tenant: Some(endpoint.tenant_id), details, ..AuthEvent::new(action).by(by) };
    auth_event::record(tx, &event).await.map_err(EndpointError::from)
}
