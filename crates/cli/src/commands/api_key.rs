//! `tenantry api-key ...`

use std::process::ExitCode;

use anyhow::Context as _;
use chrono::TimeDelta;
use clap::Subcommand;
use identity::api_key::{self, ApiKey, ApiKeyError, ApiKeyId, KeyStatus, NewApiKey, Rotation};
use identity::{OVERLAP_HOURS, PermissionKey, ProgramSecret};
use secrecy::ExposeSecret as _;
use tenancy::{SharedScope, TenantSlug};
use values::{IfVersion, Moment, Name};

use crate::confirm::Consent;
use crate::context;
use crate::format::{self, Listing};
use crate::output::{self, note};

#[derive(Subcommand)]
pub enum Command {
    /// List API keys, newest first.
    #[command(after_help = "Example:\n  tenantry api-key list --tenant acme --status active")]
    List {
        /// Only API keys of the business with this slug.
        #[arg(long)]
        tenant: Option<TenantSlug>,
        /// Only API keys with this status: active, suspended, expired or revoked.
        #[arg(long)]
        status: Option<KeyStatus>,
        #[command(flatten)]
        listing: Listing,
    },
    /// Create an API key, with which a program works in a business. Prints the secret, once.
    #[command(after_help = "Example:\n  \
        tenantry api-key create \"Web shop\" --tenant acme --permission catalogue.read \\\n    \
        --permission stock.read")]
    Create {
        /// The name of the API key. No other key of the business that is not revoked has it.
        #[arg(value_parser = Name::parse)]
        name: Name,
        /// The slug of the business.
        #[arg(long)]
        tenant: TenantSlug,
        /// A permission of the API key. May be repeated. `tenantry permission list` lists them.
        #[arg(long = "permission", value_name = "KEY", required = true)]
        permissions: Vec<PermissionKey>,
        /// The time at which the API key expires, such as 2027-06-30T00:00:00Z. Defaults to a year from now.
        #[arg(long, value_name = "TIME")]
        expires: Option<Moment>,
    },
    /// Give an API key another secret, and print it. The former secret stays valid for some hours.
    #[command(after_help = "Example:\n  \
        tenantry api-key rotate 01990000-0000-7000-8000-000000000000 --tenant acme --overlap-hours 48")]
    Rotate {
        #[command(flatten)]
        which: Which,
        /// The time for which the former secret stays valid, in hours, 0 to 168.
        #[arg(long, value_name = "HOURS", default_value_t = OVERLAP_HOURS)]
        overlap_hours: u32,
        /// The time at which the API key expires. Defaults to its present expiry.
        #[arg(long, value_name = "TIME")]
        expires: Option<Moment>,
    },
    /// Revoke an API key. Every server refuses it within a second.
    Revoke {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        consent: Consent,
    },
}

/// The API key of a command.
#[derive(Debug, Clone, clap::Args)]
pub struct Which {
    /// The id of the API key, which `tenantry api-key list` shows.
    id: ApiKeyId,
    /// The slug of the business.
    #[arg(long)]
    tenant: TenantSlug,
}

/// The most API keys of one list.
const MOST: i64 = 10_000;

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let settings = context::settings()?;
    match command {
        Command::List { tenant, status, listing } => {
            let tenant = context::find_tenant_if(&settings, tenant.as_ref()).await?.map(|tenant| tenant.id);
            let read = async |tx: &_, page: &_| api_key::list(tx, tenant, status, page).await;
            let keys = context::all_pages(&settings, tenant, listing.rows_to_read(MOST, MOST), read).await?;
            let keys = listing.arrange(keys)?;
            let columns = ["key", "name", "secret", "permissions", "status", "last used", "expires"];
            format::rows(listing.output, &keys, columns, |key| {
                [
                    key.id.to_string(),
                    key.name.clone(),
                    format!("{}...", key.prefix),
                    key.permissions.join(", "),
                    key.status.to_string(),
                    key.last_used_at.map(|at| at.format("%Y-%m-%d %H:%M").to_string()).unwrap_or_default(),
                    key.expires_at.format("%Y-%m-%d").to_string(),
                ]
            })?;
        }
        Command::Create { name, tenant, permissions, expires } => {
            let tenant = context::find_tenant(&settings, &tenant).await?;
            let new = NewApiKey { name, permissions, expires_at: expires.map(Moment::time) };
            let made = context::operator(&settings).await?.create_api_key(&tenant, &new).await?;
            tell(&made)?;
        }
        Command::Rotate { which, overlap_hours, expires } => {
            let tenant = context::find_tenant(&settings, &which.tenant).await?;
            let overlap = TimeDelta::hours(overlap_hours.into());
            let rotation =
                Rotation { overlap, if_version: IfVersion::ANY, expires_at: expires.map(Moment::time) };
            let operator = context::operator(&settings).await?;
            let made = operator.rotate_api_key(&tenant, which.id, rotation).await?;
            if let Some(until) = made.0.previous_expires_at {
                note!("the former secret is valid until {}", until.format("%Y-%m-%d %H:%M UTC"));
            }
            tell(&made)?;
        }
        Command::Revoke { which, consent } => {
            let tenant = context::find_tenant(&settings, &which.tenant).await?;
            let read = async |tx: &_| api_key::find(tx, tenant.id, which.id).await;
            let database = context::database(&settings).await?;
            let key = database.read_shared(SharedScope::Platform, read).await?;
            let key = key.ok_or(ApiKeyError::Unknown)?;
            let plan = format!("This revokes the API key {} of {}.", key.name, tenant.slug);
            if consent.is_given(&plan, &which.id.to_string())? {
                context::operator(&settings).await?.revoke_api_key(&tenant, which.id).await?;
                note!("the API key {} is revoked", key.name);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn tell((key, secret): &(ApiKey, ProgramSecret)) -> anyhow::Result<()> {
    let expires = key.expires_at.format("%Y-%m-%d");
    note!("the secret of the API key {} (shown once, valid until {expires}):", key.name);
    output::secret(secret.secret().expose_secret())
        .context("the secret could not be shown; rotate the API key")
}
