//! The deliveries of a webhook: the log, and test messages.

use crate::routes::events::topics::TopicName;
use actix_web::{HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use events::webhooks::attempt::Outcome;
use events::webhooks::delivery::{self, Delivery, DeliveryFilter, DeliveryId, DeliveryKind};
use events::webhooks::endpoint::{self, EndpointId};
use serde::{Deserialize, Serialize};
use tenancy::{SharedScope, SharedTx};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use values::AnyId;

use crate::http::caller::{Member, may};
use crate::http::extract::PathId;
use crate::http::lists::{List, PageView, Paging};
use crate::http::problem::Problem;
use crate::http::state::State;

/// An attempt to post a message.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookDeliveryView {
    /// The id of the attempt.
    id: DeliveryId,
    /// The id of the event, which the message had as webhook-id.
    event_id: Uuid,
    /// The topic. Test messages have the topic webhook.test.
    #[schema(example = "order.placed")]
    #[schema(value_type = TopicName)]
    topic: String,
    /// Why the message was sent.
    kind: DeliveryKind,
    /// The number of the attempt, from 1.
    attempt: i32,
    started_at: DateTime<Utc>,
    /// The time until the answer was read, in milliseconds.
    #[schema(example = 84)]
    took_ms: i32,
    /// The outcome. Only delivered means that the message was accepted.
    outcome: Outcome,
    /// The status of the answer; null if there was none.
    #[schema(example = 204)]
    http_status: Option<i16>,
    /// The beginning of the answer's body, up to 1,000 bytes; null if there was no answer.
    response: Option<String>,
}

impl From<Delivery> for WebhookDeliveryView {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.id,
            event_id: delivery.event_id,
            topic: delivery.topic,
            kind: delivery.kind,
            attempt: delivery.attempt,
            started_at: delivery.started_at,
            took_ms: delivery.took_ms,
            outcome: delivery.outcome,
            http_status: delivery.http_status,
            response: delivery.response,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListWebhookDeliveries {
    /// Only attempts to post this event.
    event_id: Option<AnyId>,
    /// Only attempts with this outcome.
    outcome: Option<Outcome>,
}

/// List deliveries
///
/// Returns the attempts to post messages to the webhook, newest first. Attempts are kept for 14 days.
#[utoipa::path(tag = "webhooks", operation_id = "listWebhookDeliveries", params(ListWebhookDeliveries, Paging,
    ("id" = EndpointId, Path,)), responses((status = 200, body = PageView<WebhookDeliveryView>)))]
#[get("/webhooks/{id}/deliveries")]
pub async fn list(
    state: web::Data<State>,
    member: Member<may::WebhooksManage>,
    PathId(id): PathId<EndpointId>,
    List { query, page }: List<ListWebhookDeliveries>,
) -> Result<HttpResponse, Problem> {
    let tenant = member.tenant.id;
    let page = page.request()?;
    let filter = DeliveryFilter { event: query.event_id.map(Uuid::from), outcome: query.outcome };
    let read = async |tx: &SharedTx| {
        let endpoint = endpoint::find(tx, tenant, id).await?;
        let page = delivery::list(tx, tenant, id, filter, &page).await?;
        Ok::<_, tenancy::DbError>(endpoint.map(|_| page))
    };
    let page = state.database.read_shared(SharedScope::Tenant(tenant), read).await?;
    let page = page.ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().json(PageView::new(page, WebhookDeliveryView::from)))
}

/// Test a webhook
///
/// Posts a message with the topic webhook.test at once, and returns the delivery. The webhook may have any
/// status. The answer is 200 even if the test fails: read outcome. A business may test one webhook at a time.
#[utoipa::path(tag = "webhooks", operation_id = "testWebhook",
    responses((status = 200, body = WebhookDeliveryView)), params(("id" = EndpointId, Path,)))]
#[post("/webhooks/{id}/test")]
pub async fn test(
    state: web::Data<State>,
    member: Member<may::WebhooksManage>,
    PathId(id): PathId<EndpointId>,
) -> Result<HttpResponse, Problem> {
    let tenant = member.tenant.id;
    let _trial = state.trials.begin(tenant)?;
    let delivery = delivery::test(&state.database, tenant, id, &state.courier, &state.webhook_sealer).await?;
    Ok(HttpResponse::Ok().json(WebhookDeliveryView::from(delivery)))
}
