//! A new business, and new members of one: put together from tenancy, identity and inventory.

pub mod member;
pub mod onboarding;

pub use onboarding::*;
