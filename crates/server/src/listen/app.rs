//! Puts the server together, starts it and stops it.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_cors::Cors;
use actix_web::dev::ServerHandle;
use actix_web::http::header;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpResponse, HttpServer, web};
use platform::figures;
use serde::Deserialize;
use tenancy::jobs::JobRunner;
use tenancy::{HostName, HostTarget, SharedScope, SharedTx};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use utoipa_actix_web::AppExt;

use crate::docs;
use crate::http::state::State;
use crate::listen::no_route;
use crate::middleware::{compression, origin, request, tenant};
use crate::routes;
use settings::SettingsError;

/// The server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting cannot be used, such as an invalid address in `server.metrics_listen`.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The address of a listener cannot be bound, often because another program uses it.
    #[error("cannot listen on {address} ({key}): {cause}; stop the program that uses it, or change {key}")]
    Listen {
        /// The key of the setting that holds the address, such as `server.listen`.
        key: &'static str,
        /// The address from the settings.
        address: SocketAddr,
        /// The operating system's reason.
        cause: io::Error,
    },
    /// A listener or the thread for background jobs cannot be started.
    #[error("the server cannot be started")]
    Run(#[from] io::Error),
}

/// A server that accepts requests.
pub struct Running {
    /// The address of the API listener. It holds the real port, even if the settings ask for port 0.
    pub address: SocketAddr,
    /// The address of the listener for `/metrics` and `/tls-ask`. `None` if the settings turn it off.
    pub metrics_address: Option<SocketAddr>,
    state: web::Data<State>,
    handles: Vec<ServerHandle>,
    tasks: Vec<JoinHandle<io::Result<()>>>,
    background: Option<Background>,
    own_tasks: Vec<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.own_tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Running {
    /// Accepts no more requests, waits for running requests up to `server.shutdown_timeout_s`, and ends.
    ///
    /// # Errors
    /// [`io::Error`] when a listener failed.
    pub async fn stop(self) -> io::Result<()> {
        self.state.draining.store(true, Ordering::Relaxed);
        if let Some(background) = &self.background {
            background.stop();
        }
        for handle in &self.handles {
            handle.stop(true).await;
        }
        self.wait().await
    }

    /// Waits until the server ends by itself. It ends by itself only after a failure.
    ///
    /// # Errors
    /// [`io::Error`] when a listener failed.
    pub async fn wait(mut self) -> io::Result<()> {
        for task in std::mem::take(&mut self.tasks) {
            task.await.map_err(io::Error::other)??;
        }
        Ok(())
    }

    /// Whether all listeners are still running.
    pub fn is_running(&self) -> bool {
        self.tasks.iter().all(|task| !task.is_finished())
    }

    /// The state that the server shares with its requests.
    pub fn state(&self) -> &State {
        &self.state
    }
}

/// Starts a server. The server accepts requests when this function returns.
///
/// # Errors
/// [`StartError`].
pub fn start(state: State) -> Result<Running, StartError> {
    let settings = &state.settings;
    let listener = listen("server.listen", settings.server.listen)?;
    let metrics_listener =
        settings.metrics_listen()?.map(|address| listen("server.metrics_listen", address)).transpose()?;
    let state = web::Data::new(state);

    let address = listener.local_addr()?;
    let metrics_address = metrics_listener.as_ref().map(TcpListener::local_addr).transpose()?;
    let server = &state.settings.server;
    let client_timeout = Duration::from_millis(server.client_timeout_ms);
    let (body_limit, shutdown_timeout, workers) =
        (server.body_limit_bytes, server.shutdown_timeout_s, server.workers);

    let data = state.clone();
    let mut api = HttpServer::new(move || {
        App::new()
            .app_data(data.clone())
            .app_data(web::PayloadConfig::new(body_limit))
            .wrap(from_fn(tenant::layer))
            .wrap(cors())
            .wrap(from_fn(origin::layer))
            .wrap(from_fn(compression::layer))
            .wrap(from_fn(request::layer))
            .into_utoipa_app()
            .configure(routes::configure)
            .into_app()
            .configure(docs::configure)
            .configure(routes::configure_pages)
            .default_service(web::to(no_route::answer))
    })
    // An answer in several writes must not wait until the client has confirmed the first one.
    .tcp_nodelay(true)
    // The framework answers a slow client without a problem document. Its limit is one second longer, so a
    // slow body reaches our own limit first.
    .client_request_timeout(client_timeout + Duration::from_secs(1))
    .client_disconnect_timeout(client_timeout)
    .shutdown_timeout(shutdown_timeout)
    .disable_signals();
    if workers > 0 {
        api = api.workers(workers);
    }
    let api = api.listen(listener)?.run();
    let mut handles = vec![api.handle()];
    let mut tasks = vec![tokio::spawn(api)];

    if let Some(listener) = metrics_listener {
        let data = state.clone();
        let metrics = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .route("/metrics", web::get().to(metrics))
                .route("/tls-ask", web::get().to(tls_ask))
        })
        .workers(1)
        .disable_signals()
        .listen(listener)?
        .run();
        handles.push(metrics.handle());
        tasks.push(tokio::spawn(metrics));
    }
    let background = match &state.onboarding {
        Some(onboarding) if state.settings.jobs.in_server => {
            let owner_database = onboarding.owner_database().clone();
            Some(Background::start(platform::job_kinds::runner(
                owner_database,
                state.settings.background()?,
            ))?)
        }
        _ => None,
    };
    let resolver = state.resolver.clone();
    let mut own_tasks = vec![tokio::spawn(async move { resolver.listen().await })];
    let revocations = state.revocations.clone();
    own_tasks.push(tokio::spawn(async move { revocations.listen().await }));
    let database = state.database.clone();
    own_tasks.push(tokio::spawn(async move { database.keep_watch().await }));
    own_tasks.push(tokio::spawn(state.event_database.clone().relay_events()));
    let events = state.events.clone();
    own_tasks.push(tokio::spawn(async move { events.listen().await }));
    if let Some(onboarding) = &state.onboarding {
        let owner_database = onboarding.owner_database().clone();
        own_tasks.push(tokio::spawn(async move { owner_database.keep_watch().await }));
    }
    let data = state.clone();
    own_tasks.push(tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(60)).await;
            if let Some(limits) = &data.rate_limits {
                limits.tidy();
            }
        }
    }));
    Ok(Running { address, metrics_address, state, handles, tasks, background, own_tasks })
}

/// The thread that runs background jobs, separate from the threads that answer requests.
struct Background {
    stop: watch::Sender<bool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Background {
    fn start(runner: JobRunner) -> io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new()
            .name("jobs".to_owned())
            .spawn(move || runtime.block_on(runner.run(stopped)))?;
        Ok(Self { stop, thread: Some(thread) })
    }

    fn stop(&self) {
        self.stop.send_replace(true);
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn listen(key: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).map_err(|cause| StartError::Listen { key, address, cause })
}

/// Allows the origins that `origin::layer` lets through to call the API with a bearer token. Pages of other
/// origins use no cookies.
fn cors() -> Cors {
    Cors::default()
        .allowed_origin_fn(|_, _| true)
        .allowed_methods(["GET", "POST", "PUT", "PATCH", "DELETE"])
        .allowed_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            header::HeaderName::from_static("idempotency-key"),
            header::HeaderName::from_static("last-event-id"),
            header::HeaderName::from_static("x-request-id"),
        ])
        .expose_headers([
            "etag",
            "location",
            "idempotent-replayed",
            "x-request-id",
            "retry-after",
            "ratelimit-limit",
            "ratelimit-remaining",
            "ratelimit-reset",
        ])
        .block_on_origin_mismatch(false)
        .max_age(600)
}

async fn metrics(state: web::Data<State>) -> HttpResponse {
    let latest = state.served.latest();
    let read = async |tx: &SharedTx| figures::read(tx, latest).await;
    let reading = state.database.read_shared(SharedScope::Platform, read);
    // The other metrics matter most while the database does not answer.
    let figures = tokio::time::timeout(FIGURES_WITHIN, reading).await;
    let figures = match &figures {
        Ok(Ok(figures)) => Some(figures),
        Ok(Err(error)) => {
            tracing::warn!(error = %tenancy::chain(error), "the figures of the installation cannot be read");
            None
        }
        Err(_) => {
            tracing::warn!("reading the figures of the installation takes too long");
            None
        }
    };
    let database = &state.database;
    let is_listening = state.resolver.is_listening();
    match state.metrics.text(database.pool_status(), database.server_state(), is_listening, figures) {
        Ok(text) => HttpResponse::Ok()
            .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
            .body(text),
        Err(_) => HttpResponse::InternalServerError().finish(),
    }
}

/// Longest time for reading the figures of the installation. Monitoring gives up after ten seconds or so.
const FIGURES_WITHIN: Duration = Duration::from_secs(3);

#[derive(Deserialize)]
struct TlsAsk {
    domain: String,
}

/// Answers 200 if a certificate may be issued for this host, and 404 if not. Answers 400 if the text is not a
/// host name, and 503 if the registry cannot be read. Caddy's on-demand TLS asks here
/// (`on_demand_tls { ask http://127.0.0.1:9090/tls-ask }`), so that strangers cannot make Caddy fetch
/// certificates for their own hosts.
async fn tls_ask(state: web::Data<State>, asked: web::Query<TlsAsk>) -> HttpResponse {
    let Ok(host) = HostName::parse(&asked.domain) else { return HttpResponse::BadRequest().finish() };
    if state.resolver.base().is_of_the_platform(&host) {
        return HttpResponse::Ok().finish();
    }
    let HostTarget::Tenant { address, .. } = state.resolver.target(&host, "/") else {
        return HttpResponse::NotFound().finish();
    };
    match state.resolver.tenant(&address).await {
        Ok(Some(_)) => HttpResponse::Ok().finish(),
        Ok(None) => HttpResponse::NotFound().finish(),
        Err(_) => HttpResponse::ServiceUnavailable().finish(),
    }
}
