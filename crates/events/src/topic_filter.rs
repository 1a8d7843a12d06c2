//! The choice of topics that a subscriber makes.

/// Chosen topics: names such as `order.placed`, and groups such as `order.*`. An empty choice means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicFilter(Vec<String>);

/// There is no topic, and no group of topics, with this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no topic {0}; name topics such as order.placed, or groups such as order.*, which the API \
     document lists"
)]
pub struct UnknownTopic(pub String);

impl TopicFilter {
    /// Reads names and groups. `known` are all topics.
    ///
    /// # Errors
    /// [`UnknownTopic`].
    pub fn parse<'a>(
        names: impl Iterator<Item = &'a str>,
        known: impl Fn(&dyn Fn(&str) -> bool) -> bool,
    ) -> Result<Self, UnknownTopic> {
        let check = |name: &'a str| {
            let is_known = match name.strip_suffix('*') {
                Some(group) => group.ends_with('.') && known(&|topic| topic.starts_with(group)),
                None => known(&|topic| topic == name),
            };
            if is_known { Ok(name.to_owned()) } else { Err(UnknownTopic(name.to_owned())) }
        };
        let mut names: Vec<String> = names.map(check).collect::<Result<_, _>>()?;
        names.sort_unstable();
        names.dedup();
        Ok(Self(names))
    }

    /// A choice that was checked before.
    pub fn stored(names: Vec<String>) -> Self {
        Self(names)
    }

    /// Whether the topic was chosen.
    pub fn includes(&self, topic: &str) -> bool {
        self.0.is_empty()
            || self.0.iter().any(|name| match name.strip_suffix('*') {
                Some(group) => topic.starts_with(group),
                None => topic == name,
            })
    }

    /// The names and groups.
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(names: &[&str]) -> Result<TopicFilter, UnknownTopic> {
        let known = ["order.placed", "order.cancelled", "order_note.added", "sale.completed"];
        TopicFilter::parse(names.iter().copied(), |is| known.iter().any(|topic| is(topic)))
    }

    #[test]
    fn a_group_includes_its_topics_alone() {
        let orders = parse(&["order.*"]).unwrap();
        assert!(orders.includes("order.placed") && orders.includes("order.of_a_later_release"));
        assert!(!orders.includes("order_note.added") && !orders.includes("sale.completed"));
        assert!(parse(&["sale.completed"]).unwrap().includes("sale.completed"));
        assert!(parse(&[]).unwrap().includes("anything"));
        for name in ["*", "order*", "order.", "order", "orders.*", "order.placed ", ""] {
            assert_eq!(parse(&[name]), Err(UnknownTopic(name.to_owned())));
        }
        assert_eq!(parse(&["order.*", "order.*"]).unwrap().names(), ["order.*"]);
    }
}
