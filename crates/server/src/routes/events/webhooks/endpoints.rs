//! The endpoints of webhooks: made, changed and deleted.

use crate::routes::events::topics::ChosenTopic;
use actix_web::http::header;
use actix_web::{HttpResponse, delete, get, patch, post, web};
use chrono::TimeDelta;
use events::TopicFilter;
use events::webhooks::address::WebhookAddress;
use events::webhooks::change::{self, EndpointChange, NewEndpoint};
use events::webhooks::endpoint::{self, EndpointId, EndpointStatus};
use identity::OVERLAP_HOURS;
use identity::auth_event::By;
use serde::Deserialize;
use tenancy::{SharedScope, SharedTx};
use utoipa::{IntoParams, ToSchema};
use values::Note;

use crate::http::caller::{Member, may};
use crate::http::client;
use crate::http::codes::Code;
use crate::http::extract::{IfMatch, Json, PathId};
use crate::http::lists::{List, PageView, Paging};
use crate::http::problem::Problem;
use crate::http::recent::Recent;
use crate::http::state::State;
use crate::routes::events::topics;
use crate::routes::events::webhooks::views::{IssuedWebhookView, WebhookView, issued, shown};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"url": "https://erp.example.com/hooks/tenantry", "topics": ["order.*"]}))]
pub struct CreateWebhook {
    /// The address to which events are posted. It must begin with https:// and be on the internet. No other
    /// webhook of the business may have it.
    #[schema(max_length = 500)]
    url: String,
    /// A note for people.
    description: Option<Note>,
    /// The topics: names such as order.placed, and groups such as order.*. You must have the permission for
    /// each topic. Defaults to all topics.
    #[schema(max_items = 100)]
    #[schema(value_type = Option<Vec<ChosenTopic>>)]
    topics: Option<Vec<String>>,
}

/// The body is a JSON Merge Patch (RFC 7396): a field that is left out stays unchanged.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"topics": ["order.*", "sale.completed"]}))]
pub struct ChangeWebhook {
    /// The address to which events are posted. You must have the permission for each topic of the webhook.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(max_length = 500)]
    url: Option<String>,
    /// A note for people, or null.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    description: Option<Option<Note>>,
    /// The topics. An empty list means all topics. You must have the permission for each of them. Events that
    /// were passed over are not sent later.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(max_items = 100)]
    #[schema(value_type = Option<Vec<ChosenTopic>>)]
    topics: Option<Vec<String>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"overlapHours": 24}))]
pub struct RotateWebhookSecret {
    /// The hours for which messages are also signed with the former secret, 0 to 168. Defaults to 24.
    #[schema(minimum = 0, maximum = 168)]
    overlap_hours: Option<u32>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListWebhooks {
    /// The status. Defaults to all.
    status: Option<EndpointStatus>,
}

fn address(state: &State, text: &str) -> Result<WebhookAddress, Problem> {
    WebhookAddress::parse(text, state.reach)
        .map_err(|error| Problem::invalid("/url", Code::InvalidValue, error))
}

/// The chosen topics, all of whose events the member may see.
fn chosen(member: &Member<may::WebhooksManage>, names: &[String]) -> Result<TopicFilter, Problem> {
    let refuse = |error: String| Problem::invalid("/topics", Code::InvalidValue, error);
    if names.len() > MOST_TOPICS {
        return Err(refuse(format!("topics must have at most {MOST_TOPICS} entries")));
    }
    let chosen =
        topics::parse(names.iter().map(String::as_str)).map_err(|error| refuse(error.to_string()))?;
    let hidden = topics::all()
        .filter(|topic| chosen.includes(topic.name))
        .find(|topic| !member.principal.may(topics::permission_of(topic.name)));
    match hidden {
        Some(topic) => Err(Problem::new(
            Code::PermissionDenied,
            format!(
                "To send {}, you need the permission {}. Choose other topics.",
                topic.name,
                topics::permission_of(topic.name)
            ),
        )),
        None => Ok(chosen),
    }
}

const MOST_TOPICS: usize = 100;

/// List webhooks
///
/// Returns the webhooks of the business, newest first.
#[utoipa::path(tag = "webhooks", operation_id = "listWebhooks", params(ListWebhooks, Paging),
    responses((status = 200, body = PageView<WebhookView>)))]
#[get("/webhooks")]
pub async fn list(
    state: web::Data<State>,
    member: Member<may::WebhooksManage>,
    List { query, page }: List<ListWebhooks>,
) -> Result<HttpResponse, Problem> {
    let tenant = member.tenant.id;
    let page = page.request()?;
    let read = async |tx: &SharedTx| endpoint::list(tx, tenant, query.status, &page).await;
    let page = state.database.read_shared(SharedScope::Tenant(tenant), read).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, WebhookView::from)))
}

/// Create a webhook
///
/// From now on, each event of the chosen topics is posted to the address as JSON. Messages are signed
/// according to Standard Webhooks 1.0: verify the headers webhook-id, webhook-timestamp and webhook-signature
/// with the secret and a library for Standard Webhooks. Answer with a status of 2xx within 15 seconds. The
/// body does not matter. Redirects are not followed.
///
/// New events arrive one after another, in their order. An event that is not accepted is retried after 5
/// seconds, 30 seconds, 2 minutes and so on, up to 12 hours; later events wait. The header Retry-After, in
/// seconds, may ask for a longer pause, up to 24 hours. The webhook fails if it accepts no event for three
/// days (the operator may set another time), if it answers 410, or if events that it did not get were
/// deleted. The owners then get a mail. A failed webhook goes on when it is resumed. Events are deleted after
/// seven days by default, so resume it in time. An event may arrive twice; then it has the same webhook-id. A
/// business may have 20 webhooks.
#[utoipa::path(tag = "webhooks", operation_id = "createWebhook", request_body = CreateWebhook,
    responses((status = 201, body = IssuedWebhookView)))]
#[post("/webhooks")]
pub async fn create(
    state: web::Data<State>,
    member: Recent<Member<may::WebhooksManage>>,
    client::From(origin): client::From,
    body: Json<CreateWebhook>,
) -> Result<HttpResponse, Problem> {
    let CreateWebhook { url, description, topics } = body.value;
    let new = NewEndpoint {
        address: address(&state, &url)?,
        description,
        topics: chosen(&member, &topics.unwrap_or_default())?,
    };
    let (tenant, by) = (member.tenant.id, By::person(member.principal.user, &origin));
    let create = async |tx: &SharedTx| change::create(tx, tenant, &new, &state.webhook_sealer, by).await;
    let made = state.database.write_shared(SharedScope::Tenant(tenant), create).await?;
    let mut response = HttpResponse::Created();
    response.insert_header((header::LOCATION, format!("/api/v1/webhooks/{}", made.0.id)));
    Ok(issued(response, made))
}

/// Read a webhook
///
/// Returns a webhook with its position among the events, without its secret.
#[utoipa::path(tag = "webhooks", operation_id = "readWebhook", responses((status = 200, body = WebhookView)),
    params(("id" = EndpointId, Path,)))]
#[get("/webhooks/{id}")]
pub async fn show(
    state: web::Data<State>,
    member: Member<may::WebhooksManage>,
    PathId(id): PathId<EndpointId>,
) -> Result<HttpResponse, Problem> {
    let tenant = member.tenant.id;
    let find = async |tx: &SharedTx| endpoint::find(tx, tenant, id).await;
    let endpoint = state.database.read_shared(SharedScope::Tenant(tenant), find).await?;
    Ok(shown(endpoint.ok_or_else(Problem::not_found)?))
}

/// Change a webhook
///
/// Waiting events are posted to the new address, with the new choice of topics. After a change of the url or
/// the topics, an active webhook is retried at once.
#[utoipa::path(tag = "webhooks", operation_id = "changeWebhook", request_body = ChangeWebhook,
    responses((status = 200, body = WebhookView)), params(("id" = EndpointId, Path,)))]
#[patch("/webhooks/{id}")]
pub async fn update(
    state: web::Data<State>,
    member: Recent<Member<may::WebhooksManage>>,
    client::From(origin): client::From,
    PathId(id): PathId<EndpointId>,
    IfMatch(if_version): IfMatch,
    body: Json<ChangeWebhook>,
) -> Result<HttpResponse, Problem> {
    let ChangeWebhook { url, description, topics } = body.value;
    let (tenant, by) = (member.tenant.id, By::person(member.principal.user, &origin));
    let mut if_version = if_version;
    if url.is_some() && topics.is_none() {
        // Nobody sends elsewhere what they may not see, also if somebody else has chosen it.
        let find = async |tx: &SharedTx| endpoint::find(tx, tenant, id).await;
        let present = state.database.read_shared(SharedScope::Tenant(tenant), find).await?;
        let present = present.ok_or_else(Problem::not_found)?;
        chosen(&member, &present.topics)?;
        if_version = if_version.or(present.version);
    }
    let wanted = EndpointChange {
        address: url.map(|url| address(&state, &url)).transpose()?,
        description,
        topics: topics.map(|names| chosen(&member, &names)).transpose()?,
    };
    let change = async |tx: &SharedTx| change::change(tx, tenant, id, &wanted, if_version, by).await;
    Ok(shown(state.database.write_shared(SharedScope::Tenant(tenant), change).await?))
}

/// Rotate the secret of a webhook
///
/// Gives the webhook another secret. For overlapHours, each message also has a signature with the former
/// secret, so that the receiver can change over.
#[utoipa::path(tag = "webhooks", operation_id = "rotateWebhookSecret", request_body = RotateWebhookSecret,
    responses((status = 200, body = IssuedWebhookView)),
    params(("id" = EndpointId, Path,),
           ("If-Match" = Option<String>, Header, description = "The ETag of the last response. If the \
            webhook has been changed since, the answer is 412.")))]
#[post("/webhooks/{id}/rotate")]
pub async fn rotate(
    state: web::Data<State>,
    member: Recent<Member<may::WebhooksManage>>,
    client::From(origin): client::From,
    PathId(id): PathId<EndpointId>,
    IfMatch(if_version): IfMatch,
    body: Json<RotateWebhookSecret>,
) -> Result<HttpResponse, Problem> {
    let overlap = TimeDelta::hours(body.value.overlap_hours.unwrap_or(OVERLAP_HOURS).into());
    let (tenant, by) = (member.tenant.id, By::person(member.principal.user, &origin));
    let rotate = async |tx: &SharedTx| {
        change::rotate(tx, tenant, id, overlap, if_version, &state.webhook_sealer, by).await
    };
    let made = state.database.write_shared(SharedScope::Tenant(tenant), rotate).await?;
    Ok(issued(HttpResponse::Ok(), made))
}

/// Delete a webhook
///
/// Nothing more is posted to its address. Its deliveries can no longer be read; the server deletes them after
/// 14 days.
#[utoipa::path(tag = "webhooks", operation_id = "deleteWebhook",
    responses((status = 204, description = "Deleted")), params(("id" = EndpointId, Path,)))]
#[delete("/webhooks/{id}")]
pub async fn delete(
    state: web::Data<State>,
    member: Member<may::WebhooksManage>,
    client::From(origin): client::From,
    PathId(id): PathId<EndpointId>,
    IfMatch(if_version): IfMatch,
) -> Result<HttpResponse, Problem> {
    let (tenant, by) = (member.tenant.id, By::person(member.principal.user, &origin));
    let delete = async |tx: &SharedTx| change::delete(tx, tenant, id, if_version, by).await;
    state.database.write_shared(SharedScope::Tenant(tenant), delete).await?;
    Ok(HttpResponse::NoContent().finish())
}
