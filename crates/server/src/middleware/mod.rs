//! Middleware: the layers around every handler.

pub mod request;
pub mod tenant;
