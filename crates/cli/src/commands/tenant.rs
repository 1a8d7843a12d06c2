//! `tenantry tenant ...`

use std::process::ExitCode;
use std::time::Duration;

use chrono::SecondsFormat;
use clap::{ArgGroup, Subcommand};
use identity::UserId;
use platform::{Actor, Added, NewMember, NotShown, OnboardingRequest, backup};
use secrecy::ExposeSecret;
use serde::Serialize;
use settings::Settings;
use tenancy::lifecycle::StatusChange;
use tenancy::{Tenant, TenantLimits, TenantSlug, TenantStatus};
use values::Email;
use values::{Currency, Name};

use crate::commands::{password_from_stdin, tenant_lists};
use crate::confirm::Consent;
use crate::context;
use crate::format::{self, Format, Listing, Output};
use crate::output::{self, note};

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
    /// Change the name of a business, or its currency before it has amounts.
    #[command(group(ArgGroup::new("what").required(true).multiple(true).args(["name", "currency"])),
        after_help = "Examples:\n  \
        tenantry tenant set acme --name \"Acme International Ltd\"\n  \
        tenantry tenant set acme --currency KES     only before the first product")]
    Set {
        /// The slug of the business.
        slug: TenantSlug,
        /// The new display name.
        #[arg(long, value_parser = Name::parse)]
        name: Option<Name>,
        /// The new currency, as an ISO 4217 code. Refused once the business has a product or a purchase
        /// order.
        #[arg(long)]
        currency: Option<Currency>,
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
        #[command(flatten)]
        output: Output,
    },
    /// Remove a business permanently: its schemas, its members' access and its custom domains. Users stay.
    ///
    /// Requires a verified backup whose undamaged file is on this machine, unless --without-backup is given.
    /// If a drop is interrupted, the business stays archived. Run the command again to finish the drop.
    #[command(after_help = "Examples:\n  \
        tenantry tenant drop acme --dry-run\n  \
        tenantry tenant drop acme --yes\n  \
        tenantry tenant drop acme --without-backup     its data is lost")]
    Drop {
        /// The slug of the business.
        slug: TenantSlug,
        /// Do not require a backup.
        #[arg(long)]
        without_backup: bool,
        #[command(flatten)]
        consent: Consent,
        #[command(flatten)]
        output: Output,
    },
    /// Show the platform's audit log of a business, newest entry first, at most 1000 entries.
    History {
        /// The slug of the business. A dropped business is found by its last slug.
        slug: TenantSlug,
        /// Show only entries of this action, such as tenant.suspended.
        #[arg(long)]
        action: Option<String>,
        #[command(flatten)]
        listing: Listing,
    },
    /// List businesses, in the order of their creation.
    #[command(after_help = "Examples:\n  \
        tenantry tenant list --status suspended -o name\n  \
        tenantry tenant list --search bolts --sort name\n  \
        tenantry tenant list --sort createdAt --desc --limit 10")]
    List {
        /// List only businesses with this status: active, suspended, archived, migrating or restoring.
        #[arg(long)]
        status: Option<TenantStatus>,
        /// List only businesses with this text in their slug or name, without regard to case.
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
        /// List only businesses whose schema has an older version than this program.
        #[arg(long)]
        behind: bool,
        #[command(flatten)]
        listing: Listing,
    },
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
pub(super) struct Shown<'a> {
    #[serde(flatten)]
    pub(super) tenant: &'a Tenant,
    pub(super) address: String,
    /// The address to which the other addresses redirect, if they do.
    redirects_to: Option<String>,
    limits: ShownLimits,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<ShownOwner>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownOwner {
    id: UserId,
    email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

/// The limits of a business of its own. A limit that is null is that of the installation.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownLimits {
    statement_timeout_ms: Option<u64>,
    max_transactions: Option<usize>,
}

impl From<TenantLimits> for ShownLimits {
    fn from(limits: TenantLimits) -> Self {
        let statement_timeout_ms = limits.statement_timeout_ms();
        Self { statement_timeout_ms, max_transactions: limits.max_transactions }
    }
}

impl<'a> Shown<'a> {
    pub(super) fn of(settings: &Settings, tenant: &'a Tenant) -> Self {
        let primary = tenant.primary_host.as_ref().filter(|_| tenant.redirects_to_primary);
        Self {
            tenant,
            address: settings.address_of(&tenant.slug),
            redirects_to: primary.map(|host| settings.address_of_host(host)),
            limits: tenant.limits.into(),
            owner: None,
        }
    }
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let settings = context::settings()?;
    match command {
        Command::Create { slug, name, owner_email, owner_name, owner_password_stdin, currency, output } => {
            let names: Vec<String> =
                owner_name.iter().map(ToString::to_string).chain([owner_email.to_string()]).collect();
            let password =
                owner_password_stdin.then(|| password_from_stdin(&settings, &names)).transpose()?;
            let owner = NewMember::owner(owner_email, owner_name, password);
            create(&settings, &OnboardingRequest { slug, name, currency, owner }, output).await?;
        }
        Command::List { status, search, behind, listing } => {
            let search = search.map(|text| text.to_lowercase());
            tenant_lists::list(&settings, status, search.as_deref(), behind, &listing).await?;
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
        Command::Set { slug, name, currency } => set(&settings, &slug, name, currency).await?,
        Command::Limit { slug, statement_timeout_ms, max_transactions, reset, output } => {
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
            if output.format == Format::Table {
                output::line(&limits_in_words(&slug, &limits));
            } else {
                format::one(output, &ShownLimits::from(limits), &[("slug", slug.to_string())])?;
            }
        }
        Command::Drop { slug, without_backup, consent, output } => {
            drop_tenant(&settings, &slug, without_backup, consent, output).await?;
        }
        Command::History { slug, action, listing } => {
            tenant_lists::history(&settings, &slug, action.as_deref(), &listing).await?;
        }
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
    let secret = password.clone();
    let mut lines = vec![
        ("slug", tenant.slug.to_string()),
        ("address", settings.address_of(&tenant.slug)),
        ("owner", owner.login.to_value()),
    ];
    if password.is_none() && owner.password.is_none() {
        lines.push(("password", "unchanged: the user already existed".to_owned()));
    }
    if let Some(password) = &password {
        lines.push(("password", format!("{password}   (shown once; must be changed at the first sign-in)")));
    }
    let owner = ShownOwner { id: added.user, email: owner.login.to_value(), password };
    let shown = Shown { owner: Some(owner), ..Shown::of(settings, tenant) };
    format::one_with_secret(output, &shown, &lines, secret.as_deref()).map_err(NotShown)
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
    let owner = NewMember::owner(owner_email, None, None);
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
    consent: Consent,
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
    if !consent.is_given(&plan, slug.as_str())? {
        return Ok(());
    }
    let removed = operator.drop_tenant(&tenant, backup.as_ref()).await?;
    let lines = [
        ("schemas", removed.dropped.schemas.join(", ")),
        ("tables", removed.dropped.tables.to_string()),
        ("size", output::size(removed.dropped.size_bytes)),
        ("members", removed.members.to_string()),
        ("domains", removed.dropped.domains.to_string()),
    ];
    format::one(output, &removed, &lines)
}

fn limits_text(tenant: &Tenant) -> String {
    let timeout = tenant.limits.statement_timeout_ms().map(|ms| format!("statement timeout {ms} ms"));
    let transactions = tenant.limits.max_transactions.map(|count| format!("{count} concurrent transactions"));
    let own: Vec<String> = timeout.into_iter().chain(transactions).collect();
    if own.is_empty() { "installation default".to_owned() } else { own.join(", ") }
}

async fn set(
    settings: &Settings,
    slug: &TenantSlug,
    name: Option<Name>,
    currency: Option<Currency>,
) -> anyhow::Result<()> {
    let tenant = context::find_tenant(settings, slug).await?;
    let operator = context::operator(settings).await?;
    // The currency first: it may be refused.
    if let Some(currency) = &currency {
        operator.set_currency(tenant.id, currency).await?;
        note!("{slug} has the currency {}", currency.code());
    }
    if let Some(name) = &name {
        operator.set_name(tenant.id, name).await?;
        note!("{slug} is called {name}");
    }
    Ok(())
}

async fn show(settings: &Settings, slug: &TenantSlug, output: Output) -> anyhow::Result<()> {
    let tenant = context::find_tenant(settings, slug).await?;
    let shown = Shown::of(settings, &tenant);
    let lines = [
        ("slug", tenant.slug.to_string()),
        ("name", tenant.name.clone()),
        ("status", tenant.status.to_string()),
        ("address", shown.address.clone()),
        ("id", tenant.id.to_string()),
        ("schema", tenant.schema.to_string()),
        ("role", tenant.role.as_str().to_owned()),
        ("version", tenant.schema_version.to_string()),
        ("limits", limits_text(&tenant)),
        ("created", tenant.created_at.to_rfc3339_opts(SecondsFormat::Secs, true)),
    ];
    format::one(output, &shown, &lines)
}
