//! The upkeep of an installation: background jobs, the doctor, and the sizes of businesses.

pub mod doctor;
pub mod jobs;
pub mod stats;
