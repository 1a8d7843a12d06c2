//! What happens around every handler.

pub mod request;
pub mod tenant;
