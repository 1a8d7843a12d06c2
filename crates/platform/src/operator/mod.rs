//! What the operator does to a business after onboarding, and the log of it.

pub mod audit;
pub mod dns;
pub mod lifecycle;
