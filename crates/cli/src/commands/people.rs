//! How people, memberships and sessions are printed.

use identity::external_identity::ExternalIdentity;
use identity::membership::Membership;
use identity::person::{self, Filter, Person};
use identity::session::Session;
use settings::Settings;

use crate::context;
use crate::format::{self, Listing, Output};

/// The most users that one list reads.
const MOST: i64 = 100_000;

/// The name by which a person signs in, or the id of a deleted user.
pub fn name_of(person: &Person) -> String {
    let username = || person.usernames.first().map(ToString::to_string);
    person.email.as_ref().map(ToString::to_string).or_else(username).unwrap_or_else(|| person.id.to_string())
}

fn time(at: chrono::DateTime<chrono::Utc>) -> String {
    at.format("%Y-%m-%d %H:%M").to_string()
}

/// The place and the roles of a membership in one line.
fn in_words(membership: &Membership) -> String {
    let place = membership.slug.as_deref().map(|slug| format!("{slug}/")).unwrap_or_default();
    format!("{place}{}: {}", membership.app, membership.roles.join(", "))
}

/// People, read page by page.
pub async fn read(settings: &Settings, filter: &Filter, most: i64) -> anyhow::Result<Vec<Person>> {
    context::all_pages(settings, filter.tenant, most, async |tx, page| person::list(tx, filter, page).await)
        .await
}

/// Prints users.
pub async fn list(settings: &Settings, filter: &Filter, listing: &Listing) -> anyhow::Result<()> {
    let people = listing.arrange(read(settings, filter, listing.rows_to_read(MOST, MOST)).await?)?;
    format::rows(listing.output, &people, ["user", "name", "status", "memberships"], |person| {
        let memberships: Vec<String> = person.memberships.iter().map(in_words).collect();
        [
            name_of(person),
            person.full_name.clone().unwrap_or_default(),
            person.status.to_string(),
            memberships.join("; "),
        ]
    })
}

/// Prints a user.
pub fn show(person: &Person, output: Output) -> anyhow::Result<()> {
    let mut lines = vec![("user", name_of(person)), ("id", person.id.to_string())];
    lines.extend(person.full_name.clone().map(|name| ("name", name)));
    lines.push(("status", person.status.to_string()));
    lines.push(("created", time(person.created_at)));
    for membership in &person.memberships {
        let seen = match membership.last_sign_in_at {
            Some(at) => format!("last signed in {}", time(at)),
            None => "never signed in".to_owned(),
        };
        lines.push(("member", format!("{} ({}, {seen})", in_words(membership), membership.status)));
    }
    format::one(output, person, &lines)
}

/// Prints sessions.
pub fn print_sessions(sessions: &[Session], listing: &Listing) -> anyhow::Result<()> {
    let sessions = listing.arrange(sessions.to_vec())?;
    let columns = ["session", "app", "business", "device", "address", "last seen"];
    format::rows(listing.output, &sessions, columns, |session| {
        let device = session.device.clone().or_else(|| session.user_agent.clone());
        [
            session.id.to_string(),
            session.app.to_string(),
            session.business.clone().unwrap_or_default(),
            device.unwrap_or_default(),
            session.address.map(|address| address.to_string()).unwrap_or_default(),
            time(session.last_seen_at),
        ]
    })
}

/// Prints identities elsewhere.
pub fn print_identities(identities: Vec<ExternalIdentity>, listing: &Listing) -> anyhow::Result<()> {
    let identities = listing.arrange(identities)?;
    let columns = ["identity", "issuer", "subject", "email", "linked", "last used"];
    format::rows(listing.output, &identities, columns, |identity| {
        [
            identity.id.to_string(),
            identity.issuer.clone(),
            identity.subject.clone(),
            identity.email.clone().unwrap_or_default(),
            time(identity.linked_at),
            identity.last_used_at.map(time).unwrap_or_default(),
        ]
    })
}

/// Prints memberships, each with the name of its member.
pub fn print_members(members: Vec<Member>, listing: &Listing) -> anyhow::Result<()> {
    let members = listing.arrange(members)?;
    let columns = ["user", "name", "app", "roles", "status", "last sign-in"];
    format::rows(listing.output, &members, columns, |member| {
        [
            member.user.clone(),
            member.full_name.clone().unwrap_or_default(),
            member.membership.app.to_string(),
            member.membership.roles.join(", "),
            member.membership.status.to_string(),
            member.membership.last_sign_in_at.map(time).unwrap_or_default(),
        ]
    })
}

/// A membership with the name of its member.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The email or the username.
    pub user: String,
    /// The name, if known.
    pub full_name: Option<String>,
    #[serde(flatten)]
    pub membership: Membership,
}
