//! Committed events of businesses: the feed for live streams, and webhooks.

mod feed;
mod topic_filter;
pub mod webhooks;

pub use feed::event_hub::{EventHub, Next, Subscription};
pub use feed::stored_event::{self as stored, Extent, StoredEvent};
pub use topic_filter::{TopicFilter, UnknownTopic};
