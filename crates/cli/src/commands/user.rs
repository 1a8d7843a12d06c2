//! `tenantry user ...`

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{ArgGroup, Subcommand};
use identity::membership::MemberOf;
use identity::user::LoginName;
use identity::{AppSlug, Username};
use platform::{Actor, NewMember};
use secrecy::ExposeSecret;
use serde::Serialize;
use tenancy::TenantSlug;
use values::{Email, Name};

use crate::commands::password_from_stdin;
use crate::context;
use crate::format::{self, Output};
use crate::output;

#[derive(Subcommand)]
pub enum Command {
    /// Give a user roles in an app of a business, or on the platform. Creates the user if there is none.
    #[command(group(ArgGroup::new("login").required(true).args(["email", "username"])),
        group(ArgGroup::new("place").required(true).multiple(true).args(["tenant", "platform", "app"])),
        after_help = "Examples:\n  \
        tenantry user create --email bob@acme.example --tenant acme --role STAFF\n  \
        tenantry user create --username ana --tenant acme --app pos --role cashier\n  \
        tenantry user create --email ops@example.com --platform --role super_admin")]
    Create {
        /// The email for signing in. An existing user keeps their password.
        #[arg(long)]
        email: Option<Email>,
        /// The name for signing in at this business, for a user without an email.
        #[arg(long, requires = "tenant")]
        username: Option<Username>,
        /// The full name of a new user. An existing user keeps their name.
        #[arg(long, value_parser = Name::parse)]
        name: Option<Name>,
        /// The slug of the business in which the roles apply.
        #[arg(long)]
        tenant: Option<TenantSlug>,
        /// Give the roles on the platform instead of in a business.
        #[arg(long, conflicts_with_all = ["tenant", "app"])]
        platform: bool,
        /// The app in which the roles apply. Defaults to inventory in a business. An app without businesses
        /// needs no --tenant.
        #[arg(long)]
        app: Option<AppSlug>,
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
    /// Set a new password for a user, and end all sessions of the user. Without --password-stdin, the
    /// password is generated and shown once.
    ResetPassword {
        /// The email of the user, or the username at the business that --tenant names.
        user: String,
        /// The slug of the business of the username.
        #[arg(long)]
        tenant: Option<TenantSlug>,
        /// Read the password from standard input.
        #[arg(long)]
        password_stdin: bool,
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
        Command::Create {
            email,
            username,
            name,
            tenant,
            platform: _,
            app,
            roles,
            password_stdin,
            output,
        } => {
            let login = match (&email, &username) {
                (Some(email), _) => LoginName::Email(email.clone()),
                (None, Some(username)) => LoginName::Username(username.clone()),
                (None, None) => anyhow::bail!("give --email or --username"),
            };
            let (tenant, address) = match &tenant {
                None => (None, settings.platform_address()),
                Some(slug) => {
                    (Some(context::find_tenant(&settings, slug).await?.id), settings.address_of(slug))
                }
            };
            let place = match (tenant, app) {
                (Some(tenant), None) => MemberOf::business(tenant),
                (None, None) => MemberOf::platform(),
                (tenant, Some(app)) => MemberOf::app_of(app, tenant),
            };
            let password = password_stdin.then(|| password_from_stdin(&settings)).transpose()?;
            let member = NewMember { login, full_name: name, password, roles: roles.clone() };
            let onboarding = context::onboarding(&settings).await?;
            let added = onboarding.add_member(&member, &place, &Actor::command_line()).await?;
            let password = added.made_password.map(|made| made.secret().expose_secret().to_owned());
            let app = place.app().clone();
            let shown = Shown { id: added.user, email, username, app, roles, address, password };
            print(&shown, member.password.is_some(), output)?;
        }
        Command::ResetPassword { user, tenant, password_stdin } => {
            let (login, tenant) = match (Email::parse(&user), tenant) {
                (Ok(email), None) => (LoginName::Email(email), None),
                (_, Some(slug)) => {
                    let tenant = context::find_tenant(&settings, &slug).await?.id;
                    (LoginName::Username(Username::parse(&user)?), Some(tenant))
                }
                (Err(error), None) => {
                    return Err(error).context("give the email of the user, or a username with --tenant");
                }
            };
            let password = password_stdin.then(|| password_from_stdin(&settings)).transpose()?;
            let onboarding = context::onboarding(&settings).await?;
            let actor = Actor::command_line();
            if let Some(made) = onboarding.reset_password(&login, tenant, password, &actor).await? {
                let text = format!(
                    "{}   (shown once; must be changed at the first sign-in)",
                    made.secret().expose_secret()
                );
                output::secret(&text).context("the generated password could not be shown; set another")?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
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
