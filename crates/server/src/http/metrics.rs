//! The metrics of `/metrics`, in the OpenMetrics text format. Labels come only from bounded sets, never from
//! a host or a path.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use platform::figures::Figures;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use tenancy::{PoolStatus, ServerState};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: String,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    state: &'static str,
}

/// The metrics of one server.
pub struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    durations: Family<Route, Histogram>,
    connections: Family<Label, Gauge>,
    waits: Counter,
    waited: Counter<f64, AtomicU64>,
    database_up: Gauge,
    database_writable: Gauge,
    registry_listening: Gauge,
    installation: Installation,
}

/// The gauges of the whole installation, which are the same at each server. They have a registry of their
/// own, to be left out while they cannot be read.
struct Installation {
    registry: Registry,
    businesses: Family<Label, Gauge>,
    schemas: Family<Label, Gauge>,
    schemas_behind: Gauge,
    migrations_failed: Gauge,
    jobs: Family<Label, Gauge>,
    job_wait: Gauge<f64, AtomicU64>,
    without_backup: Gauge,
    backup_age: Gauge<f64, AtomicU64>,
    outbox_events: Gauge,
    outbox_age: Gauge<f64, AtomicU64>,
}

impl Installation {
    fn new() -> Self {
        fn add<M: Clone + prometheus_client::registry::Metric + Default>(
            registry: &mut Registry,
            name: &str,
            help: &str,
        ) -> M {
            let metric = M::default();
            registry.register(name, help, metric.clone());
            metric
        }
        let mut own = Registry::with_prefix("tenantry");
        let registry = &mut own;
        Self {
            businesses: add(registry, "businesses", "Businesses by state"),
            schemas: add(registry, "schemas", "Schemas by state"),
            schemas_behind: add(registry, "schemas_behind", "Schemas with an older version than this server"),
            migrations_failed: add(registry, "migrations_failed", "Schemas whose last migration failed"),
            jobs: add(registry, "jobs", "Background jobs by state"),
            job_wait: add(registry, "job_wait_seconds", "Time for which the oldest due job has waited"),
            without_backup: add(
                registry,
                "businesses_without_backup",
                "Businesses without a verified backup; archived ones are not counted",
            ),
            backup_age: add(
                registry,
                "backup_age_seconds",
                "Age of the newest verified backup of the business whose backup is the oldest",
            ),
            outbox_events: add(registry, "outbox_events", "Events in the outbox, counted up to 100000"),
            outbox_age: add(registry, "outbox_age_seconds", "Age of the oldest event in the outbox"),
            // The last field, because the others register themselves first.
            registry: own,
        }
    }

    fn set(&self, figures: &Figures) {
        for (state, count) in [("active", figures.active), ("closed", figures.closed)] {
            self.businesses.get_or_create(&Label { state }).set(count);
        }
        let live = figures.active + figures.closed;
        for (state, count) in [("live", live), ("spare", figures.spare), ("set_aside", figures.set_aside)] {
            self.schemas.get_or_create(&Label { state }).set(count);
        }
        for (state, count) in [
            ("queued", figures.queued_jobs),
            ("running", figures.running_jobs),
            ("failed", figures.failed_jobs),
        ] {
            self.jobs.get_or_create(&Label { state }).set(count);
        }
        self.schemas_behind.set(figures.behind);
        self.migrations_failed.set(figures.failed_migrations);
        self.job_wait.set(figures.job_wait_s);
        self.without_backup.set(figures.without_backup);
        self.backup_age.set(figures.backup_age_s);
        self.outbox_events.set(figures.outbox_events);
        self.outbox_age.set(figures.outbox_age_s);
    }
}

impl Metrics {
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("tenantry");
        let requests = Family::<Answered, Counter>::default();
        // 0.5 ms to 16 s.
        let durations = Family::<Route, Histogram>::new_with_constructor(|| {
            Histogram::new(exponential_buckets(0.0005, 2.0, 16))
        });
        let connections = Family::<Label, Gauge>::default();
        registry.register("http_requests", "Answered requests", requests.clone());
        registry.register("http_request_duration_seconds", "Time to answer a request", durations.clone());
        registry.register("database_connections", "Database connections by state", connections.clone());
        let registry_listening = Gauge::default();
        registry.register(
            "registry_listening",
            "1 while this server receives the changes of the registry",
            registry_listening.clone(),
        );
        let (waits, waited) = (Counter::default(), Counter::default());
        registry.register(
            "database_waits",
            "Transactions that waited for longer than 1 ms for their turn or for a connection",
            waits.clone(),
        );
        registry.register("database_wait_seconds", "The sum of these waits", waited.clone());
        let (database_up, database_writable) = (Gauge::default(), Gauge::default());
        registry.register("database_up", "1 while the database answers", database_up.clone());
        registry.register(
            "database_writable",
            "1 while the database takes writes",
            database_writable.clone(),
        );
        let installation = Installation::new();
        Self {
            registry,
            requests,
            durations,
            connections,
            waits,
            waited,
            database_up,
            database_writable,
            registry_listening,
            installation,
        }
    }

    pub fn record(&self, method: &str, route: &str, status: u16, duration: Duration) {
        // A client can send any method, so all unknown methods share one label.
        let method = match method {
            "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD" | "OPTIONS" => method,
            _ => "other",
        };
        let answered = Answered { method: method.to_owned(), route: route.to_owned(), status };
        self.requests.get_or_create(&answered).inc();
        self.durations.get_or_create(&Route { route: route.to_owned() }).observe(duration.as_secs_f64());
    }

    /// All metrics as text. Without `figures`, because the database did not answer, those of the installation
    /// are left out.
    ///
    /// # Errors
    /// [`std::fmt::Error`] when a metric cannot be written.
    pub fn text(
        &self,
        pool: PoolStatus,
        server: ServerState,
        is_listening: bool,
        figures: Option<&Figures>,
    ) -> Result<String, std::fmt::Error> {
        let states = [
            ("max", pool.max_connections),
            ("open", pool.open),
            ("idle", pool.idle),
            ("waiting_requests", pool.waiting),
        ];
        for (state, count) in states {
            self.connections.get_or_create(&Label { state }).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        self.waits.inner().store(pool.waits, Ordering::Relaxed);
        let seconds = Duration::from_micros(pool.waited_us).as_secs_f64();
        self.waited.inner().store(seconds.to_bits(), Ordering::Relaxed);
        // While the watch cannot tell, because the server has no free connection for it, the last value
        // stays.
        if server != ServerState::Unknown {
            let is_up = matches!(server, ServerState::Ready | ServerState::ReadOnly);
            self.database_up.set(i64::from(is_up));
            self.database_writable.set(i64::from(server == ServerState::Ready));
        }
        self.registry_listening.set(i64::from(is_listening));
        let mut text = String::new();
        encode_registry(&mut text, &self.registry)?;
        if let Some(figures) = figures {
            self.installation.set(figures);
            encode_registry(&mut text, &self.installation.registry)?;
        }
        encode_eof(&mut text)?;
        Ok(text)
    }
}
