//! The topics of events, and the permission that a caller needs for each.

use events::{TopicFilter, UnknownTopic};
use identity::Permission;
use platform::licence::LicenceEvent;
use tenancy::outbox::{OutboxEvent, Topic};

use crate::http::caller::Caller;
use crate::http::codes::Code;
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

/// The chosen topics of a caller.
pub struct Chosen(TopicFilter);

impl Chosen {
    /// Reads a list such as `order.placed,stock.*`.
    ///
    /// # Errors
    /// 400 for a topic that there is not.
    pub fn parse(text: Option<&str>) -> Result<Self, Problem> {
        let names = text.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty());
        parse(names).map(Self).map_err(|error| Problem::new(Code::InvalidQuery, error.to_string()))
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
