//! What all requests share.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use identity::{Hasher, KeyError, PasswordKey, PasswordPolicy, SigningKey, TokenIssuer, UserId};
use platform::migrations::{self, Served};
use platform::{Actor, Onboarding, Operator};
use tenancy::bootstrap::Installed;
use tenancy::connect::TlsError;
use tenancy::migrations::FileError;
use tenancy::provisioning::owner_database;
use tenancy::{Database, Provisioner, Resolver};

use crate::metrics::Metrics;
use crate::middleware::rate::RateLimits;
use crate::problem::Problem;
use crate::settings::{Settings, SettingsError};

/// The server's parts, put together from the settings.
pub struct State {
    pub settings: Settings,
    pub database: Database,
    pub resolver: Arc<Resolver>,
    pub tokens: TokenIssuer,
    pub hasher: Hasher,
    pub password_policy: PasswordPolicy,
    pub rate_limits: Option<RateLimits>,
    /// Which schema versions this server can work with.
    pub served: Served,
    /// Only where this server holds the owner's login.
    pub onboarding: Option<Onboarding>,
    pub metrics: Metrics,
    /// Shutting down: `/readyz` says so, and no new work should come.
    pub draining: AtomicBool,
}

/// The settings do not make a server; the text names the key.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("database.url: {0}")]
    Tls(#[from] TlsError),
    #[error("identity.signing_key_file: {0}")]
    Key(#[from] KeyError),
    #[error(transparent)]
    Migrations(#[from] FileError),
}

impl State {
    /// Opens no connection yet.
    ///
    /// # Errors
    /// [`StateError`], with the key.
    pub fn new(settings: Settings) -> Result<Self, StateError> {
        let database = Database::new(&settings.database_url()?, &settings.pool())?;
        let resolver =
            Arc::new(Resolver::new(database.clone(), settings.base_domain()?, &settings.resolver()));
        let identity = &settings.identity;
        let issuer = identity.issuer.clone().ok_or(SettingsError::Missing {
            key: "identity.issuer",
            cure: "set TENANTRY__IDENTITY__ISSUER to the one URL that names this installation",
        })?;
        let key_file = identity.signing_key_file.as_ref().ok_or(SettingsError::Missing {
            key: "identity.signing_key_file",
            cure: "make one with `openssl genpkey -algorithm ed25519 -out FILE` and set \
                   TENANTRY__IDENTITY__SIGNING_KEY_FILE=FILE",
        })?;
        let tokens = TokenIssuer::new(
            SigningKey::from_file(key_file)?,
            issuer,
            Duration::from_secs(identity.access_token_ttl_s),
        );
        let onboarding = if settings.provisioning.in_server { Some(onboarding(&settings)?) } else { None };
        Ok(Self {
            database,
            resolver,
            tokens,
            hasher: hasher(&settings)?,
            password_policy: PasswordPolicy { min_length: identity.password_min_length },
            rate_limits: RateLimits::new(settings.server.requests_per_second, settings.server.request_burst),
            served: Served::by_this_code()?,
            onboarding,
            metrics: Metrics::new(),
            draining: AtomicBool::new(false),
            settings,
        })
    }
}

impl State {
    /// Onboarding, where this server can do it.
    ///
    /// # Errors
    /// A problem that says where it is done instead.
    pub fn onboarding(&self) -> Result<&Onboarding, Problem> {
        self.onboarding.as_ref().ok_or_else(|| {
            Problem::conflict(
                "provisioning_elsewhere",
                "This server does not hold the owner's login. Use the command line where it is, or set \
                 provisioning.in_server.",
            )
        })
    }

    /// One of the platform's staff at work.
    ///
    /// # Errors
    /// As [`State::onboarding`].
    pub fn operator(&self, user: UserId) -> Result<Operator, Problem> {
        let provisioner = self.onboarding()?.provisioner().clone();
        Ok(Operator { provisioner, actor: Actor::User(user) })
    }
}

/// The password hasher of these settings.
///
/// # Errors
/// [`SettingsError`] when the key is missing or weak.
pub fn hasher(settings: &Settings) -> Result<Hasher, SettingsError> {
    let identity = &settings.identity;
    let secret = identity.password_key.as_ref().ok_or(SettingsError::Missing {
        key: "identity.password_key",
        cure: "make one with `openssl rand -base64 48`, set TENANTRY__IDENTITY__PASSWORD_KEY, and keep it for good: \
               without it no password matches any more",
    })?;
    let key = PasswordKey::new(secret).map_err(|least| SettingsError::Value {
        key: "identity.password_key".to_owned(),
        problem: format!("it is too short; {least} characters or more are accepted"),
    })?;
    Ok(Hasher::new(key, identity.bcrypt_cost, identity.concurrent_hashes))
}

/// Onboarding as these settings allow it: with the owner's login.
///
/// # Errors
/// [`StateError`] when the owner's login is not configured.
pub fn onboarding(settings: &Settings) -> Result<Onboarding, StateError> {
    Ok(Onboarding::new(Arc::new(provisioner(settings, OWNER_CONNECTIONS)?), hasher(settings)?))
}

/// What onboarding and background work need at once, at most.
const OWNER_CONNECTIONS: usize = 16;

/// The provisioner of these settings, with so many connections at most.
///
/// # Errors
/// [`StateError`] when the owner's login is not configured.
pub fn provisioner(settings: &Settings, connections: usize) -> Result<Provisioner, StateError> {
    let installed = Installed {
        installation: settings.installation()?,
        server_login: settings.database_url()?.user().to_owned(),
    };
    let owner = owner_database(&settings.owner_url()?, connections)?;
    Ok(Provisioner::new(owner, installed, migrations::of_tenant()?, migrations::of_shared()?))
}
