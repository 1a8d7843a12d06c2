//! The state that all requests share.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use actix_web::{HttpRequest, web};
use events::EventHub;
use events::webhooks::address::Reach;
use events::webhooks::attempt::Courier;
use identity::{ApiKeys, ExternalIssuers, KeyRing, Revocations, Sealer, SignIn, SigningKey, TokenIssuer};
use platform::migrations::Served;
use platform::{Onboarding, Operator};
use settings::wiring::{self, WiringError};
use tenancy::{Database, PoolSettings, Resolver};
use till::fiscal_device::FiscalDevices;
use till::provider::MobileMoney;

use crate::http::caller::Staff;
use crate::http::codes::Code;
use crate::http::metrics::Metrics;
use crate::http::origins::Origins;
use crate::http::problem::Problem;
use crate::http::rate_limits::RateLimits;
use crate::http::streams::Streams;
use crate::http::trials::Trials;
use settings::{Settings, SettingsError};

/// The parts of the server, made from the settings.
pub struct State {
    /// The settings from which the other parts were made.
    pub settings: Settings,
    /// The pool of connections that serves the requests.
    pub database: Database,
    /// Finds the business behind the host and path of a request.
    pub resolver: Arc<Resolver>,
    /// Issues and verifies access tokens.
    pub tokens: TokenIssuer,
    /// The keys that sign access tokens.
    pub keys: Arc<KeyRing>,
    /// The sessions whose tokens are no longer valid.
    pub revocations: Arc<Revocations>,
    /// The API keys that were used last.
    pub api_keys: Arc<ApiKeys>,
    /// Signs people in and keeps them signed in.
    pub sign_in: SignIn,
    /// The issuers elsewhere whose ID tokens sign people in.
    pub external_issuers: ExternalIssuers,
    /// The origins of web pages that businesses allow.
    pub origins: Origins,
    /// The rate limits. `None` if the settings set a rate of zero, which means no limit.
    pub rate_limits: Option<RateLimits>,
    /// The schema versions that this server supports.
    pub served: Served,
    /// Present only if this server has the owner's login.
    pub onboarding: Option<Onboarding>,
    /// Connections for events alone, which must not wait behind requests.
    pub event_database: Database,
    /// Passes events on to clients.
    pub events: Arc<EventHub>,
    /// Sends the test messages of webhooks.
    pub courier: Courier,
    /// The networks that webhooks may reach.
    pub reach: Reach,
    /// The webhooks that are being tested.
    pub trials: Arc<Trials>,
    /// Encrypts the secrets of webhooks.
    pub webhook_sealer: Sealer,
    /// The open streams of events.
    pub streams: Arc<Streams>,
    /// The fiscal devices that sign receipts.
    pub fiscal: FiscalDevices,
    /// The provider of mobile money. `None` if there is none.
    pub mobile_money: Option<MobileMoney>,
    /// The counters behind `/metrics`.
    pub metrics: Metrics,
    /// Whether the server is shutting down. `/readyz` then answers 503, so that load balancers send no new
    /// requests.
    pub draining: AtomicBool,
}

impl State {
    /// Makes the parts. Opens no connection.
    ///
    /// # Errors
    /// [`WiringError`], which names the key.
    pub fn new(settings: Settings) -> Result<Self, WiringError> {
        let database = Database::new(&settings.database_url()?, &settings.pool())?;
        // One connection moves events, and one reads them.
        let event_database =
            database.beside(&PoolSettings { max_connections: 2, pools: 1, ..settings.pool() });
        let resolver =
            Arc::new(Resolver::new(database.clone(), settings.base_domain()?, &settings.resolver()));
        let identity = &settings.identity;
        let issuer = identity.issuer.clone().ok_or(SettingsError::Missing {
            key: "identity.issuer",
            cure: "set TENANTRY__IDENTITY__ISSUER to the URL that identifies this installation",
        })?;
        let from_file = identity.signing_key_file.as_deref().map(SigningKey::from_file).transpose()?;
        let sealer = settings.password_keys()?.sealer();
        let ring = Arc::new(KeyRing::new(sealer, from_file, settings.signing_algorithm()?));
        let api_keys = Arc::new(ApiKeys::new(database.clone()));
        let token_lifetime = Duration::from_secs(identity.access_token_ttl_s);
        let tokens = TokenIssuer::new(ring.clone(), issuer, token_lifetime);
        let onboarding =
            if settings.provisioning.in_server { Some(wiring::onboarding(&settings)?) } else { None };
        Ok(Self {
            resolver,
            tokens,
            revocations: Arc::new(Revocations::new(database.clone(), ring.clone(), api_keys.clone())),
            api_keys,
            keys: ring,
            sign_in: SignIn {
                database: database.clone(),
                hasher: wiring::hasher(&settings)?,
                policy: settings.password_policy()?,
                sends_mail: settings.post()?.is_some(),
                terms: settings.session_terms(),
                allowed: settings.allowed_failures(),
                authenticator_sealer: settings.password_keys()?.authenticator_sealer(),
                note_sealer: settings.password_keys()?.note_sealer(),
                installation: settings.mail.installation.clone(),
            },
            external_issuers: wiring::external_issuers(&settings)?,
            origins: Origins::new(database.clone(), settings.tenancy.cache_capacity),
            rate_limits: RateLimits::new(settings.server.requests_per_second, settings.server.request_burst),
            served: Served::by_this_code()?,
            onboarding,
            fiscal: settings.fiscal_devices()?,
            mobile_money: settings.mobile_money()?,
            events: Arc::new(EventHub::new(event_database.clone())),
            event_database,
            courier: settings.courier()?,
            reach: settings.reach(),
            trials: Arc::default(),
            webhook_sealer: settings.password_keys()?.webhook_sealer(),
            streams: Streams::new(
                settings.events.max_streams_per_business,
                settings.events.max_streams_per_user,
            ),
            metrics: Metrics::new(),
            draining: AtomicBool::new(false),
            database,
            settings,
        })
    }
}

impl State {
    /// The state of the server that serves a request.
    ///
    /// # Errors
    /// 500 in an application without a state.
    pub fn of(request: &HttpRequest) -> Result<&web::Data<Self>, Problem> {
        request.app_data::<web::Data<Self>>().ok_or_else(|| Problem::internal("the application has no state"))
    }

    /// The onboarding of this server.
    ///
    /// # Errors
    /// 409 if this server does not have the owner's login. The text names the alternatives.
    pub fn onboarding(&self) -> Result<&Onboarding, Problem> {
        self.onboarding.as_ref().ok_or_else(|| {
            let detail = "This server does not have the owner's login. Use the command line on the machine \
                          that has it, or set provisioning.in_server to true.";
            Problem::new(Code::ProvisioningElsewhere, detail)
        })
    }

    /// The operations of a member of the platform's staff.
    ///
    /// # Errors
    /// As [`State::onboarding`].
    pub fn operator<P>(&self, staff: &Staff<P>) -> Result<Operator, Problem> {
        let owner_database = self.onboarding()?.owner_database().clone();
        Ok(Operator { owner_database, actor: staff.actor() })
    }
}
