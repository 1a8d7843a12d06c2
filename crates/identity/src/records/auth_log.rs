//! Reading the log of authentication events.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use const_format::concatcp;
use serde::Serialize;
use serde_json::Value;
use tenancy::{DbError, SharedTx, TenantId};
use values::{Page, PageRequest};

use crate::names::ids::{SessionId, UserId};
use crate::records::auth_event::{AuthAction, AuthEventId};

/// An event, as it was written.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoggedEvent {
    /// The id. Later events have higher ids.
    pub id: AuthEventId,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// The word of the action, which may be one of a later release.
    pub action: String,
    /// The reason why it failed. `None` if it did not.
    pub failure: Option<String>,
    /// The business, if there is one.
    pub tenant_id: Option<TenantId>,
    /// The app, if there is one.
    pub app: Option<String>,
    /// The person who acted, if known.
    pub actor_id: Option<UserId>,
    /// The name of that person, or their login. `None` if the viewer may not see the person.
    pub actor_name: Option<String>,
    /// The operator, if it was the operator who acted: one of the staff, or a command.
    pub operator: Option<String>,
    /// The person whose account or access it is, if known.
    pub user_id: Option<UserId>,
    /// The name of that person, or their login. `None` if the viewer may not see the person.
    pub user_name: Option<String>,
    /// The session, if there is one.
    pub session_id: Option<SessionId>,
    /// The address of the client.
    pub address: Option<IpAddr>,
    /// The program of the client, as it named itself.
    pub user_agent: Option<String>,
    /// The device, as its user named it.
    pub device: Option<String>,
    /// Further facts.
    pub details: Value,
}

tenancy::from_row!(LoggedEvent {
    id,
    occurred_at,
    action,
    failure,
    tenant_id,
    app,
    actor_id,
    actor_name,
    operator,
    user_id,
    user_name,
    session_id,
    address,
    user_agent,
    device,
    details,
});

impl LoggedEvent {
    /// The event as people outside the platform see it: they do not learn which of its staff acted, or from
    /// where.
    #[must_use]
    pub fn for_outsiders(mut self) -> Self {
        if self.operator.is_some() {
            self.operator = Some("operator".to_owned());
            (self.actor_id, self.actor_name) = (None, None);
            return self.without_origin();
        }
        self
    }

    /// The event as its person sees it: without the address and the program of others who acted.
    #[must_use]
    pub fn for_person(self, person: UserId) -> Self {
        if self.actor_id.is_some_and(|actor| actor != person) {
            return self.for_outsiders().without_origin();
        }
        self.for_outsiders()
    }

    fn without_origin(mut self) -> Self {
        (self.address, self.user_agent, self.device) = (None, None, None);
        self
    }
}

/// Which events to list. Without any condition, all that the viewer may see.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// The business.
    pub tenant: Option<TenantId>,
    /// The person who acted, or whose account or access it is.
    pub user: Option<UserId>,
    /// The action.
    pub action: Option<AuthAction>,
    /// Whether it failed.
    pub has_failed: Option<bool>,
    /// The address of the client.
    pub address: Option<IpAddr>,
    /// Events of this moment and later ones.
    pub from: Option<DateTime<Utc>>,
    /// Events before this moment.
    pub until: Option<DateTime<Utc>>,
    /// Whether the platform looks. Others find no operator by id or address.
    pub is_platform: bool,
}

// A name is only found if the policies of the tables let the viewer see the person.
const SELECT: &str = "
    SELECT e.id, e.occurred_at, e.action, e.failure, e.tenant_id, e.app, e.actor_id, e.actor AS operator,
           e.user_id, e.session_id, e.address, e.user_agent, e.device, e.details,
           (SELECT coalesce(u.full_name, min(l.value)) FROM shared.users u
              LEFT JOIN shared.user_logins l ON l.user_id = u.id
             WHERE u.id = e.actor_id GROUP BY u.id) AS actor_name,
           (SELECT coalesce(u.full_name, min(l.value)) FROM shared.users u
              LEFT JOIN shared.user_logins l ON l.user_id = u.id
             WHERE u.id = e.user_id GROUP BY u.id) AS user_name
      FROM shared.auth_events e
     WHERE e.id < $1
       AND ($3::uuid IS NULL OR e.tenant_id = $3)
       AND ($4::uuid IS NULL OR e.user_id = $4 OR e.actor_id = $4 AND ($10 OR e.actor IS NULL))
       AND ($5::text IS NULL OR e.action = $5)
       AND ($6::boolean IS NULL OR (e.failure IS NOT NULL) = $6)
       AND ($7::inet IS NULL OR e.address = $7 AND ($10 OR e.actor IS NULL))
       AND ($8::timestamptz IS NULL OR e.occurred_at >= $8)
       AND ($9::timestamptz IS NULL OR e.occurred_at < $9) ";

/// A page of events, newest first.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &SharedTx,
    filter: &EventFilter,
    page: &PageRequest<AuthEventId>,
) -> Result<Page<LoggedEvent>, DbError> {
    let events = up_to(tx, filter, page.below(), page.limit.and_one()).await?;
    Ok(page.page(events, |event| event.id))
}

/// Up to `limit` events that are older than the event `before`, newest first.
///
/// # Errors
/// [`DbError`].
pub async fn up_to(
    tx: &SharedTx,
    filter: &EventFilter,
    before: AuthEventId,
    limit: i64,
) -> Result<Vec<LoggedEvent>, DbError> {
    const LIST: &str = concatcp!(SELECT, "ORDER BY e.id DESC LIMIT $2");
    let EventFilter { tenant, user, action, has_failed, address, from, until, is_platform } = filter;
    tx.rows(LIST, &[&before, &limit, tenant, user, action, has_failed, address, from, until, is_platform])
        .await
}
