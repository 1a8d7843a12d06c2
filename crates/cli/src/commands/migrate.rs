//! `tenantry migrate ...`

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Subcommand;
use serde::Serialize;
use settings::Settings;
use tenancy::fleet::{Outcome, Plan, Report, RunOptions};
use tenancy::{OwnerDatabase, TenantSlug};

use crate::commands::jobs_at_once;
use crate::context;
use crate::failure::{DRIFT, PARTIAL};
use crate::format::{self, Format, Output};
use crate::interrupt::unless_interrupted;
use crate::output::{self, note};
use crate::progress::Progress;

#[derive(Subcommand)]
pub enum Command {
    /// Migrate the shared schema, every business's schema and the spare schemas to the newest version.
    ///
    /// The shared schema is migrated first; if that fails, the run ends. The run continues after another
    /// schema fails. The exit code is 5 if a schema failed or was not started. A run may be interrupted and
    /// repeated. Two runs at the same time share the work.
    #[command(after_help = "Examples:\n  \
        tenantry migrate run --canary 5 --max-failures 10\n  \
        tenantry migrate run --tenant acme\n  \
        tenantry migrate run --since-failed          only schemas whose last migration failed")]
    Run(Options),
    /// Show the migrations that `migrate run` with the same options would apply to the schemas of businesses
    /// and to spare schemas, and whether it would migrate the shared schema.
    Plan {
        #[command(flatten)]
        options: Options,
        #[command(flatten)]
        output: Output,
    },
    /// Show the number of schemas at each version, the failures with their reasons, and the schemas in
    /// progress.
    ///
    /// The exit code is 6 if a last migration failed or a schema, the shared schema included, does not have
    /// the version of this program.
    Status(Output),
}

#[derive(clap::Args)]
pub struct Options {
    /// Number of schemas to migrate at the same time, each on its own connection; 1 to 64.
    #[arg(long, default_value_t = RunOptions::default().jobs, value_parser = jobs_at_once)]
    jobs: NonZeroUsize,
    /// Migrate only this business, after the shared schema. May be given more than once. Defaults to all
    /// businesses and all spare schemas.
    #[arg(long)]
    tenant: Vec<TenantSlug>,
    /// Migrate N schemas first, and the others only if all N succeed.
    #[arg(long, value_name = "N", default_value_t = 0)]
    canary: usize,
    /// Start no further schema after more than N failures.
    #[arg(long, value_name = "N")]
    max_failures: Option<usize>,
    /// Wait at most so long for a schema that another process is working on.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    wait: u64,
    /// Migrate only schemas whose last migration failed.
    #[arg(long)]
    since_failed: bool,
}

impl From<Options> for RunOptions {
    fn from(options: Options) -> Self {
        Self {
            jobs: options.jobs,
            tenants: options.tenant,
            since_failed: options.since_failed,
            canary: options.canary,
            max_failures: options.max_failures,
            patience: Duration::from_secs(options.wait),
        }
    }
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let settings = context::settings()?;
    match command {
        Command::Run(options) => migrate(&settings, &options.into()).await,
        Command::Plan { options, output } => plan(&settings, &options.into(), output).await,
        Command::Status(output) => status(&settings, output).await,
    }
}

/// Opens the database with the owner's login, with one connection for each job and one more. Checks that the
/// businesses exist.
async fn owner(settings: &Settings, options: &RunOptions) -> anyhow::Result<OwnerDatabase> {
    let owner_database = context::owner_database(settings, options.jobs.get() + 1).await?;
    for slug in &options.tenants {
        context::find_tenant(settings, slug).await?;
    }
    Ok(owner_database)
}

/// Migrates every schema that is behind, and prints the outcome.
pub async fn migrate(settings: &Settings, options: &RunOptions) -> anyhow::Result<ExitCode> {
    let owner_database = owner(settings, options).await?;
    let started = Instant::now();
    let progress = Progress::new("migrating");
    let work = owner_database.migrate_fleet(options, |finished| {
        let label = finished.schema.label();
        match finished.outcome {
            Outcome::Migrated { to } if progress.is_hidden() => progress.line(&format!(
                "{label}: {} -> {to} ({}/{}, {:.1?})",
                finished.schema.version, finished.done, finished.total, finished.duration
            )),
            Outcome::Migrated { .. } | Outcome::Left => {}
            Outcome::Elsewhere(who) => progress.line(&format!("{label}: {who}")),
            Outcome::Busy(who) => progress.line(&format!("{label}: not started: {who} works on it")),
            Outcome::Failed(reason) => progress.failure(&format!("{label}: FAILED: {reason}")),
        }
        progress.advance(finished.done, finished.total, label);
    });
    let Some(report) = unless_interrupted(work).await? else {
        let rest = "the others were not migrated; run `tenantry migrate run` again to continue";
        return Ok(progress.interrupted(rest));
    };
    let report = report?;
    progress.finish();
    let took = started.elapsed();
    if let Some(version) = report.shared.last() {
        note!("shared schema: now at version {version}");
    }
    let Report { migrated, elsewhere, failed, left, .. } = report;
    if migrated + elsewhere + failed + left > 0 {
        note!(
            "{migrated} migrated, {elsewhere} by another run, {failed} failed, {left} not started, \
             in {took:.1?}"
        );
    } else if report.shared.is_empty() {
        note!("nothing to do: every schema has the newest version");
    }
    if failed + left == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    note!(
        "`tenantry migrate status` shows the reasons. Fix the causes, then run `tenantry migrate run` again"
    );
    Ok(ExitCode::from(PARTIAL))
}

/// A migration file that a run would apply, with the number of schemas.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PlannedFile {
    version: i32,
    name: String,
    businesses: usize,
    spare: usize,
}

#[derive(Serialize)]
struct ShownPlan<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    files: Vec<PlannedFile>,
}

async fn plan(settings: &Settings, options: &RunOptions, output: Output) -> anyhow::Result<ExitCode> {
    let owner_database = owner(settings, options).await?;
    let plan = owner_database.plan(options).await?;
    let mut files: BTreeMap<i32, PlannedFile> = BTreeMap::new();
    for (version, name) in owner_database.tenant_migrations().files() {
        let of = |spare| {
            let waits = |schema: &&tenancy::fleet::Behind| {
                schema.version < version && schema.business.is_none() == spare
            };
            plan.behind.iter().filter(waits).count()
        };
        let (businesses, spare) = (of(false), of(true));
        if businesses + spare > 0 {
            files.insert(version, PlannedFile { version, name: name.to_owned(), businesses, spare });
        }
    }
    let files = files.into_values().collect();
    let shown = ShownPlan { plan: &plan, files };
    if format::document(output, &shown)? {
        return Ok(ExitCode::SUCCESS);
    }
    let files = shown.files;
    if plan.is_empty() {
        note!("nothing to do: every schema has the newest version");
        return Ok(ExitCode::SUCCESS);
    }
    let is_for_people = output.format == Format::Table;
    if plan.shared && is_for_people {
        output::line("The shared schema is migrated first.");
    }
    format::rows(output, &files, ["version", "file", "businesses", "spare"], |file| {
        [file.version.to_string(), file.name.clone(), file.businesses.to_string(), file.spare.to_string()]
    })?;
    if !is_for_people {
        return Ok(ExitCode::SUCCESS);
    }
    for (at, schema) in plan.behind.iter().take(options.canary).enumerate() {
        output::line(&format!("canary {}: {} (at version {})", at + 1, schema.label(), schema.version));
    }
    let stop = match options.max_failures {
        Some(most) => format!("starts no further schema after more than {most} failures"),
        None => "continues after failures".to_owned(),
    };
    output::line(&format!(
        "The run migrates {} schemas, {} at the same time, and {stop}.",
        plan.behind.len(),
        options.jobs
    ));
    Ok(ExitCode::SUCCESS)
}

async fn status(settings: &Settings, output: Output) -> anyhow::Result<ExitCode> {
    let status = owner(settings, &RunOptions::default()).await?.fleet_status().await?;
    if !format::document(output, &status)? {
        let is_for_people = output.format == Format::Table;
        if is_for_people {
            output::line(&format!(
                "shared schema: version {} of {}",
                status.shared_version, status.shared_latest
            ));
        }
        let columns = ["version", "businesses", "spare", "failed", "running"];
        format::rows(output, &status.versions, columns, |row| {
            let newest = if row.version == status.latest { " (newest)" } else { "" };
            [
                format!("{}{newest}", row.version),
                row.businesses.to_string(),
                row.spare.to_string(),
                row.failed.to_string(),
                row.running.to_string(),
            ]
        })?;
        for schema in status.failed.iter().filter(|_| is_for_people) {
            let Some(failure) = &schema.failure else { continue };
            output::line(&format!(
                "\n{} stays at version {}: {} to reach version {} failed, the last one at {}\n  {}",
                schema.label(),
                schema.version,
                if failure.attempts == 1 {
                    "one attempt".to_owned()
                } else {
                    format!("{} attempts", failure.attempts)
                },
                failure.version,
                failure.failed_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
                failure.reason
            ));
        }
        for running in status.running.iter().filter(|_| is_for_people) {
            let whose = running.business.as_ref().map_or(running.schema.as_str(), TenantSlug::as_str);
            output::line(&format!("\n{whose} is being worked on by {}", running.by));
        }
    }
    Ok(if status.is_current() { ExitCode::SUCCESS } else { ExitCode::from(DRIFT) })
}
