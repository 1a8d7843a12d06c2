//! `tenantry mail ...`

use std::process::ExitCode;

use clap::Subcommand;
use identity::kept_mails::{self, KeptMail};
use identity::mails::{MailId, MailState};
use tenancy::{SharedScope, SharedTx, TenantSlug};
use values::{Limit, PageRequest};

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
const MOST: usize = 10_000;

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let settings = context::settings()?;
    match command {
        Command::List { state, tenant, listing } => {
            let tenant = context::find_tenant_if(&settings, tenant.as_ref()).await?.map(|tenant| tenant.id);
            let mails = listing.arrange(read(&settings, state, tenant).await?)?;
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
                    let dead = read(&settings, Some(MailState::Dead), None).await?;
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
    settings: &settings::Settings,
    state: Option<MailState>,
    tenant: Option<tenancy::TenantId>,
) -> anyhow::Result<Vec<KeptMail>> {
    let database = context::database(settings).await?;
    let mut page = PageRequest { limit: Limit::of(Limit::MAX), after: None };
    let mut mails: Vec<KeptMail> = Vec::new();
    loop {
        let read = async |tx: &SharedTx| kept_mails::list(tx, state, tenant, &page).await;
        let next = database.read_shared(SharedScope::Platform, read).await?;
        mails.extend(next.data);
        page.after = mails.last().map(|mail| mail.id);
        if next.next.is_none() || mails.len() >= MOST {
            return Ok(mails);
        }
    }
}
