//! The actions of the operator on a business after its onboarding.

mod apps;
pub mod dns;
mod domains;
pub(crate) mod impersonation;
mod keys;
pub mod licences;
pub mod lifecycle;
mod payments;
mod people;
mod programs;
