//! What keeps an installation well: background jobs, the doctor, and sizes.

pub mod doctor;
pub mod jobs;
pub mod stats;
