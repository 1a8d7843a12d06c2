//! `tenantry invitation ...`, and `tenantry user invite`

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use identity::invitation::{self, Invitation, InvitationId, InvitationStatus, NewInvitation};
use settings::Settings;
use tenancy::{SharedScope, SharedTx, TenantSlug, tenant};
use values::Email;

use crate::confirm::Consent;
use crate::context;
use crate::format::{self, Listing};
use crate::output::{self, note};
use crate::whom::Place;

#[derive(Subcommand)]
pub enum Command {
    /// List invitations, newest first. `tenantry user invite` makes one.
    #[command(after_help = "Example:\n  tenantry invitation list --tenant acme --status pending")]
    List {
        /// Only invitations to the business with this slug.
        #[arg(long)]
        tenant: Option<TenantSlug>,
        /// Only invitations with this status: pending, accepted, expired or revoked.
        #[arg(long)]
        status: Option<InvitationStatus>,
        #[command(flatten)]
        listing: Listing,
    },
    /// Send an invitation again, for another 7 days. Former links are no longer valid.
    #[command(after_help = "Example:\n  tenantry invitation resend 01990000-0000-7000-8000-000000000000")]
    Resend {
        /// The id of the invitation, which `tenantry invitation list` shows.
        id: InvitationId,
    },
    /// Revoke an invitation: its link is no longer valid.
    Revoke {
        /// The id of the invitation.
        id: InvitationId,
        #[command(flatten)]
        consent: Consent,
    },
}

/// The most invitations of one list.
const MOST: i64 = 10_000;

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let settings = context::settings()?;
    match command {
        Command::List { tenant, status, listing } => {
            let tenant = context::find_tenant_if(&settings, tenant.as_ref()).await?.map(|tenant| tenant.id);
            let read = async |tx: &_, page: &_| invitation::list(tx, tenant, status, page).await;
            let most = listing.rows_to_read(MOST, MOST);
            let invitations = listing.arrange(context::all_pages(&settings, tenant, most, read).await?)?;
            let columns = ["invitation", "email", "app", "roles", "status", "expires"];
            format::rows(listing.output, &invitations, columns, |invitation| {
                [
                    invitation.id.to_string(),
                    invitation.email.to_string(),
                    invitation.app.to_string(),
                    invitation.roles.join(", "),
                    invitation.status.to_string(),
                    invitation.expires_at.format("%Y-%m-%d %H:%M").to_string(),
                ]
            })?;
        }
        Command::Resend { id } => {
            let (key, is_mailed) = links(&settings)?;
            let operator = context::operator(&settings).await?;
            let (invitation, token) = operator.resend_invitation(&key, id, is_mailed).await?;
            tell(&settings, &invitation, &token, is_mailed).await?;
        }
        Command::Revoke { id, consent } => {
            let plan = format!("This revokes the invitation {id}: its link is no longer valid.");
            if consent.is_given(&plan, &id.to_string())? {
                let revoked = context::operator(&settings).await?.revoke_invitation(id).await?;
                note!("the invitation of {} is revoked", revoked.email);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Invites a person.
pub async fn invite(
    settings: &Settings,
    email: Email,
    place: &Place,
    roles: Vec<String>,
) -> anyhow::Result<()> {
    let (place, _) = place.find(settings).await?;
    let (key, is_mailed) = links(settings)?;
    let new = NewInvitation { email, place, roles };
    let (invitation, token) = context::operator(settings).await?.invite(&key, &new, is_mailed).await?;
    tell(settings, &invitation, &token, is_mailed).await
}

/// The key of links, and whether they are mailed.
fn links(settings: &Settings) -> anyhow::Result<(identity::LinkKey, bool)> {
    Ok((settings.password_keys()?.link_key(), settings.post()?.is_some()))
}

/// Says that the link is mailed. Without a mail server, prints it, to be handed over.
async fn tell(
    settings: &Settings,
    invitation: &Invitation,
    token: &str,
    is_mailed: bool,
) -> anyhow::Result<()> {
    if is_mailed {
        note!("{} gets a mail with a link that is valid for 7 days", invitation.email);
        return Ok(());
    }
    let slug = match invitation.tenant_id {
        None => None,
        Some(id) => {
            let find = async |tx: &SharedTx| tenant::find_by_id(tx, id).await;
            let tenant = context::database(settings).await?.read_shared(SharedScope::Platform, find).await?;
            tenant.map(|tenant| tenant.slug.to_string())
        }
    };
    note!("no mail server is configured; hand this link over (shown once, valid for 7 days):");
    let link = format!("{}#token={token}", settings.invitation_page(slug.as_deref()));
    output::secret(&link).context("the link could not be shown; send the invitation again")
}
