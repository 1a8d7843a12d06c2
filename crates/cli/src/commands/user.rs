//! `tenantry user ...`

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{ArgGroup, Subcommand};
use identity::external_identity::{self, ExternalIdentityId};
use identity::session::{self, Which};
use identity::user::{LoginName, UserStatus};
use identity::{AppSlug, Username, person};
use platform::{Actor, NewMember};
use secrecy::ExposeSecret;
use serde::Serialize;
use settings::Settings;
use tenancy::{SharedScope, SharedTx};
use values::{Email, Name, SearchText};

use crate::commands::{invitation, password_from_stdin, people};
use crate::confirm::Consent;
use crate::context;
use crate::failure::NotFound;
use crate::format::{self, Listing, Output};
use crate::output::{self, note};
use crate::whom::{MembersOf, Person, Place};

#[derive(Subcommand)]
pub enum Command {
    /// Give a user roles in an app of a business, or on the platform. Creates the user if there is none.
    #[command(group(ArgGroup::new("login").required(true).args(["email", "username"])),
        after_help = "Examples:\n  \
        tenantry user create --email bob@acme.example --tenant acme --role STAFF\n  \
        tenantry user create --username ana --tenant acme --app pos --role cashier\n  \
        tenantry user create --email ops@example.com --platform --role super_admin")]
    Create {
        /// The email for signing in. An existing user keeps their password.
        #[arg(long)]
        email: Option<Email>,
        /// The name for signing in at this business, for a user without an email.
        #[arg(long, requires = "tenant", conflicts_with = "platform")]
        username: Option<Username>,
        /// The full name of a new user. An existing user keeps their name.
        #[arg(long, value_parser = Name::parse)]
        name: Option<Name>,
        #[command(flatten)]
        place: Place,
        /// The role, such as OWNER, MANAGER or STAFF in a business; super_admin or support on the platform.
        /// May be repeated.
        #[arg(long = "role", required = true)]
        roles: Vec<String>,
        /// Read the password of a new user from standard input. Defaults to a generated password, which is
        /// shown once. Refused if the user exists and has a password.
        #[arg(long)]
        password_stdin: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Invite a person by mail. Without a mail server, the link is printed, to be handed over.
    #[command(after_help = "Examples:\n  \
        tenantry user invite bob@acme.example --tenant acme --role STAFF\n  \
        tenantry user invite ops@example.com --platform --role support")]
    Invite {
        /// The email of the person.
        email: Email,
        #[command(flatten)]
        place: Place,
        /// The role. May be repeated.
        #[arg(long = "role", required = true)]
        roles: Vec<String>,
    },
    /// List the users of the platform, or the members of one business.
    #[command(after_help = "Examples:\n  \
        tenantry user list --tenant acme\n  \
        tenantry user list --app platform\n  \
        tenantry user list --search ana --status disabled")]
    List {
        #[command(flatten)]
        of: MembersOf,
        /// Only accounts with this status: active, disabled or deleted.
        #[arg(long)]
        status: Option<UserStatus>,
        /// Only users whose name, email or username contains these words.
        #[arg(long, value_parser = SearchText::parse)]
        search: Option<SearchText>,
        #[command(flatten)]
        listing: Listing,
    },
    /// Show a user with all memberships.
    Show {
        #[command(flatten)]
        person: Person,
        #[command(flatten)]
        output: Output,
    },
    /// Disable an account: nobody can sign in to it, and all its sessions end at once.
    Disable {
        #[command(flatten)]
        person: Person,
    },
    /// Enable a disabled account. It has its former memberships.
    Enable {
        #[command(flatten)]
        person: Person,
    },
    /// Set a new password for a user, and end all sessions of the user. Without --password-stdin, the
    /// password is generated and shown once.
    ResetPassword {
        #[command(flatten)]
        person: Person,
        /// Read the password from standard input.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Remove the second factor of a user who has lost it, and end all sessions of the user.
    ResetSecondFactor {
        #[command(flatten)]
        person: Person,
    },
    /// List the identities elsewhere, such as Google, with which a user signs in, or unlink one.
    #[command(after_help = "Examples:\n  \
        tenantry user identities bob@acme.example\n  \
        tenantry user identities bob@acme.example --unlink 01990000-0000-7000-8000-000000000000")]
    Identities {
        #[command(flatten)]
        person: Person,
        /// Unlink the identity with this id, and end the sessions that began with it.
        #[arg(long, value_name = "ID")]
        unlink: Option<ExternalIdentityId>,
        #[command(flatten)]
        listing: Listing,
    },
    /// List the sessions of a user that have not ended, or end them.
    #[command(after_help = "Examples:\n  \
        tenantry user sessions bob@acme.example\n  \
        tenantry user sessions bob@acme.example --end-all")]
    Sessions {
        #[command(flatten)]
        person: Person,
        /// End all sessions. The user can sign in again.
        #[arg(long)]
        end_all: bool,
        #[command(flatten)]
        listing: Listing,
    },
    /// Print everything that the installation holds about a user, as JSON, to be handed out to that person.
    Export {
        #[command(flatten)]
        person: Person,
    },
    /// Delete an account with its memberships. The documents of businesses stay, and name a deleted user.
    #[command(after_help = "Examples:\n  \
        tenantry user delete bob@acme.example --dry-run\n  \
        tenantry user delete bob@acme.example --yes")]
    Delete {
        #[command(flatten)]
        person: Person,
        #[command(flatten)]
        consent: Consent,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: identity::UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<Email>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<Username>,
    app: AppSlug,
    roles: Vec<String>,
    address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let settings = context::settings()?;
    match command {
        Command::Create { email, username, name, place, roles, password_stdin, output } => {
            let login = match (&email, &username) {
                (Some(email), _) => LoginName::Email(email.clone()),
                (None, Some(username)) => LoginName::Username(username.clone()),
                (None, None) => anyhow::bail!("give --email or --username"),
            };
            let (place, tenant) = place.find(&settings).await?;
            let address = match &tenant {
                Some(tenant) => settings.address_of(&tenant.slug),
                None => settings.platform_address(),
            };
            let names: Vec<String> = name.iter().map(ToString::to_string).chain([login.to_value()]).collect();
            let password = password_stdin.then(|| password_from_stdin(&settings, &names)).transpose()?;
            let member = NewMember { login, full_name: name, password, roles: roles.clone() };
            let onboarding = context::onboarding(&settings).await?;
            let added = onboarding.add_member(&member, &place, &Actor::command_line()).await?;
            let password = added.made_password.map(|made| made.secret().expose_secret().to_owned());
            let app = place.app().clone();
            let shown = Shown { id: added.user, email, username, app, roles, address, password };
            print(&shown, member.password.is_some(), output)?;
        }
        Command::Invite { email, place, roles } => {
            invitation::invite(&settings, email, &place, roles).await?;
        }
        Command::List { of, status, search, listing } => {
            let filter = person::Filter { status, search, ..of.filter(&settings).await? };
            people::list(&settings, &filter, &listing).await?;
        }
        Command::Show { person, output } => {
            context::record_read(&context::database(&settings).await?, None).await?;
            people::show(&find(&settings, &person).await?, output)?;
        }
        Command::Disable { person } => set_disabled(&settings, &person, true).await?,
        Command::Enable { person } => set_disabled(&settings, &person, false).await?,
        Command::ResetPassword { person, password_stdin } => {
            let user = find(&settings, &person).await?;
            let names = user.names();
            let password = password_stdin.then(|| password_from_stdin(&settings, &names)).transpose()?;
            let onboarding = context::onboarding(&settings).await?;
            if let Some(made) = onboarding.reset_password(user.id, password, &Actor::command_line()).await? {
                let text = format!(
                    "{}   (shown once; must be changed at the first sign-in)",
                    made.secret().expose_secret()
                );
                output::secret(&text).context("the generated password could not be shown; set another")?;
            }
        }
        Command::ResetSecondFactor { person } => {
            let user = find(&settings, &person).await?;
            context::operator(&settings).await?.reset_second_factor(user.id).await?;
            let name = people::name_of(&user);
            note!("{name} has no second factor any more, and must sign in again");
        }
        Command::Identities { person, unlink, listing } => {
            let user = find(&settings, &person).await?;
            if let Some(id) = unlink {
                if !context::operator(&settings).await?.unlink_identity(user.id, id).await? {
                    anyhow::bail!(NotFound("the user has no such identity".to_owned()));
                }
                note!("{} no longer signs in with this identity", people::name_of(&user));
            } else {
                let list = async |tx: &SharedTx| external_identity::list(tx, user.id).await;
                let database = context::database(&settings).await?;
                context::record_read(&database, None).await?;
                let identities = database.read_shared(SharedScope::Platform, list).await?;
                people::print_identities(identities, &listing)?;
            }
        }
        Command::Sessions { person, end_all, listing } => {
            let user = find(&settings, &person).await?;
            if end_all {
                let ended = context::operator(&settings).await?.end_sessions(user.id, Which::All).await?;
                note!("all sessions of {} have ended ({ended})", people::name_of(&user));
            } else {
                let list = async |tx: &SharedTx| session::list(tx, user.id).await;
                let database = context::database(&settings).await?;
                context::record_read(&database, None).await?;
                let sessions = database.read_shared(SharedScope::Platform, list).await?;
                people::print_sessions(&sessions, &listing)?;
            }
        }
        Command::Export { person } => {
            let user = person.find(&settings).await?;
            let data = context::operator(&settings).await?.export_user(user).await?;
            let data = data.ok_or_else(|| NotFound("there is no such user".to_owned()))?;
            output::line(&serde_json::to_string_pretty(&data)?);
        }
        Command::Delete { person, consent } => {
            let user = find(&settings, &person).await?;
            let name = people::name_of(&user);
            let plan = format!(
                "This deletes the account of {name} with its memberships ({}) and all sessions, for good. \
                 The documents of businesses stay.",
                user.memberships.len()
            );
            let operator = context::operator(&settings).await?;
            if consent.dry_run {
                operator.rehearse_delete_user(user.id).await?;
            }
            if consent.is_given(&plan, &name)? {
                operator.delete_user(user.id).await?;
                note!("{name} is deleted; the documents of businesses name the id {}", user.id);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn find(settings: &Settings, person: &Person) -> anyhow::Result<person::Person> {
    let id = person.find(settings).await?;
    let find = async |tx: &SharedTx| person::find(tx, id, None).await;
    let found = context::database(settings).await?.read_shared(SharedScope::Platform, find).await?;
    Ok(found.ok_or_else(|| NotFound(format!("there is no user {id}")))?)
}

async fn set_disabled(settings: &Settings, person: &Person, is_disabled: bool) -> anyhow::Result<()> {
    let user = find(settings, person).await?;
    context::operator(settings).await?.set_user_disabled(user.id, is_disabled).await?;
    let done = if is_disabled { "disabled; all its sessions have ended" } else { "enabled" };
    note!("the account of {} is {done}", people::name_of(&user));
    Ok(())
}

fn print(shown: &Shown, has_own_password: bool, output: Output) -> anyhow::Result<()> {
    let login = match (&shown.email, &shown.username) {
        (Some(email), _) => ("email", email.to_string()),
        (None, username) => ("username", username.as_ref().map(ToString::to_string).unwrap_or_default()),
    };
    let mut lines = vec![
        login,
        ("address", shown.address.clone()),
        ("app", shown.app.to_string()),
        ("roles", shown.roles.join(", ")),
    ];
    match &shown.password {
        Some(password) => lines
            .push(("password", format!("{password}   (shown once; must be changed at the first sign-in)"))),
        None if !has_own_password => {
            lines.push(("password", "unchanged: the user already existed".to_owned()));
        }
        None => {}
    }
    format::one_with_secret(output, shown, &lines, shown.password.as_deref())
        .context("the generated password could not be shown; set another with `tenantry user reset-password`")
}
