//! The upkeep of an installation: background jobs, the doctor, and the sizes of businesses.

pub mod doctor;
pub mod job_kinds;
pub mod stats;
