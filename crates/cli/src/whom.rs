//! Options that name a person, or a place where people have roles.

use std::sync::Arc;

use identity::membership::{self, MemberOf, Membership};
use identity::membership_change::Target;
use identity::person::Filter;
use identity::user::{self, LoginName};
use identity::{AppSlug, RoleKey, UserId, Username};
use settings::Settings;
use tenancy::{SharedScope, SharedTx, Tenant, TenantSlug};
use values::{Email, IfVersion};

use crate::context;
use crate::failure::NotFound;

/// A person.
#[derive(Debug, Clone, clap::Args)]
pub struct Whom {
    /// The email or the id of the user, or a username at the business that --tenant names.
    pub user: String,
}

impl Whom {
    /// The user. `tenant` is the business of a username.
    ///
    /// # Errors
    /// [`NotFound`].
    pub async fn find(&self, settings: &Settings, tenant: Option<&Tenant>) -> anyhow::Result<UserId> {
        if let Ok(id) = self.user.parse() {
            return Ok(id);
        }
        let login = match (Email::parse(&self.user), tenant) {
            (Ok(email), _) => LoginName::Email(email),
            (Err(_), Some(_)) => LoginName::Username(Username::parse(&self.user)?),
            (Err(_), None) => anyhow::bail!(
                "{} is neither an email nor an id; for a username, name its business with --tenant",
                self.user
            ),
        };
        let place = tenant.filter(|_| matches!(login, LoginName::Username(_))).map(|tenant| tenant.id);
        let find = async |tx: &SharedTx| user::find_by_login(tx, &login, place).await;
        let found = context::database(settings).await?.read_shared(SharedScope::Platform, find).await?;
        let unknown =
            || NotFound(format!("there is no user with {login}; `tenantry user list` lists all users"));
        Ok(found.ok_or_else(unknown)?)
    }
}

/// A person, and the business of a username.
#[derive(Debug, Clone, clap::Args)]
pub struct Person {
    #[command(flatten)]
    pub whom: Whom,
    /// The slug of the business of a username.
    #[arg(long)]
    pub tenant: Option<TenantSlug>,
}

impl Person {
    /// The user.
    ///
    /// # Errors
    /// [`NotFound`].
    pub async fn find(&self, settings: &Settings) -> anyhow::Result<UserId> {
        let tenant = context::find_tenant_if(settings, self.tenant.as_ref()).await?;
        self.whom.find(settings, tenant.as_deref()).await
    }
}

/// Which members to list.
#[derive(Debug, Clone, clap::Args)]
pub struct MembersOf {
    /// Only members of the business with this slug.
    #[arg(long)]
    pub tenant: Option<TenantSlug>,
    /// Only members of this app.
    #[arg(long)]
    pub app: Option<AppSlug>,
    /// Only members with this role.
    #[arg(long)]
    pub role: Option<RoleKey>,
}

impl MembersOf {
    /// The filter.
    ///
    /// # Errors
    /// [`NotFound`].
    pub async fn filter(self, settings: &Settings) -> anyhow::Result<Filter> {
        let tenant = context::find_tenant_if(settings, self.tenant.as_ref()).await?.map(|tenant| tenant.id);
        Ok(Filter { tenant, app: self.app, role: self.role, ..Filter::default() })
    }
}

/// The place where a person has roles.
#[derive(Debug, Clone, clap::Args)]
#[group(required = true, multiple = true)]
pub struct Place {
    /// The slug of the business in which the roles apply.
    #[arg(long)]
    pub tenant: Option<TenantSlug>,
    /// The platform instead of a business.
    #[arg(long, conflicts_with_all = ["tenant", "app"])]
    pub platform: bool,
    /// The app in which the roles apply. Defaults to inventory in a business. An app without businesses needs
    /// no --tenant.
    #[arg(long)]
    pub app: Option<AppSlug>,
}

impl Place {
    /// The place, and the business if there is one.
    ///
    /// # Errors
    /// [`NotFound`].
    pub async fn find(&self, settings: &Settings) -> anyhow::Result<(MemberOf, Option<Arc<Tenant>>)> {
        let tenant = context::find_tenant_if(settings, self.tenant.as_ref()).await?;
        let id = tenant.as_ref().map(|tenant| tenant.id);
        Ok((MemberOf::at(self.app.clone(), id), tenant))
    }

    /// The membership of a person at this place.
    ///
    /// # Errors
    /// [`NotFound`].
    pub async fn membership(&self, settings: &Settings, whom: &Whom) -> anyhow::Result<Membership> {
        let (place, tenant) = self.find(settings).await?;
        let user = whom.find(settings, tenant.as_deref()).await?;
        let find = async |tx: &SharedTx| membership::find_at(tx, user, &place).await;
        let found = context::database(settings).await?.read_shared(SharedScope::Platform, find).await?;
        let unknown =
            || NotFound(format!("{} is not a member there; `tenantry member list` lists members", whom.user));
        Ok(found.ok_or_else(unknown)?)
    }
}

/// The membership, to be changed.
pub fn target(membership: &Membership) -> Target {
    Target { id: membership.id, tenant: None, if_version: IfVersion::ANY }
}
