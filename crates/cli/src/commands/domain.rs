//! `tenantry domain ...`

use std::process::ExitCode;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Subcommand;
use serde::Serialize;
use tenancy::domain::{self, Domain};
use tenancy::{HostName, SharedScope, SharedTx, TenantSlug};

use crate::confirm::Consent;
use crate::context;
use crate::format::{self, Listing, Output};
use crate::output::note;

#[derive(Subcommand)]
pub enum Command {
    /// Add a custom domain to a business, and print the DNS record that proves ownership.
    #[command(after_help = "Examples:\n  \
        tenantry domain add acme shop.acme.example\n  \
        tenantry domain verify acme shop.acme.example     after the TXT record is published\n  \
        tenantry domain primary acme shop.acme.example --redirect")]
    Add {
        /// The slug of the business.
        slug: TenantSlug,
        /// The host name of the custom domain.
        host: HostName,
        #[command(flatten)]
        output: Output,
    },
    /// Check the DNS record of a custom domain. If the check succeeds, the server answers at the domain.
    Verify {
        /// The slug of the business.
        slug: TenantSlug,
        /// The host name of the custom domain.
        host: HostName,
        #[command(flatten)]
        output: Output,
    },
    /// List the custom domains of a business, the primary domain first.
    List {
        /// The slug of the business.
        slug: TenantSlug,
        #[command(flatten)]
        listing: Listing,
    },
    /// Set the primary domain of a business. Without a host, the business has no primary domain. Without
    /// --redirect, the other addresses of the business serve requests themselves.
    Primary {
        /// The slug of the business.
        slug: TenantSlug,
        /// A verified custom domain.
        host: Option<HostName>,
        /// Redirect all other addresses of the business to the primary domain with status 308.
        #[arg(long, requires = "host")]
        redirect: bool,
    },
    /// Remove a custom domain from a business. Its verification is lost.
    #[command(after_help = "Examples:\n  \
        tenantry domain remove acme shop.acme.example --dry-run\n  \
        tenantry domain remove acme shop.acme.example --yes")]
    Remove {
        /// The slug of the business.
        slug: TenantSlug,
        /// The host name of the custom domain.
        host: HostName,
        #[command(flatten)]
        consent: Consent,
    },
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let settings = context::settings()?;
    let slug = match &command {
        Command::Add { slug, .. }
        | Command::Verify { slug, .. }
        | Command::List { slug, .. }
        | Command::Primary { slug, .. }
        | Command::Remove { slug, .. } => slug,
    };
    let tenant = context::find_tenant(&settings, slug).await?;
    match command {
        Command::Add { host, output, .. } => {
            let base = HostName::parse(&settings.server.base_domain)?;
            let (dns, claim_days) = (settings.dns()?, settings.domains.claim_days);
            let operator = context::operator(&settings).await?;
            let domain = operator.add_domain(tenant.id, &host, &base, claim_days, &dns).await?;
            show(&domain, output)?;
        }
        Command::Verify { host, output, .. } => {
            let dns = settings.dns()?;
            let domain = context::operator(&settings).await?.verify_domain(tenant.id, &host, &dns).await?;
            show(&domain, output)?;
        }
        Command::List { listing, .. } => {
            let domains = context::database(&settings)
                .await?
                .read_shared(SharedScope::Platform, async |tx| domain::list(tx, tenant.id).await)
                .await?;
            let domains = listing.arrange(domains.into_iter().map(Shown::from).collect())?;
            format::rows(
                listing.output,
                &domains,
                ["host", "primary", "state", "txt record", "value"],
                |domain| {
                    let domain = &domain.domain;
                    [
                        domain.host.to_string(),
                        if domain.is_primary { "yes".to_owned() } else { String::new() },
                        state(domain),
                        domain.challenge_name(),
                        domain.challenge.clone(),
                    ]
                },
            )?;
        }
        Command::Primary { host, redirect, .. } => {
            let operator = context::operator(&settings).await?;
            operator.set_primary_domain(tenant.id, host.as_ref(), redirect).await?;
        }
        Command::Remove { host, consent, .. } => {
            let find = async |tx: &SharedTx| domain::find(tx, tenant.id, &host).await;
            let found = context::operator(&settings).await?.owner_database.write_shared(find).await?;
            let plan =
                format!("This removes the custom domain {host} of {} ({}).", tenant.slug, state(&found));
            if !consent.is_given(&plan, host.as_str())? {
                return Ok(ExitCode::SUCCESS);
            }
            context::operator(&settings).await?.remove_domain(tenant.id, &host).await?;
            note!("{host} is no longer a custom domain of {}", tenant.slug);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A custom domain in the form that the command line prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    #[serde(flatten)]
    domain: Domain,
    state: String,
    /// The name of the TXT record, which must hold the challenge.
    record_name: String,
}

impl From<Domain> for Shown {
    fn from(domain: Domain) -> Self {
        Self { state: state(&domain), record_name: domain.challenge_name(), domain }
    }
}

fn state(domain: &Domain) -> String {
    let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    match (domain.verified_at, domain.missing_since, domain.expires_at) {
        (Some(_), Some(missing), _) => format!("verified; record missing since {}", time(missing)),
        (Some(verified), None, _) => format!("verified at {}", time(verified)),
        (None, _, Some(expires)) => format!("not verified; removed after {}", time(expires)),
        (None, _, None) => "not verified".to_owned(),
    }
}

fn show(domain: &Domain, output: Output) -> anyhow::Result<()> {
    let lines = [
        ("host", domain.host.to_string()),
        ("state", state(domain)),
        ("TXT record", domain.challenge_name()),
        ("value", domain.challenge.clone()),
    ];
    format::one(output, &Shown::from(domain.clone()), &lines)
}
