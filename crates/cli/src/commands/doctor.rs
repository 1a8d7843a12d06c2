//! `tenantry doctor`.

use std::process::ExitCode;

use platform::doctor::{self, Health, Patient, Report};
use settings::wiring;
use tenancy::{Database, DatabaseUrl, OwnerDatabase, TenantSlug};

use crate::context;
use crate::failure::DRIFT;
use crate::format::{self, Format, Output};
use crate::output::{self, complain};

#[derive(clap::Args)]
#[command(
    after_help = "Exit codes: 0 if no check failed (with or without warnings), 1 if one failed, 6 on drift."
)]
pub struct Args {
    /// The URL of an administrator of the PostgreSQL server, to check pg_hba.conf too. Used once and not
    /// stored.
    #[arg(long, env = "TENANTRY_ADMIN_URL", hide_env_values = true)]
    admin_url: Option<DatabaseUrl>,
    /// Skip the comparison of every schema with its version, and the search for equal names. Both take some
    /// milliseconds for each schema.
    #[arg(long)]
    skip_drift: bool,
    /// Print the SQL that makes every schema match its version, and nothing else. It cannot bring lost data
    /// back.
    #[arg(long, conflicts_with = "skip_drift")]
    repair_sql: bool,
    #[command(flatten)]
    output: Output,
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let settings = context::settings()?;
    let owner_database = wiring::owner_database(&settings, 4)?;
    if args.repair_sql {
        return print_repair(&owner_database).await;
    }
    // The doctor tries both logins by itself.
    let patient = Patient {
        owner_database,
        server: Database::new(&settings.database_url()?, &settings.pool())?,
        server_url: settings.database_url()?,
        owner_url: settings.owner_url()?,
        admin_url: args.admin_url,
        pool_connections: settings.database.max_connections,
        spare_schemas: settings.provisioning.spare_schemas,
        backup_folder: settings.backup.folder.clone(),
        skip_drift: args.skip_drift,
    };
    let report = doctor::examine(&patient).await;
    print(&report, args.output)?;
    Ok(match report.worst() {
        _ if !report.drift.is_empty() => ExitCode::from(DRIFT),
        Health::Fail => ExitCode::FAILURE,
        Health::Ok | Health::Warn => ExitCode::SUCCESS,
    })
}

fn print(report: &Report, output: Output) -> anyhow::Result<()> {
    if format::document(output, report)? {
        return Ok(());
    }
    if output.format != Format::Table {
        let columns = ["check", "health", "message", "cure"];
        return format::rows(output, &report.findings, columns, |finding| {
            let health = format!("{:?}", finding.health).to_lowercase();
            [
                finding.name.to_owned(),
                health,
                finding.message.clone(),
                finding.cure.clone().unwrap_or_default(),
            ]
        });
    }
    for finding in &report.findings {
        let mark = match finding.health {
            Health::Ok => "ok  ",
            Health::Warn => "warn",
            Health::Fail => "FAIL",
        };
        output::line(&format!("{mark}  {:<20} {}", finding.name, finding.message));
        if let Some(cure) = &finding.cure {
            output::line(&format!("      {:<20} -> {cure}", ""));
        }
    }
    for drifted in &report.drift {
        let whose = drifted.business.as_ref().map_or(drifted.schema.as_str(), TenantSlug::as_str);
        output::line(&format!("\n{whose} ({}, version {}):", drifted.schema, drifted.version));
        drifted.drift.missing.iter().for_each(|line| output::line(&format!("  - {line}")));
        drifted.drift.unexpected.iter().for_each(|line| output::line(&format!("  + {line}")));
    }
    for found in &report.look_alikes {
        output::line(&format!("{}: {} {}", found.business, found.kind, found.text));
    }
    Ok(())
}

async fn print_repair(owner_database: &OwnerDatabase) -> anyhow::Result<ExitCode> {
    let compared = owner_database.compare_schemas().await?;
    for drifted in &compared.drifted {
        let whose = drifted.business.as_ref().map_or(String::new(), |slug| format!(", the business {slug}"));
        output::line(&format!("-- {}{whose}", drifted.schema));
        for statement in &drifted.drift.repair {
            output::line(&format!("{};", statement.trim_end()));
        }
    }
    for problem in &compared.problems {
        complain!("error: {problem}");
    }
    Ok(if compared.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
