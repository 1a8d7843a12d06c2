//! The configuration: one typed struct that is read once, checked, and passed down.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use ipnet::IpNet;
use secrecy::SecretString;
use serde::Deserialize;
use tenancy::{Installation, PlanKey};
use values::Origin;

/// All settings. `config/default.toml` documents each key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The section `[server]`: addresses, limits of requests, and trusted proxies.
    pub server: ServerSettings,
    /// The section `[database]`: logins, connections and timeouts.
    pub database: DatabaseSettings,
    /// The section `[tenancy]`: former slugs, and the cache of businesses.
    pub tenancy: TenancySettings,
    /// The section `[licence]`: whether a business needs a licence to sell.
    pub licence: LicenceSettings,
    /// The section `[events]`: live events.
    pub events: EventSettings,
    /// The section `[webhooks]`: events for programs elsewhere.
    pub webhooks: WebhookSettings,
    /// The section `[till]`: fiscal devices.
    pub till: TillSettings,
    /// The section `[mobile_money]`: the provider of mobile money.
    pub mobile_money: MobileMoneySettings,
    /// The section `[sign_up]`: businesses that people create for themselves.
    pub sign_up: SignUpSettings,
    /// The section `[identity]`: access tokens and passwords.
    pub identity: IdentitySettings,
    /// The section `[mail]`: mails to users.
    pub mail: MailSettings,
    /// The section `[provisioning]`: the creation of businesses.
    pub provisioning: ProvisioningSettings,
    /// The section `[backup]`: the folder of backup files.
    pub backup: BackupSettings,
    /// The section `[jobs]`: background jobs.
    pub jobs: JobSettings,
    /// The section `[domains]`: the verification of custom domains.
    pub domains: DomainSettings,
    /// The section `[log]`: the format and the filter of log lines.
    pub log: LogSettings,
}

/// The section `[server]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {
    /// Address and port of the API.
    pub listen: SocketAddr,
    /// Address and port of a second listener, for `/metrics` and for `/tls-ask`. An empty text turns the
    /// listener off.
    pub metrics_listen: String,
    /// Domain of the installation. A business answers at `<slug>.<base_domain>`, the platform at
    /// `admin.<base_domain>`.
    pub base_domain: String,
    /// Scheme of the printed addresses, as clients reach the server: `http` or `https`.
    pub public_scheme: String,
    /// Port of the printed addresses. Range: 1 to 65535.
    pub public_port: u16,
    /// Threads that answer requests. Range: 1 to 64, or 0 for one thread per core.
    pub workers: usize,
    /// A request that takes longer is cancelled, and the client gets 503. Range: 100 to 600000.
    pub request_timeout_ms: u64,
    /// Time for a client to send the head of a request, and again for the body. After that, 408.
    /// Range: 100 to 600000.
    pub client_timeout_ms: u64,
    /// Time for running requests to end after SIGTERM. Range: 1 to 600.
    pub shutdown_timeout_s: u64,
    /// A larger request body is refused with 413. Range: 1024 to 67108864.
    pub body_limit_bytes: usize,
    /// Origins whose web pages may call the API (CORS).
    pub cors_origins: Vec<Origin>,
    /// Networks of proxies whose `X-Forwarded-Host` and `X-Forwarded-For` headers are trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// Rate limit of one client address at one business, in requests per second. Above it, 429.
    /// Range: 1 to 1000000, or 0 for no limit.
    pub requests_per_second: u32,
    /// Requests that one client address may send at once before the rate limit applies. Range: 1 to 1000000.
    pub request_burst: u32,
}

/// The section `[database]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSettings {
    /// URL of the server's login, which owns nothing. `None` when it is not set.
    pub url: Option<SecretString>,
    /// URL of the login that owns the schemas, for provisioning, migrations and backups. `None` when it is
    /// not set.
    pub owner_url: Option<SecretString>,
    /// Prefix of this installation's roles. `None` means the database's name.
    pub installation: Option<Installation>,
    /// Connections of one server process, shared by all businesses. Range: 1 to 500.
    pub max_connections: usize,
    /// Pools that share these connections. Each business prefers one pool. Range: 1 to 100.
    pub pools: usize,
    /// Concurrent transactions of one business. Range: 1 to 500.
    pub max_transactions_per_business: usize,
    /// Transactions of one business that may wait for their turn. Further ones get 429 immediately.
    /// Range: 0 to 10000.
    pub max_waiting_per_business: usize,
    /// A transaction that waits longer for its turn gets 429. Range: 1 to 60000.
    pub business_wait_timeout_ms: u64,
    /// A request that waits longer for a free connection gets 503. Range: 10 to 60000.
    pub wait_timeout_ms: u64,
    /// A connection is replaced at this age. Range: 10 to 86400.
    pub max_lifetime_s: u64,
    /// A connection is also replaced after it has served this number of businesses. Range: 1 to 100000.
    pub max_businesses_per_connection: usize,
    /// Prepared statements kept on one connection. Range: 10 to 10000.
    pub max_statements_per_connection: NonZeroUsize,
    /// PostgreSQL cancels a statement that runs longer. Range: 100 to 600000.
    pub statement_timeout_ms: u64,
    /// PostgreSQL cancels a statement that waits longer for a lock. Range: 10 to 60000.
    pub lock_timeout_ms: u64,
    /// PostgreSQL ends a connection whose open transaction is idle for longer. Range: 100 to 600000.
    pub idle_in_transaction_timeout_ms: u64,
}

/// The section `[tenancy]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenancySettings {
    /// Days for which the former address of a renamed business redirects and stays reserved.
    /// Range: 0 to 3650.
    pub former_slug_days: u32,
    /// Addresses of businesses kept in memory, and the same number of unknown hosts. Range: 10 to 1000000.
    pub cache_capacity: u64,
    /// Without a change, a business is read again after this time. Range: 100 to 600000.
    pub cache_known_ms: u64,
    /// An unknown host is looked up again after this time. Range: 100 to 600000.
    pub cache_unknown_ms: u64,
    /// Time for which businesses are served from memory while the registry cannot be read. Range: 1 to 86400.
    pub cache_stale_s: u64,
}

/// The section `[licence]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LicenceSettings {
    /// Whether a business needs a valid licence to place orders and sales.
    pub required: bool,
}

/// The section `[events]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventSettings {
    /// Open streams of live events of one business at this server. Range: 1 to 100000.
    pub max_streams_per_business: usize,
    /// Open streams of live events of one user or program at this server. Range: 1 to 100000.
    pub max_streams_per_user: usize,
    /// Days for which events are kept. Range: 1 to 365.
    pub keep_days: u32,
}

/// The section `[webhooks]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    /// Whether webhooks may have addresses of any network, and addresses without TLS. For development only.
    pub any_network: bool,
    /// Hours after which a webhook that accepts no event fails. Range: 1 to 720.
    pub give_up_after_hours: u32,
}

/// The section `[till]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TillSettings {
    /// The names of the fiscal devices that registers may use to sign receipts.
    pub fiscal_devices: Vec<String>,
}

/// The section `[mobile_money]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MobileMoneySettings {
    /// The name of the provider: `mpesa`. An empty text means that there is none.
    pub provider: String,
    /// The currency of all payments.
    pub currency: String,
    /// The address of the interface of the provider, without a path.
    pub url: String,
    /// The key of the installation at the provider.
    pub consumer_key: Option<String>,
    /// The secret that belongs to the key.
    pub consumer_secret: Option<SecretString>,
    /// The number of the installation at the provider, to which the till numbers belong.
    pub shortcode: Option<String>,
    /// The secret that signs requests on telephones.
    pub passkey: Option<SecretString>,
    /// The secret in the addresses to which the provider reports; 32 bytes or more.
    pub callback_secret: Option<SecretString>,
}

/// The section `[sign_up]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignUpSettings {
    /// Whether people may create businesses. The server must provision and send mail.
    pub enabled: bool,
    /// The plan of which a new business gets one term. `None`: its licence is inactive until it is granted.
    pub trial_plan: Option<PlanKey>,
    /// The most businesses that all people together may ask for within a day. Range: 1 to 100000.
    pub most_a_day: u32,
}

/// The section `[identity]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentitySettings {
    /// The `iss` claim of every access token: one URL for the whole installation. The server does not start
    /// without it.
    pub issuer: Option<String>,
    /// File with a private key (Ed25519, PEM) that becomes the first key of a new installation. Without it,
    /// the first server makes one.
    pub signing_key_file: Option<PathBuf>,
    /// How new keys sign access tokens.
    pub signing_algorithm: String,
    /// Days after which a new key signs access tokens. Range: 1 to 3650, or 0 for never.
    pub key_rotation_days: u32,
    /// Secret that protects the password hashes; 32 bytes or more. Without it, no stored password can be
    /// verified. A former key must stay in `former_password_keys`.
    pub password_key: Option<SecretString>,
    /// Former secrets, newest first. A hash is renewed with the present one when its user signs in.
    pub former_password_keys: Vec<SecretString>,
    /// File with passwords that are refused, one on each line. An empty text means no file.
    pub password_blocklist_file: PathBuf,
    /// Failed sign-ins of one account after which further ones must wait. Range: 1 to 10000, or 0 for no
    /// limit.
    pub failures_per_account: u32,
    /// Failed sign-ins of one network after which further ones must wait. Range: 1 to 100000, or 0 for no
    /// limit.
    pub failures_per_network: u32,
    /// Lifetime of an access token. Range: 60 to 3600.
    pub access_token_ttl_s: u64,
    /// Days after which a session that is not refreshed ends. Range: 1 to 365.
    pub session_idle_days: u32,
    /// Days after which a session ends, however often it is refreshed. Range: 1 to 3650.
    pub session_max_days: u32,
    /// Whether the platform's staff need a second factor.
    pub staff_need_second_factor: bool,
    /// Issuers elsewhere, such as Google, whose ID tokens sign people in, by names that requests choose.
    #[serde(default)]
    pub external_issuers: BTreeMap<String, ExternalIssuerSettings>,
    /// Days after which entries of the log of sign-ins are deleted. Range: 1 to 3650.
    pub auth_event_days: u32,
    /// Minimum length of new passwords, in characters. Range: 8 to 64.
    pub password_min_length: usize,
    /// Cost of a password hash. Each step doubles the work. Range: 4 to 16.
    pub bcrypt_cost: u32,
    /// Password hashes computed at the same time. Range: 1 to 64.
    pub concurrent_hashes: usize,
}

/// A section `[identity.external_issuers.NAME]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExternalIssuerSettings {
    /// The `iss` claim of its ID tokens: the URL below which its discovery document is.
    pub issuer: String,
    /// The name that people see.
    pub label: String,
    /// The client ids of the programs whose ID tokens are accepted.
    #[serde(default)]
    pub audiences: Vec<String>,
    /// Whether an email that the issuer has verified links the account with that email.
    #[serde(default)]
    pub link_by_email: bool,
    /// The client id with which the sign-in page of this installation signs people in at the issuer. `None`
    /// when it does not.
    pub client_id: Option<String>,
    /// The secret of this client. `None` for a public client.
    pub client_secret: Option<SecretString>,
}

/// The section `[mail]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailSettings {
    /// URL of the mail server. Without it and without a folder, no mail is sent.
    pub smtp_url: Option<SecretString>,
    /// Folder into which mails are written instead, for development. An empty text means no folder.
    pub folder: PathBuf,
    /// The address from which mails come.
    pub from: String,
    /// The name of the sender in mails of the platform.
    pub installation: String,
    /// The page on which a user chooses a new password.
    pub reset_page: String,
    /// The page on which somebody accepts an invitation.
    pub invitation_page: String,
    /// The page that confirms an email.
    pub confirmation_page: String,
    /// The page on which somebody creates a business.
    pub sign_up_page: String,
}

/// The section `[provisioning]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvisioningSettings {
    /// Whether the server uses `database.owner_url` to create and manage businesses over HTTP.
    pub in_server: bool,
    /// Finished schemas that are kept ready for new businesses. Range: 1 to 1000, or 0 for none.
    pub spare_schemas: usize,
}

/// The section `[backup]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupSettings {
    /// Folder for the files of `tenantry backup create` and of backup jobs.
    pub folder: PathBuf,
}

/// The section `[jobs]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSettings {
    /// Whether a server with `provisioning.in_server = true` runs background jobs.
    pub in_server: bool,
    /// Days after which ended jobs are deleted, also failed and cancelled ones. Range: 1 to 3650.
    pub keep_days: u32,
}

/// The section `[domains]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DomainSettings {
    /// Name server that verifies custom domains, such as `192.0.2.53:53`. An empty text means the name
    /// servers of the system.
    pub name_server: String,
    /// Days after which a custom domain that was added and not verified is removed. Range: 1 to 365.
    pub claim_days: u32,
    /// Days after which a verified domain is no longer served if its TXT record stays missing.
    /// Range: 1 to 365.
    pub missing_days: u32,
}

/// The section `[log]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// Format of log lines.
    pub format: LogFormat,
    /// Log filter in the syntax of `RUST_LOG`.
    pub filter: String,
}

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line, for machines.
    Json,
    /// Text for people, with colours on a terminal.
    Pretty,
}

/// The configuration is invalid. The text names the key, if one key is the cause.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A value is malformed or out of range, or its key is unknown.
    #[error("{key}: {problem}")]
    Value {
        /// The key, with its section, such as `server.listen`.
        key: String,
        /// The reason for the refusal, such as the allowed range.
        problem: String,
    },
    /// A key without a default is not set, and a part of the program needs it.
    #[error("{key} is missing: {cure}")]
    Missing {
        /// The key, with its section, such as `database.url`.
        key: &'static str,
        /// How to set the key.
        cure: &'static str,
    },
    /// `TENANTRY_CONFIG_DIR` names a folder that does not exist.
    #[error("the folder {0} does not exist; TENANTRY_CONFIG_DIR must name the configuration folder")]
    Folder(PathBuf),
    /// A file or a variable cannot be read, such as a file that is not valid TOML.
    #[error("the configuration cannot be read: {0}")]
    Read(#[from] config::ConfigError),
}

pub(crate) fn refuse(key: &str, problem: impl ToString) -> SettingsError {
    SettingsError::Value { key: key.to_owned(), problem: problem.to_string() }
}
