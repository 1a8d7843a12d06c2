//! Starts and stops the server: its listeners, its middleware in their order, and its background work.

pub mod app;
mod no_route;
