//! Middleware: the layers around every handler.

pub mod origin;
pub mod request;
pub mod tenant;
