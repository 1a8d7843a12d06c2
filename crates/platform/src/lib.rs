//! What the operator does, put together from tenancy, identity, inventory and archive: onboarding, lifecycle, backups,
//! background jobs, demo data.

pub mod audit;
pub mod backup;
pub mod demo;
pub mod dns;
pub mod doctor;
pub mod jobs;
pub mod lifecycle;
pub mod member;
pub mod migrations;
pub mod onboarding;
pub mod stats;

pub use audit::Actor;
pub use backup::{Backup, BackupError};
pub use lifecycle::{Operator, OperatorError};
pub use member::{Added, MemberError, NewMember};
pub use onboarding::{NewBusiness, Onboarded, Onboarding, OnboardingError};
