//! Onboarding: a business with its schema, defaults and owner, whole or not at all. Command line, API, demo data and
//! tests all come through here.

use std::sync::Arc;

use identity::membership::Place;
use identity::{Email, Hasher, Password, user};
use inventory::defaults;
use inventory::settings::Currency;
use serde_json::json;
use tenancy::{DbError, NewTenant, ProvisionError, Provisioner, Tenant, TenantSlug, tenant};
use values::Name;

use crate::onboarding::member::{Added, MemberError, NewMember, Prepared};
use crate::operator::audit::{self, Actor};

/// The role of whoever a business belongs to.
pub const OWNER_ROLE: &str = "OWNER";

/// A business to be made.
#[derive(Debug, Clone)]
pub struct NewBusiness {
    pub slug: TenantSlug,
    pub name: Name,
    pub currency: Currency,
    /// The role is [`OWNER_ROLE`].
    pub owner: NewMember,
}

/// A business that was made.
#[derive(Debug, Clone)]
pub struct Onboarded {
    pub tenant: Arc<Tenant>,
    pub owner: Added,
}

/// A business was not made; nothing of it stays.
#[derive(Debug, thiserror::Error)]
pub enum OnboardingError {
    #[error(transparent)]
    Provision(#[from] ProvisionError),
    #[error(transparent)]
    Owner(#[from] MemberError),
    #[error("filling the new business failed")]
    Defaults(#[source] DbError),
}

/// Makes businesses and members, as the login that owns the schemas.
pub struct Onboarding {
    provisioner: Arc<Provisioner>,
    hasher: Hasher,
}

impl Onboarding {
    pub fn new(provisioner: Arc<Provisioner>, hasher: Hasher) -> Self {
        Self { provisioner, hasher }
    }

    pub fn provisioner(&self) -> &Arc<Provisioner> {
        &self.provisioner
    }

    /// Makes a business; it can be used as soon as this returns.
    ///
    /// # Errors
    /// [`OnboardingError`]: the slug is taken, or the owner exists and a password was given too.
    pub async fn create(&self, new: &NewBusiness, actor: &Actor) -> Result<Onboarded, OnboardingError> {
        let owner = self.prepare(&new.owner).await?;
        let tenant = NewTenant { slug: new.slug.clone(), name: new.name.to_string(), id: None };
        let seed = async |tx: &tenancy::TenantTx| {
            defaults::seed(tx, &new.currency).await.map_err(OnboardingError::Defaults)
        };
        let register = async |tenant: &Tenant, tx: &tenancy::SharedTx| {
            let details = json!({"name": new.name.to_string(), "owner": new.owner.email.to_string()});
            audit::record(tx, actor, "tenant.created", Some(tenant), &details)
                .await
                .map_err(ProvisionError::from)?;
            Ok(owner.add(tx, Place::Business(tenant.id)).await?)
        };
        let (tenant, owner) = self.provisioner.create(&tenant, seed, register).await?;
        Ok(Onboarded { tenant, owner })
    }

    /// Hashes the password of somebody who is about to be added.
    pub(crate) async fn prepare<'a>(&self, member: &'a NewMember) -> Result<Prepared<'a>, MemberError> {
        Prepared::new(&self.provisioner, &self.hasher, member).await
    }

    /// Gives a user a new password: this one, or one that is made up and returned, to be shown once.
    ///
    /// # Errors
    /// [`MemberError`]; `None` in it when nobody has that email.
    pub async fn reset_password(
        &self,
        email: &Email,
        password: Option<Password>,
        actor: &Actor,
    ) -> Result<Option<Password>, MemberError> {
        let made = password.is_none().then(Password::generate);
        let unknown = || MemberError::UnknownUser(email.clone());
        let hash = match password.as_ref().or(made.as_ref()) {
            Some(password) => self.hasher.hash(password).await?,
            None => return Err(unknown()),
        };
        self.provisioner
            .write_shared(async |tx| {
                let user = user::find_by_email(tx, email).await?.ok_or_else(unknown)?;
                user::set_password(tx, user, &hash).await?;
                let details = json!({"email": email.to_string()});
                audit::record(tx, actor, "user.password_reset", None, &details).await?;
                Ok::<_, MemberError>(())
            })
            .await?;
        Ok(made)
    }

    /// Gives somebody a role in a business or on the platform.
    ///
    /// # Errors
    /// [`MemberError`].
    pub async fn add_member(
        &self,
        new: &NewMember,
        place: Place,
        actor: &Actor,
    ) -> Result<Added, MemberError> {
        let member = self.prepare(new).await?;
        let details = json!({"email": new.email.to_string(), "role": new.role});
        self.provisioner
            .write_shared(async |tx| {
                let added = member.add(tx, place).await?;
                let tenant = match place {
                    Place::Business(id) => tenant::find_by_id(tx, id).await?,
                    Place::Platform => None,
                };
                audit::record(tx, actor, "member.added", tenant.as_ref(), &details).await?;
                Ok::<_, MemberError>(added)
            })
            .await
    }
}
