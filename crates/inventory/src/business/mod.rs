//! What a business decides about itself, and what a new business starts with.
//! Stock, purchasing and orders read these settings; nothing here reads from them.

pub mod defaults;
pub mod settings;
