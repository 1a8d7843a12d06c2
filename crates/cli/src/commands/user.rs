//! `tenantry user ...`

use std::process::ExitCode;

use clap::{ArgGroup, Subcommand};
use identity::Email;
use identity::membership::Place;
use platform::{Actor, NewMember};
use secrecy::ExposeSecret;
use serde::Serialize;
use tenancy::TenantSlug;

use crate::commands::password_from_stdin;
use crate::context;
use crate::output::{self, Output};

#[derive(Subcommand)]
pub enum Command {
    /// Give somebody a role in a business or on the platform; make the user first when there is none yet.
    #[command(group(ArgGroup::new("place").required(true).args(["tenant", "platform"])), after_help = "Examples:\n  \
        tenantry user create --email bob@acme.example --tenant acme --role STAFF\n  \
        tenantry user create --email ops@example.com --platform --role super_admin")]
    Create {
        /// The email to sign in with. An existing user keeps the password.
        #[arg(long)]
        email: Email,
        /// The user's name.
        #[arg(long)]
        name: Option<String>,
        /// The business in which the role holds.
        #[arg(long)]
        tenant: Option<TenantSlug>,
        /// The role holds on the platform itself.
        #[arg(long)]
        platform: bool,
        /// OWNER, MANAGER or STAFF in a business; super_admin or support on the platform.
        #[arg(long)]
        role: String,
        /// Read a new user's password from standard input; otherwise one is made up and shown once.
        #[arg(long)]
        password_stdin: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Give a user a new password. Without --password-stdin one is made up and shown once.
    ResetPassword {
        /// The email that the user signs in with.
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
                output::line(&format!("{}   (shown once)", made.secret().expose_secret()));
            }
            return Ok(ExitCode::SUCCESS);
        }
    };
    let (place, address) = match tenant {
        None => (Place::Platform, settings.platform_address()),
        Some(slug) => {
            let found = context::find_tenant(&settings, &slug).await?;
            (Place::Business(found.id), settings.address_of(&slug))
        }
    };
    let password = password_stdin.then(|| password_from_stdin(&settings)).transpose()?;
    let member = NewMember { email: email.clone(), full_name: name, password, role: role.clone() };
    let added =
        context::onboarding(&settings).await?.add_member(&member, place, &Actor::command_line()).await?;
    let password = added.made_password.map(|made| made.secret().expose_secret().to_owned());
    let mut lines = vec![("address", address.clone()), ("email", email.to_string()), ("role", role.clone())];
    if password.is_none() && member.password.is_none() {
        lines.push(("password", "unchanged: the user existed already".to_owned()));
    }
    if let Some(password) = &password {
        lines.push(("password", format!("{password}   (shown once)")));
    }
    output::one(output, &Shown { id: added.user, email, role, address, password }, &lines)?;
    Ok(ExitCode::SUCCESS)
}
