//! The actions of the operator on a business after its onboarding, and their audit log.

pub mod audit;
pub mod dns;
pub mod lifecycle;
