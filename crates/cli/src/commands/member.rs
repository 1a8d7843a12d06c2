//! `tenantry member ...`

use std::process::ExitCode;

use clap::Subcommand;
use identity::membership::{Membership, MembershipStatus};
use identity::person::Filter;
use settings::Settings;

use crate::commands::people::{self, Member};
use crate::confirm::Consent;
use crate::context;
use crate::format::Listing;
use crate::output::note;
use crate::whom::{MembersOf, Place, Whom, target};

#[derive(Subcommand)]
pub enum Command {
    /// List the members of a business, or of an app. `tenantry user create` adds a member.
    #[command(after_help = "Examples:\n  \
        tenantry member list --tenant acme\n  \
        tenantry member list --tenant acme --role OWNER\n  \
        tenantry member list --app platform")]
    List {
        #[command(flatten)]
        of: MembersOf,
        /// Only members with this status: invited, active or suspended.
        #[arg(long)]
        status: Option<MembershipStatus>,
        #[command(flatten)]
        listing: Listing,
    },
    /// Give a member these roles instead of the present ones.
    #[command(after_help = "Example:\n  \
        tenantry member set-roles bob@acme.example --tenant acme --role MANAGER")]
    SetRoles {
        #[command(flatten)]
        whom: Whom,
        #[command(flatten)]
        place: Place,
        /// The role. May be repeated.
        #[arg(long = "role", required = true)]
        roles: Vec<String>,
    },
    /// Suspend a member, whose sessions there end at once.
    Suspend {
        #[command(flatten)]
        whom: Whom,
        #[command(flatten)]
        place: Place,
    },
    /// Let a suspended member sign in again.
    Resume {
        #[command(flatten)]
        whom: Whom,
        #[command(flatten)]
        place: Place,
    },
    /// End a membership. The account of the user stays.
    #[command(after_help = "Examples:\n  \
        tenantry member remove bob@acme.example --tenant acme --dry-run\n  \
        tenantry member remove bob@acme.example --tenant acme --yes")]
    Remove {
        #[command(flatten)]
        whom: Whom,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        consent: Consent,
    },
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let settings = context::settings()?;
    match command {
        Command::List { of, status, listing } => {
            let filter = Filter { membership: status, ..of.filter(&settings).await? };
            people::print_members(members(&settings, &filter).await?, &listing)?;
        }
        Command::SetRoles { whom, place, roles } => {
            let member = place.membership(&settings, &whom).await?;
            let operator = context::operator(&settings).await?;
            let changed = operator.set_member_roles(target(&member), &roles).await?;
            let roles = changed.roles.join(", ");
            note!("{} now has in {}: {roles}", whom.user, place_of(&changed));
        }
        Command::Suspend { whom, place } => {
            set_status(&settings, &whom, &place, MembershipStatus::Suspended).await?;
        }
        Command::Resume { whom, place } => {
            set_status(&settings, &whom, &place, MembershipStatus::Active).await?;
        }
        Command::Remove { whom, place, consent } => {
            let member = place.membership(&settings, &whom).await?;
            let plan = format!(
                "This ends the membership of {} in {} with its sessions. The account stays.",
                whom.user,
                place_of(&member)
            );
            let operator = context::operator(&settings).await?;
            if consent.dry_run {
                operator.rehearse_remove_member(target(&member)).await?;
            }
            if consent.is_given(&plan, &whom.user)? {
                operator.remove_member(target(&member)).await?;
                note!("{} is no longer a member of {}", whom.user, place_of(&member));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn set_status(
    settings: &Settings,
    whom: &Whom,
    place: &Place,
    status: MembershipStatus,
) -> anyhow::Result<()> {
    let member = place.membership(settings, whom).await?;
    let changed = context::operator(settings).await?.set_member_status(target(&member), status).await?;
    note!("{} is {} in {}", whom.user, changed.status, place_of(&changed));
    Ok(())
}

fn place_of(member: &Membership) -> String {
    match &member.slug {
        Some(slug) => format!("{} of {slug}", member.app),
        None => member.app.to_string(),
    }
}

/// The memberships that the filter allows. People may have others, too.
async fn members(settings: &Settings, filter: &Filter) -> anyhow::Result<Vec<Member>> {
    let people = people::read(settings, filter, i64::MAX).await?;
    let is_wanted = |member: &Membership| {
        filter.app.as_ref().is_none_or(|app| member.app == *app)
            && filter.membership.is_none_or(|status| member.status == status)
            && filter.role.as_ref().is_none_or(|role| member.roles.iter().any(|key| key == role.as_str()))
    };
    let members = people.into_iter().flat_map(|person| {
        let (user, full_name) = (people::name_of(&person), person.full_name);
        let kept = person.memberships.into_iter().filter(is_wanted);
        kept.map(move |membership| Member { user: user.clone(), full_name: full_name.clone(), membership })
    });
    Ok(members.collect())
}
