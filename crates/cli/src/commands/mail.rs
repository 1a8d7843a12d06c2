//! `tenantry mail ...`

use std::process::ExitCode;

use clap::Subcommand;
use identity::kept_mails::{self, KeptMail};
use identity::mails::{MailId, MailState};
use settings::Settings;
use tenancy::{TenantId, TenantSlug};

use crate::context;
use crate::format::{self, Listing};
use crate::output::note;

#[derive(Subcommand)]
pub enum Command {
    /// List the mails of the last 30 days, newest first.
    #[command(after_help = "Examples:\n  \
        tenantry mail list --state dead\n  \
        tenantry mail list --tenant acme --limit 20")]
    List {
        /// Only mails in this state: queued, sent, dropped or dead.
        #[arg(long)]
        state: Option<MailState>,
        /// Only mails for the business with this slug.
        #[arg(long)]
        tenant: Option<TenantSlug>,
        #[command(flatten)]
        listing: Listing,
    },
    /// Try mails again that could not be sent.
    #[command(after_help = "Examples:\n  \
        tenantry mail retry 01990000-0000-7000-8000-000000000000\n  \
        tenantry mail retry --all-dead")]
    Retry {
        /// The id of the mail, which `tenantry mail list` shows.
        #[arg(required_unless_present = "all_dead")]
        id: Option<MailId>,
        /// All mails that are dead.
        #[arg(long, conflicts_with = "id")]
        all_dead: bool,
    },
}

/// The most mails of one list.
const MOST: i64 = 10_000;

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let settings = context::settings()?;
    match command {
        Command::List { state, tenant, listing } => {
            let tenant = context::find_tenant_if(&settings, tenant.as_ref()).await?.map(|tenant| tenant.id);
            let mails = read(&settings, state, tenant, listing.rows_to_read(MOST, MOST)).await?;
            let mails = listing.arrange(mails)?;
            let columns = ["mail", "template", "address", "state", "attempts", "created", "failure"];
            format::rows(listing.output, &mails, columns, |mail| {
                [
                    mail.id.to_string(),
                    mail.template.clone(),
                    mail.address.clone(),
                    mail.state.to_string(),
                    mail.attempts.to_string(),
                    mail.created_at.format("%Y-%m-%d %H:%M").to_string(),
                    mail.failure.clone().unwrap_or_default(),
                ]
            })?;
        }
        Command::Retry { id, all_dead: _ } => {
            let ids = match id {
                Some(id) => vec![id],
                None => {
                    let dead = read(&settings, Some(MailState::Dead), None, MOST).await?;
                    dead.into_iter().map(|mail| mail.id).collect()
                }
            };
            let operator = context::operator(&settings).await?;
            for id in &ids {
                operator.retry_mail(*id).await?;
            }
            note!("mails that are tried again: {}", ids.len());
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn read(
    settings: &Settings,
    state: Option<MailState>,
    tenant: Option<TenantId>,
    most: i64,
) -> anyhow::Result<Vec<KeptMail>> {
    let read = async |tx: &_, page: &_| kept_mails::list(tx, state, tenant, page).await;
    context::all_pages(settings, tenant, most, read).await
}
