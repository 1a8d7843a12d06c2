//! The outbox: events of a business. An event is stored in the same transaction as the change that it
//! reports. The relay moves it on after the commit.

use serde_json::Value;
use utoipa::openapi::{RefOr, Schema};
use uuid::Uuid;

use crate::connection::error::DbError;
use crate::connection::transaction::{Params, Transaction};
use crate::scope::tenant::Tenant;
use crate::scope::transactions::{SharedTx, TenantTx};

/// A topic of the outbox: its name, its meaning, and the version and the schema of its payload.
pub struct Topic {
    /// The kind of event, such as `order.placed`.
    pub name: &'static str,
    /// The version of the payload's format. A change that a subscriber could notice must have a new version.
    pub version: i16,
    /// The meaning of the event, for people.
    pub meaning: &'static str,
    /// Returns the name and the OpenAPI schema of the payload.
    pub payload: fn() -> (String, RefOr<Schema>),
    /// Adds the schemas to which that of the payload refers.
    pub nested: fn(&mut Vec<(String, RefOr<Schema>)>),
}

/// An event of a business, as subscribers receive it. Each crate defines one enum for its own events, with
/// [`events!`](crate::events!). This module knows no topic.
pub trait OutboxEvent {
    /// Every topic of the enum.
    const TOPICS: &'static [Topic];

    /// The topic of this event, one of [`Self::TOPICS`].
    fn topic(&self) -> &'static Topic;

    /// The event as JSON, without its topic and version.
    ///
    /// # Errors
    /// [`serde_json::Error`] when the payload cannot be written as JSON.
    fn payload(&self) -> Result<Value, serde_json::Error>;
}

/// Defines an enum of events, each with its meaning, its payload, its topic and the version of the payload.
#[macro_export]
macro_rules! events {
    ($(#[$doc:meta])* $visibility:vis enum $name:ident {
        $($(#[doc = $meaning:literal])+ $event:ident($payload:ty) = $topic:literal version $version:literal,)+
    }) => {
        $(#[$doc])*
        #[derive(Debug)]
        $visibility enum $name { $($(#[doc = $meaning])+ $event($payload),)+ }

        impl $crate::outbox::OutboxEvent for $name {
            const TOPICS: &'static [$crate::outbox::Topic] = &[$($crate::outbox::Topic {
                name: $topic,
                version: $version,
                meaning: concat!($($meaning),+),
                payload: || {
                    let name = <$payload as utoipa::ToSchema>::name().into_owned();
                    (name, <$payload as utoipa::PartialSchema>::schema())
                },
                nested: <$payload as utoipa::ToSchema>::schemas,
            },)+];

            fn topic(&self) -> &'static $crate::outbox::Topic {
                /// The positions of the topics.
                enum Position { $($event,)+ }
                let position = match self { $(Self::$event(_) => Position::$event as usize,)+ };
                &Self::TOPICS[position]
            }

            fn payload(&self) -> Result<serde_json::Value, serde_json::Error> {
                match self { $(Self::$event(payload) => serde_json::to_value(payload),)+ }
            }
        }
    };
}

/// Stores an event in the transaction of the change, so that only events of committed changes are delivered.
///
/// The outbox is the only table outside its schema that a business may write to, and a business may not read
/// it. No NOTIFY is sent here, because a NOTIFY would make every commit of the installation wait for a lock.
///
/// # Errors
/// [`DbError`].
pub async fn write(tx: &TenantTx, event: &impl OutboxEvent) -> Result<(), DbError> {
    insert(tx, tx.tenant(), event).await
}

/// Stores an event of a business in a transaction of the owner's login, which may write for every business.
///
/// # Errors
/// [`DbError`].
pub async fn write_for(tx: &SharedTx, tenant: &Tenant, event: &impl OutboxEvent) -> Result<(), DbError> {
    insert(tx, tenant, event).await
}

/// The policy of the table refuses another role than that of the business whose transaction it is.
async fn insert(tx: &Transaction, tenant: &Tenant, event: &impl OutboxEvent) -> Result<(), DbError> {
    const INSERT: &str = "
        INSERT INTO shared.outbox (id, tenant_role, tenant_id, topic, version, payload, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let topic = event.topic();
    let payload = event.payload().map_err(DbError::Payload)?;
    let (id, role) = (Uuid::now_v7(), tenant.role.as_str());
    let params: Params<'_> = &[&id, &role, &tenant.id, &topic.name, &topic.version, &payload, &tx.now()];
    tx.execute(INSERT, params).await?;
    tx.note_event();
    Ok(())
}
