//! The actions of the operator on a business after its onboarding.

mod apps;
pub mod dns;
mod domains;
pub mod lifecycle;
