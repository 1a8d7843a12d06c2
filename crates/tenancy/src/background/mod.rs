//! Work outside of requests: background jobs, and the outbox of events. This module knows no kind of job and
//! no topic. The crates above define them.

mod job_runner;
pub mod jobs;
pub mod outbox;
