//! What happens around every handler.

pub mod rate;
pub mod request;
pub mod tenant;
