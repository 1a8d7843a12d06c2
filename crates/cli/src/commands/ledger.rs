//! `tenantry ledger ...`

use std::cell::{Cell, RefCell};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{ArgGroup, Subcommand};
use serde::Serialize;
use tenancy::{Tenant, TenantSlug};
use till::books::{self, Books, ChainSpan};

use crate::context;
use crate::failure::{DRIFT, INTERRUPTED, PARTIAL};
use crate::format::{self, Output};
use crate::interrupt::unless_interrupted;
use crate::output::{complain, note};

#[derive(Subcommand)]
pub enum Command {
    /// Recompute the stock, the receipts of the tills, and the vouchers and accounts of customers.
    ///
    /// The exit code is 6 if something differs, such as a stock level from its movements, or the payments
    /// of a receipt from its total, or if the number of a receipt is missing. It is 5 if some businesses
    /// could not be read.
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
    books: Books,
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
            match database
                .read_snapshot(&tenant.scope(), async |tx| books::verify(tx, ChainSpan::Whole).await)
                .await
            {
                Ok(books) => {
                    verified.borrow_mut().push(Verified { business: tenant.slug.clone(), books });
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
    let columns = ["business", "levels", "movements", "receipts", "credits", "differences"];
    format::rows(output, &verified, columns, |row| {
        [
            row.business.to_string(),
            row.books.stock.levels.to_string(),
            row.books.stock.movements.to_string(),
            row.books.receipts.to_string(),
            row.books.credits.to_string(),
            row.books.differences().to_string(),
        ]
    })?;
    for row in &verified {
        for drift in &row.books.stock.drifts {
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
        for fault in &row.books.faults {
            let (business, subject) = (&row.business, &fault.subject);
            note!("{business}: {} of {subject}: {} (computed {})", fault.fault, fault.stored, fault.computed);
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
    let holds = verified.iter().all(|row| row.books.holds());
    Ok(match (holds, unread, verified.len()) {
        (false, ..) => ExitCode::from(DRIFT),
        (true, 0, _) => ExitCode::SUCCESS,
        (true, _, 0) => ExitCode::FAILURE,
        (true, ..) => ExitCode::from(PARTIAL),
    })
}
