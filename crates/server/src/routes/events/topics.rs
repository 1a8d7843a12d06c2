//! The topics of events, and the permission that a caller needs for each.

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
fn permission_of(topic: &str) -> Permission {
    match topic.split('.').next().unwrap_or_default() {
        "order" => Permission::OrdersRead,
        "transfer" | "count" | "stock" | "low_stock" => Permission::StockRead,
        "purchase_order" | "supplier" => Permission::PurchasingReceive,
        "shift" | "sale" => Permission::TillRead,
        // The licence, which every member may read.
        "licence" => Permission::CatalogueRead,
        // A topic of a later release.
        _ => Permission::SettingsWrite,
    }
}

/// The chosen topics of a caller.
pub struct Chosen {
    /// Names such as `order.placed`, and beginnings such as `order.`; empty for all topics.
    names: Vec<String>,
}

impl Chosen {
    /// Reads a list such as `order.placed,stock.*`.
    ///
    /// # Errors
    /// 400 for a topic that there is not.
    pub fn parse(text: Option<&str>) -> Result<Self, Problem> {
        let names = text.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty());
        let name = |name: &str| {
            let (begins, is_known): (String, bool) = match name.strip_suffix('*') {
                Some(begins) => (begins.to_owned(), all().any(|topic| topic.name.starts_with(begins))),
                None => (name.to_owned(), all().any(|topic| topic.name == name)),
            };
            if is_known && (begins.len() == name.len() || begins.ends_with('.')) {
                return Ok(begins);
            }
            let detail = format!(
                "There is no topic {name}. Name topics such as order.placed, or groups such as order.*, \
                 separated by commas. The API document lists all topics."
            );
            Err(Problem::new(Code::InvalidQuery, detail))
        };
        Ok(Self { names: names.map(name).collect::<Result<_, _>>()? })
    }

    /// Whether the caller asked for the topic, and may see its events.
    pub fn includes<P>(&self, topic: &str, caller: &Caller<P>) -> bool {
        let is_asked_for = self.names.is_empty()
            || self.names.iter().any(|name| {
                if name.ends_with('.') { topic.starts_with(name.as_str()) } else { topic == name }
            });
        is_asked_for && caller.may(permission_of(topic))
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
