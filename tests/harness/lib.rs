//! What end-to-end tests stand on: a database and a server of their own for each test, and clients that speak to it.
//!
//! Helpers hide setup and never an assertion about what is tested; when setup fails they panic at the caller's line.

mod app;
mod business;
pub mod contest;
mod database;
mod dns;
mod pooler;
mod program;
pub mod volume;

pub use app::{PASSWORD, Reply, TestApp};
pub use business::{Business, Client, a_product};
pub use database::TestDatabase;
pub use dns::TestDns;
pub use pooler::Pooler;
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

/// Runs all at once and returns their outputs in order.
pub async fn join_all<F: Future>(work: Vec<F>) -> Vec<F::Output> {
    let mut running: Vec<_> = work.into_iter().map(|work| (Box::pin(work), None)).collect();
    std::future::poll_fn(|cx| {
        for (work, output) in running.iter_mut().filter(|(_, output)| output.is_none()) {
            if let std::task::Poll::Ready(ready) = work.as_mut().poll(cx) {
                *output = Some(ready);
            }
        }
        if running.iter().all(|(_, output)| output.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    running.into_iter().filter_map(|(_, output)| output).collect()
}
