//! Parts that all handlers share: extractors, bodies, entity tags, idempotency, problems, and the state of
//! the server. No route is defined here.

pub mod article;
pub mod bearer;
pub mod body;
pub mod browser;
pub mod caller;
pub mod client;
pub mod code_page;
pub mod codes;
pub mod csv;
pub mod deprecations;
pub mod duplicates;
pub mod etag;
pub mod extract;
pub mod flow_cookie;
pub mod host_owner;
pub mod listed;
pub mod lists;
pub mod metrics;
pub mod money;
pub mod oauth_error;
pub mod origins;
pub mod own_keys;
pub mod prices;
pub mod problem;
pub mod problem_members;
pub mod rate_limits;
pub mod recent;
pub mod sign_on_cookie;
pub mod state;
pub mod streams;
pub mod submission;
pub mod trials;
pub mod watch;
pub mod wording;
