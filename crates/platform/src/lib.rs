//! What the operator does, put together from tenancy, identity and inventory: onboarding, members, demo data.

pub mod demo;
pub mod member;
pub mod migrations;
pub mod onboarding;

pub use member::{Added, MemberError, NewMember};
pub use onboarding::{NewBusiness, Onboarded, Onboarding, OnboardingError};
