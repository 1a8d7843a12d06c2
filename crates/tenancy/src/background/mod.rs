//! Work outside of requests: background jobs, and the events of businesses on their way from the outbox to
//! clients. This module knows no kind of job and no topic. The crates above define them.

pub mod event_hub;
pub mod events;
mod job_runner;
pub mod jobs;
pub mod outbox;
mod relay;
