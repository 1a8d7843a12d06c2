//! Endpoints as the API shows them.

use crate::routes::events::topics::ChosenTopic;
use actix_web::HttpResponse;
use actix_web::http::header;
use chrono::{DateTime, Utc};
use events::webhooks::endpoint::{Endpoint, EndpointId, EndpointStatus};
use events::webhooks::secret::WebhookSecret;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::etag::Tag;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookView {
    /// The id.
    id: EndpointId,
    /// The address to which events are posted.
    #[schema(example = "https://erp.example.com/hooks/tenantry")]
    url: String,
    /// A note for people.
    #[schema(example = "Bookkeeping")]
    description: Option<String>,
    /// The topics that are sent: names such as order.placed, and groups such as order.*. Empty: all topics.
    #[schema(example = json!(["order.*", "sale.completed"]))]
    #[schema(value_type = Vec<ChosenTopic>)]
    topics: Vec<String>,
    /// The status. failed: the webhook accepted no event for days, answered 410, or events that it did not
    /// get were deleted. A paused or failed webhook gets the missed events that are still kept when it is
    /// resumed.
    status: EndpointStatus,
    /// The failed attempts to deliver the next event; 0 if none has failed.
    attempts: i32,
    /// The time of the first of these attempts; null if none has failed.
    failing_since: Option<DateTime<Utc>>,
    /// The time of the next attempt, after a failed one; null if none has failed, or the webhook is not
    /// active.
    next_attempt_at: Option<DateTime<Utc>>,
    /// The number of events that wait, including events of topics that are not chosen.
    waiting: i64,
    /// The number of events that the replay has left, including events of topics that are not chosen.
    replaying: i64,
    /// The time until which the former secret signs, too; null if there is none.
    former_secret_until: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

impl From<Endpoint> for WebhookView {
    fn from(endpoint: Endpoint) -> Self {
        Self {
            id: endpoint.id,
            url: endpoint.url,
            description: endpoint.description,
            topics: endpoint.topics,
            status: endpoint.status,
            attempts: endpoint.attempts,
            failing_since: endpoint.failing_since,
            next_attempt_at: endpoint.next_attempt_at,
            waiting: endpoint.waiting,
            replaying: endpoint.replaying,
            former_secret_until: endpoint.former_secret_until,
            created_at: endpoint.created_at,
        }
    }
}

/// An endpoint with its secret.
#[derive(Serialize, ToSchema)]
pub struct IssuedWebhookView {
    /// The secret that signs the messages. No later response contains it.
    #[schema(example = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDPbHqPPbl8xs=")]
    secret: String,
    #[serde(flatten)]
    endpoint: WebhookView,
}

/// An endpoint with its ETag.
pub fn shown(endpoint: Endpoint) -> HttpResponse {
    let tag = Tag::of_version(endpoint.version).to_string();
    HttpResponse::Ok().insert_header((header::ETAG, tag)).json(WebhookView::from(endpoint))
}

/// An endpoint with its secret, which nobody else may keep.
pub fn issued(mut response: actix_web::HttpResponseBuilder, made: (Endpoint, WebhookSecret)) -> HttpResponse {
    let (endpoint, secret) = made;
    let tag = Tag::of_version(endpoint.version).to_string();
    let secret = secret.text().expose_secret().to_owned();
    response
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::ETAG, tag))
        .json(IssuedWebhookView { secret, endpoint: endpoint.into() })
}
