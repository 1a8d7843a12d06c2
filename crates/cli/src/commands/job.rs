//! `tenantry job ...`

use std::process::ExitCode;
use std::sync::Arc;

use chrono::SecondsFormat;
use clap::Subcommand;
use settings::Settings;
use tenancy::jobs::{self, Job, JobId, JobState};
use tenancy::{OwnerDatabase, SharedScope, TenantSlug};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::context;
use crate::failure::NotFound;
use crate::format::{self, Listing, Output};
use crate::output::note;

#[derive(Subcommand)]
pub enum Command {
    /// List background jobs, newest first. Without --limit, the 50 newest ones.
    #[command(after_help = "Examples:\n  \
        tenantry job list --state failed\n  \
        tenantry job list --kind backups.create --sort finishedAt --desc -o csv")]
    List {
        /// List only jobs in this state: queued, running, succeeded, failed or cancelled.
        #[arg(long, value_parser = state)]
        state: Option<JobState>,
        /// List only jobs of this kind, such as backups.create.
        #[arg(long)]
        kind: Option<String>,
        /// List only jobs for the business with this slug.
        #[arg(long)]
        tenant: Option<TenantSlug>,
        #[command(flatten)]
        listing: Listing,
    },
    /// Show one job.
    Show {
        /// The id of the job.
        id: JobId,
        #[command(flatten)]
        output: Output,
    },
    /// Cancel a job. A queued job is cancelled immediately, a running job within a second. A recurring job
    /// cannot be cancelled.
    Cancel {
        /// The id of the job.
        id: JobId,
    },
    /// Queue a failed or cancelled job again, with its full number of attempts.
    Retry {
        /// The id of the job.
        id: JobId,
    },
    /// Run background jobs until SIGTERM or Ctrl-C. Needed if no server runs background jobs.
    ///
    /// Any number of these processes may run, also beside servers. One process is elected to run the jobs.
    /// When it ends, another one takes over.
    Run,
}

fn state(text: &str) -> Result<JobState, String> {
    let all =
        [JobState::Queued, JobState::Running, JobState::Succeeded, JobState::Failed, JobState::Cancelled];
    let found = all.into_iter().find(|state| state.as_str() == text);
    found.ok_or_else(|| "must be queued, running, succeeded, failed or cancelled".to_owned())
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let settings = context::settings()?;
    match command {
        Command::List { state, kind, tenant, listing } => {
            list(&settings, state, tenant.as_ref(), kind.as_deref(), &listing).await?
        }
        Command::Show { id, output } => {
            let found = context::database(&settings)
                .await?
                .read_shared(SharedScope::Platform, async |tx| jobs::find(tx, id).await)
                .await?;
            show(&found.ok_or_else(|| unknown(id))?, output)?;
        }
        Command::Cancel { id } => {
            let job = owner(&settings).await?.write_shared(async |tx| jobs::cancel(tx, id).await).await?;
            note!(
                "{}",
                if job.state == JobState::Running { "the job stops within a second" } else { "cancelled" }
            );
        }
        Command::Retry { id } => {
            owner(&settings).await?.write_shared(async |tx| jobs::retry(tx, id).await).await?;
            note!("queued");
        }
        Command::Run => work(&settings).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn unknown(id: JobId) -> NotFound {
    NotFound(format!("there is no job {id}; `tenantry job list` lists the jobs"))
}

async fn owner(settings: &Settings) -> anyhow::Result<OwnerDatabase> {
    context::owner_database(settings, 16).await
}

/// The most jobs that one list reads.
const MOST: i64 = 10_000;

async fn list(
    settings: &Settings,
    state: Option<JobState>,
    tenant: Option<&TenantSlug>,
    kind: Option<&str>,
    listing: &Listing,
) -> anyhow::Result<()> {
    let rows = match kind {
        None => listing.rows_to_read(50, MOST),
        Some(_) => MOST,
    };
    let tenant = context::find_tenant_if(settings, tenant).await?.map(|tenant| tenant.id);
    let found = context::database(settings)
        .await?
        .read_shared(SharedScope::Platform, async |tx| jobs::list(tx, state, tenant, None, rows).await)
        .await?;
    let is_wanted = |job: &Job| kind.is_none_or(|kind| job.kind == kind);
    let found = listing.arrange(found.into_iter().filter(is_wanted).collect())?;
    format::rows(listing.output, &found, ["id", "kind", "state", "progress", "run at", "message"], |job| {
        let progress = job.total.map_or_else(String::new, |total| format!("{}/{total}", job.done));
        let repeated = if job.period_s.is_some() { " (recurring)" } else { "" };
        [
            job.id.to_string(),
            job.kind.clone(),
            format!("{}{repeated}", job.state.as_str()),
            progress,
            job.run_at.to_rfc3339_opts(SecondsFormat::Secs, true),
            job.message.clone().unwrap_or_default(),
        ]
    })
}

fn show(job: &Job, output: Output) -> anyhow::Result<()> {
    let time = |moment: Option<chrono::DateTime<chrono::Utc>>| {
        moment.map_or_else(|| "-".to_owned(), |moment| moment.to_rfc3339_opts(SecondsFormat::Secs, true))
    };
    let lines = [
        ("id", job.id.to_string()),
        ("kind", job.kind.clone()),
        ("state", job.state.as_str().to_owned()),
        (
            "progress",
            format!("{} of {}", job.done, job.total.map_or("?".to_owned(), |total| total.to_string())),
        ),
        ("message", job.message.clone().unwrap_or_default()),
        ("attempts", format!("{} of {}", job.attempts, job.max_attempts)),
        ("requested by", job.requested_by.clone()),
        ("created", time(Some(job.created_at))),
        ("started", time(job.started_at)),
        ("finished", time(job.finished_at)),
        ("result", job.result.as_ref().map(ToString::to_string).unwrap_or_default()),
    ];
    format::one(output, job, &lines)
}

async fn work(settings: &Settings) -> anyhow::Result<()> {
    let owner_database = Arc::new(owner(settings).await?);
    context::refuse_pooler("database.owner_url", &settings.owner_url()?).await?;
    let runner = platform::job_kinds::runner(owner_database.clone(), settings.background()?);
    let mut terminate = signal(SignalKind::terminate())?;
    let (stop, stopped) = watch::channel(false);
    note!("running background jobs; press Ctrl-C to stop");
    tokio::select! {
        () = runner.run(stopped) => {}
        () = owner_database.keep_watch() => {}
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    drop(stop);
    Ok(())
}
