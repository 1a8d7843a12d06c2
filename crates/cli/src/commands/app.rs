//! `tenantry app ...`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use identity::app::{self, App, AppDefinition, AppError, Applied, PermissionDefinition, RoleDefinition};
use identity::{AppSlug, PermissionKey, RoleKey};
use platform::Operator;
use settings::Settings;
use tenancy::{SharedScope, SharedTx};

use values::{IfVersion, Name, Note};

use crate::confirm::Consent;
use crate::context;
use crate::failure::NotFound;
use crate::format::{self, Listing, Output};
use crate::output::note;

#[derive(Subcommand)]
pub enum Command {
    /// Register an app, to which people can sign in.
    #[command(after_help = "Examples:\n  \
        tenantry app create payroll --name Payroll --permission payslips.read \\\n    \
        --permission payslips.write --role Admin=payslips.read,payslips.write --role Viewer=payslips.read\n\n\
        `tenantry app apply` reads the definitions from a file and can change them.")]
    Create {
        /// The short name of the app: the audience of its tokens.
        slug: AppSlug,
        /// The name of the app, as people see it.
        #[arg(long, value_parser = Name::parse)]
        name: Name,
        /// The purpose of the app.
        #[arg(long, value_parser = Note::parse)]
        description: Option<Note>,
        /// A permission of the app. May be repeated.
        #[arg(long = "permission", value_name = "KEY")]
        permissions: Vec<PermissionKey>,
        /// A role of the app, with its permissions. May be repeated.
        #[arg(long = "role", value_name = "KEY=PERMISSION,...", value_parser = parse_role)]
        roles: Vec<RoleDefinition>,
        /// Memberships of the app belong to the user alone, and not to one business.
        #[arg(long)]
        without_businesses: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Give apps the definitions in a TOML file. Applying the same file twice changes nothing.
    #[command(after_help = "Example of a file:\n  \
        [payroll]\n  \
        name = \"Payroll\"\n  \
        hasBusinesses = true\n  \
        permissions = [{ key = \"payslips.read\", description = \"Read payslips\" }]\n  \
        borrowedPermissions = [{ app = \"inventory\", key = \"reports.read\" }]\n  \
        roles = [{ key = \"Viewer\", permissions = [\"payslips.read\", \"reports.read\"] }]\n\n\
        A permission that an app no longer has disappears from all roles, also from those of businesses.\n\
        An app that the file does not name stays unchanged.")]
    Apply {
        /// The file.
        file: PathBuf,
        /// Print what would change, and change nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// List the apps.
    List {
        #[command(flatten)]
        listing: Listing,
    },
    /// Show an app with its permissions and roles.
    Show {
        /// The short name of the app.
        slug: AppSlug,
        #[command(flatten)]
        output: Output,
    },
    /// Remove an app that has no members.
    #[command(after_help = "Examples:\n  \
        tenantry app remove payroll --dry-run\n  \
        tenantry app remove payroll --yes")]
    Remove {
        /// The short name of the app.
        slug: AppSlug,
        #[command(flatten)]
        consent: Consent,
    },
}

fn parse_role(text: &str) -> Result<RoleDefinition, String> {
    let (key, permissions) = text.split_once('=').unwrap_or((text, ""));
    let keys = permissions.split(',').map(str::trim).filter(|key| !key.is_empty());
    Ok(RoleDefinition {
        key: RoleKey::parse(key).map_err(|error| error.to_string())?,
        name: None,
        description: None,
        permissions: keys
            .map(PermissionKey::parse)
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string())?,
    })
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let settings = context::settings()?;
    match command {
        Command::Create { slug, name, description, permissions, roles, without_businesses, output } => {
            let key_alone = |key| PermissionDefinition { key, description: None };
            let wanted = AppDefinition {
                name,
                description,
                has_businesses: !without_businesses,
                permissions: permissions.into_iter().map(key_alone).collect(),
                borrowed_permissions: Vec::new(),
                roles,
            };
            if let Some(present) = find(&settings, &slug).await?
                && !present.definition.is_same_as(&wanted)
            {
                return Err(AppError::Exists(slug).into());
            }
            context::operator(&settings).await?.apply_app(&slug, &wanted, IfVersion::ANY).await?;
            show(&found(&settings, &slug).await?, output)?;
        }
        Command::Apply { file, dry_run } => {
            let wanted = read(&file)?;
            if dry_run {
                for (slug, wanted) in &wanted {
                    let present = find(&settings, slug).await?;
                    let outcome = match present {
                        None => "would be registered",
                        Some(present) if present.definition.is_same_as(wanted) => "unchanged",
                        Some(_) => "would be changed",
                    };
                    note!("{slug}: {outcome}");
                }
            } else {
                apply(&context::operator(&settings).await?, wanted).await?;
            }
        }
        Command::List { listing } => {
            let database = context::database(&settings).await?;
            let apps = database.read_shared(SharedScope::Platform, async |tx| app::list(tx).await).await?;
            let apps = listing.arrange(apps)?;
            format::rows(listing.output, &apps, ["app", "name", "memberships", "roles"], |app| {
                let App { slug, definition, .. } = app;
                [
                    slug.to_string(),
                    definition.name.to_string(),
                    kind(definition).to_owned(),
                    roles(definition),
                ]
            })?;
        }
        Command::Show { slug, output } => show(&found(&settings, &slug).await?, output)?,
        Command::Remove { slug, consent } => {
            let app = found(&settings, &slug).await?;
            let roles = app.definition.roles.len();
            let plan =
                format!("This removes the app {slug} ({}) with its {roles} roles.", app.definition.name);
            if consent.is_given(&plan, slug.as_str())? {
                context::operator(&settings).await?.remove_app(&slug).await?;
                note!("{slug} is removed");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn read(file: &Path) -> anyhow::Result<BTreeMap<AppSlug, AppDefinition>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    toml::from_str(&text).with_context(|| format!("{} does not define apps", file.display()))
}

/// Applies all definitions. An app that borrows from another one waits until the other one is there.
async fn apply(operator: &Operator, mut wanted: BTreeMap<AppSlug, AppDefinition>) -> anyhow::Result<()> {
    while !wanted.is_empty() {
        let before = wanted.len();
        let mut waiting = BTreeMap::new();
        let mut refusal = None;
        for (slug, definition) in wanted {
            match operator.apply_app(&slug, &definition, IfVersion::ANY).await {
                Ok(Applied::Registered) => note!("{slug}: registered"),
                Ok(Applied::Changed) => note!("{slug}: changed"),
                Ok(Applied::Unchanged) => note!("{slug}: unchanged"),
                Err(error @ AppError::NotBorrowable(..)) => {
                    waiting.insert(slug, definition);
                    refusal = Some(error);
                }
                Err(error) => return Err(error).with_context(|| format!("the app {slug}")),
            }
        }
        match refusal {
            Some(error) if waiting.len() == before => return Err(error.into()),
            _ => wanted = waiting,
        }
    }
    Ok(())
}

async fn find(settings: &Settings, slug: &AppSlug) -> anyhow::Result<Option<App>> {
    let find = async |tx: &SharedTx| app::find(tx, slug).await;
    Ok(context::database(settings).await?.read_shared(SharedScope::Platform, find).await?)
}

async fn found(settings: &Settings, slug: &AppSlug) -> anyhow::Result<App> {
    let unknown = || NotFound(format!("there is no app {slug}; `tenantry app list` lists all apps"));
    Ok(find(settings, slug).await?.ok_or_else(unknown)?)
}

fn kind(definition: &AppDefinition) -> &'static str {
    if definition.has_businesses { "in businesses" } else { "without businesses" }
}

fn roles(definition: &AppDefinition) -> String {
    definition.roles.iter().map(|role| role.key.to_string()).collect::<Vec<_>>().join(", ")
}

fn show(app: &App, output: Output) -> anyhow::Result<()> {
    let definition = &app.definition;
    let mut lines = vec![
        ("app", app.slug.to_string()),
        ("name", definition.name.to_string()),
        ("memberships", kind(definition).to_owned()),
    ];
    lines.extend(definition.permissions.iter().map(|permission| ("permission", permission.key.to_string())));
    let borrowed = definition.borrowed_permissions.iter();
    lines.extend(borrowed.map(|other| ("borrowed", format!("{} of {}", other.key, other.app))));
    for role in &definition.roles {
        let keys: Vec<&str> = role.permissions.iter().map(PermissionKey::as_str).collect();
        lines.push(("role", format!("{}: {}", role.key, keys.join(", "))));
    }
    format::one(output, app, &lines)
}
