//! What end-to-end tests stand on: a database and a server of their own for each test, and clients that speak to it.
//!
//! Helpers hide setup and never an assertion about what is tested; when setup fails they panic at the caller's line.

mod app;
mod business;
mod database;
mod program;

pub use app::{PASSWORD, Reply, TestApp};
pub use business::{Business, Client, a_product};
pub use database::TestDatabase;
pub use program::{Program, Ran, Serving};

/// Drops `work` right after its `polls`-th poll, unless it ends before; then its output is returned.
pub async fn drop_after_polls<F: Future>(work: F, polls: usize) -> Option<F::Output> {
    let mut work = Box::pin(work);
    let mut polled = 0;
    std::future::poll_fn(move |cx| {
        polled += 1;
        match work.as_mut().poll(cx) {
            std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
            std::task::Poll::Pending if polled >= polls => std::task::Poll::Ready(None),
            std::task::Poll::Pending => std::task::Poll::Pending,
        }
    })
    .await
}
