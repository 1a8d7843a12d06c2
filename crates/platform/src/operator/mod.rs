//! The actions of the operator on a business after its onboarding.

pub mod dns;
mod domains;
pub mod lifecycle;
