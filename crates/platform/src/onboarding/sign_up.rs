//! Sign-up: a person creates a business without the operator. A mailed link shows that the email is theirs,
//! and only the link creates anything. The operator, or a trial, decides whether the business may sell.

use std::net::IpAddr;
use std::sync::Arc;

use chrono::TimeDelta;
use identity::{Applicant, LinkKey, PasswordError, PasswordPolicy, mails, user};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tenancy::{Database, DbError, PlanKey, SharedScope, SharedTx, Tenant, TenantId, TenantSlug, tenant};
use uuid::Uuid;
use values::{Currency, Email, Name};

use crate::onboarding::business::{Onboarding, OnboardingError, OnboardingRequest};
use crate::onboarding::member::{Added, NewMember};
use crate::records::platform_audit::{self, Actor};
use crate::shops::licence::{self, GrantError, Until};

/// A sign-up that a person asks for.
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

/// The request of a person who has the mailed link.
pub struct Confirmation {
    /// The token of the link.
    pub token: SecretString,
    /// Another slug than that of the sign-up, if that has been taken since.
    pub slug: Option<TenantSlug>,
    /// The name of a new user. An existing user keeps the name.
    pub full_name: Option<Name>,
    /// The password of a new user. An existing user keeps the password.
    pub password: Option<SecretString>,
    /// The network of the client, if it is known.
    pub network: Option<IpAddr>,
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

/// The time for which the link can be used.
const LIFETIME: TimeDelta = TimeDelta::hours(24);
/// The most sign-ups of one network within a day.
const MOST_OF_NETWORK: i32 = 10;
/// The most links that one email gets within a day.
const MOST_OF_EMAIL: i32 = 3;
/// The most times that one link may be presented.
const MOST_ATTEMPTS: i32 = 10;

/// Writes down a sign-up, and the mail with the link. An email that has had too many of these mails within a
/// day gets none; the answer does not tell. `most_a_day` is the limit of the whole installation.
///
/// # Errors
/// [`SignUpError`].
pub async fn request(tx: &SharedTx, new: &NewSignUp, most_a_day: u32) -> Result<(), SignUpError> {
    const ASK: &str = "SELECT shared.ask_for_business($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    let (id, now) = (Uuid::now_v7(), tx.now());
    let (slug, currency) = (new.slug.as_str(), new.currency.code());
    if tenant::find_by_address(tx, None, Some(slug)).await?.is_some() {
        return Err(SignUpError::SlugTaken(new.slug.clone()));
    }
    let most_in_all = i32::try_from(most_a_day).unwrap_or(i32::MAX);
    let params: tenancy::Params<'_> = &[
        &id,
        &new.email,
        &slug,
        &new.name,
        &currency,
        &new.network,
        &MOST_OF_EMAIL,
        &MOST_OF_NETWORK,
        &most_in_all,
        &now,
        &(now + LIFETIME),
    ];
    match tx.value::<String>(ASK, params).await?.as_str() {
        "written" => {
            let parameters = json!({"signUp": id});
            mails::queue(tx, mails::Template::SignUp, None, new.email.as_str(), &parameters).await?;
            Ok(())
        }
        "unmailed" => Ok(()),
        _ => Err(SignUpError::TooMany),
    }
}

/// The sign-up of a link.
struct Tried {
    id: Uuid,
    email: Email,
    slug: String,
    name: Name,
    currency: String,
    tenant_id: Option<TenantId>,
    user_status: Option<String>,
    has_password: bool,
}

tenancy::from_row!(Tried { id, email, slug, name, currency, tenant_id, user_status, has_password });

/// The outcome of a confirmation.
#[derive(Debug)]
pub enum Confirmed {
    /// The business was created now.
    Created(Arc<Tenant>),
    /// An earlier request with the same link created it.
    Before(Arc<Tenant>),
}

impl Onboarding {
    /// Creates the business of a sign-up, with the person as its owner. Its licence is for one term of
    /// `trial`, once for each email. Without a trial, the licence is inactive until the operator grants it.
    /// `database` has the server's login: what strangers send must not wait for the owner's connections.
    ///
    /// # Errors
    /// [`SignUpError`]; nothing was created, and the link is still of use.
    pub async fn confirm_sign_up(
        &self,
        database: &Database,
        confirmation: &Confirmation,
        policy: &PasswordPolicy,
        trial: Option<&PlanKey>,
    ) -> Result<Confirmed, SignUpError> {
        let Confirmation { token, slug, full_name, password, network } = confirmation;
        let tried = database.write_shared(SharedScope::Public, async |tx| attempt(tx, token).await).await?;
        if let Some(id) = tried.tenant_id {
            let made = self.owner_database().find_tenant(id).await?;
            return Ok(Confirmed::Before(made.ok_or(SignUpError::InvalidLink)?));
        }
        if tried.user_status.as_deref().is_some_and(|status| status != "active") {
            return Err(SignUpError::InvalidLink);
        }
        if !tried.has_password && password.is_none() {
            return Err(SignUpError::NoPassword);
        }
        let personal = [tried.email.as_str(), full_name.as_ref().map_or("", Name::as_str)];
        let password = password.as_ref().filter(|_| !tried.has_password);
        let password = password.map(|password| policy.check(password, &personal)).transpose()?;
        // A later release may refuse a slug or a currency of before.
        let wanted = TenantSlug::parse(&tried.slug).map_err(|_| SignUpError::InvalidLink)?;
        let currency = Currency::parse(&tried.currency).map_err(|_| SignUpError::InvalidLink)?;
        let slug = slug.clone().unwrap_or(wanted);
        // A slug that is taken must not cost a hash.
        let look = async |tx: &SharedTx| tenant::find_by_address(tx, None, Some(slug.as_str())).await;
        if database.read_shared(SharedScope::Public, look).await?.is_some() {
            return Err(SignUpError::SlugTaken(slug));
        }
        let owner = NewMember::owner(tried.email.clone(), full_name.clone(), password);
        let new = OnboardingRequest { slug, name: tried.name.clone(), currency, owner };
        let actor = Actor::named("sign-up");
        let complete = async |tenant: &Tenant, tx: &SharedTx, owner: &Added| {
            take(tx, &tried, tenant).await?;
            user::confirm_email(tx, owner.user, &tried.email).await?;
            let trial = give_licence(tx, &tried, tenant, trial).await?;
            let details = json!({"owner": tried.email, "trial": trial});
            platform_audit::record(tx, &actor, "tenant.signed_up", Some(tenant), &details).await?;
            Ok(())
        };
        let applicant = Applicant::client(None, *network);
        match self.create_with(&new, &applicant, &actor, complete).await {
            Ok(created) => Ok(Confirmed::Created(created.tenant)),
            Err(OnboardingError::LinkUsed) => Err(SignUpError::InvalidLink),
            Err(error) => Err(error.into()),
        }
    }
}

async fn attempt(tx: &SharedTx, token: &SecretString) -> Result<Tried, SignUpError> {
    const TRY: &str = "
        SELECT id, email, slug, name, currency, tenant_id, user_status, has_password
          FROM shared.try_sign_up($1, $2, $3)";
    let hash = LinkKey::hash_of(token.expose_secret());
    tx.row_opt(TRY, &[&hash, &MOST_ATTEMPTS, &tx.now()]).await?.ok_or(SignUpError::InvalidLink)
}

/// Uses the link up. Two requests with one link take turns here, and the second one creates nothing.
async fn take(tx: &SharedTx, tried: &Tried, tenant: &Tenant) -> Result<(), OnboardingError> {
    const TAKE: &str = "
        UPDATE shared.sign_ups SET confirmed_at = $2, tenant_id = $3
         WHERE id = $1 AND confirmed_at IS NULL";
    match tx.execute(TAKE, &[&tried.id, &tx.now(), &tenant.id]).await? {
        1 => Ok(()),
        _ => Err(OnboardingError::LinkUsed),
    }
}

/// Begins the trial, or leaves the licence inactive. Returns the plan of the trial.
async fn give_licence<'a>(
    tx: &SharedTx,
    tried: &Tried,
    tenant: &Tenant,
    trial: Option<&'a PlanKey>,
) -> Result<Option<&'a PlanKey>, OnboardingError> {
    // Two links of one email take turns, so that only the first one begins a trial.
    const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('sign-up of ' || $1::text, 0))";
    const HAD_ONE: &str = "
        SELECT EXISTS (SELECT FROM shared.sign_ups
                        WHERE email = $1 AND confirmed_at IS NOT NULL AND id <> $2)";
    licence::revoke(tx, tenant.id).await?;
    let Some(trial) = trial else { return Ok(None) };
    tx.execute(LOCK, &[&tried.email]).await?;
    if tx.value::<bool>(HAD_ONE, &[&tried.email, &tried.id]).await? {
        return Ok(None);
    }
    // With the licence that the row has.
    let Some(present) = tenant::find_by_id(tx, tenant.id).await? else { return Ok(None) };
    match licence::grant(tx, &present, Some(trial), Until::NextTerm).await {
        Ok(_) => Ok(Some(trial)),
        Err(GrantError::Db(error)) => Err(error.into()),
        Err(error) => {
            let error = tenancy::chain(&error);
            tracing::error!(%error, "sign_up.trial_plan cannot be granted, so the licence is inactive");
            Ok(None)
        }
    }
}

/// Deletes sign-ups that came to nothing after two days, and the others after `days` days. Forgets networks
/// after two days.
///
/// # Errors
/// [`DbError`].
pub async fn prune(tx: &SharedTx, days: u32) -> Result<u64, DbError> {
    const FORGET: &str = "
        UPDATE shared.sign_ups SET network = NULL WHERE network IS NOT NULL AND created_at < $1";
    const PRUNE: &str = "
        DELETE FROM shared.sign_ups WHERE created_at < $2 OR (confirmed_at IS NULL AND created_at < $1)";
    let two_days_ago = tx.now() - TimeDelta::days(2);
    tx.execute(FORGET, &[&two_days_ago]).await?;
    tx.execute(PRUNE, &[&two_days_ago, &(tx.now() - TimeDelta::days(days.into()))]).await
}
