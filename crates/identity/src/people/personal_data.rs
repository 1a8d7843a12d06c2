//! Everything that the installation holds about one person, for that person. What the person did in a
//! business belongs to the business: its books are not part of it.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::Serialize;
use tenancy::{DbError, SharedTx};
use values::Key as _;

use crate::names::ids::{SessionId, UserId};
use crate::names::keys::ClientId;
use crate::people::membership::{self, Membership};
use crate::people::profile::{self, Profile};
use crate::people::user::UserStatus;
use crate::records::auth_event::{self, AuthAction, AuthEvent, AuthEventId, By};
use crate::records::auth_log::{self, EventFilter, LoggedEvent};

/// The data of a person.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PersonalData {
    /// The profile with the logins.
    pub profile: Profile,
    /// The account.
    pub account: Account,
    /// The memberships.
    pub memberships: Vec<Membership>,
    /// The sessions, also those that have ended but were not deleted yet, newest first.
    pub sessions: Vec<KeptSession>,
    /// The browsers in which the person signed in for all apps, newest first.
    pub sign_ons: Vec<KeptSignOn>,
    /// The identities elsewhere with which the person signs in, or did so, newest first.
    pub external_identities: Vec<KeptIdentity>,
    /// The consents of the person to programs of other companies.
    pub consents: Vec<KeptConsent>,
    /// The mails to the person that are still kept, newest first.
    pub mails: Vec<KeptMail>,
    /// The newest authentication events: what the person did, and what others did to their account or access.
    pub events: Vec<LoggedEvent>,
    /// Whether there are older events, which the list of events has.
    pub has_older_events: bool,
}

/// The account of a person, without any secret.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Whether the person may sign in at all.
    pub status: UserStatus,
    /// When the account was made.
    pub created_at: DateTime<Utc>,
    /// When the password was changed last.
    pub password_changed_at: Option<DateTime<Utc>>,
}

tenancy::from_row!(Account { status, created_at, password_changed_at });

/// A session.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptSession {
    /// The id.
    pub id: SessionId,
    /// The device, as the person named it.
    pub device: Option<String>,
    /// The program, as it named itself.
    pub user_agent: Option<String>,
    /// The address of the last sign-in or refresh.
    pub address: Option<IpAddr>,
    /// When the person signed in.
    pub created_at: DateTime<Utc>,
    /// When the session was last refreshed.
    pub last_seen_at: DateTime<Utc>,
    /// When the session was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

tenancy::from_row!(KeptSession { id, device, user_agent, address, created_at, last_seen_at, revoked_at });

/// A browser in which a person signed in for all apps.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptSignOn {
    /// The browser, as it named itself.
    pub user_agent: Option<String>,
    /// The address of the last sign-in.
    pub address: Option<IpAddr>,
    /// When the person signed in first.
    pub created_at: DateTime<Utc>,
    /// When the person proved last who they are. `None` if an issuer elsewhere did not say so.
    pub authenticated_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

tenancy::from_row!(KeptSignOn { user_agent, address, created_at, authenticated_at, revoked_at });

/// An identity of the person at an issuer elsewhere.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptIdentity {
    /// The URL of the issuer.
    pub issuer: String,
    /// The name of the person at the issuer.
    pub subject: String,
    /// The email that the issuer stated last.
    pub email: Option<String>,
    /// When it was linked.
    pub linked_at: DateTime<Utc>,
    /// When the person signed in with it last.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it was unlinked.
    pub unlinked_at: Option<DateTime<Utc>>,
}

tenancy::from_row!(KeptIdentity { issuer, subject, email, linked_at, last_used_at, unlinked_at });

/// The consent of a person to a program.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptConsent {
    /// The program.
    pub client_id: ClientId,
    /// The scopes that it may use.
    pub scopes: Vec<String>,
    /// When the person allowed it last.
    pub given_at: DateTime<Utc>,
}

tenancy::from_row!(KeptConsent { client_id, scopes, given_at });

/// A mail.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptMail {
    /// The kind of the mail.
    pub template: String,
    /// The address.
    pub address: String,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// When it was sent.
    pub sent_at: Option<DateTime<Utc>>,
}

tenancy::from_row!(KeptMail { template, address, created_at, sent_at });

/// The most events in the data of one person.
const MOST_EVENTS: i64 = 10_000;

/// The data of a person. The log records that it was handed out.
///
/// # Errors
/// [`DbError`]; an unknown or deleted person is `None`.
pub async fn export(tx: &SharedTx, id: UserId, by: By<'_>) -> Result<Option<PersonalData>, DbError> {
    const ACCOUNT: &str = "SELECT status, created_at, password_changed_at FROM shared.users WHERE id = $1";
    const SESSIONS: &str = "
        SELECT id, device, user_agent, address, created_at, last_seen_at, revoked_at
          FROM shared.sessions WHERE user_id = $1 ORDER BY id DESC";
    const SIGN_ONS: &str = "
        SELECT user_agent, address, created_at, nullif(authenticated_at, to_timestamp(0)) AS authenticated_at,
               revoked_at
          FROM shared.sign_ons WHERE user_id = $1 ORDER BY id DESC";
    const IDENTITIES: &str = "
        SELECT issuer, subject, email, linked_at, last_used_at, unlinked_at
          FROM shared.external_identities WHERE user_id = $1 ORDER BY id DESC";
    const CONSENTS: &str = "
        SELECT client_id, scopes, given_at FROM shared.consents
         WHERE user_id = $1 ORDER BY client_id, membership_id";
    const MAILS: &str = "
        SELECT template, address, created_at, sent_at FROM shared.mails
         WHERE address IN (SELECT value FROM shared.user_logins WHERE user_id = $1 AND kind = 'email')
         ORDER BY id DESC";
    let Some(profile) = profile::find(tx, id).await? else { return Ok(None) };
    let event = AuthEvent { user: Some(id), ..AuthEvent::new(AuthAction::UserExported).by(by) };
    auth_event::record(tx, &event).await?;
    let of_person = EventFilter { user: Some(id), ..EventFilter::default() };
    let mut events = auth_log::up_to(tx, &of_person, AuthEventId::highest(), MOST_EVENTS + 1).await?;
    let has_older_events = events.len() > MOST_EVENTS as usize;
    events.truncate(MOST_EVENTS as usize);
    let events = events.into_iter().map(|event| event.for_person(id)).collect();
    Ok(Some(PersonalData {
        profile,
        account: tx.row(ACCOUNT, &[&id]).await?,
        memberships: membership::of_users(tx, &[id], None).await?,
        sessions: tx.rows(SESSIONS, &[&id]).await?,
        sign_ons: tx.rows(SIGN_ONS, &[&id]).await?,
        external_identities: tx.rows(IDENTITIES, &[&id]).await?,
        consents: tx.rows(CONSENTS, &[&id]).await?,
        mails: tx.rows(MAILS, &[&id]).await?,
        events,
        has_older_events,
    }))
}
