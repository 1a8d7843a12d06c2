//! The upkeep of an installation: background jobs, the doctor, and the sizes of businesses.

mod backup_check;
pub mod doctor;
mod domain_check;
pub mod domain_upkeep;
mod drift_check;
pub mod figures;
pub mod job_kinds;
pub mod licence_warning;
pub mod look_alike_check;
pub mod payment_settling;
pub mod receipt_signing;
pub mod report_mails;
mod role_check;
mod server_check;
pub mod stats;
