//! Sign-up: a person creates a business without the operator. A mailed link shows that the email is theirs,
//! and only the link creates anything. The operator, or a trial, decides whether the business may sell.

use std::net::IpAddr;
use std::sync::Arc;

use chrono::TimeDelta;
use identity::user::LoginName;
use identity::{LinkKey, PasswordError, PasswordPolicy, UserId, mails, user};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tenancy::{DbError, PlanKey, SharedTx, Tenant, TenantSlug, tenant};
use uuid::Uuid;
use values::{Currency, Email, Name};

use crate::onboarding::business::{Onboarding, OnboardingError, OnboardingRequest};
use crate::onboarding::member::NewMember;
use crate::records::platform_audit::{self, Actor};
use crate::shops::licence::{self, Until};

/// What a person asks for.
#[derive(Debug, Clone)]
pub struct NewSignUp {
    /// The email of the person, who becomes the owner.
    pub email: Email,
    /// The label of the business in its host name.
    pub slug: TenantSlug,
    /// The name of the business.
    pub name: Name,
    /// The currency of all amounts of the business.
    pub currency: Currency,
    /// The network of the client, if it is known.
    pub network: Option<IpAddr>,
}

/// What a person sends who has the mailed link.
pub struct Confirmation {
    /// The token of the link.
    pub token: SecretString,
    /// Another slug than that of the sign-up, if that has been taken since.
    pub slug: Option<TenantSlug>,
    /// The name of a new user. An existing user keeps the name.
    pub full_name: Option<Name>,
    /// The password of a new user. An existing user keeps the password.
    pub password: Option<SecretString>,
}

/// Nobody was signed up.
#[derive(Debug, thiserror::Error)]
pub enum SignUpError {
    /// A business has the slug.
    #[error("another business has the slug {0}; choose another slug")]
    SlugTaken(TenantSlug),
    /// The network has had too many sign-ups within a day.
    #[error("too many businesses were asked for from this address within a day; try again tomorrow")]
    TooMany,
    /// The token is unknown, expired or used.
    #[error("the link is not valid any more; sign up again")]
    InvalidLink,
    /// A new user needs a password.
    #[error("send the password with which you will sign in")]
    NoPassword,
    /// The password is not good enough.
    #[error(transparent)]
    Weak(#[from] PasswordError),
    /// The business was not created.
    #[error(transparent)]
    Onboarding(#[from] OnboardingError),
    /// A query failed.
    #[error("a query of sign-ups failed")]
    Db(#[from] DbError),
}

/// How long the link can be used.
const LIFETIME: TimeDelta = TimeDelta::hours(24);
/// The most sign-ups of one network within a day.
const MOST_A_DAY: i64 = 10;

/// Writes down a sign-up, and the mail with the link. An address that has had too many of these mails within
/// a day gets none; the answer does not tell.
///
/// # Errors
/// [`SignUpError`].
pub async fn request(tx: &SharedTx, new: &NewSignUp) -> Result<(), SignUpError> {
    const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('sign-ups of ' || $1::text, 0))";
    const OF_TODAY: &str = "
        SELECT count(*) FROM shared.sign_ups
         WHERE network = $1::inet AND created_at > $2::timestamptz - interval '1 day'";
    const INSERT: &str = "
        INSERT INTO shared.sign_ups (id, email, slug, name, currency, network, created_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    if let Some(network) = new.network {
        tx.execute(LOCK, &[&network.to_string()]).await?;
        if tx.value::<i64>(OF_TODAY, &[&network, &tx.now()]).await? >= MOST_A_DAY {
            return Err(SignUpError::TooMany);
        }
    }
    if tenant::find(tx, &new.slug).await?.is_some() {
        return Err(SignUpError::SlugTaken(new.slug.clone()));
    }
    let (id, now) = (Uuid::now_v7(), tx.now());
    let (slug, currency) = (new.slug.as_str(), new.currency.code());
    let params: tenancy::Params<'_> =
        &[&id, &new.email, &slug, &new.name, &currency, &new.network, &now, &(now + LIFETIME)];
    tx.execute(INSERT, params).await?;
    let parameters = json!({"signUp": id});
    mails::queue(tx, mails::Template::SignUp, None, new.email.as_str(), &parameters).await?;
    Ok(())
}

/// A sign-up whose link is of use.
struct Found {
    id: Uuid,
    email: Email,
    slug: String,
    name: Name,
    currency: String,
}

tenancy::from_row!(Found { id, email, slug, name, currency });

async fn find(tx: &SharedTx, token: &SecretString) -> Result<Found, SignUpError> {
    const FIND: &str = "
        SELECT id, email, slug, name, currency FROM shared.sign_ups
         WHERE hash = $1 AND confirmed_at IS NULL AND expires_at > $2";
    let hash = LinkKey::hash_of(token.expose_secret());
    tx.row_opt(FIND, &[&hash, &tx.now()]).await?.ok_or(SignUpError::InvalidLink)
}

impl Onboarding {
    /// Creates the business of a sign-up, with the person as its owner. Its licence is for one term of
    /// `trial`. Without a trial, the licence is inactive until the operator grants it.
    ///
    /// # Errors
    /// [`SignUpError`]; nothing was created, and the link is still of use.
    pub async fn confirm_sign_up(
        &self,
        confirmation: &Confirmation,
        policy: &PasswordPolicy,
        trial: Option<&PlanKey>,
    ) -> Result<(Arc<Tenant>, UserId), SignUpError> {
        let Confirmation { token, slug, full_name, password } = confirmation;
        let look = async |tx: &SharedTx| {
            let found = find(tx, token).await?;
            let login = LoginName::Email(found.email.clone());
            let known = match user::find_by_login(tx, &login, None).await? {
                Some(user) => user::has_password(tx, user).await?,
                None => false,
            };
            Ok::<_, SignUpError>((found, known))
        };
        let (found, has_password) = self.owner_database().write_shared(look).await?;
        if !has_password && password.is_none() {
            return Err(SignUpError::NoPassword);
        }
        let personal = [found.email.as_str(), full_name.as_ref().map_or("", Name::as_str)];
        let password = password.as_ref().filter(|_| !has_password);
        let password = password.map(|password| policy.check(password, &personal)).transpose()?;
        // A later release may refuse a slug or a currency of before.
        let wanted = TenantSlug::parse(&found.slug).map_err(|_| SignUpError::InvalidLink)?;
        let currency = Currency::parse(&found.currency).map_err(|_| SignUpError::InvalidLink)?;
        let new = OnboardingRequest {
            slug: slug.clone().unwrap_or(wanted),
            name: found.name.clone(),
            currency,
            owner: NewMember::owner(found.email.clone(), full_name.clone(), password),
        };
        let actor = Actor::named("sign-up");
        let complete = async |tenant: &Tenant, tx: &SharedTx, owner: UserId| {
            take(tx, found.id, tenant).await?;
            user::confirm_email(tx, owner, &found.email).await?;
            give_licence(tx, tenant, trial).await?;
            let details = json!({"owner": found.email, "trial": trial});
            platform_audit::record(tx, &actor, "tenant.signed_up", Some(tenant), &details).await?;
            Ok(())
        };
        let created =
            self.create_with(&new, &actor, async |tenant, tx, added| complete(tenant, tx, added.user).await);
        match created.await {
            Ok(created) => Ok((created.tenant, created.owner.user)),
            Err(OnboardingError::LinkUsed) => Err(SignUpError::InvalidLink),
            Err(error) => Err(error.into()),
        }
    }
}

/// Uses the link up. Two requests with one link take turns here, and the second one creates nothing.
async fn take(tx: &SharedTx, id: Uuid, tenant: &Tenant) -> Result<(), OnboardingError> {
    const TAKE: &str = "
        UPDATE shared.sign_ups SET confirmed_at = $2, tenant_id = $3
         WHERE id = $1 AND confirmed_at IS NULL";
    let taken = tx.execute(TAKE, &[&id, &tx.now(), &tenant.id]).await?;
    if taken == 1 { Ok(()) } else { Err(OnboardingError::LinkUsed) }
}

async fn give_licence(
    tx: &SharedTx,
    tenant: &Tenant,
    trial: Option<&PlanKey>,
) -> Result<(), OnboardingError> {
    match trial {
        Some(plan) => licence::grant(tx, tenant, Some(plan), Until::NextTerm).await?,
        None => licence::revoke(tx, tenant.id).await?,
    };
    Ok(())
}

/// Deletes sign-ups that are older than `days` days.
///
/// # Errors
/// [`DbError`].
pub async fn prune(tx: &SharedTx, days: u32) -> Result<u64, DbError> {
    const PRUNE: &str = "DELETE FROM shared.sign_ups WHERE created_at < $1";
    tx.execute(PRUNE, &[&(tx.now() - TimeDelta::days(days.into()))]).await
}
