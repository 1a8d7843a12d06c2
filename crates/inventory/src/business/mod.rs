//! What a business decides about itself, and what a new business starts with.
//! Catalogue, stock and orders read these settings; nothing here reads them.

pub mod defaults;
pub mod settings;
