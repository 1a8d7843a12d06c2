//! `tenantry migrate ...`

use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;
use server::settings::Settings;
use server::state::provisioner;
use tenancy::{Database, DbError, SharedScope, Tenant, tenant};

use crate::context;
use crate::failure;
use crate::output::{self, Output};

#[derive(Subcommand)]
pub enum Command {
    /// Bring the shared schema and every business's schema to the newest version. Safe to run again.
    Run,
    /// Show the version of every business's schema.
    Status(Output),
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let settings = context::settings()?;
    match command {
        Command::Run => migrate(&settings).await?,
        Command::Status(output) => {
            let tenants = all(&context::database(&settings).await?).await?;
            output::rows(output, &tenants, ["business", "schema", "version"], |tenant| {
                [tenant.slug.to_string(), tenant.schema.to_string(), tenant.schema_version.to_string()]
            })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Migrates everything that is behind.
pub async fn migrate(settings: &Settings) -> anyhow::Result<()> {
    let provisioner = provisioner(settings)?;
    let (mut changed, mut failed) = (false, 0);
    if let Some(version) = provisioner.migrate_shared().await?.last() {
        eprintln!("shared schema: now at version {version}");
        changed = true;
    }
    for tenant in all(&context::database(settings).await?).await? {
        if tenant.schema_version >= provisioner.latest_version() {
            continue;
        }
        changed = true;
        match provisioner.migrate(&tenant).await {
            Ok(applied) => eprintln!("{}: now at version {}", tenant.slug, applied.last().unwrap_or(&0)),
            Err(error) => {
                failed += 1;
                eprintln!("{}: {}", tenant.slug, failure::text(&error.into()));
            }
        }
    }
    anyhow::ensure!(
        failed == 0,
        "{failed} businesses could not be migrated; mend the cause and run this again"
    );
    if !changed {
        eprintln!("all schemas are at their newest version; nothing to do");
    }
    Ok(())
}

/// All businesses, page by page.
pub async fn all(database: &Database) -> Result<Vec<Arc<Tenant>>, DbError> {
    const PAGE: i64 = 1000;
    let mut tenants: Vec<Arc<Tenant>> = Vec::new();
    loop {
        let after = tenants.last().map(|tenant| tenant.id);
        let page = database
            .read_shared(SharedScope::Platform, async |tx| tenant::list(tx, after, PAGE).await)
            .await?;
        let is_last = page.len() < PAGE as usize;
        tenants.extend(page.into_iter().map(Arc::new));
        if is_last {
            return Ok(tenants);
        }
    }
}
