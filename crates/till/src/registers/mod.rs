//! The registers at which the business sells.

pub mod register;
