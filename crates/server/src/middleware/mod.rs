//! Middleware: the layers around every handler.

pub mod compression;
pub mod origin;
pub mod request;
pub mod tenant;
