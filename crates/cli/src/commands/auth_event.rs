//! `tenantry auth-event ...`

use std::net::IpAddr;
use std::process::ExitCode;

use clap::Subcommand;
use identity::auth_event::{AuthAction, AuthEventId};
use identity::auth_log::{self, EventFilter, LoggedEvent};
use tenancy::{SharedScope, SharedTx, TenantSlug};
use values::{Key as _, Moment};

use crate::context;
use crate::format::{self, Listing};
use crate::whom::Whom;

#[derive(Subcommand)]
pub enum Command {
    /// List what happened to accounts and access, newest first.
    #[command(after_help = "Examples:\n  \
        tenantry auth-event list --tenant acme --limit 20\n  \
        tenantry auth-event list --user bob@acme.example --failed\n  \
        tenantry auth-event list --from 2026-11-01T00:00:00Z -o csv > events.csv\n\n\
        Without --limit and --from, the newest 100 events are listed.")]
    List {
        /// Only events of the business with this slug. A username is one of this business.
        #[arg(long)]
        tenant: Option<TenantSlug>,
        /// Only events of this user: email, id, or username.
        #[arg(long)]
        user: Option<String>,
        /// Only this action, such as session.started.
        #[arg(long)]
        action: Option<AuthAction>,
        /// Only what failed.
        #[arg(long)]
        failed: bool,
        /// Only from this address.
        #[arg(long)]
        address: Option<IpAddr>,
        /// Only events of this time and later (RFC 3339).
        #[arg(long)]
        from: Option<Moment>,
        /// Only events before this time (RFC 3339).
        #[arg(long)]
        until: Option<Moment>,
        #[command(flatten)]
        listing: Listing,
    },
}

/// The events of a list without a limit and a start.
const BY_DEFAULT: i64 = 100;
/// The most events of one list.
const MOST: i64 = 1_000_000;
/// The events that are read at once.
const CHUNK: i64 = 1000;

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let settings = context::settings()?;
    let Command::List { tenant, user, action, failed, address, from, until, listing } = command;
    let tenant = context::find_tenant_if(&settings, tenant.as_ref()).await?;
    let user = match user {
        Some(user) => Some(Whom { user }.find(&settings, tenant.as_deref()).await?),
        None => None,
    };
    let filter = EventFilter {
        tenant: tenant.map(|tenant| tenant.id),
        user,
        action,
        has_failed: failed.then_some(true),
        address,
        from: from.map(Moment::time),
        until: until.map(Moment::time),
        is_platform: true,
    };
    let wanted = listing.rows_to_read(if from.is_some() { MOST } else { BY_DEFAULT }, MOST);
    let database = context::database(&settings).await?;
    context::record_read(&database, filter.tenant).await?;
    let mut events: Vec<LoggedEvent> = Vec::new();
    let mut before = AuthEventId::highest();
    loop {
        let left = wanted - i64::try_from(events.len()).unwrap_or(i64::MAX);
        let read = async |tx: &SharedTx| auth_log::up_to(tx, &filter, before, left.min(CHUNK)).await;
        let next = database.read_shared(SharedScope::Platform, read).await?;
        let Some(last) = next.last() else { break };
        before = last.id;
        events.extend(next);
    }
    let events = listing.arrange(events)?;
    let columns = ["time", "action", "outcome", "user", "by", "app", "address"];
    format::named_rows(
        listing.output,
        &events,
        |event| event.id.to_string(),
        columns,
        |event| {
            let named = |name: &Option<String>, id: Option<identity::UserId>| {
                name.clone().or_else(|| id.map(|id| id.to_string())).unwrap_or_default()
            };
            let by = match &event.operator {
                Some(operator) if event.actor_id.is_none() => operator.clone(),
                _ => named(&event.actor_name, event.actor_id),
            };
            [
                event.occurred_at.format("%Y-%m-%d %H:%M:%S").to_string(),
                event.action.clone(),
                event.failure.clone().unwrap_or_else(|| "ok".to_owned()),
                named(&event.user_name, event.user_id),
                by,
                event.app.clone().unwrap_or_default(),
                event.address.map(|address| address.to_string()).unwrap_or_default(),
            ]
        },
    )?;
    Ok(ExitCode::SUCCESS)
}
