//! `tenantry tenant ...`

use std::process::ExitCode;

use chrono::SecondsFormat;
use clap::Subcommand;
use identity::{Email, UserId};
use inventory::{Currency, Name};
use platform::onboarding::OWNER_ROLE;
use platform::{NewBusiness, NewMember};
use secrecy::ExposeSecret;
use serde::Serialize;
use server::settings::Settings;
use tenancy::{Tenant, TenantSlug};

use crate::commands::password_from_stdin;
use crate::context;
use crate::output::{self, Output};

#[derive(Subcommand)]
pub enum Command {
    /// Onboard a business: schema, defaults and owner, whole or not at all. It can be used at once.
    #[command(after_help = "Examples:\n  \
        tenantry tenant create acme --name \"Acme Ltd\" --owner-email ann@acme.example\n  \
        printf %s \"$PASSWORD\" | tenantry tenant create acme --name Acme --owner-email ann@acme.example --owner-password-stdin")]
    Create {
        /// The label in the business's address: 3 to 40 of a-z, 0-9 and '-', first a letter, last no '-'.
        slug: TenantSlug,
        /// The business's name, for people.
        #[arg(long, value_parser = Name::parse)]
        name: Name,
        /// Who owns it. An existing user keeps the password.
        #[arg(long)]
        owner_email: Email,
        /// The owner's name.
        #[arg(long)]
        owner_name: Option<String>,
        /// Read a new owner's password from standard input; otherwise one is made up and shown once.
        #[arg(long)]
        owner_password_stdin: bool,
        /// ISO 4217.
        #[arg(long, default_value = "USD")]
        currency: Currency,
        #[command(flatten)]
        output: Output,
    },
    /// List all businesses.
    List(Output),
    /// Show one business.
    Show {
        /// The label in the business's address.
        slug: TenantSlug,
        #[command(flatten)]
        output: Output,
    },
}

/// A business as the command line shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    #[serde(flatten)]
    tenant: &'a Tenant,
    address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<ShownOwner>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownOwner {
    id: UserId,
    email: Email,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let settings = context::settings()?;
    match command {
        Command::Create { slug, name, owner_email, owner_name, owner_password_stdin, currency, output } => {
            let password = owner_password_stdin.then(|| password_from_stdin(&settings)).transpose()?;
            let owner = NewMember {
                email: owner_email,
                full_name: owner_name,
                password,
                role: OWNER_ROLE.to_owned(),
            };
            create(&settings, &NewBusiness { slug, name, currency, owner }, output).await?;
        }
        Command::List(output) => {
            let tenants = context::all_tenants(&context::database(&settings).await?).await?;
            let shown: Vec<Shown<'_>> = tenants
                .iter()
                .map(|tenant| Shown { tenant, address: settings.address_of(&tenant.slug), owner: None })
                .collect();
            output::rows(output, &shown, ["slug", "name", "status", "version", "address"], |shown| {
                [
                    shown.tenant.slug.to_string(),
                    shown.tenant.name.clone(),
                    shown.tenant.status.to_string(),
                    shown.tenant.schema_version.to_string(),
                    shown.address.clone(),
                ]
            })?;
        }
        Command::Show { slug, output } => show(&settings, &slug, output).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(settings: &Settings, new: &NewBusiness, output: Output) -> anyhow::Result<()> {
    let onboarded = context::onboarding(settings).await?.create(new).await?;
    let password = onboarded.owner.made_password.map(|made| made.secret().expose_secret().to_owned());
    let address = settings.address_of(&new.slug);
    let mut lines = vec![("address", address.clone()), ("owner", new.owner.email.to_string())];
    if password.is_none() && new.owner.password.is_none() {
        lines.push(("password", "unchanged: the owner existed already".to_owned()));
    }
    if let Some(password) = &password {
        lines.push(("password", format!("{password}   (shown once)")));
    }
    let owner = ShownOwner { id: onboarded.owner.user, email: new.owner.email.clone(), password };
    output::one(output, &Shown { tenant: &onboarded.tenant, address, owner: Some(owner) }, &lines)
}

async fn show(settings: &Settings, slug: &TenantSlug, output: Output) -> anyhow::Result<()> {
    let tenant = context::find_tenant(settings, slug).await?;
    let address = settings.address_of(&tenant.slug);
    let lines = [
        ("slug", tenant.slug.to_string()),
        ("name", tenant.name.clone()),
        ("status", tenant.status.to_string()),
        ("address", address.clone()),
        ("id", tenant.id.to_string()),
        ("schema", tenant.schema.to_string()),
        ("role", tenant.role.as_str().to_owned()),
        ("version", tenant.schema_version.to_string()),
        ("created", tenant.created_at.to_rfc3339_opts(SecondsFormat::Secs, true)),
    ];
    output::one(output, &Shown { tenant: &tenant, address, owner: None }, &lines)
}
