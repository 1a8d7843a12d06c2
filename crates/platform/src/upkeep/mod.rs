//! The upkeep of an installation: background jobs, the doctor, and the sizes of businesses.

mod backup_check;
pub mod doctor;
pub mod job_kinds;
pub mod look_alike_check;
pub mod stats;
