//! `tenantry db ...`

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use settings::Settings;
use settings::wiring::owner_database;
use tenancy::DatabaseUrl;
use tenancy::bootstrap::Bootstrap;

use crate::context;
use crate::format::{self, Output};
use crate::output::{self, note};

#[derive(Subcommand)]
#[expect(clippy::large_enum_variant, reason = "it is made once, from the command line")]
pub enum Command {
    /// Create logins, roles, schemas and grants, then migrate the shared schema. May be run again.
    ///
    /// The logins and their passwords are those of database.url and database.owner_url. A login that exists
    /// already keeps its password.
    #[command(after_help = "Examples:\n  \
        tenantry db init --admin-url postgres://postgres:PASSWORD@localhost/postgres\n  \
        tenantry db init --print-sql > bootstrap.sql     for a DBA with psql; then `tenantry migrate run`")]
    Init {
        /// The URL of an administrator of the PostgreSQL server. Used once and not stored.
        #[arg(
            long,
            env = "TENANTRY_ADMIN_URL",
            hide_env_values = true,
            required_unless_present = "print_sql"
        )]
        admin_url: Option<DatabaseUrl>,
        /// Print the SQL instead of running it.
        #[arg(long)]
        print_sql: bool,
    },
    /// Show whether both logins can sign in, and the version of the PostgreSQL server.
    Status(Output),
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let settings = context::settings()?;
    match command {
        // The variable of the URL may be set all the same.
        Command::Init { admin_url: Some(admin), print_sql: false } => init(&settings, &admin).await?,
        Command::Init { .. } => output::line(&bootstrap(&settings)?.script()?),
        Command::Status(output) => status(&settings, output).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn bootstrap(settings: &Settings) -> anyhow::Result<Bootstrap> {
    Ok(Bootstrap {
        installation: settings.installation()?,
        server: settings.database_url()?,
        owner: settings.owner_url()?,
    })
}

/// Prepares the database and migrates the shared schema.
pub async fn init(settings: &Settings, admin: &DatabaseUrl) -> anyhow::Result<()> {
    bootstrap(settings)?.run(admin).await?;
    let owner_database = owner_database(settings, 2)?;
    let applied = owner_database.migrate_shared().await?;
    let repaired = owner_database.repair_rights().await?;
    if repaired.roles + repaired.rights > 0 {
        note!("repaired {} roles and {} rights of businesses", repaired.roles, repaired.rights);
    }
    if !repaired.problems.is_empty() {
        anyhow::bail!("rights could not be repaired: {}", repaired.problems.join("; "));
    }
    owner_database.rehearse().await.context("the database is prepared, but no business can be created")?;
    match applied.last() {
        Some(version) => note!("the database is ready; the shared schema is at version {version}"),
        None => note!("the database is ready; nothing to do"),
    }
    Ok(())
}

#[derive(serde::Serialize)]
struct LoginStatus {
    login: &'static str,
    address: String,
    server_version: Option<String>,
    problem: Option<String>,
}

async fn status(settings: &Settings, output: Output) -> anyhow::Result<()> {
    let mut logins = Vec::new();
    for (login, url) in
        [("database.url", settings.database_url()), ("database.owner_url", settings.owner_url())]
    {
        let (address, probed) = match url {
            Ok(url) => (url.address(), tenancy::probe(&url).await.map_err(|error| error.to_string())),
            Err(error) => (String::new(), Err(error.to_string())),
        };
        logins.push(LoginStatus {
            login,
            address,
            server_version: probed.as_ref().ok().map(ToString::to_string),
            problem: probed.err(),
        });
    }
    format::rows(output, &logins, ["login", "address", "server", "status"], |status| {
        [
            status.login.to_owned(),
            status.address.clone(),
            status.server_version.clone().unwrap_or_default(),
            status.problem.clone().unwrap_or_else(|| "ok".to_owned()),
        ]
    })?;
    if logins.iter().any(|login| login.problem.is_some()) {
        anyhow::bail!("at least one login cannot be used");
    }
    Ok(())
}
