//! Ctrl-C and SIGTERM in commands that work for a long time.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::failure::INTERRUPTED;

/// Runs `work` to its end, or until Ctrl-C or SIGTERM. Then drops it, which rolls its open transactions back,
/// and returns `None`.
pub async fn unless_interrupted<T>(work: impl Future<Output = T>) -> anyhow::Result<Option<T>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let done = tokio::select! {
        done = work => Some(done),
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
    };
    if done.is_none() {
        // A second Ctrl-C ends the command at once, also if the database does not answer any more.
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            std::process::exit(INTERRUPTED.into());
        });
        // The statements that were running are cancelled in the background.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(done)
}
