//! Settings in the form that the parts of a program need.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use events::webhooks::address::Reach;
use events::webhooks::attempt::Courier;
use events::webhooks::sender::WebhookSender;
use identity::issuer;
use identity::logout_notice::LogoutNotifier;
use identity::throttle::Allowed;
use identity::{
    ClientOfIssuer, IssuerName, IssuerSettings, PageOf, Pages, PasswordKey, PasswordKeys, PasswordPolicy,
    Post, Sender, SessionTerms, SigningAlgorithm, Transport,
};
use platform::dns::Dns;
use platform::job_kinds::KeySettings;
use secrecy::{ExposeSecret, SecretString};
use tenancy::{DatabaseUrl, Installation, PoolSettings, ResolverSettings, TenantSlug};
use till::callbacks::Callbacks;
use till::fiscal_device::FiscalDevices;
use till::mpesa::{Mpesa, MpesaAccount};
use till::provider::MobileMoney;
use values::{Currency, Name};

use crate::checks::is_web_address;
use crate::settings::{Settings, SettingsError, refuse};

/// The cure of a missing key of the provider of mobile money.
const ASK_THE_PROVIDER: &str = "the provider of mobile money shows it in its portal for developers";

impl Settings {
    /// The address of the listener for `/metrics` and `/tls-ask`. `None` turns the listener off.
    ///
    /// # Errors
    /// [`SettingsError`] when `server.metrics_listen` is not an address with a port.
    pub fn metrics_listen(&self) -> Result<Option<SocketAddr>, SettingsError> {
        let text = &self.server.metrics_listen;
        if text.is_empty() {
            return Ok(None);
        }
        let address = text.parse().map_err(|_| {
            refuse("server.metrics_listen", "must be empty or an address like 127.0.0.1:9090")
        })?;
        Ok(Some(address))
    }

    /// The DNS client that verifies custom domains.
    ///
    /// # Errors
    /// [`SettingsError`] when `domains.name_server` is not an address with a port.
    pub fn dns(&self) -> Result<Dns, SettingsError> {
        let text = &self.domains.name_server;
        if text.is_empty() {
            return Ok(Dns::new(None));
        }
        let address = text
            .parse()
            .map_err(|_| refuse("domains.name_server", "must be empty or an address like 192.0.2.53:53"))?;
        Ok(Dns::new(Some(address)))
    }

    /// The URL of the server's login.
    ///
    /// # Errors
    /// [`SettingsError`] when `database.url` is missing or malformed.
    pub fn database_url(&self) -> Result<DatabaseUrl, SettingsError> {
        let url = self.database.url.as_ref().ok_or(SettingsError::Missing {
            key: "database.url",
            cure: "set TENANTRY__DATABASE__URL=postgres://tenantry_server:PASSWORD@HOST:5432/tenantry \
                   (or start scripts/dev: while it runs, commands in the same checkout use its database)",
        })?;
        url.expose_secret().parse().map_err(|error| refuse("database.url", error))
    }

    /// The URL of the login that owns the schemas.
    ///
    /// # Errors
    /// [`SettingsError`] when `database.owner_url` is missing or malformed.
    pub fn owner_url(&self) -> Result<DatabaseUrl, SettingsError> {
        let url = self.database.owner_url.as_ref().ok_or(SettingsError::Missing {
            key: "database.owner_url",
            cure: "set TENANTRY__DATABASE__OWNER_URL=postgres://tenantry_owner:PASSWORD@HOST:5432/tenantry",
        })?;
        url.expose_secret().parse().map_err(|error| refuse("database.owner_url", error))
    }

    /// The keys that protect password hashes.
    ///
    /// # Errors
    /// [`SettingsError`] when `identity.password_key` is missing, or a key is too short.
    pub fn password_keys(&self) -> Result<PasswordKeys, SettingsError> {
        let secret = self.identity.password_key.as_ref().ok_or(SettingsError::Missing {
            key: "identity.password_key",
            cure: "generate a key with `openssl rand -base64 48`, set TENANTRY__IDENTITY__PASSWORD_KEY, and \
                   keep the key permanently: without it, no stored password can be verified",
        })?;
        let parse = |key: &str, secret: &SecretString| {
            PasswordKey::new(secret).map_err(|least| {
                refuse(key, format!("the key is too short; it must have at least {least} bytes"))
            })
        };
        let former = self.identity.former_password_keys.iter();
        Ok(PasswordKeys {
            current: parse("identity.password_key", secret)?,
            former: former
                .map(|secret| parse("identity.former_password_keys", secret))
                .collect::<Result<_, _>>()?,
        })
    }

    /// How new keys sign access tokens.
    ///
    /// # Errors
    /// [`SettingsError`] for another word than `EdDSA` and `ES256`.
    pub fn signing_algorithm(&self) -> Result<SigningAlgorithm, SettingsError> {
        let word = &self.identity.signing_algorithm;
        word.parse().map_err(|_| refuse("identity.signing_algorithm", "must be EdDSA or ES256"))
    }

    /// The issuers elsewhere whose ID tokens sign people in.
    ///
    /// # Errors
    /// [`SettingsError`] for a name, a URL, a label or an audience of another form, and for an issuer that is
    /// this installation's own or has two names.
    pub fn external_issuers(&self) -> Result<Vec<IssuerSettings>, SettingsError> {
        let mut issuers: Vec<IssuerSettings> = Vec::new();
        for (name, section) in &self.identity.external_issuers {
            let key = |field: &str| format!("identity.external_issuers.{name}{field}");
            let name = IssuerName::parse(name).map_err(|error| refuse(&key(""), error))?;
            if !issuer::is_issuer(&section.issuer) {
                let problem = "must be an https URL without a query, like https://accounts.google.com";
                return Err(refuse(&key(".issuer"), problem));
            }
            if self.identity.issuer.as_ref() == Some(&section.issuer) {
                return Err(refuse(&key(".issuer"), "must not be identity.issuer, the installation itself"));
            }
            if issuers.iter().any(|other| other.issuer == section.issuer) {
                return Err(refuse(&key(".issuer"), "another section has this issuer"));
            }
            let label = Name::parse(&section.label)
                .map_err(|_| refuse(&key(".label"), "must be a name on one line, like Google"))?;
            let audiences: Vec<String> =
                section.audiences.iter().chain(&section.client_id).cloned().collect();
            if audiences.is_empty() || audiences.iter().any(String::is_empty) {
                let problem = "must list the client ids of your programs at the issuer";
                return Err(refuse(&key(".audiences"), problem));
            }
            if section.client_secret.as_ref().is_some_and(|secret| secret.expose_secret().is_empty()) {
                let problem = "must not be empty; leave it out for a public client";
                return Err(refuse(&key(".client_secret"), problem));
            }
            if section.client_secret.is_some() && section.client_id.is_none() {
                return Err(refuse(&key(".client_secret"), "needs client_id"));
            }
            let client = section.client_id.clone().map(|id| {
                let secret = section.client_secret.clone();
                ClientOfIssuer { id, secret }
            });
            issuers.push(IssuerSettings {
                name,
                label: label.to_string(),
                issuer: section.issuer.clone(),
                audiences,
                links_by_email: section.link_by_email,
                client,
            });
        }
        Ok(issuers)
    }

    /// The rule for new passwords.
    ///
    /// # Errors
    /// [`SettingsError`] when the file of `identity.password_blocklist_file` cannot be read.
    pub fn password_policy(&self) -> Result<PasswordPolicy, SettingsError> {
        let file = &self.identity.password_blocklist_file;
        let text = if file.as_os_str().is_empty() {
            String::new()
        } else {
            std::fs::read_to_string(file).map_err(|error| {
                let problem = format!("{} cannot be read: {error}", file.display());
                refuse("identity.password_blocklist_file", problem)
            })?
        };
        let blocked = text.lines().map(|line| line.trim_end_matches('\r').to_owned());
        Ok(PasswordPolicy::new(self.identity.password_min_length, blocked))
    }

    /// Where mails go. `None` if no mail is sent.
    ///
    /// # Errors
    /// [`SettingsError`] when `mail.smtp_url` is malformed, or there are both a mail server and a folder.
    pub fn mail_transport(&self) -> Result<Option<Transport>, SettingsError> {
        let folder = &self.mail.folder;
        match &self.mail.smtp_url {
            Some(_) if !folder.as_os_str().is_empty() => {
                Err(refuse("mail.folder", "must be empty if mail.smtp_url is set"))
            }
            Some(url) => Transport::smtp(url).map(Some).map_err(|error| refuse("mail.smtp_url", error)),
            None if folder.as_os_str().is_empty() => Ok(None),
            None => Ok(Some(Transport::Folder(folder.clone()))),
        }
    }

    /// The address from which mails come.
    ///
    /// # Errors
    /// [`SettingsError`] when `mail.from` is no address.
    pub fn mail_sender(&self) -> Result<Sender, SettingsError> {
        Sender::parse(&self.mail.from)
            .map_err(|_| refuse("mail.from", "must be an address like no-reply@example.com"))
    }

    /// The sender of mails. `None` if no mail is sent.
    ///
    /// # Errors
    /// [`SettingsError`], as [`Settings::mail_transport`] and [`Settings::password_keys`].
    pub fn post(&self) -> Result<Option<Post>, SettingsError> {
        let Some(transport) = self.mail_transport()? else { return Ok(None) };
        let page = |pattern: &str| -> PageOf {
            let (settings, pattern) = (self.clone(), pattern.to_owned());
            Arc::new(move |slug: Option<&str>| settings.page(&pattern, slug))
        };
        Ok(Some(Post {
            transport,
            from: self.mail_sender()?,
            installation: self.mail.installation.clone(),
            pages: Pages {
                reset: page(&self.mail.reset_page),
                invitation: page(&self.mail.invitation_page),
                confirmation: page(&self.mail.confirmation_page),
                sign_up: page(&self.mail.sign_up_page),
            },
            link_key: self.password_keys()?.link_key(),
        }))
    }

    /// The address of a page of the business with this slug, or of the platform.
    fn page(&self, pattern: &str, slug: Option<&str>) -> String {
        let slug = slug.and_then(|slug| TenantSlug::parse(slug).ok());
        let address = slug.map_or_else(|| self.platform_address(), |slug| self.address_of(&slug));
        pattern.replace("{address}", &address)
    }

    /// The page on which somebody accepts an invitation to the business with this slug, or to the platform.
    pub fn invitation_page(&self, slug: Option<&str>) -> String {
        self.page(&self.mail.invitation_page, slug)
    }

    /// The failed sign-ins after which further ones must wait.
    pub fn allowed_failures(&self) -> Allowed {
        Allowed {
            per_account: self.identity.failures_per_account,
            per_network: self.identity.failures_per_network,
        }
    }

    /// The prefix of this installation's roles. Defaults to the name of the database.
    ///
    /// # Errors
    /// [`SettingsError`] when the prefix is not set, and `database.url` is missing or malformed or names a
    /// database whose name is not a valid prefix.
    pub fn installation(&self) -> Result<Installation, SettingsError> {
        match &self.database.installation {
            Some(installation) => Ok(installation.clone()),
            None => Installation::parse(self.database_url()?.database()).map_err(|error| {
                refuse(
                    "database.installation",
                    format!("it is not set, and the name of the database cannot replace it: {error}"),
                )
            }),
        }
    }

    /// The settings of the connection pools, from the section `[database]`.
    pub fn pool(&self) -> PoolSettings {
        let database = &self.database;
        PoolSettings {
            max_connections: database.max_connections,
            pools: database.pools,
            max_transactions_per_business: database.max_transactions_per_business,
            max_waiting_per_business: database.max_waiting_per_business,
            business_wait_timeout: Duration::from_millis(database.business_wait_timeout_ms),
            wait_timeout: Duration::from_millis(database.wait_timeout_ms),
            // The requests that wait must be answered within the wait timeout. A server that answers within
            // two seconds never counts as gone.
            longest_silence: Duration::from_millis((database.wait_timeout_ms * 4 / 5).max(2000)),
            max_lifetime: Duration::from_secs(database.max_lifetime_s),
            max_businesses_per_connection: database.max_businesses_per_connection,
            max_statements_per_connection: database.max_statements_per_connection,
            statement_timeout: Duration::from_millis(database.statement_timeout_ms),
            lock_timeout: Duration::from_millis(database.lock_timeout_ms),
            idle_in_transaction_timeout: Duration::from_millis(database.idle_in_transaction_timeout_ms),
        }
    }

    /// The settings of background jobs.
    ///
    /// # Errors
    /// [`SettingsError`] when `domains.name_server` is no address.
    pub fn background(&self) -> Result<platform::job_kinds::JobSettings, SettingsError> {
        Ok(platform::job_kinds::JobSettings {
            spare_schemas: self.provisioning.spare_schemas,
            backup_folder: self.backup.folder.clone(),
            keep_days: self.jobs.keep_days,
            auth_event_days: self.identity.auth_event_days,
            domain_terms: platform::DomainTerms {
                claim_days: self.domains.claim_days,
                missing_days: self.domains.missing_days,
            },
            dns: self.dns()?,
            post: self.post()?,
            keys: KeySettings {
                sealer: self.password_keys()?.sealer(),
                algorithm: self.signing_algorithm()?,
                rotation_days: self.identity.key_rotation_days,
            },
            requires_licence: self.licence.required,
            logouts: self.logout_notifier()?,
            fiscal: self.fiscal_devices()?,
            mobile_money: self.mobile_money()?,
            keep_event_days: self.events.keep_days,
            webhooks: WebhookSender {
                courier: self.courier()?,
                sealer: self.password_keys()?.webhook_sealer(),
                give_up_after: TimeDelta::hours(self.webhooks.give_up_after_hours.into()),
            },
        })
    }

    /// The networks that webhooks may reach.
    pub fn reach(&self) -> Reach {
        if self.webhooks.any_network { Reach::AnyNetwork } else { Reach::Internet }
    }

    /// Carries the messages of webhooks.
    ///
    /// # Errors
    /// [`SettingsError`] on a system without root certificates.
    pub fn courier(&self) -> Result<Courier, SettingsError> {
        Courier::new(self.reach()).map_err(|error| refuse("webhooks", error))
    }

    /// The fiscal devices that registers may use.
    ///
    /// # Errors
    /// [`SettingsError`] when `till.fiscal_devices` has a name that is no device.
    pub fn fiscal_devices(&self) -> Result<FiscalDevices, SettingsError> {
        let names = &self.till.fiscal_devices;
        FiscalDevices::of_names(names).map_err(|error| refuse("till.fiscal_devices", error))
    }

    /// Mobile money. `None` without a provider.
    ///
    /// # Errors
    /// [`SettingsError`] for an unknown provider, currency or address, for a missing key, and for a short
    /// `mobile_money.callback_secret`.
    pub fn mobile_money(&self) -> Result<Option<MobileMoney>, SettingsError> {
        const SHORTEST_SECRET: usize = 32;
        let section = &self.mobile_money;
        match section.provider.as_str() {
            "" => return Ok(None),
            "mpesa" => {}
            _ => return Err(refuse("mobile_money.provider", "must be mpesa, or empty")),
        }
        let currency =
            Currency::parse(&section.currency).map_err(|error| refuse("mobile_money.currency", error))?;
        if !is_web_address(&section.url) || section.url.ends_with('/') {
            let problem = "must be a URL without a / at its end, like https://api.example.com";
            return Err(refuse("mobile_money.url", problem));
        }
        let text = |key: &'static str, value: &Option<String>| {
            let value = value.clone().filter(|value| !value.is_empty());
            value.ok_or(SettingsError::Missing { key, cure: ASK_THE_PROVIDER })
        };
        let secret = |key: &'static str, value: &Option<SecretString>| {
            let value = value.clone().filter(|value| !value.expose_secret().is_empty());
            value.ok_or(SettingsError::Missing { key, cure: ASK_THE_PROVIDER })
        };
        let callback_secret = section.callback_secret.as_ref().ok_or(SettingsError::Missing {
            key: "mobile_money.callback_secret",
            cure: "generate a secret with `openssl rand -base64 48`, and set \
                   TENANTRY__MOBILE_MONEY__CALLBACK_SECRET",
        })?;
        if callback_secret.expose_secret().len() < SHORTEST_SECRET {
            let problem = format!("the secret is too short; it must have at least {SHORTEST_SECRET} bytes");
            return Err(refuse("mobile_money.callback_secret", problem));
        }
        let account = MpesaAccount {
            url: section.url.clone(),
            consumer_key: text("mobile_money.consumer_key", &section.consumer_key)?,
            consumer_secret: secret("mobile_money.consumer_secret", &section.consumer_secret)?,
            shortcode: text("mobile_money.shortcode", &section.shortcode)?,
            passkey: secret("mobile_money.passkey", &section.passkey)?,
        };
        let provider = Mpesa::new(account).map_err(|error| refuse("mobile_money", error))?;
        let callbacks = Callbacks::new(self.platform_address(), callback_secret);
        Ok(Some(MobileMoney { provider: Arc::new(provider), currency, callbacks }))
    }

    /// Tells programs that a session has ended. `None` without an issuer.
    fn logout_notifier(&self) -> Result<Option<LogoutNotifier>, SettingsError> {
        let Some(issuer) = self.identity.issuer.clone() else { return Ok(None) };
        Ok(Some(LogoutNotifier { sealer: self.password_keys()?.sealer(), issuer }))
    }

    /// How long sessions last.
    pub fn session_terms(&self) -> SessionTerms {
        let days = |days: u32| Duration::from_secs(u64::from(days) * 86_400);
        SessionTerms {
            idle: days(self.identity.session_idle_days),
            longest: days(self.identity.session_max_days),
            staff_need_second_factor: self.identity.staff_need_second_factor,
        }
    }

    /// How long the former slug of a renamed business redirects and stays reserved.
    pub fn former_slugs_reserved_for(&self) -> Duration {
        Duration::from_secs(u64::from(self.tenancy.former_slug_days) * 86_400)
    }

    /// The settings of the cache of businesses, from the section `[tenancy]`.
    pub fn resolver(&self) -> ResolverSettings {
        ResolverSettings {
            capacity: self.tenancy.cache_capacity,
            known_for: Duration::from_millis(self.tenancy.cache_known_ms),
            unknown_for: Duration::from_millis(self.tenancy.cache_unknown_ms),
            stale_for: Duration::from_secs(self.tenancy.cache_stale_s),
            requires_licence: self.licence.required,
        }
    }
}
