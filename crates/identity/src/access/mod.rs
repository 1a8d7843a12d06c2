//! API keys and service accounts, with which programs work in a business.

pub mod api_key;
pub mod client;
pub mod granting;
pub mod program;
pub mod program_address;
pub mod secret;
pub mod service_account;
