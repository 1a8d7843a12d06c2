//! `tenantry seed ...`

use std::process::ExitCode;

use clap::Subcommand;
use platform::demo::{self, LOGINS, PASSWORD};
use settings::Settings;
use tenancy::TenantSlug;

use crate::context;
use crate::output::{self, note};

#[derive(Subcommand)]
pub enum Command {
    /// Create two businesses with users, products, stock and six weeks of trading. A second run adds nothing.
    /// Requires TENANTRY_ENV=development.
    Demo,
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let Command::Demo = command;
    let sources = context::sources();
    let environment = &sources.environment;
    if environment != "development" {
        anyhow::bail!(
            "the password of the demo users is public, so `seed demo` runs only with \
             TENANTRY_ENV=development (the environment is {environment})"
        );
    }
    let settings = context::settings_from(&sources)?;
    if !seed(&settings).await? {
        note!("nothing to do: the demo data already exists");
    }
    print_logins(&settings);
    Ok(ExitCode::SUCCESS)
}

/// Creates the missing demo data. Returns whether anything was created.
pub async fn seed(settings: &Settings) -> anyhow::Result<bool> {
    Ok(demo::seed(&context::onboarding(settings).await?, &context::database(settings).await?).await?)
}

/// Prints the address, email, role and password of every demo user.
pub fn print_logins(settings: &Settings) {
    for login in LOGINS {
        let address = match login.slug.map(TenantSlug::parse) {
            Some(Ok(slug)) => settings.address_of(&slug),
            _ => settings.platform_address(),
        };
        output::line(&format!("{address:<36} {:<20} {:<12} password {PASSWORD}", login.email, login.role));
    }
}
