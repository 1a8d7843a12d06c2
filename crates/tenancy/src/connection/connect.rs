//! URLs of databases, and errors of connections that say what to do.

use std::path::PathBuf;
use std::str::FromStr;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, TargetSessionAttrs};
use tokio_postgres::error::SqlState;

use crate::connection::error::chain;
pub use crate::connection::tls::TlsError;

/// A checked `postgres://user:password@host:port/database?sslmode=...` URL. The `Debug` output omits the
/// password.
#[derive(Clone)]
pub struct DatabaseUrl {
    pub(super) config: Config,
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

impl ConnectError {
    pub(super) fn no_answer(url: &DatabaseUrl) -> Self {
        Self {
            address: url.address(),
            problem: "the server did not answer in time".to_owned(),
            cure: "Check the host, the port and the firewalls between this machine and the server".to_owned(),
        }
    }

    /// Describes a connection failure and its solution for the person who must fix it.
    pub(super) fn explain(url: &DatabaseUrl, error: &tokio_postgres::Error) -> Self {
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
