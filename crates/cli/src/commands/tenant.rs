//! `tenantry tenant ...`

use std::process::ExitCode;
use std::time::Duration;

use chrono::SecondsFormat;
use clap::Subcommand;
use identity::UserId;
use platform::onboarding::OWNER_ROLE;
use platform::{Actor, Added, NewMember, NotShown, OnboardingRequest, backup, platform_audit};
use secrecy::ExposeSecret;
use serde::Serialize;
use settings::Settings;
use tenancy::lifecycle::StatusChange;
use tenancy::{SharedScope, Tenant, TenantLimits, TenantSlug, tenant};
use values::Email;
use values::{Currency, Name};

use crate::commands::password_from_stdin;
use crate::confirm::confirm;
use crate::context;
use crate::failure::NotFound;
use crate::output::{self, Output, note};

#[derive(Subcommand)]
pub enum Command {
    /// Create a business with its schema, default settings and owner.
    ///
    /// The business can be used immediately. If a step fails, nothing is created.
    #[command(after_help = "Examples:\n  \
        tenantry tenant create acme --name \"Acme Ltd\" --owner-email ann@acme.example\n  \
        printf %s \"$PASSWORD\" | tenantry tenant create acme --name Acme --owner-email ann@acme.example \
        --owner-password-stdin")]
    Create {
        /// The label in the business's address: 3 to 40 characters of a-z, 0-9 and '-'. Must start with a
        /// letter and must not end with '-'. Some labels, such as admin, are reserved.
        slug: TenantSlug,
        /// The display name of the business.
        #[arg(long, value_parser = Name::parse)]
        name: Name,
        /// The email of the owner. An existing user keeps their password.
        #[arg(long)]
        owner_email: Email,
        /// The full name of a new owner. An existing user keeps their name.
        #[arg(long, value_parser = Name::parse)]
        owner_name: Option<Name>,
        /// Read the password of a new owner from standard input. Defaults to a generated password, which is
        /// shown once. Refused if the user exists and has a password.
        #[arg(long)]
        owner_password_stdin: bool,
        /// The currency of the business, as an ISO 4217 code.
        #[arg(long, default_value = "USD")]
        currency: Currency,
        #[command(flatten)]
        output: Output,
    },
    /// Suspend a business: within a second, every server refuses its requests. All its data stays.
    Suspend(One),
    /// Resume a suspended business.
    Resume(One),
    /// Archive a business: it is closed, and its requests get 410. All its data stays until the business is
    /// dropped. It can be unarchived.
    Archive(One),
    /// Unarchive a business. A business that was suspended before it was archived is suspended again.
    Unarchive(One),
    /// Change the slug of a business. The former address redirects and stays reserved for
    /// tenancy.former_slug_days.
    Rename {
        /// The current slug of the business.
        slug: TenantSlug,
        /// The new slug.
        new_slug: TenantSlug,
    },
    /// Copy a business, with all its current data, into a new business with its own owner.
    Clone {
        /// The slug of the original.
        slug: TenantSlug,
        /// The slug of the copy.
        new_slug: TenantSlug,
        /// The email of the owner of the copy. An existing user keeps their password.
        #[arg(long)]
        owner_email: Email,
        /// The display name of the copy. Defaults to the name of the original.
        #[arg(long, value_parser = Name::parse)]
        name: Option<Name>,
        #[command(flatten)]
        output: Output,
    },
    /// Set limits for one business. Without options, show its limits.
    Limit {
        /// The slug of the business.
        slug: TenantSlug,
        /// Maximum duration of one SQL statement in milliseconds, 100 to 600000. A longer statement is
        /// cancelled.
        #[arg(long, value_parser = clap::value_parser!(u32).range(100..=600_000))]
        statement_timeout_ms: Option<u32>,
        /// Maximum number of concurrent transactions at each server, 1 to 500.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=500))]
        max_transactions: Option<u32>,
        /// Reset the limits that are not given to the limits of the installation.
        #[arg(long)]
        reset: bool,
    },
    /// Remove a business permanently: its schemas, its members' access and its custom domains. Users stay.
    ///
    /// Requires a verified backup whose undamaged file is on this machine, unless --without-backup is given.
    /// If a drop is interrupted, the business stays archived. Run the command again to finish the drop.
    Drop {
        /// The slug of the business.
        slug: TenantSlug,
        /// Do not require a backup.
        #[arg(long)]
        without_backup: bool,
        /// Do not ask for confirmation.
        #[arg(long)]
        yes: bool,
        /// Print what would be removed, and remove nothing.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Show the platform's audit log of a business, newest entry first, at most 1000 entries.
    History {
        /// The slug of the business. A dropped business is found by its last slug.
        slug: TenantSlug,
        #[command(flatten)]
        output: Output,
    },
    /// List all businesses.
    List(Output),
    /// Show one business.
    Show {
        /// The slug of the business.
        slug: TenantSlug,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(clap::Args)]
pub struct One {
    /// The slug of the business.
    slug: TenantSlug,
}

/// A business in the form that the command line prints.
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
            create(&settings, &OnboardingRequest { slug, name, currency, owner }, output).await?;
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
        Command::Suspend(One { slug }) => change_status(&settings, &slug, StatusChange::Suspend).await?,
        Command::Resume(One { slug }) => change_status(&settings, &slug, StatusChange::Resume).await?,
        Command::Archive(One { slug }) => change_status(&settings, &slug, StatusChange::Archive).await?,
        Command::Unarchive(One { slug }) => change_status(&settings, &slug, StatusChange::Unarchive).await?,
        Command::Rename { slug, new_slug } => {
            let tenant = context::find_tenant(&settings, &slug).await?;
            let reserved = settings.former_slugs_reserved_for();
            context::operator(&settings).await?.rename(tenant.id, &new_slug, reserved).await?;
            output::line(&settings.address_of(&new_slug));
            note!("{} redirects to the new address", settings.address_of(&slug));
        }
        Command::Clone { slug, new_slug, owner_email, name, output } => {
            clone_tenant(&settings, &slug, &new_slug, owner_email, name, output).await?;
        }
        Command::Limit { slug, statement_timeout_ms, max_transactions, reset } => {
            let tenant = context::find_tenant(&settings, &slug).await?;
            let before = if reset { TenantLimits::default() } else { tenant.limits };
            let timeout = statement_timeout_ms.map(|ms| Duration::from_millis(ms.into()));
            let limits = TenantLimits {
                statement_timeout: timeout.or(before.statement_timeout),
                max_transactions: max_transactions.map(|count| count as usize).or(before.max_transactions),
            };
            if limits != tenant.limits {
                context::operator(&settings).await?.set_limits(tenant.id, limits).await?;
            }
            output::line(&limits_in_words(&slug, &limits));
        }
        Command::Drop { slug, without_backup, yes, dry_run, output } => {
            drop_tenant(&settings, &slug, without_backup, yes, dry_run, output).await?;
        }
        Command::History { slug, output } => history(&settings, &slug, output).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(settings: &Settings, new: &OnboardingRequest, output: Output) -> anyhow::Result<()> {
    let show = |tenant: &Tenant, owner: &Added| print_owned(settings, tenant, &new.owner, owner, output);
    context::onboarding(settings).await?.create_and_show(new, &Actor::command_line(), &show).await?;
    Ok(())
}

/// Prints a new business with its owner, and the password if it was generated.
fn print_owned(
    settings: &Settings,
    tenant: &Tenant,
    owner: &NewMember,
    added: &Added,
    output: Output,
) -> Result<(), NotShown> {
    let password = added.made_password.as_ref().map(|made| made.secret().expose_secret().to_owned());
    let address = settings.address_of(&tenant.slug);
    let mut lines = vec![("address", address.clone()), ("owner", owner.email.to_string())];
    if password.is_none() && owner.password.is_none() {
        lines.push(("password", "unchanged: the user already existed".to_owned()));
    }
    if let Some(password) = &password {
        lines.push(("password", format!("{password}   (shown once)")));
    }
    let owner = ShownOwner { id: added.user, email: owner.email.clone(), password };
    let shown = Shown { tenant, address, owner: Some(owner) };
    output::one_with_secret(output, &shown, &lines).map_err(NotShown)
}

fn limits_in_words(slug: &TenantSlug, limits: &TenantLimits) -> String {
    let own = |limit: Option<String>| limit.unwrap_or_else(|| "installation default".to_owned());
    let timeout = own(limits.statement_timeout_ms().map(|ms| format!("{ms} ms")));
    let transactions = own(limits.max_transactions.map(|count| count.to_string()));
    format!("{slug}: statement timeout = {timeout}, concurrent transactions = {transactions}")
}

async fn change_status(settings: &Settings, slug: &TenantSlug, change: StatusChange) -> anyhow::Result<()> {
    let tenant = context::find_tenant(settings, slug).await?;
    let changed = context::operator(settings).await?.change_status(tenant.id, change).await?;
    note!("{slug} is {}", changed.status);
    Ok(())
}

async fn clone_tenant(
    settings: &Settings,
    slug: &TenantSlug,
    new_slug: &TenantSlug,
    owner_email: Email,
    name: Option<Name>,
    output: Output,
) -> anyhow::Result<()> {
    let from = context::find_tenant(settings, slug).await?;
    let name = name.map_or_else(|| from.name.clone(), |name| name.to_string());
    let owner =
        NewMember { email: owner_email, full_name: None, password: None, role: OWNER_ROLE.to_owned() };
    let onboarding = context::onboarding(settings).await?;
    let show = |tenant: &Tenant, added: &Added| print_owned(settings, tenant, &owner, added, output);
    let actor = Actor::command_line();
    backup::clone_tenant(&onboarding, &from, new_slug, &name, &owner, &actor, &show).await?;
    Ok(())
}

async fn drop_tenant(
    settings: &Settings,
    slug: &TenantSlug,
    without_backup: bool,
    yes: bool,
    dry_run: bool,
    output: Output,
) -> anyhow::Result<()> {
    let tenant = context::find_tenant(settings, slug).await?;
    let operator = context::operator(settings).await?;
    let backup = operator.backup_before_drop(&tenant, without_backup).await?;
    let way_back = match &backup {
        None => "There is no verified backup, so the business cannot be restored".to_owned(),
        Some(backup) => format!(
            "The business can be restored from the backup of {} in {}",
            backup.taken_at.to_rfc3339_opts(SecondsFormat::Secs, true),
            backup.file.display()
        ),
    };
    let plan = format!(
        "This removes {slug} ({}) permanently: schema {}, its members' access and its custom domains. \
         Its current status is {}.\n{way_back}.",
        tenant.name, tenant.schema, tenant.status
    );
    if dry_run {
        note!("{plan}\nDry run: nothing was changed.");
        return Ok(());
    }
    confirm(&plan, slug.as_str(), yes)?;
    let removed = operator.drop_tenant(&tenant, backup.as_ref()).await?;
    let lines = [
        ("schemas", removed.dropped.schemas.join(", ")),
        ("tables", removed.dropped.tables.to_string()),
        ("size", output::size(removed.dropped.size_bytes)),
        ("members", removed.members.to_string()),
        ("domains", removed.dropped.domains.to_string()),
    ];
    output::one(output, &removed, &lines)
}

async fn history(settings: &Settings, slug: &TenantSlug, output: Output) -> anyhow::Result<()> {
    // A dropped business has no row any more. The audit log finds it by its last slug.
    let entries = context::database(settings)
        .await?
        .read_shared(SharedScope::Platform, async |tx| {
            let id = match tenant::find(tx, slug).await? {
                Some(tenant) => Some(tenant.id),
                None => platform_audit::last_with_slug(tx, slug).await?,
            };
            match id {
                Some(id) => platform_audit::list(tx, Some(id), None, 1000).await,
                None => Ok(Vec::new()),
            }
        })
        .await?;
    if entries.is_empty() {
        return Err(NotFound(format!("the audit log has no entry for a business {slug}")).into());
    }
    output::rows(output, &entries, ["at", "action", "by", "details"], |entry| {
        [
            entry.occurred_at.to_rfc3339_opts(SecondsFormat::Secs, true),
            entry.action.clone(),
            entry.actor.clone(),
            entry.details.to_string(),
        ]
    })
}

fn limits_text(tenant: &Tenant) -> String {
    let timeout = tenant.limits.statement_timeout_ms().map(|ms| format!("statement timeout {ms} ms"));
    let transactions = tenant.limits.max_transactions.map(|count| format!("{count} concurrent transactions"));
    let own: Vec<String> = timeout.into_iter().chain(transactions).collect();
    if own.is_empty() { "installation default".to_owned() } else { own.join(", ") }
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
        ("limits", limits_text(&tenant)),
        ("created", tenant.created_at.to_rfc3339_opts(SecondsFormat::Secs, true)),
    ];
    output::one(output, &Shown { tenant: &tenant, address, owner: None }, &lines)
}
