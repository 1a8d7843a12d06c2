//! `tenantry tenant ...`

use std::process::ExitCode;
use std::time::Duration;

use chrono::SecondsFormat;
use clap::Subcommand;
use identity::{Email, UserId};
use inventory::settings::Currency;
use platform::onboarding::OWNER_ROLE;
use platform::{Actor, Added, NewBusiness, NewMember, audit, backup};
use secrecy::ExposeSecret;
use serde::Serialize;
use settings::Settings;
use tenancy::lifecycle::StatusChange;
use tenancy::tenant::TenantLimits;
use tenancy::{SharedScope, Tenant, TenantSlug, tenant};
use values::Name;

use crate::commands::password_from_stdin;
use crate::confirm::confirm;
use crate::context;
use crate::failure::NotFound;
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
    /// Close a business for now: nobody gets in, in every server within a second. All its data stays.
    Suspend(One),
    /// Open a suspended business again.
    Resume(One),
    /// Close a business for good. All its data stays until it is dropped.
    Archive(One),
    /// Open an archived business again.
    Unarchive(One),
    /// Give a business another address; the former one redirects, and stays reserved for tenancy.former_slug_days.
    Rename { slug: TenantSlug, new_slug: TenantSlug },
    /// Copy a business, with all its data as it is now, into a new one with an owner of its own.
    Clone {
        slug: TenantSlug,
        new_slug: TenantSlug,
        /// Who owns the copy. An existing user keeps the password.
        #[arg(long)]
        owner_email: Email,
        /// The copy's name, for people; otherwise that of the original.
        #[arg(long, value_parser = Name::parse)]
        name: Option<Name>,
        #[command(flatten)]
        output: Output,
    },
    /// Give a business limits of its own, or show them when none is given.
    Limit {
        /// The label in the business's address.
        slug: TenantSlug,
        /// A statement that takes longer is given up.
        #[arg(long, value_parser = clap::value_parser!(u32).range(100..=600_000))]
        statement_timeout_ms: Option<u32>,
        /// Transactions at the same time.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=500))]
        max_transactions: Option<u32>,
        /// Back to the installation's limits, but for those that are given.
        #[arg(long)]
        reset: bool,
    },
    /// Remove a business for good: its schemas, its members' access, its hosts. Users stay.
    ///
    /// Refused without a verified backup whose file is here, unless told otherwise.
    Drop {
        slug: TenantSlug,
        /// Do not ask for a backup.
        #[arg(long)]
        without_backup: bool,
        /// Do not ask for the slug.
        #[arg(long)]
        yes: bool,
        /// Say what would be removed, and remove nothing.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Show what was done to a business, the latest first.
    History {
        slug: TenantSlug,
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

#[derive(clap::Args)]
pub struct One {
    /// The label in the business's address.
    slug: TenantSlug,
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
        Command::Suspend(One { slug }) => change_status(&settings, &slug, StatusChange::Suspend).await?,
        Command::Resume(One { slug }) => change_status(&settings, &slug, StatusChange::Resume).await?,
        Command::Archive(One { slug }) => change_status(&settings, &slug, StatusChange::Archive).await?,
        Command::Unarchive(One { slug }) => change_status(&settings, &slug, StatusChange::Unarchive).await?,
        Command::Rename { slug, new_slug } => {
            let tenant = context::find_tenant(&settings, &slug).await?;
            let reserved = settings.former_slugs_reserved_for();
            context::operator(&settings).await?.rename(tenant.id, &new_slug, reserved).await?;
            output::line(&settings.address_of(&new_slug));
            eprintln!("{} redirects there", settings.address_of(&slug));
        }
        Command::Clone { slug, new_slug, owner_email, name, output } => {
            clone_business(&settings, &slug, &new_slug, owner_email, name, output).await?;
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
            drop_business(&settings, &slug, without_backup, yes, dry_run, output).await?;
        }
        Command::History { slug, output } => history(&settings, &slug, output).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(settings: &Settings, new: &NewBusiness, output: Output) -> anyhow::Result<()> {
    let onboarded = context::onboarding(settings).await?.create(new, &Actor::command_line()).await?;
    print_owned(settings, &onboarded.tenant, &new.owner, onboarded.owner, output)
}

/// Prints a new business with its owner, and the password where one was made up.
fn print_owned(
    settings: &Settings,
    tenant: &Tenant,
    owner: &NewMember,
    added: Added,
    output: Output,
) -> anyhow::Result<()> {
    let password = added.made_password.map(|made| made.secret().expose_secret().to_owned());
    let address = settings.address_of(&tenant.slug);
    let mut lines = vec![("address", address.clone()), ("owner", owner.email.to_string())];
    if password.is_none() && owner.password.is_none() {
        lines.push(("password", "unchanged: the owner existed already".to_owned()));
    }
    if let Some(password) = &password {
        lines.push(("password", format!("{password}   (shown once)")));
    }
    let owner = ShownOwner { id: added.user, email: owner.email.clone(), password };
    output::one(output, &Shown { tenant, address, owner: Some(owner) }, &lines)
}

fn limits_in_words(slug: &TenantSlug, limits: &TenantLimits) -> String {
    let own = |limit: Option<String>| limit.unwrap_or_else(|| "the installation's".to_owned());
    let timeout = own(limits.statement_timeout_ms().map(|ms| format!("{ms} ms")));
    let transactions = own(limits.max_transactions.map(|count| count.to_string()));
    format!("{slug}: statement timeout {timeout}, transactions at the same time {transactions}")
}

async fn change_status(settings: &Settings, slug: &TenantSlug, change: StatusChange) -> anyhow::Result<()> {
    let tenant = context::find_tenant(settings, slug).await?;
    let changed = context::operator(settings).await?.change_status(tenant.id, change).await?;
    eprintln!("{slug} is {}", changed.status);
    Ok(())
}

async fn clone_business(
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
    let (tenant, added) =
        backup::clone_business(&onboarding, &from, new_slug, &name, &owner, &Actor::command_line()).await?;
    print_owned(settings, &tenant, &owner, added, output)
}

async fn drop_business(
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
        None => "Nothing brings it back".to_owned(),
        Some(backup) => format!(
            "What brings it back is the backup of {} in {}",
            backup.taken_at.to_rfc3339_opts(SecondsFormat::Secs, true),
            backup.file.display()
        ),
    };
    let plan = format!(
        "This removes {slug} ({}) for good: schema {}, its members' access, its hosts. It is {} now.\n{way_back}.",
        tenant.name, tenant.schema, tenant.status
    );
    if dry_run {
        eprintln!("{plan}\nNothing was done.");
        return Ok(());
    }
    confirm(&plan, slug.as_str(), yes)?;
    let removed = operator.drop_tenant(&tenant, backup.as_ref()).await?;
    let lines = [
        ("schemas", removed.dropped.schemas.join(", ")),
        ("tables", removed.dropped.tables.to_string()),
        ("size", output::size(removed.dropped.size_bytes)),
        ("members", removed.members.to_string()),
        ("hosts", removed.dropped.domains.to_string()),
    ];
    output::one(output, &removed, &lines)
}

async fn history(settings: &Settings, slug: &TenantSlug, output: Output) -> anyhow::Result<()> {
    // What was done to a business that is gone is found by the slug that it had.
    let entries = context::database(settings)
        .await?
        .read_shared(SharedScope::Platform, async |tx| {
            let id = match tenant::find(tx, slug).await? {
                Some(tenant) => Some(tenant.id),
                None => audit::last_with_slug(tx, slug).await?,
            };
            match id {
                Some(id) => audit::list(tx, Some(id), None, 1000).await,
                None => Ok(Vec::new()),
            }
        })
        .await?;
    if entries.is_empty() {
        return Err(NotFound(format!("nothing is known of a business {slug}")).into());
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
    let timeout = tenant.limits.statement_timeout_ms().map(|ms| format!("statements {ms} ms"));
    let transactions = tenant.limits.max_transactions.map(|count| format!("{count} transactions"));
    let own: Vec<String> = timeout.into_iter().chain(transactions).collect();
    if own.is_empty() { "the installation's".to_owned() } else { own.join(", ") }
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
