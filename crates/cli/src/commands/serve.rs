//! `tenantry serve`.

use std::process::ExitCode;

use anyhow::Context as _;
use server::State;
use server::app::{self, Running};
use tenancy::{DbError, SharedScope};
use tokio::signal::unix::{SignalKind, signal};

use crate::context;
use crate::output::note;

/// Runs the server until SIGTERM or SIGINT, then waits for the running requests.
pub async fn run() -> anyhow::Result<ExitCode> {
    let settings = context::load(&context::sources())?;
    settings::logging::start(&context::log_settings(&settings))?;
    // Problems that do not need the database are reported first.
    let state = State::new(settings)?;
    check_database(&state).await?;
    let running = app::start(state)?;
    note!("listening on http://{}", running.address);
    until_stopped(running).await?;
    Ok(ExitCode::SUCCESS)
}

/// Returns an error if the database is not ready for the server. The error names the remedy.
async fn check_database(state: &State) -> anyhow::Result<()> {
    const LOOK: &str = "SELECT count(*) FROM shared.find_tenant(NULL, NULL)";
    tenancy::probe(&state.settings.database_url()?).await?;
    let looked: Result<(), DbError> = state
        .database
        .read_shared(SharedScope::Public, async |tx| tx.query_one(LOOK, &[]).await.map(drop))
        .await;
    looked.context(
        "the database is not prepared; run `tenantry db init --admin-url URL` and `tenantry migrate run`",
    )?;
    context::refuse_pooler("database.url", &state.settings.database_url()?).await?;
    if state.onboarding.is_some() {
        context::refuse_pooler("database.owner_url", &state.settings.owner_url()?).await?;
    }
    Ok(())
}

/// Waits for SIGTERM or SIGINT, and then until the running requests have ended.
pub async fn until_stopped(running: Running) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut alive = tokio::time::interval(std::time::Duration::from_millis(500));
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = alive.tick() => if !running.is_running() {
                return running.wait().await.context("the server stopped unexpectedly");
            },
        }
    }
    tracing::info!("shutting down: waiting for running requests");
    running.stop().await.context("the server did not shut down cleanly")
}
