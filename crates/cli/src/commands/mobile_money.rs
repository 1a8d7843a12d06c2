//! `tenantry mobile-money ...`

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use platform::received_payment::{self, UnclaimedPayment};
use settings::Settings;
use tenancy::TenantSlug;
use till::MobilePaymentId;

use crate::context;
use crate::failure::NotFound;
use crate::format::{self, Listing};
use crate::output::note;

#[derive(Subcommand)]
pub enum Command {
    /// Register this installation with the provider, which then reports payments here.
    #[command(after_help = "Examples:\n  \
        tenantry mobile-money register\n  \
        tenantry mobile-money register --dry-run")]
    Register {
        /// Print the address, and change nothing at the provider.
        #[arg(long)]
        dry_run: bool,
    },
    /// List unclaimed payments, newest first: payments to till numbers that no business had.
    #[command(after_help = "Examples:\n  \
        tenantry mobile-money list\n  \
        tenantry mobile-money list --limit 20")]
    List {
        #[command(flatten)]
        listing: Listing,
    },
    /// Assign an unclaimed payment to a business.
    #[command(after_help = "Examples:\n  \
        tenantry mobile-money assign 01990000-0000-7000-8000-000000000000 acme")]
    Assign {
        /// The id of the payment, which `tenantry mobile-money list` shows.
        id: MobilePaymentId,
        /// The slug of the business.
        slug: TenantSlug,
    },
}

/// The most payments of one list.
const MOST: i64 = 10_000;

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let settings = context::settings()?;
    match command {
        Command::Register { dry_run } => {
            let mobile_money = settings.mobile_money()?;
            let mobile_money = mobile_money
                .context("there is no provider of mobile money; set the keys of [mobile_money]")?;
            let address = mobile_money.callbacks.of_payments();
            if !dry_run {
                mobile_money.provider.register(&address).await?;
                note!("the provider reports payments to:");
            }
            println!("{address}");
        }
        Command::List { listing } => {
            let payments = read(&settings, listing.rows_to_read(MOST, MOST)).await?;
            let payments = listing.arrange(payments)?;
            let columns = ["payment", "transaction", "till number", "amount", "currency", "paid"];
            format::rows(listing.output, &payments, columns, |payment| {
                [
                    payment.id.to_string(),
                    payment.transaction_id.clone(),
                    payment.till_number.clone(),
                    payment.amount.plain().into(),
                    payment.currency.clone(),
                    payment.paid_at.format("%Y-%m-%d %H:%M").to_string(),
                ]
            })?;
        }
        Command::Assign { id, slug } => {
            let tenant = context::find_tenant(&settings, &slug).await?;
            let operator = context::operator(&settings).await?;
            let payment = operator.assign_payment(id, &tenant).await?;
            let missing = || NotFound("there is no such payment, or a business has it already".to_owned());
            let payment = payment.ok_or_else(missing)?;
            note!("assigned the payment {} of {} to {slug}", payment.transaction_id, payment.amount.plain());
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn read(settings: &Settings, most: i64) -> anyhow::Result<Vec<UnclaimedPayment>> {
    let read = async |tx: &_, page: &_| received_payment::unclaimed(tx, page).await;
    context::all_pages(settings, None, most, read).await
}
