//! Opens connections from a `postgres://` URL. Supports every sslmode, uses rustls for TLS, and returns
//! errors that say what to do.

use std::future::poll_fn;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::{AbortHandle, JoinHandle};
use tokio_postgres::config::{Host, SslMode as WireSslMode, TargetSessionAttrs};
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, CancelToken, Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::connection::error::chain;
pub use crate::connection::tls::TlsError;
use crate::connection::tls::tls;

/// A checked `postgres://user:password@host:port/database?sslmode=...` URL. The `Debug` output omits the
/// password.
#[derive(Clone)]
pub struct DatabaseUrl {
    config: Config,
    pub(super) ssl_mode: SslMode,
    pub(super) root_certificate: Option<PathBuf>,
}

/// The six values of `sslmode`, with the same meaning as in libpq.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SslMode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// A database URL was refused.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// The URL does not start with `postgres://` or `postgresql://`.
    #[error("a database URL must have the form postgres://user:password@host:5432/database")]
    Scheme,
    /// The value of `sslmode` is none of the six that libpq knows.
    #[error("sslmode \"{0}\" is unknown; use disable, allow, prefer, require, verify-ca or verify-full")]
    SslMode(String),
    /// The URL trusts the system's certificate authorities, but its `sslmode` does not check the host name.
    #[error("sslrootcert=system requires sslmode=verify-full")]
    SystemRoots,
    /// The URL lacks the user, the database or the host. The text names the missing part.
    #[error("the database URL has no {0}")]
    Missing(&'static str),
    /// A part of the URL, such as the port or a parameter, cannot be read. The source names the cause.
    #[error("the database URL is malformed")]
    Syntax(#[source] tokio_postgres::Error),
}

impl FromStr for DatabaseUrl {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<Self, UrlError> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(UrlError::Scheme);
        }
        // tokio-postgres supports only three of the six modes and no root certificate. Both parameters are
        // therefore read here.
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut ssl_mode, mut system_roots) = (None, false);
        let mut root_certificate = None;
        let mut names_session_attributes = false;
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_encoding::percent_decode_str(value).decode_utf8_lossy();
            match key {
                "sslmode" => {
                    ssl_mode = Some(match value.as_ref() {
                        "disable" => SslMode::Disable,
                        "allow" => SslMode::Allow,
                        "prefer" => SslMode::Prefer,
                        "require" => SslMode::Require,
                        "verify-ca" => SslMode::VerifyCa,
                        "verify-full" => SslMode::VerifyFull,
                        other => return Err(UrlError::SslMode(other.to_owned())),
                    });
                }
                // tokio-postgres does not know the name that libpq 14 gave to the same demand.
                "target_session_attrs" if value == "primary" => {
                    names_session_attributes = true;
                    rest.push("target_session_attrs=read-write");
                }
                "target_session_attrs" => {
                    names_session_attributes = true;
                    rest.push(pair);
                }
                "sslrootcert" if value == "system" => system_roots = true,
                "sslrootcert" => root_certificate = Some(PathBuf::from(value.as_ref())),
                _ => rest.push(pair),
            }
        }
        // As in libpq: anybody can get a certificate from the system's certificate authorities. Such a
        // certificate proves something only if the host name is checked, too.
        let ssl_mode = match (ssl_mode, system_roots) {
            (None, true) => SslMode::VerifyFull,
            (Some(mode), true) if mode != SslMode::VerifyFull => return Err(UrlError::SystemRoots),
            (mode, _) => mode.unwrap_or(SslMode::Prefer),
        };
        let plain = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
        let mut config = Config::from_str(&plain).map_err(UrlError::Syntax)?;
        if config.get_user().is_none() {
            return Err(UrlError::Missing("user"));
        }
        if config.get_dbname().is_none() {
            return Err(UrlError::Missing("database"));
        }
        // Of several servers, only the one that takes writes can do the work. With the default of libpq,
        // every connection after a failover could lead to the standby that is first in the list.
        if config.get_hosts().len().max(config.get_hostaddrs().len()) > 1 && !names_session_attributes {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(UrlError::Missing("host"));
        }
        Ok(Self { config, ssl_mode, root_certificate })
    }
}

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.address())
    }
}

impl DatabaseUrl {
    /// The name of the login.
    pub fn user(&self) -> &str {
        self.config.get_user().unwrap_or_default()
    }

    /// The name of the database.
    pub fn database(&self) -> &str {
        self.config.get_dbname().unwrap_or_default()
    }

    pub(crate) fn password(&self) -> Option<&[u8]> {
        self.config.get_password()
    }

    /// The same URL with another database name; server and login stay the same.
    #[must_use]
    pub fn with_database(&self, database: &str) -> Self {
        let mut other = self.clone();
        other.config.dbname(database);
        other
    }

    /// `user@host:port/database`, for messages. Several servers are separated by commas.
    pub fn address(&self) -> String {
        let hosts = self.config.get_hosts().iter().map(|host| match host {
            Host::Tcp(host) => host.clone(),
            Host::Unix(path) => path.display().to_string(),
        });
        let addresses = self.config.get_hostaddrs().iter().map(ToString::to_string);
        let hosts: Vec<String> = if hosts.len() > 0 { hosts.collect() } else { addresses.collect() };
        let ports = self.config.get_ports();
        let addresses = hosts.iter().enumerate().map(|(index, host)| {
            let port = ports.get(index).or(ports.first()).unwrap_or(&5432);
            format!("{host}:{port}")
        });
        format!("{}@{}/{}", self.user(), addresses.collect::<Vec<_>>().join(","), self.database())
    }
}

/// A connection could not be opened. The text names the cause and the solution. There is no `source()`,
/// because a source would repeat the cause.
#[derive(Debug, thiserror::Error)]
#[error("cannot connect to {address}: {problem}. {cure}")]
pub struct ConnectError {
    address: String,
    problem: String,
    cure: String,
}

/// Longest time for opening a connection that a command waits for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

impl ConnectError {
    fn no_answer(url: &DatabaseUrl) -> Self {
        Self {
            address: url.address(),
            problem: "the server did not answer in time".to_owned(),
            cure: "Check the host, the port and the firewalls between this machine and the server".to_owned(),
        }
    }

    /// Describes a connection failure and its solution for the person who must fix it.
    fn explain(url: &DatabaseUrl, error: &tokio_postgres::Error) -> Self {
        let user = url.user();
        let database = url.database();
        let text = chain(error);
        let (problem, cure) = match error.code() {
            Some(code) if *code == SqlState::INVALID_PASSWORD => (
                format!("the password of \"{user}\" is wrong"),
                format!(
                    "Correct the password in the URL, or set it with ALTER ROLE \"{user}\" PASSWORD '...'"
                ),
            ),
            Some(code) if *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION => (
                text,
                format!(
                    "Check that the role \"{user}\" exists and that pg_hba.conf allows its connections; \
                     `tenantry db init` creates the roles"
                ),
            ),
            Some(code) if *code == SqlState::INVALID_CATALOG_NAME => (
                format!("there is no database \"{database}\""),
                "Create it with `tenantry db init --admin-url ...`".to_owned(),
            ),
            Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => (
                format!("\"{user}\" has no permission to connect to \"{database}\""),
                "Run `tenantry db init --admin-url ...`, which grants the permission".to_owned(),
            ),
            Some(code) if *code == SqlState::TOO_MANY_CONNECTIONS => (
                "the server has no free connection".to_owned(),
                "Lower database.max_connections, or raise max_connections of PostgreSQL".to_owned(),
            ),
            Some(code) if *code == SqlState::CANNOT_CONNECT_NOW => (
                "the server is starting up or shutting down".to_owned(),
                "Try again in a few seconds".to_owned(),
            ),
            Some(_) => (text, "See this message and the PostgreSQL log".to_owned()),
            None if text.contains("refused") || text.contains("No such file") => (
                "no server is listening there".to_owned(),
                "Start PostgreSQL, or correct the host and port in the URL".to_owned(),
            ),
            None if text.contains("lookup") || text.contains("Name or service") => {
                ("the host name is unknown".to_owned(), "Correct the host in the URL".to_owned())
            }
            None if text.contains("timed out") => return Self::no_answer(url),
            None if text.contains("does not allow writes") => (
                "the server takes no writes, and the URL asks for one that does".to_owned(),
                "Promote the standby, or add the host of the primary to the URL".to_owned(),
            ),
            None if text.contains("does not support TLS") => (
                "the server does not offer TLS".to_owned(),
                "Turn ssl on in postgresql.conf, or use sslmode=prefer in the URL".to_owned(),
            ),
            None if text.contains("certificate") || text.contains("tls") || text.contains("TLS") => {
                (text, "Check sslmode and sslrootcert in the URL against the server's certificate".to_owned())
            }
            None => (text, "Check the URL and the PostgreSQL log".to_owned()),
        };
        Self { address: url.address(), problem, cure }
    }
}

/// The application name of this process, of which PostgreSQL keeps 63 bytes. People who wait for a lock of
/// this process see the name.
fn program() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host: String = host.trim().chars().take(30).collect();
    format!(
        "tenantry process {} on {}",
        std::process::id(),
        if host.is_empty() { "this host" } else { &host }
    )
}

/// The use of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Transactions,
    /// A session lock or announcements.
    Lasting,
}

/// Opens connections to one URL, and cancels statements on them.
#[derive(Clone)]
pub(crate) struct Connector {
    url: DatabaseUrl,
    tls: Option<MakeRustlsConnect>,
    /// The runtime on which connections run. A connection must not run on the runtime of its caller: a
    /// server's worker thread may end while other threads still use the connection.
    runtime: Option<Handle>,
    /// The tasks of the connections that are open.
    open: Arc<Mutex<Vec<(Purpose, AbortHandle)>>>,
}

impl Connector {
    /// `settings` are the session's settings, such as `statement_timeout`. The first message of each
    /// connection contains them.
    pub(crate) fn new(url: &DatabaseUrl, settings: &[(&str, String)]) -> Result<Self, TlsError> {
        let mut url = url.clone();
        let mut options = url.config.get_options().unwrap_or_default().to_owned();
        for (name, value) in settings {
            options.push_str(&format!(" -c {name}={value}"));
        }
        url.config
            .options(options.trim())
            .application_name(program())
            .connect_timeout(Duration::from_secs(5))
            .keepalives_idle(Duration::from_secs(60))
            .tcp_user_timeout(Duration::from_secs(30))
            .ssl_mode(match url.ssl_mode {
                SslMode::Disable | SslMode::Allow => WireSslMode::Disable,
                SslMode::Prefer => WireSslMode::Prefer,
                SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => WireSslMode::Require,
            });
        let tls = if url.ssl_mode == SslMode::Disable { None } else { Some(tls(&url)?) };
        Ok(Self { url, tls, runtime: Handle::try_current().ok(), open: Arc::default() })
    }

    /// Opens one connection, for commands that need no pool. The connection closes when its client is
    /// dropped.
    pub(crate) async fn connect(&self) -> Result<Client, ConnectError> {
        match tokio::time::timeout(CONNECT_TIMEOUT, self.open_here(None)).await {
            Ok(Ok((client, _task))) => Ok(client),
            Ok(Err(error)) => Err(ConnectError::explain(&self.url, &error)),
            Err(_) => Err(ConnectError::no_answer(&self.url)),
        }
    }

    /// Opens one connection for a pool. The connection runs on the runtime on which the connector was
    /// created.
    pub(crate) async fn open(&self) -> Result<ClientWrapper, tokio_postgres::Error> {
        self.open_for(Purpose::Transactions, None).await
    }

    /// Opens a connection that stays with its caller. It sends the payloads of its notifications to
    /// `listener`, and the channel closes when the connection closes.
    pub(crate) async fn open_lasting(
        &self,
        listener: Option<UnboundedSender<String>>,
    ) -> Result<ClientWrapper, tokio_postgres::Error> {
        self.open_for(Purpose::Lasting, listener).await
    }

    async fn open_for(
        &self,
        purpose: Purpose,
        listener: Option<UnboundedSender<String>>,
    ) -> Result<ClientWrapper, tokio_postgres::Error> {
        let connector = self.clone();
        let (client, task) = match &self.runtime {
            Some(runtime) => match runtime.spawn(async move { connector.open_here(listener).await }).await {
                Ok(opened) => opened?,
                Err(failed) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
                // Otherwise the runtime is shutting down, and nobody waits for the connection.
                Err(_) => std::future::pending().await,
            },
            None => self.open_here(listener).await?,
        };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|(_, task)| !task.is_finished());
        open.push((purpose, task.abort_handle()));
        Ok(ClientWrapper::new(client, task))
    }

    /// Closes all connections that are open. The statements that wait for an answer on them fail.
    pub(crate) fn close_all(&self) {
        self.close(|_| true);
    }

    /// Closes the connections that would otherwise stay open for as long as the server runs.
    pub(crate) fn close_lasting(&self) {
        self.close(|purpose| purpose == Purpose::Lasting);
    }

    fn close(&self, is_meant: impl Fn(Purpose) -> bool) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|(purpose, task)| {
            let closes = is_meant(*purpose);
            if closes {
                task.abort();
            }
            !closes
        });
    }

    async fn open_here(
        &self,
        listener: Option<UnboundedSender<String>>,
    ) -> Result<(Client, JoinHandle<()>), tokio_postgres::Error> {
        let config = &self.url.config;
        let Some(tls) = &self.tls else { return open_with(config, NoTls, listener).await };
        match open_with(config, tls.clone(), listener.clone()).await {
            // sslmode=allow: first without TLS, then with TLS if the server requires it.
            Err(error) if self.url.ssl_mode == SslMode::Allow && error.code().is_some() => {
                let mut config = config.clone();
                let config = config.ssl_mode(WireSslMode::Require);
                open_with(config, tls.clone(), listener).await.map_err(|_| error)
            }
            other => other,
        }
    }

    /// Asks the server to cancel the statement that runs on the token's connection.
    pub(crate) async fn cancel(&self, token: CancelToken) {
        let cancelled = match &self.tls {
            Some(tls) => token.cancel_query(tls.clone()).await,
            None => token.cancel_query(NoTls).await,
        };
        if let Err(error) = cancelled {
            // The connection is closed in any case. PostgreSQL rolls back when it notices the closed
            // connection.
            tracing::debug!(error = %chain(&error), "cancelling an abandoned statement failed");
        }
    }
}

async fn open_with<T>(
    config: &Config,
    tls: T,
    listener: Option<UnboundedSender<String>>,
) -> Result<(Client, JoinHandle<()>), tokio_postgres::Error>
where
    T: tokio_postgres::tls::MakeTlsConnect<tokio_postgres::Socket>,
    T::Stream: Send + 'static,
{
    let (client, mut connection) = config.connect(tls).await?;
    let task = tokio::spawn(async move {
        while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
            match (message, &listener) {
                (Ok(AsyncMessage::Notification(told)), Some(listener)) => {
                    // Sending fails only when the listener is gone, and then nobody needs the payload.
                    let _ = listener.send(told.payload().to_owned());
                }
                (Ok(_), _) => {}
                (Err(error), _) => {
                    tracing::warn!(error = %chain(&error), "a database connection broke");
                    break;
                }
            }
        }
    });
    Ok((client, task))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sslmode_of_libpq_is_supported() {
        for (text, mode) in [
            ("disable", SslMode::Disable),
            ("allow", SslMode::Allow),
            ("prefer", SslMode::Prefer),
            ("require", SslMode::Require),
            ("verify-ca", SslMode::VerifyCa),
            ("verify-full", SslMode::VerifyFull),
        ] {
            let url: DatabaseUrl = format!("postgres://u:p@h/d?sslmode={text}").parse().unwrap();
            assert_eq!(url.ssl_mode, mode);
        }
        assert!(matches!("postgres://u@h/d?sslmode=x".parse::<DatabaseUrl>(), Err(UrlError::SslMode(_))));
        let system: DatabaseUrl = "postgres://u@h/d?sslrootcert=system".parse().unwrap();
        assert_eq!(system.ssl_mode, SslMode::VerifyFull);
        let weak = "postgres://u@h/d?sslmode=require&sslrootcert=system".parse::<DatabaseUrl>();
        assert!(matches!(weak, Err(UrlError::SystemRoots)));
    }

    #[test]
    fn of_several_servers_the_one_that_takes_writes_is_meant() {
        let demand = |url: &str| url.parse::<DatabaseUrl>().unwrap().config.get_target_session_attrs();
        assert_eq!(demand("postgres://u@a/d"), TargetSessionAttrs::Any);
        assert_eq!(demand("postgres://u@a,b/d"), TargetSessionAttrs::ReadWrite);
        assert_eq!(demand("postgres://u@a,b/d?target_session_attrs=any"), TargetSessionAttrs::Any);
        assert_eq!(demand("postgres://u@a/d?target_session_attrs=primary"), TargetSessionAttrs::ReadWrite);
    }

    #[test]
    fn the_debug_output_of_a_url_has_no_password() {
        let url: DatabaseUrl = "postgres://shop:s3cret@db.internal:6432/shops".parse().unwrap();
        assert_eq!(format!("{url:?}"), "shop@db.internal:6432/shops");
        let url: DatabaseUrl = "postgres://shop:s3cret@db1:1,db2:2/shops".parse().unwrap();
        assert_eq!(url.address(), "shop@db1:1,db2:2/shops");
    }

    #[test]
    fn a_url_must_have_a_user_a_host_and_a_database() {
        for url in ["mysql://u@h/d", "postgres://h/d?host=", "host=h dbname=d"] {
            assert!(url.parse::<DatabaseUrl>().is_err(), "{url}");
        }
    }
}
