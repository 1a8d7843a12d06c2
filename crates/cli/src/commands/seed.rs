//! `tenantry seed ...`

use std::process::ExitCode;

use clap::Subcommand;
use platform::demo::{self, LOGINS, PASSWORD};
use settings::Settings;
use tenancy::TenantSlug;

use crate::context;
use crate::output;

#[derive(Subcommand)]
pub enum Command {
    /// Make two businesses with users, products and stock. Running it again adds nothing. Refused in production.
    Demo,
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let Command::Demo = command;
    let sources = context::sources();
    let environment = &sources.environment;
    if environment != "development" {
        anyhow::bail!(
            "demo users have a password that everybody knows, so `seed demo` runs with TENANTRY_ENV=development only \
             (this is {environment})"
        );
    }
    let settings = context::settings_from(&sources)?;
    if !seed(&settings).await? {
        eprintln!("nothing to do: the demo is there already");
    }
    print_logins(&settings);
    Ok(ExitCode::SUCCESS)
}

/// Makes what is missing of the demo.
pub async fn seed(settings: &Settings) -> anyhow::Result<bool> {
    Ok(demo::seed(&context::onboarding(settings).await?, &context::database(settings).await?).await?)
}

/// Tells who can sign in, and where.
pub fn print_logins(settings: &Settings) {
    for login in LOGINS {
        let address = match login.slug.map(TenantSlug::parse) {
            Some(Ok(slug)) => settings.address_of(&slug),
            _ => settings.platform_address(),
        };
        output::line(&format!("{address:<36} {:<20} {:<12} password {PASSWORD}", login.email, login.role));
    }
}
