//! The topics of events, and the permission that a caller needs for each.

use std::collections::BTreeSet;

use events::webhooks::message::TEST_TOPIC;
use events::{TopicFilter, UnknownTopic};
use identity::Permission;
use platform::licence::LicenceEvent;
use tenancy::outbox::{OutboxEvent, Topic};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use values::macros::words_schema;

use crate::http::caller::Caller;
use crate::http::problem::Problem;

/// All topics.
pub fn all() -> impl Iterator<Item = &'static Topic> {
    inventory::event::Event::TOPICS.iter().chain(till::event::Event::TOPICS).chain(LicenceEvent::TOPICS)
}

/// The permission that a caller needs for the events of a topic.
pub fn permission_of(topic: &str) -> Permission {
    match topic.split('.').next().unwrap_or_default() {
        "order" => Permission::OrdersRead,
        "transfer" | "count" | "stock" | "low_stock" => Permission::StockRead,
        "purchase_order" | "supplier" => Permission::PurchasingReceive,
        "shift" | "sale" | "offline_sale" | "mobile_payment" | "payment_request" => Permission::TillRead,
        // The licence, which every member may read.
        "licence" => Permission::CatalogueRead,
        // A topic of a later release.
        _ => Permission::SettingsWrite,
    }
}

/// Reads a choice of topics.
///
/// # Errors
/// [`UnknownTopic`].
pub fn parse<'a>(names: impl Iterator<Item = &'a str>) -> Result<TopicFilter, UnknownTopic> {
    TopicFilter::parse(names, |is| all().any(|topic| is(topic.name)))
}

/// The name of a topic, for the API document.
pub struct TopicName;

impl PartialSchema for TopicName {
    fn schema() -> RefOr<Schema> {
        let words: Vec<(&str, &str)> = all()
            .map(|topic| (topic.name, topic.meaning))
            .chain([(TEST_TOPIC, "A member tests the webhook.")])
            .collect();
        words_schema("The topic of an event. Later releases may add topics.", &words)
    }
}

impl ToSchema for TopicName {}

/// The name of a topic or of a group of topics, for the API document.
pub struct ChosenTopic;

impl PartialSchema for ChosenTopic {
    fn schema() -> RefOr<Schema> {
        let groups = all().filter_map(|topic| Some(format!("{}.*", topic.name.split_once('.')?.0)));
        let words: BTreeSet<String> = all().map(|topic| topic.name.to_owned()).chain(groups).collect();
        let words: Vec<(&str, &str)> = words.iter().map(|word| (word.as_str(), "")).collect();
        words_schema("A topic such as order.placed, or a group of topics such as order.*", &words)
    }
}

impl ToSchema for ChosenTopic {}

/// The chosen topics of a caller.
pub struct Chosen(TopicFilter);

impl Chosen {
    /// Reads a list such as `order.placed,stock.*`.
    ///
    /// # Errors
    /// 400 for a topic that there is not.
    pub fn parse(text: Option<&str>) -> Result<Self, Problem> {
        let names = text.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty());
        parse(names).map(Self).map_err(|error| Problem::invalid_parameter("topics", error))
    }

    /// Whether the caller asked for the topic, and may see its events.
    pub fn includes<P>(&self, topic: &str, caller: &Caller<P>) -> bool {
        self.0.includes(topic) && caller.may(permission_of(topic))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_has_a_permission_of_its_own() {
        let unknown: Vec<&str> = all()
            .map(|topic| topic.name)
            .filter(|topic| permission_of(topic) == Permission::SettingsWrite)
            .collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}
