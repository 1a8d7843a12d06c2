//! The functions of the operator: onboarding, lifecycle, backups, background jobs and demo data. They build
//! on tenancy, identity, inventory and archive.

pub mod backup;
pub mod demo;
pub mod migrations;
pub mod onboarding;
mod operator;
mod upkeep;

pub use backup::{Backup, BackupError};
pub use onboarding::member::{Added, MemberError, NewMember};
pub use onboarding::{NewBusiness, Onboarded, Onboarding, OnboardingError};
pub use operator::audit::Actor;
pub use operator::lifecycle::{Operator, OperatorError};
pub use operator::{audit, dns, lifecycle};
pub use upkeep::{doctor, jobs, stats};
