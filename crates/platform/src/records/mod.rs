//! The audit log of the platform.

pub mod audit;
