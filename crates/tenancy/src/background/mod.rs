//! Work outside of requests: background jobs, and the relay that moves events out of the outbox. This module
//! knows no kind of job and no topic. The crates above define them.

mod job_runner;
pub mod jobs;
pub mod outbox;
mod relay;
