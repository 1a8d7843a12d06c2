//! An endpoint: an address of a program elsewhere that gets the events of a business.

use chrono::{DateTime, Utc};
use const_format::concatcp;
use tenancy::{DbError, SharedTx, TenantId};
use url::Url;
use values::{Page, PageRequest};

values::ids! {
    /// The id of an endpoint.
    EndpointId,
}

values::words! {
    /// Whether a webhook gets events.
    pub enum EndpointStatus {
        /// It gets events.
        Active = "active",
        /// A member has paused it. When it is resumed, it gets the missed events that are still kept.
        Paused = "paused",
        /// It accepted no event for days, answered 410, or events that it did not get were deleted. When it
        /// is resumed, it gets the missed events that are still kept.
        Failed = "failed",
    }
}

/// An endpoint, without its secret.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The id.
    pub id: EndpointId,
    /// The business.
    pub tenant_id: TenantId,
    /// The address, which no other endpoint of the business has.
    pub url: String,
    /// A note for people.
    pub description: Option<String>,
    /// The chosen topics; empty for all.
    pub topics: Vec<String>,
    /// Whether it gets events.
    pub status: EndpointStatus,
    /// The attempts so far to deliver the next event; 0 if it has not failed.
    pub attempts: i32,
    /// The time of the first of these attempts.
    pub failing_since: Option<DateTime<Utc>>,
    /// The time of the next attempt, after one that failed.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// The position of the last event that it was offered.
    pub(super) last_position: i64,
    /// The events of the business that it was not offered yet, of all topics.
    pub waiting: i64,
    /// The events that are still to be sent again.
    pub replaying: i64,
    /// When the former secret stops to sign, after a rotation.
    pub former_secret_until: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Counts the changes.
    pub version: i32,
}

tenancy::from_row!(Endpoint {
    id,
    tenant_id,
    url,
    description,
    topics,
    status,
    attempts,
    failing_since,
    next_attempt_at,
    last_position,
    waiting,
    replaying,
    former_secret_until,
    created_at,
    version,
});

// $1 is the present moment.
const SELECT: &str = "
    SELECT e.id, e.tenant_id, e.url, e.description, e.topics, e.status, e.attempts, e.failing_since,
           CASE WHEN e.attempts > 0 AND e.status = 'active' THEN e.due_at END AS next_attempt_at,
           e.last_position, greatest(coalesce(p.last_position, 0) - e.last_position, 0) AS waiting,
           coalesce(e.replay_until - e.replay_next + 1, 0) AS replaying,
           CASE WHEN e.former_expires_at > $1 THEN e.former_expires_at END AS former_secret_until,
           e.created_at, e.version
      FROM shared.webhook_endpoints e
      LEFT JOIN shared.event_positions p ON p.tenant_id = e.tenant_id ";

impl Endpoint {
    /// The scheme and the host of the address. The rest of it may be a secret.
    pub fn host(&self) -> String {
        Url::parse(&self.url).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
    }
}

/// An endpoint of a business.
///
/// # Errors
/// [`DbError`]; an unknown endpoint is `None`.
pub async fn find(tx: &SharedTx, tenant: TenantId, id: EndpointId) -> Result<Option<Endpoint>, DbError> {
    const FIND: &str = concatcp!(SELECT, "WHERE e.id = $2 AND e.tenant_id = $3");
    tx.row_opt(FIND, &[&tx.now(), &id, &tenant]).await
}

/// A page of the endpoints of a business, newest first.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &SharedTx,
    tenant: TenantId,
    status: Option<EndpointStatus>,
    page: &PageRequest<EndpointId>,
) -> Result<Page<Endpoint>, DbError> {
    const LIST: &str = concatcp!(
        SELECT,
        "WHERE e.tenant_id = $2 AND e.id < $3 AND ($4::text IS NULL OR e.status = $4)
         ORDER BY e.id DESC LIMIT $5"
    );
    let found = tx.rows(LIST, &[&tx.now(), &tenant, &page.below(), &status, &page.limit.and_one()]).await?;
    Ok(page.page(found, |endpoint: &Endpoint| endpoint.id))
}

/// Lets the endpoints of a business begin with the first event of a new epoch: after a restore, the events of
/// before are not what happened.
///
/// # Errors
/// [`DbError`].
pub async fn begin_epoch(tx: &SharedTx, tenant: TenantId) -> Result<(), DbError> {
    const BEGIN: &str = "
        UPDATE shared.webhook_endpoints
           SET last_position = 0, attempts = 0, failing_since = NULL, failing_position = NULL, due_at = $2,
               replay_next = NULL, replay_until = NULL, replay_due_at = NULL, version = version + 1
         WHERE tenant_id = $1";
    tx.execute(BEGIN, &[&tenant, &tx.now()]).await.map(drop)
}
