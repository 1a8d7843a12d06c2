//! The actions of the operator on a business after its onboarding.

pub mod dns;
pub mod lifecycle;
