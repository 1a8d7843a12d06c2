//! `tenantry serve`.

use std::process::ExitCode;

use anyhow::Context as _;
use server::app::{self, Running};
use server::settings::Settings;
use server::state::State;
use tenancy::{Database, DbError, SharedScope};
use tokio::signal::unix::{SignalKind, signal};

use crate::context;

/// Runs until SIGTERM or SIGINT, then drains.
pub async fn run() -> anyhow::Result<ExitCode> {
    let settings = context::sources().load().context("the configuration is refused")?;
    server::logging::start(&settings.log)?;
    // What can be told without the database is told first.
    State::new(settings.clone())?;
    check_database(&settings).await?;
    let running = app::start(settings)?;
    eprintln!("listening on http://{}", running.address);
    until_stopped(running).await?;
    Ok(ExitCode::SUCCESS)
}

/// Refuses to start on a database that cannot serve, and says what to do.
pub async fn check_database(settings: &Settings) -> anyhow::Result<()> {
    const LOOK: &str = "SELECT count(*) FROM shared.find_tenant(NULL, NULL)";
    let url = settings.database_url()?;
    tenancy::probe(&url).await?;
    let database = Database::new(&url, &settings.pool())?;
    let looked: Result<(), DbError> =
        database.read_shared(SharedScope::Public, async |tx| tx.query_one(LOOK, &[]).await.map(drop)).await;
    looked.context(
        "the database is not prepared; run `tenantry db init --admin-url URL` and `tenantry migrate run`",
    )
}

/// Waits for SIGTERM or SIGINT, then lets running requests end.
pub async fn until_stopped(running: Running) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut alive = tokio::time::interval(std::time::Duration::from_millis(500));
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = alive.tick() => if !running.is_running() {
                return running.wait().await.context("the server ended by itself");
            },
        }
    }
    tracing::info!("shutting down: waiting for running requests");
    running.stop().await.context("the server did not end well")
}
