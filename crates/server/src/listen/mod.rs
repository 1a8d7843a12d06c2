//! The server put together: listeners, middleware in their order, background work, and the orderly stop.

pub mod app;
