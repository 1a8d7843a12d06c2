//! What all requests share.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use identity::{Hasher, PasswordPolicy, SigningKey, TokenIssuer, UserId};
use platform::migrations::Served;
use platform::{Actor, Onboarding, Operator};
use settings::wiring::{self, WiringError};
use tenancy::{Database, Resolver};

use crate::http::codes::Code;
use crate::http::metrics::Metrics;
use crate::http::problem::Problem;
use crate::http::rate_limits::RateLimits;
use settings::{Settings, SettingsError};

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

impl State {
    /// Opens no connection yet.
    ///
    /// # Errors
    /// [`WiringError`], with the key.
    pub fn new(settings: Settings) -> Result<Self, WiringError> {
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
        let onboarding =
            if settings.provisioning.in_server { Some(wiring::onboarding(&settings)?) } else { None };
        Ok(Self {
            database,
            resolver,
            tokens,
            hasher: wiring::hasher(&settings)?,
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
            let detail = "This server does not have the owner's login. Use the command line on the machine that has it, or \
                          set provisioning.in_server.";
            Problem::new(Code::ProvisioningElsewhere, detail)
        })
    }

    /// One of the platform's staff at work.
    ///
    /// # Errors
    /// As [`State::onboarding`].
    pub fn operator(&self, user: UserId) -> Result<Operator, Problem> {
        let owner_database = self.onboarding()?.owner_database().clone();
        Ok(Operator { owner_database, actor: Actor::User(user) })
    }
}
