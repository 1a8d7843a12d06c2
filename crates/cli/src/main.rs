//! `tenantry`: the one binary. Each command's doc comment is its help text, each arm calls one library function.

mod cluster;
mod commands;
mod confirm;
mod context;
mod failure;
mod output;
mod progress;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands::{
    backup, config, db, dev, doctor, domain, job, ledger, migrate, openapi, seed, serve, stats, tenant, user,
};
use crate::output::Output;

/// Inventory and stock for many businesses on one PostgreSQL, each in a schema of its own.
#[derive(Parser)]
#[command(
    name = "tenantry",
    version,
    arg_required_else_help = true,
    after_help = "Examples:\n  \
        tenantry dev                         a private database, demo data and the server, for development\n  \
        tenantry db init --admin-url URL     prepare a PostgreSQL server for an installation, once\n  \
        tenantry serve                       run the API\n  \
        tenantry tenant create acme --name \"Acme Ltd\" --owner-email ann@acme.example\n\n\
        Configuration: config/default.toml documents every key; TENANTRY__SECTION__KEY overrides it.\n\
        Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 conflict, 5 some businesses failed, 6 drift found,\n\
        130 interrupted."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the API until it is told to stop.
    Serve,
    /// Run everything on a developer's machine: a private PostgreSQL, demo data, the server.
    Dev(dev::Args),
    /// Look whether all is well: server, roles, isolation, migrations, drift, catalogue, jobs, backups, disk.
    Doctor(doctor::Args),
    /// Show how big each business is, and how much it has grown in the last thirty days.
    Stats(Output),
    /// Prepare and look at the database.
    #[command(subcommand)]
    Db(db::Command),
    /// Bring schemas to the newest version.
    #[command(subcommand)]
    Migrate(migrate::Command),
    /// Back up, restore and verify businesses, each on its own.
    #[command(subcommand)]
    Backup(backup::Command),
    /// Give businesses hosts of their own.
    #[command(subcommand)]
    Domain(domain::Command),
    /// Compare stock with the ledger that it came from.
    #[command(subcommand)]
    Ledger(ledger::Command),
    /// Look at background jobs, and run them.
    #[command(subcommand)]
    Job(job::Command),
    /// Make businesses, look at them, suspend, archive, rename, copy and drop them.
    #[command(subcommand)]
    Tenant(tenant::Command),
    /// Make users and give them roles.
    #[command(subcommand)]
    User(user::Command),
    /// Fill the database with data to play with.
    #[command(subcommand)]
    Seed(seed::Command),
    /// Look at the configuration.
    #[command(subcommand)]
    Config(config::Command),
    /// Print the API's OpenAPI 3.1 document.
    Openapi,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Serve => serve::run().await,
        Command::Dev(args) => dev::run(args).await,
        Command::Doctor(args) => doctor::run(args).await,
        Command::Stats(output) => stats::run(output).await,
        Command::Db(command) => db::run(command).await,
        Command::Migrate(command) => migrate::run(command).await,
        Command::Backup(command) => backup::run(command).await,
        Command::Domain(command) => domain::run(command).await,
        Command::Job(command) => job::run(command).await,
        Command::Ledger(command) => ledger::run(command).await,
        Command::Tenant(command) => tenant::run(command).await,
        Command::User(command) => user::run(command).await,
        Command::Seed(command) => seed::run(command).await,
        Command::Config(command) => config::run(&command),
        Command::Openapi => openapi::run(),
    };
    match done {
        Ok(code) => code,
        Err(error) => failure::report(&error),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
