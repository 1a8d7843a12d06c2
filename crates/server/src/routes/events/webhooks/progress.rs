//! The progress of a webhook: pause, resume, skip and replay.

use actix_web::{HttpResponse, delete, post, web};
use events::webhooks::change::{self, ResumeFrom};
use events::webhooks::endpoint::EndpointId;
use events::webhooks::replay::{self, Replayed};
use identity::auth_event::By;
use serde::Deserialize;
use tenancy::{SharedScope, SharedTx};
use utoipa::ToSchema;
use values::{AnyId, Moment};

use crate::http::caller::{Member, may};
use crate::http::client;
use crate::http::codes::Code;
use crate::http::extract::{Json, PathId};
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::routes::events::webhooks::views::{WebhookView, shown};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"from": "where_it_stopped"}))]
pub struct ResumeWebhook {
    /// The event with which the webhook goes on. Defaults to where_it_stopped.
    from: Option<ResumeFrom>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"from": "2026-11-02T10:00:00Z", "to": "2026-11-02T11:00:00Z"}))]
pub struct ReplayWebhook {
    /// The id of an event: the webhook-id of its message.
    event_id: Option<AnyId>,
    /// The start of a span of time, which is included.
    from: Option<Moment>,
    /// The end of the span, which is included.
    to: Option<Moment>,
}

impl ReplayWebhook {
    fn replayed(self) -> Result<Replayed, Problem> {
        match (self.event_id, self.from, self.to) {
            (Some(event), None, None) => Ok(Replayed::Event(event.into())),
            (None, Some(from), Some(to)) if from.time() <= to.time() => {
                Ok(Replayed::Span(from.time(), to.time()))
            }
            (None, Some(_), Some(_)) => {
                Err(Problem::invalid("/to", Code::InvalidValue, "to must not be before from"))
            }
            _ => Err(Problem::invalid("", Code::InvalidValue, "send either eventId, or both from and to")),
        }
    }
}

/// Pause a webhook
///
/// Nothing is posted until the webhook is resumed. Repeating the request changes nothing.
#[utoipa::path(tag = "webhooks", operation_id = "pauseWebhook", responses((status = 200, body = WebhookView)),
    params(("id" = EndpointId, Path,)))]
#[post("/webhooks/{id}/pause")]
pub async fn pause(
    state: web::Data<State>,
    member: Member<may::WebhooksManage>,
    client::From(origin): client::From,
    PathId(id): PathId<EndpointId>,
) -> Result<HttpResponse, Problem> {
    let (tenant, by) = (member.tenant.id, By::person(member.principal.user, &origin));
    let pause = async |tx: &SharedTx| change::pause(tx, tenant, id, by).await;
    Ok(shown(state.database.write_shared(SharedScope::Tenant(tenant), pause).await?))
}

/// Resume a webhook
///
/// A paused or failed webhook goes on with the event at which it stopped. Events are kept for seven days by
/// default. If events that the webhook did not get were deleted, the answer is 409 events_deleted: resume it
/// with from oldest or now. Resuming an active webhook changes nothing.
#[utoipa::path(tag = "webhooks", operation_id = "resumeWebhook", request_body = ResumeWebhook,
    responses((status = 200, body = WebhookView)), params(("id" = EndpointId, Path,)))]
#[post("/webhooks/{id}/resume")]
pub async fn resume(
    state: web::Data<State>,
    member: Member<may::WebhooksManage>,
    client::From(origin): client::From,
    PathId(id): PathId<EndpointId>,
    body: Json<ResumeWebhook>,
) -> Result<HttpResponse, Problem> {
    let (tenant, by) = (member.tenant.id, By::person(member.principal.user, &origin));
    let from = body.value.from.unwrap_or(ResumeFrom::WhereItStopped);
    let resume = async |tx: &SharedTx| change::resume(tx, tenant, id, from, by).await;
    Ok(shown(state.database.write_shared(SharedScope::Tenant(tenant), resume).await?))
}

/// Skip an event
///
/// Skips the event that waits for a retry. It is not sent later. An active webhook goes on with the next
/// event at once; a paused or failed one goes on when it is resumed.
#[utoipa::path(tag = "webhooks", operation_id = "skipWebhookEvent",
    responses((status = 200, body = WebhookView)), params(("id" = EndpointId, Path,)))]
#[post("/webhooks/{id}/skip")]
pub async fn skip(
    state: web::Data<State>,
    member: Member<may::WebhooksManage>,
    client::From(origin): client::From,
    PathId(id): PathId<EndpointId>,
) -> Result<HttpResponse, Problem> {
    let (tenant, by) = (member.tenant.id, By::person(member.principal.user, &origin));
    let skip = async |tx: &SharedTx| change::skip(tx, tenant, id, by).await;
    Ok(shown(state.database.write_shared(SharedScope::Tenant(tenant), skip).await?))
}

/// Replay events
///
/// Posts one event, or the events of a span of time, once more, with the same webhook-id. Only kept events of
/// the chosen topics are sent, and new events come first. The webhook must be active, and has one replay at a
/// time. A replay ends early if an event is not accepted in five attempts, or if the answer is 410.
#[utoipa::path(tag = "webhooks", operation_id = "replayWebhookEvents", request_body = ReplayWebhook,
    responses((status = 202, body = WebhookView)), params(("id" = EndpointId, Path,)))]
#[post("/webhooks/{id}/replays")]
pub async fn send_again(
    state: web::Data<State>,
    member: Member<may::WebhooksManage>,
    client::From(origin): client::From,
    PathId(id): PathId<EndpointId>,
    body: Json<ReplayWebhook>,
) -> Result<HttpResponse, Problem> {
    let (tenant, by) = (member.tenant.id, By::person(member.principal.user, &origin));
    let replayed = body.value.replayed()?;
    let request = async |tx: &SharedTx| replay::request(tx, tenant, id, replayed, by).await;
    let endpoint = state.database.write_shared(SharedScope::Tenant(tenant), request).await?;
    Ok(HttpResponse::Accepted().json(WebhookView::from(endpoint)))
}

/// Stop a replay
///
/// Ends the replay. Repeating the request changes nothing.
#[utoipa::path(tag = "webhooks", operation_id = "stopWebhookReplay",
    responses((status = 200, body = WebhookView)), params(("id" = EndpointId, Path,)))]
#[delete("/webhooks/{id}/replays")]
pub async fn stop_sending_again(
    state: web::Data<State>,
    member: Member<may::WebhooksManage>,
    client::From(origin): client::From,
    PathId(id): PathId<EndpointId>,
) -> Result<HttpResponse, Problem> {
    let (tenant, by) = (member.tenant.id, By::person(member.principal.user, &origin));
    let stop = async |tx: &SharedTx| replay::stop(tx, tenant, id, by).await;
    Ok(shown(state.database.write_shared(SharedScope::Tenant(tenant), stop).await?))
}
