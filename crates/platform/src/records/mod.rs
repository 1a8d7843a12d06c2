//! The audit log of the platform.

pub mod platform_audit;
