//! `tenantry client ...` and `tenantry service-account ...`

use std::process::ExitCode;

use anyhow::Context as _;
use chrono::TimeDelta;
use clap::{Args, Subcommand};
use identity::client::{self, Client, ClientDetails, NewClient};
use identity::service_account;
use identity::{
    AppSlug, ClientId, INVENTORY_APP, OVERLAP_HOURS, PermissionKey, ProgramAddress, ProgramSecret,
};
use secrecy::ExposeSecret as _;
use tenancy::{SharedScope, SharedTx, TenantSlug};
use values::Name;

use crate::confirm::Consent;
use crate::context;
use crate::format::{self, Listing};
use crate::output::{self, note};

#[derive(Subcommand)]
pub enum Command {
    /// List the programs that get access tokens with a client id.
    List {
        #[command(flatten)]
        listing: Listing,
    },
    /// Register a program. Prints its secret, once.
    #[command(after_help = "Examples:\n  tenantry client create erp-sync --name ERP\n  \
        tenantry client create shop-books --app accounting --name Books \\\n    \
        --redirect-uri https://books.example.com/callback")]
    Create {
        /// The client id, which cannot be changed.
        id: ClientId,
        /// The app whose access tokens the program gets.
        #[arg(long, default_value = INVENTORY_APP)]
        app: AppSlug,
        /// The name of the program, as businesses and people see it.
        #[arg(long, value_parser = Name::parse)]
        name: Name,
        /// The program can keep no secret, such as one that runs in a browser.
        #[arg(long)]
        public: bool,
        /// The program is somebody else's, so people are asked before it learns who they are.
        #[arg(long)]
        foreign: bool,
        #[command(flatten)]
        addresses: Addresses,
    },
    /// Change a program. Its sessions go on, unless it becomes one of another company.
    Set {
        /// The client id.
        id: ClientId,
        /// The name of the program.
        #[arg(long, value_parser = Name::parse)]
        name: Option<Name>,
        /// Whether the program is somebody else's.
        #[arg(long, value_name = "true|false")]
        foreign: Option<bool>,
        #[command(flatten)]
        addresses: Addresses,
        /// Remove the address at which the program is told that a session has ended.
        #[arg(long, conflicts_with = "backchannel_logout_uri")]
        no_backchannel_logout: bool,
    },
    /// Give a program another secret, and print it. The former secret stays valid for some hours.
    Rotate {
        /// The client id.
        id: ClientId,
        /// The time for which the former secret stays valid, in hours, 0 to 168.
        #[arg(long, value_name = "HOURS", default_value_t = OVERLAP_HOURS)]
        overlap_hours: u32,
    },
    /// Remove a program with its sessions and service accounts. Every server refuses its tokens within a
    /// second.
    Remove {
        /// The client id.
        id: ClientId,
        #[command(flatten)]
        consent: Consent,
    },
}

/// Where people and notices go. In a change, the addresses of one kind replace all former ones.
#[derive(Args)]
pub struct Addresses {
    /// An address to which people return after they have signed in. May be repeated.
    #[arg(long = "redirect-uri", value_name = "URL")]
    redirect_uris: Vec<ProgramAddress>,
    /// An address to which people may return after they have signed out. May be repeated.
    #[arg(long = "post-logout-redirect-uri", value_name = "URL")]
    post_logout_redirect_uris: Vec<ProgramAddress>,
    /// The address at which the program is told that a session has ended.
    #[arg(long, value_name = "URL")]
    backchannel_logout_uri: Option<ProgramAddress>,
}

#[derive(Subcommand)]
pub enum AccountCommand {
    /// List service accounts: what businesses allow programs.
    List {
        /// Only service accounts of the business with this slug.
        #[arg(long)]
        tenant: Option<TenantSlug>,
        #[command(flatten)]
        listing: Listing,
    },
    /// Allow a program these permissions in a business, in the place of those that it had.
    #[command(after_help = "Example:\n  \
        tenantry service-account set erp-sync --tenant acme --permission stock.read")]
    Set {
        /// The client id of the program.
        client: ClientId,
        /// The slug of the business.
        #[arg(long)]
        tenant: TenantSlug,
        /// A permission of the service account. May be repeated. `tenantry permission list` lists them.
        #[arg(long = "permission", value_name = "KEY", required = true)]
        permissions: Vec<PermissionKey>,
    },
    /// Remove the service account of a program in a business.
    Remove {
        /// The client id of the program.
        client: ClientId,
        /// The slug of the business.
        #[arg(long)]
        tenant: TenantSlug,
        #[command(flatten)]
        consent: Consent,
    },
}

/// The most service accounts of one list.
const MOST: i64 = 10_000;

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let settings = context::settings()?;
    match command {
        Command::List { listing } => {
            let list = async |tx: &SharedTx| client::list(tx).await;
            let clients =
                context::database(&settings).await?.read_shared(SharedScope::Platform, list).await?;
            let clients = listing.arrange(clients)?;
            let columns = ["client", "app", "name", "secret", "signs in at"];
            format::rows(listing.output, &clients, columns, |client| {
                let secret = client.prefix.as_ref().map(|prefix| format!("{prefix}..."));
                let addresses: Vec<&str> = client.redirect_uris.iter().map(ProgramAddress::as_str).collect();
                [
                    client.id.to_string(),
                    client.app.to_string(),
                    client.name.to_string(),
                    secret.unwrap_or_else(|| "none".to_owned()),
                    addresses.join(", "),
                ]
            })?;
        }
        Command::Create { id, app, name, public, foreign, addresses } => {
            let details = ClientDetails {
                name,
                is_foreign: foreign,
                redirect_uris: addresses.redirect_uris,
                post_logout_redirect_uris: addresses.post_logout_redirect_uris,
                backchannel_logout_uri: addresses.backchannel_logout_uri,
            };
            let new = NewClient { id, app, is_public: public, details };
            let (client, secret) = context::operator(&settings).await?.register_client(&new).await?;
            match secret {
                Some(secret) => tell(&client, &secret)?,
                None => note!("the program {} is registered; it has no secret", client.id),
            }
        }
        Command::Set { id, name, foreign, addresses, no_backchannel_logout } => {
            let edit = |details: &mut ClientDetails| {
                details.name = name.clone().unwrap_or_else(|| details.name.clone());
                details.is_foreign = foreign.unwrap_or(details.is_foreign);
                if !addresses.redirect_uris.is_empty() {
                    details.redirect_uris.clone_from(&addresses.redirect_uris);
                }
                if !addresses.post_logout_redirect_uris.is_empty() {
                    details.post_logout_redirect_uris.clone_from(&addresses.post_logout_redirect_uris);
                }
                if no_backchannel_logout || addresses.backchannel_logout_uri.is_some() {
                    details.backchannel_logout_uri.clone_from(&addresses.backchannel_logout_uri);
                }
            };
            context::operator(&settings).await?.change_client(&id, edit).await?;
            note!("the program {id} is changed");
        }
        Command::Rotate { id, overlap_hours } => {
            let overlap = TimeDelta::hours(overlap_hours.into());
            let (client, secret) = context::operator(&settings).await?.rotate_client(&id, overlap).await?;
            tell(&client, &secret)?;
        }
        Command::Remove { id, consent } => {
            let plan = format!("This removes the program {id} with its sessions and service accounts.");
            if consent.is_given(&plan, id.as_str())? {
                context::operator(&settings).await?.remove_client(&id).await?;
                note!("the program {id} is removed");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub async fn run_account(command: AccountCommand) -> anyhow::Result<ExitCode> {
    let settings = context::settings()?;
    match command {
        AccountCommand::List { tenant, listing } => {
            let tenant = context::find_tenant_if(&settings, tenant.as_ref()).await?.map(|tenant| tenant.id);
            let read = async |tx: &_, page: &_| service_account::list(tx, tenant, page).await;
            let accounts =
                context::all_pages(&settings, tenant, listing.rows_to_read(MOST, MOST), read).await?;
            let accounts = listing.arrange(accounts)?;
            let columns = ["client", "name", "app", "permissions", "active", "last used"];
            format::rows(listing.output, &accounts, columns, |account| {
                let used = account.last_used_at.map(|at| at.format("%Y-%m-%d %H:%M").to_string());
                [
                    account.client_id.to_string(),
                    account.client_name.clone(),
                    account.app.to_string(),
                    account.permissions.join(", "),
                    if account.is_active { "yes" } else { "no" }.to_owned(),
                    used.unwrap_or_default(),
                ]
            })?;
        }
        AccountCommand::Set { client, tenant, permissions } => {
            let tenant = context::find_tenant(&settings, &tenant).await?;
            let operator = context::operator(&settings).await?;
            let account = operator.put_service_account(&tenant, &client, &permissions).await?;
            note!("{client} may use in {}: {}", tenant.slug, account.permissions.join(", "));
        }
        AccountCommand::Remove { client, tenant, consent } => {
            let tenant = context::find_tenant(&settings, &tenant).await?;
            let plan = format!("This removes the service account of {client} in {}.", tenant.slug);
            if consent.is_given(&plan, client.as_str())? {
                context::operator(&settings).await?.remove_service_account(&tenant, &client).await?;
                note!("{client} can do nothing in {} any more", tenant.slug);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(client: &Client, secret: &ProgramSecret) -> anyhow::Result<()> {
    if let Some(until) = client.previous_expires_at {
        note!("the former secret is valid until {}", until.format("%Y-%m-%d %H:%M UTC"));
    }
    note!("the secret of the program {} (shown once):", client.id);
    output::secret(secret.secret().expose_secret()).context("the secret could not be shown; rotate it")
}
