//! A message as Standard Webhooks 1.0 describes it: its body, and the headers that sign it.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use standardwebhooks::{Webhook, WebhookError};
use tenancy::TenantId;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::feed::stored_event::StoredEvent;
use crate::webhooks::secret::WebhookSecret;

/// The body of a message.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookMessage<'a> {
    /// The topic.
    #[schema(example = "order.placed")]
    #[serde(rename = "type")]
    topic: &'a str,
    /// The time of the change.
    timestamp: DateTime<Utc>,
    /// The version of the fields in data.
    version: i16,
    /// The business.
    business_id: TenantId,
    /// The fields of the event, which depend on the topic.
    #[schema(value_type = Object)]
    data: &'a Value,
}

/// A message to be sent.
#[derive(Debug, Clone)]
pub(super) struct Message {
    /// The id of the event, which is the same each time.
    pub(super) id: Uuid,
    pub(super) topic: String,
    pub(super) body: Bytes,
}

/// The topic of messages that try an endpoint out.
pub const TEST_TOPIC: &str = "webhook.test";

impl Message {
    pub(super) fn of(event: &StoredEvent, tenant: TenantId) -> Result<Self, serde_json::Error> {
        let StoredEvent { id, topic, version, payload, created_at, .. } = event;
        Self::new(*id, topic, *version, payload, *created_at, tenant)
    }

    /// A message that tries an endpoint out.
    pub(super) fn test(tenant: TenantId, now: DateTime<Utc>) -> Result<Self, serde_json::Error> {
        let data = json!({"message": "This is a test. Answer with a status of 2xx."});
        Self::new(Uuid::now_v7(), TEST_TOPIC, 1, &data, now, tenant)
    }

    fn new(
        id: Uuid,
        topic: &str,
        version: i16,
        data: &Value,
        timestamp: DateTime<Utc>,
        business_id: TenantId,
    ) -> Result<Self, serde_json::Error> {
        let body = WebhookMessage { topic, timestamp, version, business_id, data };
        Ok(Self { id, topic: topic.to_owned(), body: serde_json::to_vec(&body)?.into() })
    }

    /// The header `webhook-signature`: one signature for each secret.
    pub(super) fn sign(&self, timestamp: i64, secrets: &[WebhookSecret]) -> Result<String, WebhookError> {
        let id = self.id.to_string();
        let sign = |secret: &WebhookSecret| {
            Webhook::from_bytes(secret.bytes().to_vec())?.sign(&id, timestamp, &self.body)
        };
        Ok(secrets.iter().map(sign).collect::<Result<Vec<_>, _>>()?.join(" "))
    }
}
