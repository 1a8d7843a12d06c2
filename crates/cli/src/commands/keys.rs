//! `tenantry keys ...`

use std::process::ExitCode;

use clap::Subcommand;
use identity::key_ring;
use tenancy::{SharedScope, SharedTx};

use crate::confirm::Consent;
use crate::context;
use crate::format::{self, Listing};
use crate::output::note;

#[derive(Subcommand)]
pub enum Command {
    /// List the keys that sign access tokens, newest first.
    List {
        #[command(flatten)]
        listing: Listing,
    },
    /// Let the next key sign access tokens, and make another next key. Tokens of the former key stay valid.
    #[command(after_help = "Keys rotate by themselves; identity.key_rotation_days says how often.\n\n\
        Examples:\n  \
        tenantry keys rotate\n  \
        tenantry keys rotate --now      also if the next key was published a moment ago")]
    Rotate {
        /// Rotate at once. Programs that keep the published keys may refuse new tokens for a few minutes.
        #[arg(long)]
        now: bool,
    },
    /// Revoke a key that somebody else may have. Every server refuses its tokens within a second; people
    /// refresh their sessions, and stay signed in.
    #[command(after_help = "Examples:\n  \
        tenantry keys revoke KEY --dry-run\n  \
        tenantry keys revoke KEY --yes")]
    Revoke {
        /// The id of the key, which `tenantry keys list` shows.
        key: String,
        #[command(flatten)]
        consent: Consent,
    },
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let settings = context::settings()?;
    match command {
        Command::List { listing } => {
            let list = async |tx: &SharedTx| key_ring::list(tx).await;
            let keys = context::database(&settings).await?.read_shared(SharedScope::Platform, list).await?;
            let keys = listing.arrange(keys)?;
            format::rows(listing.output, &keys, ["key", "algorithm", "state", "created", "since"], |key| {
                let time = |at: chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%d %H:%M").to_string();
                [
                    key.id.clone(),
                    key.algorithm.to_string(),
                    key.state.to_string(),
                    time(key.created_at),
                    time(key.changed_at),
                ]
            })?;
        }
        Command::Rotate { now } => {
            let (sealer, algorithm) = (settings.password_keys()?.sealer(), settings.signing_algorithm()?);
            let operator = context::operator(&settings).await?;
            if operator.rotate_keys(&sealer, algorithm, now).await? {
                note!("the next key signs access tokens now");
            } else {
                note!("there was no next key; one is published now, and can sign in ten minutes");
            }
        }
        Command::Revoke { key, consent } => {
            let (sealer, algorithm) = (settings.password_keys()?.sealer(), settings.signing_algorithm()?);
            let plan = format!("This revokes the key {key}. Its tokens are refused at once.");
            if consent.is_given(&plan, &key)? {
                context::operator(&settings).await?.revoke_key(&sealer, algorithm, &key).await?;
                note!("the key {key} is revoked");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
