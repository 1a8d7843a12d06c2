//! `tenantry`: the only binary. The doc comment of a command is its help text, and each arm calls one library
//! function.

mod cluster;
mod commands;
mod confirm;
mod context;
mod failure;
mod format;
mod interrupt;
mod output;
mod progress;
mod whom;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

use crate::commands::{
    api_key, app, auth_event, backup, client, config, db, dev, doctor, domain, invitation, job, keys, ledger,
    licence, mail, manual, member, migrate, mobile_money, openapi, role, seed, serve, stats, tenant, user,
};
use crate::format::Listing;

/// Inventory and stock for many businesses on one PostgreSQL server. Each business has its own schema.
#[derive(Parser)]
#[command(
    name = "tenantry",
    version,
    arg_required_else_help = true,
    after_help = "Examples:\n  \
        tenantry dev                         a private database, demo data and the server on this machine\n  \
        tenantry db init --admin-url URL     prepare a PostgreSQL server for an installation, once\n  \
        tenantry serve                       run the API\n  \
        tenantry tenant create acme --name \"Acme Ltd\" --owner-email ann@acme.example\n\n\
        Configuration: config/default.toml documents every key; TENANTRY__SECTION__KEY overrides it.\n\
        Exit codes: 0 success, 1 failure, 2 wrong usage, 3 not found, 4 conflict, 5 some businesses failed,\n\
        6 drift found, 130 interrupted."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print only data, errors and questions: no messages and no progress.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Log more of what the command does, on standard error. Twice logs still more.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
}

#[derive(Subcommand)]
enum Command {
    /// Run the API until SIGTERM or Ctrl-C.
    Serve,
    /// Run everything on a developer's machine: a private PostgreSQL, demo data and the server.
    Dev(dev::Args),
    /// Check the installation: server, roles, isolation, migrations, drift, catalogue, jobs, backups, disk.
    Doctor(doctor::Args),
    /// Show the size of each business and its growth in the last 30 days.
    Stats(Listing),
    /// Prepare the database and check its logins.
    #[command(subcommand)]
    Db(db::Command),
    /// Migrate schemas to the newest version.
    #[command(subcommand)]
    Migrate(migrate::Command),
    /// Back up, verify and restore each business on its own.
    #[command(subcommand)]
    Backup(backup::Command),
    /// Add, verify and remove the custom domains of a business.
    #[command(subcommand)]
    Domain(domain::Command),
    /// Show, grant and revoke the licences of businesses, and manage plans.
    #[command(subcommand)]
    Licence(licence::Command),
    /// Compare stock levels with the stock movements and with open orders.
    #[command(subcommand)]
    Ledger(ledger::Command),
    /// Show, cancel, retry and run background jobs.
    #[command(subcommand)]
    Job(job::Command),
    /// Create, show, suspend, archive, rename, copy and drop businesses.
    #[command(subcommand)]
    Tenant(tenant::Command),
    /// List, rotate and revoke the keys that sign access tokens.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Register apps with their permissions and roles.
    #[command(subcommand)]
    App(app::Command),
    /// Create, list, disable and delete users, set their passwords and end their sessions.
    #[command(subcommand)]
    User(user::Command),
    /// List, change, suspend and remove the members of businesses and apps.
    #[command(subcommand)]
    Member(member::Command),
    /// List mails, and try those again that could not be sent.
    #[command(subcommand)]
    Mail(mail::Command),
    /// Register with the provider of mobile money, and assign payments that no business has.
    #[command(subcommand)]
    MobileMoney(mobile_money::Command),
    /// Create, list, rotate and revoke API keys, with which programs work in a business.
    #[command(subcommand)]
    ApiKey(api_key::Command),
    /// Register, list and remove programs that get access tokens with a client id.
    #[command(subcommand)]
    Client(client::Command),
    /// List, change and remove service accounts: what businesses allow such programs.
    #[command(subcommand)]
    ServiceAccount(client::AccountCommand),
    /// List, resend and revoke invitations.
    #[command(subcommand)]
    Invitation(invitation::Command),
    /// List, create, change and remove the roles of a business.
    #[command(subcommand)]
    Role(role::Command),
    /// List the permissions that roles may contain.
    #[command(subcommand)]
    Permission(role::PermissionCommand),
    /// List what happened to accounts and access.
    #[command(subcommand)]
    AuthEvent(auth_event::Command),
    /// Fill the database with demo data.
    #[command(subcommand)]
    Seed(seed::Command),
    /// Show the configuration.
    #[command(subcommand)]
    Config(config::Command),
    /// Print a script that completes commands and options in a shell.
    #[command(after_help = "Examples:\n  \
        tenantry completions bash > /etc/bash_completion.d/tenantry\n  \
        tenantry completions zsh > \"${fpath[1]}/_tenantry\"")]
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Write the man pages of all commands into a folder.
    #[command(after_help = "Examples:\n  \
        tenantry man /usr/local/share/man/man1")]
    Man {
        /// The folder, which must exist.
        folder: PathBuf,
    },
    /// Print the OpenAPI 3.1 document of the API.
    Openapi {
        /// Print the table of error codes as Markdown instead.
        #[arg(long)]
        errors: bool,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.quiet {
        output::be_quiet();
    }
    context::log_more(cli.verbose);
    let done = match cli.command {
        Command::Serve => serve::run().await,
        Command::Dev(args) => dev::run(args).await,
        Command::Doctor(args) => doctor::run(args).await,
        Command::Stats(listing) => stats::run(listing).await,
        Command::Db(command) => db::run(command).await,
        Command::Migrate(command) => migrate::run(command).await,
        Command::Backup(command) => backup::run(command).await,
        Command::Domain(command) => domain::run(command).await,
        Command::Licence(command) => licence::run(command).await,
        Command::Job(command) => job::run(command).await,
        Command::Ledger(command) => ledger::run(command).await,
        Command::Tenant(command) => tenant::run(command).await,
        Command::App(command) => app::run(command).await,
        Command::Keys(command) => keys::run(command).await,
        Command::User(command) => user::run(command).await,
        Command::Member(command) => member::run(command).await,
        Command::Mail(command) => mail::run(command).await,
        Command::MobileMoney(command) => mobile_money::run(command).await,
        Command::ApiKey(command) => api_key::run(command).await,
        Command::Client(command) => client::run(command).await,
        Command::ServiceAccount(command) => client::run_account(command).await,
        Command::Invitation(command) => invitation::run(command).await,
        Command::Role(command) => role::run(command).await,
        Command::Permission(command) => role::run_permission(command).await,
        Command::AuthEvent(command) => auth_event::run(command).await,
        Command::Seed(command) => seed::run(command).await,
        Command::Config(command) => config::run(&command),
        Command::Completions { shell } => manual::completions(Cli::command(), shell),
        Command::Man { folder } => manual::pages(Cli::command(), &folder),
        Command::Openapi { errors } => openapi::run(errors),
    };
    output::finish(done.unwrap_or_else(|error| failure::report(&error)))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
