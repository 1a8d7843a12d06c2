//! `tenantry ledger ...`

use std::cell::{Cell, RefCell};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{ArgGroup, Subcommand};
use inventory::ledger::{self, Verdict};
use serde::Serialize;
use tenancy::{Tenant, TenantSlug};

use crate::context;
use crate::failure::{DRIFT, INTERRUPTED, PARTIAL};
use crate::format::{self, Output};
use crate::interrupt::unless_interrupted;
use crate::output::{complain, note};

#[derive(Subcommand)]
pub enum Command {
    /// Recompute every stock level from the stock movements and from open orders.
    ///
    /// The exit code is 6 if a stock level, a reserved quantity or the balance of a movement differs from the
    /// recomputed one, and 5 if some businesses could not be read.
    #[command(group(ArgGroup::new("whose").required(true).args(["slug", "all"])), after_help = "Examples:\n  \
        tenantry ledger verify acme\n  \
        tenantry ledger verify --all -o json")]
    Verify {
        /// The slug of the business.
        slug: Option<TenantSlug>,
        /// Verify every business, one after another.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Serialize)]
struct Verified {
    business: TenantSlug,
    #[serde(flatten)]
    verdict: Verdict,
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let Command::Verify { slug, output, .. } = command;
    let settings = context::settings()?;
    let database = context::database(&settings).await?;
    let tenants: Vec<Arc<Tenant>> = match slug {
        Some(slug) => vec![context::find_tenant(&settings, &slug).await?],
        None => context::all_tenants(&database).await?,
    };
    let (verified, unread) = (RefCell::new(Vec::with_capacity(tenants.len())), Cell::new(0));
    let work = async {
        for tenant in &tenants {
            match database.read_snapshot(&tenant.scope(), async |tx| ledger::verify(tx).await).await {
                Ok(verdict) => {
                    verified.borrow_mut().push(Verified { business: tenant.slug.clone(), verdict });
                }
                Err(error) => {
                    unread.set(unread.get() + 1);
                    complain!("error: {} could not be read: {}", tenant.slug, tenancy::chain(&error));
                }
            }
        }
    };
    let is_complete = unless_interrupted(work).await?.is_some();
    let (verified, unread) = (verified.into_inner(), unread.get());
    format::rows(output, &verified, ["business", "levels", "movements", "drifts"], |row| {
        [
            row.business.to_string(),
            row.verdict.levels.to_string(),
            row.verdict.movements.to_string(),
            row.verdict.drifts.len().to_string(),
        ]
    })?;
    for row in &verified {
        for drift in &row.verdict.drifts {
            note!(
                "{}: variant {} at location {}: on hand {} (ledger {}), reserved {} (open orders {}), \
                 value {} (ledger {}), broken movements {}",
                row.business,
                drift.variant_id,
                drift.location_id,
                drift.on_hand,
                drift.ledger,
                drift.reserved,
                drift.promised,
                drift.value.plain(),
                drift.ledger_value.plain(),
                drift.broken_movements
            );
        }
    }
    if !is_complete {
        let done = verified.len();
        complain!(
            "interrupted: {done} of {} businesses were verified, and {unread} could not be read",
            tenants.len()
        );
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let holds = verified.iter().all(|row| row.verdict.holds());
    Ok(match (holds, unread, verified.len()) {
        (false, ..) => ExitCode::from(DRIFT),
        (true, 0, _) => ExitCode::SUCCESS,
        (true, _, 0) => ExitCode::FAILURE,
        (true, ..) => ExitCode::from(PARTIAL),
    })
}
