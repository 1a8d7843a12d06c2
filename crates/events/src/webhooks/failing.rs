//! The end of an endpoint that cannot go on: nothing more is sent to it, and its owners are told.

use identity::auth_event::{AuthAction, By, Who};
use identity::{mails, membership};
use serde_json::json;
use tenancy::{SharedTx, TenantId, tenant};

use crate::webhooks::change::{self, EndpointError};
use crate::webhooks::endpoint::EndpointId;

/// Why an endpoint cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failing {
    /// It has taken no event for days.
    TakesNothing,
    /// It answered that it does not exist any more.
    Gone,
    /// Events that it has not got were deleted, because they are too old.
    Deleted,
}

impl Failing {
    /// The word of the reason in the mail.
    fn word(self) -> &'static str {
        match self {
            Self::TakesNothing => "takes_nothing",
            Self::Gone => "gone",
            Self::Deleted => "deleted",
        }
    }
}

/// Gives an endpoint up, and tells the owners of the business.
pub(super) async fn give_up(
    tx: &SharedTx,
    tenant_id: TenantId,
    id: EndpointId,
    why: Failing,
) -> Result<(), EndpointError> {
    const GIVE_UP: &str = "
        UPDATE shared.webhook_endpoints SET status = 'failed', version = version + 1
         WHERE id = $1 AND status = 'active'";
    if tx.execute(GIVE_UP, &[&id]).await? == 0 {
        return Ok(());
    }
    let by = By { who: Who::Nobody, origin: None };
    let endpoint = change::recorded(tx, tenant_id, id, AuthAction::WebhookFailed, by).await?;
    let Some(business) = tenant::find_by_id(tx, tenant_id).await? else { return Ok(()) };
    let since = endpoint.failing_since.unwrap_or(tx.now());
    let parameters = json!({
        "business": business.name,
        "host": endpoint.host(),
        "description": endpoint.description,
        "since": since.format("%-d %B %Y at %H:%M UTC").to_string(),
        "why": why.word(),
    });
    for address in membership::owner_emails(tx, tenant_id).await? {
        let template = mails::Template::WebhookFailed;
        mails::queue(tx, template, Some(tenant_id), address.as_str(), &parameters).await?;
    }
    Ok(())
}
