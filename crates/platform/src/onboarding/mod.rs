//! The onboarding of new businesses and new members. It builds on tenancy, identity and inventory.

pub mod business;
pub mod member;
pub mod sign_up;

pub use business::{Onboarded, Onboarding, OnboardingError, OnboardingRequest};
