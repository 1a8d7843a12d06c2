//! Work apart from requests: jobs, and the outbox of events.
//! This room knows no kind of job and no topic; the crates above bring them.

pub mod jobs;
pub mod outbox;
