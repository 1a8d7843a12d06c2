//! `tenantry role ...` and `tenantry permission ...`

use std::process::ExitCode;

use clap::Subcommand;
use identity::role::{self, NewRole, Role};
use identity::{AppSlug, INVENTORY_APP, PermissionKey, RoleKey, permission};
use settings::Settings;
use tenancy::{SharedScope, SharedTx, Tenant, TenantSlug};
use values::{Name, Note};

use crate::confirm::Consent;
use crate::context;
use crate::failure::NotFound;
use crate::format::{self, Listing, Output};
use crate::output::note;

#[derive(Subcommand)]
pub enum Command {
    /// List the roles that members of a business may have: presets of the apps, and roles of the business.
    List {
        /// The slug of the business.
        #[arg(long)]
        tenant: TenantSlug,
        #[command(flatten)]
        listing: Listing,
    },
    /// Show a role with its permissions.
    Show {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        output: Output,
    },
    /// Create or replace a role of a business. Members who have the role get its permissions at once.
    #[command(after_help = "Example:\n  \
        tenantry role set buyer --tenant acme --name Buyer --permission catalogue.read \\\n    \
        --permission purchasing.write")]
    Set {
        #[command(flatten)]
        which: Which,
        /// The name of the role.
        #[arg(long, value_parser = Name::parse)]
        name: Name,
        /// The purpose of the role.
        #[arg(long, value_parser = Note::parse)]
        description: Option<Note>,
        /// A permission of the role. May be repeated. `tenantry permission list` lists them.
        #[arg(long = "permission", value_name = "KEY")]
        permissions: Vec<PermissionKey>,
        #[command(flatten)]
        output: Output,
    },
    /// Remove a role of a business that no member has.
    Remove {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        consent: Consent,
    },
}

/// The role of a command.
#[derive(Debug, Clone, clap::Args)]
pub struct Which {
    /// The key of the role.
    key: RoleKey,
    /// The slug of the business.
    #[arg(long)]
    tenant: TenantSlug,
    /// The app in which the role applies.
    #[arg(long, default_value = INVENTORY_APP)]
    app: AppSlug,
}

#[derive(Subcommand)]
pub enum PermissionCommand {
    /// List the permissions that roles may contain, for each app with memberships in businesses.
    List {
        #[command(flatten)]
        listing: Listing,
    },
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let settings = context::settings()?;
    match command {
        Command::List { tenant, listing } => {
            let tenant = context::find_tenant(&settings, &tenant).await?.id;
            let list = async |tx: &SharedTx| role::list(tx, tenant).await;
            let roles = context::database(&settings).await?.read_shared(SharedScope::Platform, list).await?;
            let roles = listing.arrange(roles)?;
            let columns = ["role", "app", "name", "kind", "permissions"];
            format::rows(listing.output, &roles, columns, |role| {
                [
                    role.key.to_string(),
                    role.app.to_string(),
                    role.name.clone(),
                    kind(role).to_owned(),
                    role.permissions.join(", "),
                ]
            })?;
        }
        Command::Show { which, output } => {
            let tenant = context::find_tenant(&settings, &which.tenant).await?;
            show(&find(&settings, &tenant, &which).await?, output)?;
        }
        Command::Set { which, name, description, permissions, output } => {
            let tenant = context::find_tenant(&settings, &which.tenant).await?;
            let Which { key, app, .. } = which.clone();
            let wanted = NewRole { app, key, name, description, permissions };
            context::operator(&settings).await?.put_role(&tenant, &wanted).await?;
            show(&find(&settings, &tenant, &which).await?, output)?;
        }
        Command::Remove { which, consent } => {
            let tenant = context::find_tenant(&settings, &which.tenant).await?;
            let role = find(&settings, &tenant, &which).await?;
            let plan = format!("This removes the role {} ({}) of {}.", role.key, role.name, tenant.slug);
            let operator = context::operator(&settings).await?;
            if consent.dry_run {
                operator.rehearse_remove_role(&tenant, &role.app, &role.key).await?;
            }
            if consent.is_given(&plan, role.key.as_str())? {
                operator.remove_role(&tenant, &role.app, &role.key).await?;
                note!("the role {} is removed", role.key);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub async fn run_permission(command: PermissionCommand) -> anyhow::Result<ExitCode> {
    let settings = context::settings()?;
    let PermissionCommand::List { listing } = command;
    let list = async |tx: &SharedTx| permission::list(tx).await;
    let permissions = context::database(&settings).await?.read_shared(SharedScope::Platform, list).await?;
    let permissions = listing.arrange(permissions)?;
    format::rows(listing.output, &permissions, ["permission", "app", "of", "allows"], |row| {
        [row.permission.to_string(), row.app.to_string(), row.owner_app.to_string(), row.description.clone()]
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn find(settings: &Settings, tenant: &Tenant, which: &Which) -> anyhow::Result<Role> {
    let find = async |tx: &SharedTx| role::find(tx, tenant.id, &which.app, &which.key).await;
    let found = context::database(settings).await?.read_shared(SharedScope::Platform, find).await?;
    let unknown = || {
        NotFound(format!(
            "{} has no role {} in {}; `tenantry role list --tenant {}` lists its roles",
            tenant.slug, which.key, which.app, tenant.slug
        ))
    };
    Ok(found.ok_or_else(unknown)?)
}

fn kind(role: &Role) -> &'static str {
    if role.is_preset { "preset" } else { "own" }
}

fn show(role: &Role, output: Output) -> anyhow::Result<()> {
    let lines = [
        ("role", role.key.to_string()),
        ("app", role.app.to_string()),
        ("name", role.name.clone()),
        ("kind", kind(role).to_owned()),
        ("permissions", role.permissions.join(", ")),
    ];
    format::one(output, role, &lines)
}
