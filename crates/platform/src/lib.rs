//! The functions of the operator: onboarding, lifecycle, backups, background jobs and demo data. They build
//! on tenancy, identity, inventory and archive.

pub mod backup;
pub mod demo;
pub mod migrations;
pub mod onboarding;
mod operator;
mod records;
mod shops;
mod upkeep;

pub use backup::{Backup, BackupError};
pub use onboarding::member::{Added, MemberError, NewMember, NotShown, Show};
pub use onboarding::sign_up;
pub use onboarding::{Onboarded, Onboarding, OnboardingError, OnboardingRequest};
pub use operator::impersonation::ActAsError;
pub use operator::lifecycle::{Operator, OperatorError};
pub use operator::{dns, lifecycle};
pub use records::platform_audit;
pub use records::platform_audit::Actor;
pub use shops::{licence, open_request, plan, received_payment, report_schedule, till_number};
pub use upkeep::domain_upkeep::DomainTerms;
pub use upkeep::{
    doctor, domain_upkeep, figures, job_kinds, licence_warning, payment_settling, receipt_signing,
    report_mails, stats,
};
