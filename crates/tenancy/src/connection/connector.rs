//! Opens connections to one URL, which may name several servers. Supports every sslmode and uses rustls for
//! TLS.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::{AbortHandle, JoinHandle};
use tokio_postgres::config::{Host, SslMode as WireSslMode};
use tokio_postgres::{AsyncMessage, CancelToken, Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::connection::connect::{ConnectError, DatabaseUrl, SslMode, TlsError};
use crate::connection::error::{DbError, chain};
use crate::connection::tls::tls;

/// Longest time for one attempt at one server, with the sign-in.
const ATTEMPT: Duration = Duration::from_secs(5);

/// As [`ATTEMPT`], if the URL names several servers: one that is without power or stands still must not keep
/// the others from being tried.
const ATTEMPT_AT_ONE_OF_SEVERAL: Duration = Duration::from_secs(2);

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
    /// One for each server of the URL, in its order.
    servers: Arc<[Config]>,
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
        let url = url.clone();
        let mut options = url.config.get_options().unwrap_or_default().to_owned();
        for (name, value) in settings {
            options.push_str(&format!(" -c {name}={value}"));
        }
        let ssl_mode = match url.ssl_mode {
            SslMode::Disable | SslMode::Allow => WireSslMode::Disable,
            SslMode::Prefer => WireSslMode::Prefer,
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => WireSslMode::Require,
        };
        let tls = if url.ssl_mode == SslMode::Disable { None } else { Some(tls(&url)?) };
        let mut servers = servers_of(&url.config);
        let is_one = servers.len() == 1;
        for server in &mut servers {
            server
                .options(options.trim())
                .application_name(program())
                // For each address of the host. A host may have several, of which the first one may be dead.
                .connect_timeout(if is_one { Duration::from_secs(2) } else { Duration::from_secs(1) })
                .keepalives_idle(Duration::from_secs(60))
                .tcp_user_timeout(Duration::from_secs(30))
                .ssl_mode(ssl_mode);
        }
        let runtime = Handle::try_current().ok();
        Ok(Self { url, servers: servers.into(), tls, runtime, open: Arc::default() })
    }

    /// Opens one connection, for commands that need no pool. The connection closes when its client is
    /// dropped.
    pub(crate) async fn connect(&self) -> Result<Client, ConnectError> {
        match self.open_here(None).await {
            Ok((client, _task)) => Ok(client),
            Err(DbError::Connect(error)) => Err(ConnectError::explain(&self.url, &error)),
            Err(_) => Err(ConnectError::no_answer(&self.url)),
        }
    }

    /// Opens one connection for a pool. The connection runs on the runtime on which the connector was
    /// created.
    ///
    /// # Errors
    /// [`DbError::Connect`], and [`DbError::NoServer`] when no server answered in time.
    pub(crate) async fn open(&self) -> Result<ClientWrapper, DbError> {
        self.open_for(Purpose::Transactions, None).await
    }

    /// Opens a connection that stays with its caller. It sends the payloads of its notifications to
    /// `listener`, and the channel closes when the connection closes.
    ///
    /// # Errors
    /// As [`Connector::open`].
    pub(crate) async fn open_lasting(
        &self,
        listener: Option<UnboundedSender<String>>,
    ) -> Result<ClientWrapper, DbError> {
        self.open_for(Purpose::Lasting, listener).await
    }

    async fn open_for(
        &self,
        purpose: Purpose,
        listener: Option<UnboundedSender<String>>,
    ) -> Result<ClientWrapper, DbError> {
        let connector = self.clone();
        let (client, task) = match &self.runtime {
            Some(runtime) => {
                let mut opening =
                    Abandoned(runtime.spawn(async move { connector.open_here(listener).await }));
                match (&mut opening.0).await {
                    Ok(opened) => opened?,
                    Err(failed) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
                    // Otherwise the runtime is shutting down, and nobody waits for the connection.
                    Err(_) => std::future::pending().await,
                }
            }
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

    /// Tries the servers in their order. The error is that of the last one, because the first ones may be
    /// standbys that do what they must.
    async fn open_here(
        &self,
        listener: Option<UnboundedSender<String>>,
    ) -> Result<(Client, JoinHandle<()>), DbError> {
        let within = if self.servers.len() == 1 { ATTEMPT } else { ATTEMPT_AT_ONE_OF_SEVERAL };
        let mut failure = DbError::NoServer;
        for server in self.servers.iter() {
            match tokio::time::timeout(within, self.open_at(server, listener.clone())).await {
                Ok(Ok(opened)) => return Ok(opened),
                Ok(Err(error)) => failure = DbError::Connect(error),
                Err(_) => failure = DbError::NoServer,
            }
        }
        Err(failure)
    }

    async fn open_at(
        &self,
        server: &Config,
        listener: Option<UnboundedSender<String>>,
    ) -> Result<(Client, JoinHandle<()>), tokio_postgres::Error> {
        let Some(tls) = &self.tls else { return open_with(server, NoTls, listener).await };
        match open_with(server, tls.clone(), listener.clone()).await {
            // sslmode=allow: first without TLS, then with TLS if the server requires it.
            Err(error) if self.url.ssl_mode == SslMode::Allow && error.code().is_some() => {
                let mut server = server.clone();
                let server = server.ssl_mode(WireSslMode::Require);
                open_with(server, tls.clone(), listener).await.map_err(|_| error)
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

/// A task that ends when nobody waits for it any more.
struct Abandoned<T>(JoinHandle<T>);

impl<T> Drop for Abandoned<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// One configuration for each server, with everything else of `config`.
fn servers_of(config: &Config) -> Vec<Config> {
    let (hosts, addresses, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
    let count = hosts.len().max(addresses.len());
    if count <= 1 {
        return vec![config.clone()];
    }
    let one = |index: usize| {
        let mut server = Config::new();
        match hosts.get(index) {
            Some(Host::Tcp(host)) => {
                server.host(host);
            }
            Some(Host::Unix(path)) => {
                server.host_path(path);
            }
            None => {}
        }
        if let Some(address) = addresses.get(index) {
            server.hostaddr(*address);
        }
        if let Some(port) = ports.get(index).or(ports.first()) {
            server.port(*port);
        }
        if let Some(user) = config.get_user() {
            server.user(user);
        }
        if let Some(password) = config.get_password() {
            server.password(password);
        }
        if let Some(database) = config.get_dbname() {
            server.dbname(database);
        }
        server
            .ssl_negotiation(config.get_ssl_negotiation())
            .target_session_attrs(config.get_target_session_attrs())
            .channel_binding(config.get_channel_binding());
        server
    };
    (0..count).map(one).collect()
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
    fn each_server_of_a_url_is_tried_on_its_own() {
        let url: DatabaseUrl = "postgres://u:p@db1:1,db2:2/d".parse().unwrap();
        let servers = servers_of(&url.config);
        assert_eq!(servers.len(), 2);
        assert_eq!(servers[1].get_hosts(), [Host::Tcp("db2".to_owned())]);
        assert_eq!((servers[1].get_ports(), servers[1].get_dbname()), (&[2][..], Some("d")));
        assert_eq!(servers[1].get_password(), Some(&b"p"[..]));
    }

    #[tokio::test]
    async fn a_server_that_never_answers_keeps_no_other_from_being_tried() {
        // Both accept connections, and neither answers.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let ports = [&silent, &other].map(|listener| listener.local_addr().unwrap().port());
        let url = format!("postgres://u@127.0.0.1:{},127.0.0.1:{}/d?sslmode=disable", ports[0], ports[1]);
        let connector = Connector::new(&url.parse().unwrap(), &[]).unwrap();
        let opening = tokio::spawn(async move { connector.open().await.err() });
        other.set_nonblocking(true).unwrap();
        let started = std::time::Instant::now();
        // The connection that is accepted stays open.
        let _accepted = loop {
            if let Ok(accepted) = other.accept() {
                break accepted;
            }
            assert!(started.elapsed() < Duration::from_secs(10), "the second server is never tried");
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        assert!(matches!(opening.await.unwrap(), Some(DbError::NoServer)));
    }
}
