//! `tenantry user ...`

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{ArgGroup, Subcommand};
use identity::membership::MemberOf;
use platform::{Actor, NewMember};
use secrecy::ExposeSecret;
use serde::Serialize;
use tenancy::TenantSlug;
use values::{Email, Name};

use crate::commands::password_from_stdin;
use crate::context;
use crate::format::{self, Output};
use crate::output;

#[derive(Subcommand)]
pub enum Command {
    /// Give a user a role in a business or on the platform. Creates the user if there is none.
    #[command(group(ArgGroup::new("place").required(true).args(["tenant", "platform"])),
        after_help = "Examples:\n  \
        tenantry user create --email bob@acme.example --tenant acme --role STAFF\n  \
        tenantry user create --email ops@example.com --platform --role super_admin")]
    Create {
        /// The email for signing in. An existing user keeps their password.
        #[arg(long)]
        email: Email,
        /// The full name of a new user. An existing user keeps their name.
        #[arg(long, value_parser = Name::parse)]
        name: Option<Name>,
        /// The slug of the business in which the role applies.
        #[arg(long)]
        tenant: Option<TenantSlug>,
        /// Give the role on the platform instead of in a business.
        #[arg(long)]
        platform: bool,
        /// The role: OWNER, MANAGER or STAFF in a business; super_admin or support on the platform.
        #[arg(long)]
        role: String,
        /// Read the password of a new user from standard input. Defaults to a generated password, which is
        /// shown once. Refused if the user exists and has a password.
        #[arg(long)]
        password_stdin: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Set a new password for a user. Without --password-stdin, the password is generated and shown once.
    ResetPassword {
        /// The email of the user.
        email: Email,
        /// Read the password from standard input.
        #[arg(long)]
        password_stdin: bool,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: identity::UserId,
    email: Email,
    role: String,
    address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let settings = context::settings()?;
    let (email, name, tenant, role, password_stdin, output) = match command {
        Command::Create { email, name, tenant, platform: _, role, password_stdin, output } => {
            (email, name, tenant, role, password_stdin, output)
        }
        Command::ResetPassword { email, password_stdin } => {
            let password = password_stdin.then(|| password_from_stdin(&settings)).transpose()?;
            let onboarding = context::onboarding(&settings).await?;
            if let Some(made) = onboarding.reset_password(&email, password, &Actor::command_line()).await? {
                let text = format!("{}   (shown once)", made.secret().expose_secret());
                output::secret(&text).context("the generated password could not be shown; set another")?;
            }
            return Ok(ExitCode::SUCCESS);
        }
    };
    let (place, address) = match tenant {
        None => (MemberOf::Platform, settings.platform_address()),
        Some(slug) => {
            let found = context::find_tenant(&settings, &slug).await?;
            (MemberOf::Tenant(found.id), settings.address_of(&slug))
        }
    };
    let password = password_stdin.then(|| password_from_stdin(&settings)).transpose()?;
    let member = NewMember { email: email.clone(), full_name: name, password, role: role.clone() };
    let added =
        context::onboarding(&settings).await?.add_member(&member, place, &Actor::command_line()).await?;
    let password = added.made_password.map(|made| made.secret().expose_secret().to_owned());
    let secret = password.clone();
    let mut lines = vec![("email", email.to_string()), ("address", address.clone()), ("role", role.clone())];
    if password.is_none() && member.password.is_none() {
        lines.push(("password", "unchanged: the user already existed".to_owned()));
    }
    if let Some(password) = &password {
        lines.push(("password", format!("{password}   (shown once)")));
    }
    let shown = Shown { id: added.user, email, role, address, password };
    format::one_with_secret(output, &shown, &lines, secret.as_deref()).context(
        "the generated password could not be shown; set another with `tenantry user reset-password`",
    )?;
    Ok(ExitCode::SUCCESS)
}
