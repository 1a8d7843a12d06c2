//! Test support: each test gets its own database, its own server, and clients that send requests to the
//! server.
//!
//! Helpers hide setup. They never hide an assertion about the behaviour under test. When setup fails, a
//! helper panics at the caller's line.

// The future of a started server holds those of every layer below it.
#![recursion_limit = "256"]

mod app;
pub mod browser;
mod business;
mod cluster;
pub mod contest;
mod database;
mod dns;
mod issuer;
pub mod live;
mod mailbox;
mod mpesa;
mod pooler;
mod program;
pub mod receiver;
mod sample;
mod second;
pub mod sequences;
pub mod till;
pub mod volume;

pub use app::{PASSWORD, Reply, TestApp};
pub use business::{Business, Client, a_product};
pub use cluster::{Cluster, Processes, end_membership};
pub use database::{ServerUrls, TestDatabase};
pub use dns::TestDns;
pub use issuer::{AUDIENCE, TestIssuer};
pub use mailbox::{Mailbox, token_in};
pub use mpesa::Mpesa;
pub use pooler::Pooler;
pub use program::{Program, Ran, Serving, Started};
pub use sample::Sample;
pub use second::SecondServer;

/// Reads an id from a response.
#[track_caller]
pub fn uuid(value: &serde_json::Value) -> uuid::Uuid {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{value} is no id"))
}

/// A port of this machine that no program listens on.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Polls `work` at most `polls` times and then drops it. Returns the output if `work` ends by then.
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

/// All events of businesses, in SQL, whether they have been relayed or not.
pub const EVENTS: &str = "(SELECT id, tenant_id, topic, payload FROM shared.outbox
                            UNION ALL
                           SELECT id, tenant_id, topic, payload FROM shared.events) events";

/// Waits until the condition is true, for at most ten seconds.
#[track_caller]
pub fn until<Check: Future<Output = bool>>(
    what: &str,
    condition: impl Fn() -> Check,
) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let started = std::time::Instant::now();
        while !condition().await {
            assert!(
                started.elapsed() < std::time::Duration::from_secs(10),
                "{caller}: {what} did not happen"
            );
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}

/// Runs futures in sequence, `lanes` of them at a time.
pub async fn in_lanes<F: Future>(lanes: usize, work: impl Iterator<Item = F>) {
    let work = std::cell::RefCell::new(work);
    let lane = async |_| {
        loop {
            let Some(next) = work.borrow_mut().next() else { break };
            next.await;
        }
    };
    join_all((0..lanes).map(lane).collect()).await;
}

/// Runs all futures at the same time and returns their outputs in order.
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
