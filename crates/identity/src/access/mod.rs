//! API keys, with which programs work in a business.

pub mod api_key;
pub mod program;
pub mod secret;
