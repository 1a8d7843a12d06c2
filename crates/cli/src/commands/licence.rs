//! `tenantry licence ...`

use std::process::ExitCode;

use anyhow::bail;
use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, TimeDelta, Utc};
use clap::Subcommand;
use platform::licence::Until;
use platform::plan::{self, NewPlan, Plan};
use serde::Serialize;
use tenancy::{PlanKey, PlanLimits, SharedScope, Standing, Tenant, TenantSlug};
use values::Name;

use crate::context;
use crate::format::{self, Listing, Output};
use crate::output::note;

#[derive(Subcommand)]
pub enum Command {
    /// Show the licence of a business.
    Show {
        /// The slug of the business.
        slug: TenantSlug,
        #[command(flatten)]
        output: Output,
    },
    /// List the licences of all businesses.
    #[command(after_help = "Examples:\n  \
        tenantry licence list --ending-within 30\n  \
        tenantry licence list --sort validUntil -o json")]
    List {
        /// List only licences that have ended, or end within this number of days.
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(0..=3660))]
        ending_within: Option<u32>,
        #[command(flatten)]
        listing: Listing,
    },
    /// Grant a licence, or renew it. Every server lets the business sell at once.
    #[command(after_help = "Examples:\n  \
        tenantry licence grant acme                     for one more term of its plan\n  \
        tenantry licence grant acme --plan basic        for one term of another plan, from now\n  \
        tenantry licence grant acme --until 2027-11-30  to the end of that day, in UTC\n  \
        tenantry licence grant acme --plan unlimited --no-end")]
    Grant {
        /// The slug of the business.
        slug: TenantSlug,
        /// The key of the plan. Defaults to the present plan of the business.
        #[arg(long)]
        plan: Option<PlanKey>,
        /// The last day of the licence, in UTC. Defaults to one term: after the present end if the plan stays
        /// the same, and otherwise from now.
        #[arg(long, value_name = "DAY", conflicts_with = "no_end")]
        until: Option<NaiveDate>,
        /// Grant a licence without an end.
        #[arg(long)]
        no_end: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Revoke a licence: if the installation requires licences, the business cannot sell any more.
    Revoke {
        /// The slug of the business.
        slug: TenantSlug,
        #[command(flatten)]
        output: Output,
    },
    /// List the plans.
    Plans(Listing),
    /// Store a plan, or replace the plan with this key. Limits that are not given do not apply.
    #[command(after_help = "Examples:\n  \
        tenantry licence set-plan basic --name Basic --term-days 365 --grace-days 14 --max-members 5\n  \
        tenantry licence set-plan trial --name Trial --term-days 14")]
    SetPlan {
        /// The key: 1 to 32 of a-z, 0-9 and -, first a letter.
        key: PlanKey,
        /// The name, as people see it.
        #[arg(long, value_parser = Name::parse)]
        name: Name,
        /// The days of one term, 1 to 3660. Defaults to licences without an end.
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(i32).range(plan::TERM_DAYS))]
        term_days: Option<i32>,
        /// The days after the end of a licence on which a business may still sell, 0 to 366.
        #[arg(long, value_name = "DAYS", default_value_t = 0,
            value_parser = clap::value_parser!(i32).range(plan::GRACE_DAYS))]
        grace_days: i32,
        /// The largest number of members who are active or invited.
        #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(i32).range(plan::LIMIT))]
        max_members: Option<i32>,
        /// The largest number of locations that are not archived.
        #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(i32).range(plan::LIMIT))]
        max_locations: Option<i32>,
        /// The largest number of products that are not archived.
        #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(i32).range(plan::LIMIT))]
        max_products: Option<i32>,
        /// The largest number of registers that are not archived.
        #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(i32).range(plan::LIMIT))]
        max_registers: Option<i32>,
        /// Give this plan to new businesses, instead of the present default.
        #[arg(long)]
        default: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Remove a plan that no business has.
    RemovePlan {
        /// The key of the plan.
        key: PlanKey,
    },
}

/// A licence in the form that the command line prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    slug: TenantSlug,
    plan: PlanKey,
    standing: Standing,
    valid_until: Option<DateTime<Utc>>,
    sells_until: Option<DateTime<Utc>>,
    #[serde(flatten)]
    limits: PlanLimits,
}

impl From<&Tenant> for Shown {
    fn from(tenant: &Tenant) -> Self {
        let licence = &tenant.licence;
        Self {
            slug: tenant.slug.clone(),
            plan: licence.plan.clone(),
            standing: licence.standing(Utc::now()),
            valid_until: licence.valid_until,
            sells_until: licence.sells_until(),
            limits: licence.limits,
        }
    }
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let settings = context::settings()?;
    match command {
        Command::Show { slug, output } => show(&*context::find_tenant(&settings, &slug).await?, output)?,
        Command::List { ending_within, listing } => {
            let tenants = context::all_tenants(&context::database(&settings).await?).await?;
            let until = ending_within.map(|days| Utc::now() + TimeDelta::days(days.into()));
            let is_wanted =
                |shown: &Shown| until.is_none_or(|until| shown.valid_until.is_some_and(|end| end <= until));
            let licences = tenants.iter().map(|tenant| Shown::from(&**tenant)).filter(is_wanted).collect();
            let licences = listing.arrange(licences)?;
            let headers = ["slug", "plan", "standing", "valid until", "sells until"];
            format::rows(listing.output, &licences, headers, |shown| {
                [
                    shown.slug.to_string(),
                    shown.plan.to_string(),
                    shown.standing.as_str().to_owned(),
                    end(shown.valid_until),
                    end(shown.sells_until),
                ]
            })?;
        }
        Command::Grant { slug, plan, until, no_end, output } => {
            let until = match (until, no_end) {
                (Some(day), _) => Until::Moment(end_of(day)?),
                (None, true) => Until::NoEnd,
                (None, false) => Until::NextTerm,
            };
            let tenant = context::find_tenant(&settings, &slug).await?;
            let operator = context::operator(&settings).await?;
            show(&operator.grant_licence(tenant.id, plan.as_ref(), until).await?, output)?;
        }
        Command::Revoke { slug, output } => {
            let tenant = context::find_tenant(&settings, &slug).await?;
            show(&context::operator(&settings).await?.revoke_licence(tenant.id).await?, output)?;
            if !settings.licence.required {
                note!("servers with licence.required = false, as here, still let {slug} sell");
            }
        }
        Command::Plans(listing) => {
            let database = context::database(&settings).await?;
            let list = database.read_shared(SharedScope::Platform, async |tx| plan::list(tx).await);
            let plans = listing.arrange(list.await?)?;
            let headers = ["key", "name", "term", "grace", "limits", "default", "businesses"];
            format::rows(listing.output, &plans, headers, |plan| {
                [
                    plan.key.to_string(),
                    plan.name.to_string(),
                    plan.term_days.map_or("no end".to_owned(), |days| format!("{days} d")),
                    format!("{} d", plan.grace_days),
                    limits_in_words(&plan.limits),
                    if plan.is_default { "yes".to_owned() } else { String::new() },
                    plan.businesses.to_string(),
                ]
            })?;
        }
        Command::SetPlan {
            key,
            name,
            term_days,
            grace_days,
            max_members,
            max_locations,
            max_products,
            max_registers,
            default: is_default,
            output,
        } => {
            let limits = PlanLimits { max_members, max_locations, max_products, max_registers };
            let new = NewPlan { key, name, term_days, grace_days, limits, is_default };
            show_plan(&context::operator(&settings).await?.save_plan(&new).await?, output)?;
        }
        Command::RemovePlan { key } => {
            context::operator(&settings).await?.remove_plan(&key).await?;
            note!("the plan {key} is removed");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The end of a day in UTC.
fn end_of(day: NaiveDate) -> anyhow::Result<DateTime<Utc>> {
    match day.succ_opt() {
        Some(next) if values::Day::try_from(next).is_ok() => Ok(next.and_time(NaiveTime::MIN).and_utc()),
        _ => bail!("the day must be in the years 2000 to 9999"),
    }
}

fn end(moment: Option<DateTime<Utc>>) -> String {
    moment.map_or("no end".to_owned(), |moment| moment.to_rfc3339_opts(SecondsFormat::Secs, true))
}

fn limits_in_words(limits: &PlanLimits) -> String {
    let PlanLimits { max_members, max_locations, max_products, max_registers } = *limits;
    let limits = [
        (max_members, "members"),
        (max_locations, "locations"),
        (max_products, "products"),
        (max_registers, "registers"),
    ];
    let limits: Vec<String> =
        limits.iter().filter_map(|(most, what)| Some(format!("{} {what}", (*most)?))).collect();
    if limits.is_empty() { "none".to_owned() } else { limits.join(", ") }
}

fn show(tenant: &Tenant, output: Output) -> anyhow::Result<()> {
    let shown = Shown::from(tenant);
    let lines = [
        ("slug", shown.slug.to_string()),
        ("plan", format!("{} ({})", shown.plan, tenant.licence.plan_name)),
        ("standing", shown.standing.as_str().to_owned()),
        ("valid until", end(shown.valid_until)),
        ("sells until", end(shown.sells_until)),
        ("limits", limits_in_words(&shown.limits)),
    ];
    format::one(output, &shown, &lines)
}

fn show_plan(plan: &Plan, output: Output) -> anyhow::Result<()> {
    let lines = [
        ("key", plan.key.to_string()),
        ("name", plan.name.to_string()),
        ("term", plan.term_days.map_or("no end".to_owned(), |days| format!("{days} days"))),
        ("grace", format!("{} days", plan.grace_days)),
        ("limits", limits_in_words(&plan.limits)),
        ("default", if plan.is_default { "yes" } else { "no" }.to_owned()),
    ];
    format::one(output, plan, &lines)
}
