//! Onboarding: creates a business with its schema, defaults and owner, completely or not at all. The command
//! line, the API, the demo data and the tests all use this module.

use std::sync::Arc;

use identity::auth_event::{self, AuthAction, AuthEvent};
use identity::membership::{self, MemberOf};
use identity::session::{self, Which};
use identity::user;
use identity::{Applicant, Hasher, Password, UserId};
use inventory::defaults;
use serde_json::json;
use tenancy::{
    DbError, NewTenant, OwnerDatabase, ProvisionError, SharedTx, Tenant, TenantId, TenantSlug, tenant,
};
use values::Currency;
use values::Name;

use crate::onboarding::member::{Added, MemberError, NewMember, NotShown, Prepared, Show};
use crate::records::platform_audit::{self, Actor};

/// A business to be created.
#[derive(Debug, Clone)]
pub struct OnboardingRequest {
    /// The label of the business in its host name. No other business may have it.
    pub slug: TenantSlug,
    /// The name of the business, as people see it.
    pub name: Name,
    /// The currency of all amounts of the business.
    pub currency: Currency,
    /// The owner, who must have the role [`OWNER_ROLE`](identity::role::OWNER_ROLE).
    pub owner: NewMember,
}

/// A business that was created.
#[derive(Debug, Clone)]
pub struct Onboarded {
    /// The business as it is stored.
    pub tenant: Arc<Tenant>,
    /// The user of the owner, with the password if one was generated.
    pub owner: Added,
}

/// The business was not created; no part of it remains.
#[derive(Debug, thiserror::Error)]
pub enum OnboardingError {
    /// The slug is taken, or the schema of the business cannot be created.
    #[error(transparent)]
    Provision(#[from] ProvisionError),
    /// The owner cannot be added, for example because the user exists and a password was given.
    #[error(transparent)]
    Owner(#[from] MemberError),
    /// PostgreSQL refused the default data, such as the settings of the business.
    #[error("storing the default data of the new business failed")]
    Defaults(#[source] DbError),
    /// The generated password of the owner could not be shown.
    #[error(transparent)]
    NotShown(#[from] NotShown),
    /// A query failed.
    #[error("a query of an onboarding failed")]
    Db(#[from] DbError),
    /// Another request has used the link of the sign-up.
    #[error("the link was used already")]
    LinkUsed,
}

/// Creates businesses and members. Uses the database login that owns the schemas.
pub struct Onboarding {
    owner_database: Arc<OwnerDatabase>,
    hasher: Hasher,
}

impl Onboarding {
    /// Onboards with the login of `owner_database`; `hasher` hashes the passwords of new users.
    pub fn new(owner_database: Arc<OwnerDatabase>, hasher: Hasher) -> Self {
        Self { owner_database, hasher }
    }

    /// The database, opened with the login that owns the schemas.
    pub fn owner_database(&self) -> &Arc<OwnerDatabase> {
        &self.owner_database
    }

    /// Creates a business. The business can be used as soon as this function returns.
    ///
    /// # Errors
    /// [`OnboardingError`], such as when the slug is taken, or when the owner already has a password and
    /// another one was given.
    pub async fn create(&self, new: &OnboardingRequest, actor: &Actor) -> Result<Onboarded, OnboardingError> {
        self.create_and_show(new, actor, &|_, _| Ok(())).await
    }

    /// As [`Onboarding::create`]. `show` tells the owner before the business is kept.
    ///
    /// # Errors
    /// As [`Onboarding::create`], and [`OnboardingError::NotShown`].
    pub async fn create_and_show(
        &self,
        new: &OnboardingRequest,
        actor: &Actor,
        show: Show<'_>,
    ) -> Result<Onboarded, OnboardingError> {
        let applicant = Applicant::operator();
        self.create_with(new, &applicant, actor, async |tenant, _, added| Ok(show(tenant, added)?)).await
    }

    /// As [`Onboarding::create`]. The password is hashed in the turn of `applicant`. `complete` is the last
    /// step before the business is kept.
    pub(crate) async fn create_with(
        &self,
        new: &OnboardingRequest,
        applicant: &Applicant,
        actor: &Actor,
        complete: impl AsyncFn(&Tenant, &SharedTx, &Added) -> Result<(), OnboardingError>,
    ) -> Result<Onboarded, OnboardingError> {
        let owner = self.prepare(&new.owner, None, applicant).await?;
        let tenant = NewTenant { slug: new.slug.clone(), name: new.name.to_string(), id: None };
        let seed = async |tx: &tenancy::TenantTx| {
            defaults::seed(tx, &new.currency).await.map_err(OnboardingError::Defaults)
        };
        let register = async |tenant: &Tenant, tx: &SharedTx| {
            let details = json!({"name": new.name.to_string(), "owner": new.owner.login.to_value()});
            platform_audit::record(tx, actor, "tenant.created", Some(tenant), &details)
                .await
                .map_err(ProvisionError::from)?;
            let added = owner.add(tx, &MemberOf::business(tenant.id), actor.by()).await?;
            complete(tenant, tx, &added).await?;
            Ok(added)
        };
        let (tenant, owner) = self.owner_database.create(&tenant, seed, register).await?;
        Ok(Onboarded { tenant, owner })
    }

    /// Hashes the password of a member to be added, in the turn of `applicant`. `tenant` is the business of a
    /// username.
    pub(crate) async fn prepare<'a>(
        &self,
        member: &'a NewMember,
        tenant: Option<TenantId>,
        applicant: &Applicant,
    ) -> Result<Prepared<'a>, MemberError> {
        Prepared::new(&self.owner_database, &self.hasher, member, tenant, applicant).await
    }

    /// Sets the password of a user, and ends all sessions of the user. `password` defaults to a generated
    /// password, which is returned to be shown once. Returns `None` if a password was given.
    ///
    /// # Errors
    /// [`MemberError`]; [`MemberError::UnknownUser`].
    pub async fn reset_password(
        &self,
        user: UserId,
        password: Option<Password>,
        actor: &Actor,
    ) -> Result<Option<Password>, MemberError> {
        let (password, made) = match password {
            Some(password) => (password, None),
            None => {
                let made = Password::generate();
                (made.clone(), Some(made))
            }
        };
        let hash = self.hasher.hash(&password, &Applicant::operator()).await?;
        self.owner_database
            .write_shared(async |tx| {
                if !user::set_password(tx, user, &hash, made.is_some()).await? {
                    return Err(MemberError::UnknownUser);
                }
                session::revoke(tx, user, Which::All, "password_set", actor.by()).await?;
                let event =
                    AuthEvent { user: Some(user), ..AuthEvent::new(AuthAction::PasswordSet).by(actor.by()) };
                auth_event::record(tx, &event).await?;
                let details = json!({"userId": user});
                platform_audit::record(tx, actor, "user.password_reset", None, &details).await?;
                Ok(())
            })
            .await?;
        Ok(made)
    }

    /// Adds a member to a business or to the platform.
    ///
    /// # Errors
    /// [`MemberError`].
    pub async fn add_member(
        &self,
        new: &NewMember,
        place: &MemberOf,
        actor: &Actor,
    ) -> Result<Added, MemberError> {
        // A refusal must not cost a hash. The same is checked again with the change.
        let check = async |tx: &SharedTx| membership::refuse_roles(tx, place, &new.roles, actor.by()).await;
        self.owner_database.write_shared(check).await?;
        let member = self.prepare(new, place.tenant(), &Applicant::operator()).await?;
        let details = json!({"user": new.login.to_value(), "app": place.app(), "roles": new.roles});
        self.owner_database
            .write_shared(async |tx| {
                let added = member.add(tx, place, actor.by()).await?;
                let tenant = match place.tenant() {
                    Some(id) => tenant::find_by_id(tx, id).await?,
                    None => None,
                };
                platform_audit::record(tx, actor, "member.added", tenant.as_ref(), &details).await?;
                Ok::<_, MemberError>(added)
            })
            .await
    }
}
