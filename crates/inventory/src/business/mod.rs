//! What a business decides about itself, and what a new business starts with.
//! Stock, purchasing and orders read these settings; nothing here reads from them.

pub mod days;
pub mod defaults;
pub mod plan_limits;
pub mod profile;
pub mod settings;
pub mod till_settings;
