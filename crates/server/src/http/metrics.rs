//! The metrics of `/metrics`, in the OpenMetrics text format. Labels come only from bounded sets, never from
//! a host or a path.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use tenancy::PoolStatus;

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
struct ConnectionState {
    state: &'static str,
}

/// The metrics of one server.
pub struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    durations: Family<Route, Histogram>,
    connections: Family<ConnectionState, Gauge>,
    registry_listening: Gauge,
}

impl Metrics {
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("tenantry");
        let requests = Family::<Answered, Counter>::default();
        // 0.5 ms to 16 s.
        let durations = Family::<Route, Histogram>::new_with_constructor(|| {
            Histogram::new(exponential_buckets(0.0005, 2.0, 16))
        });
        let connections = Family::<ConnectionState, Gauge>::default();
        registry.register("http_requests", "Answered requests", requests.clone());
        registry.register("http_request_duration_seconds", "Time to answer a request", durations.clone());
        registry.register("database_connections", "Database connections by state", connections.clone());
        let registry_listening = Gauge::default();
        registry.register(
            "registry_listening",
            "1 while this server receives the changes of the registry",
            registry_listening.clone(),
        );
        Self { registry, requests, durations, connections, registry_listening }
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

    /// All metrics as text.
    ///
    /// # Errors
    /// [`std::fmt::Error`] when a metric cannot be written.
    pub fn text(&self, pool: PoolStatus, is_listening: bool) -> Result<String, std::fmt::Error> {
        let states = [
            ("max", pool.max_connections),
            ("open", pool.open),
            ("idle", pool.idle),
            ("waiting_requests", pool.waiting),
        ];
        for (state, count) in states {
            self.connections
                .get_or_create(&ConnectionState { state })
                .set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        self.registry_listening.set(i64::from(is_listening));
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
