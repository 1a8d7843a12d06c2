//! Live events: a stream of server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, get, web};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use events::{Next, StoredEvent, Subscription, stored};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tenancy::{DbError, SharedScope, SharedTx};
use tokio::time::{Instant, Sleep};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::http::caller::{Caller, may};
use crate::http::extract::Query;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::streams::OpenStream;
use crate::middleware::tenant;
use crate::routes::events::position::{Position, ResetReason};
use crate::routes::events::topics::Chosen;
use crate::routes::events::topics::TopicName;

/// An event of the business.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventView<'a> {
    /// The id of the event. An event that is delivered twice has the same id.
    id: Uuid,
    /// The position among the events of the business, which is also the SSE id. Send it as Last-Event-ID to
    /// go on after this event.
    #[schema(example = "4f2a91c0.1207")]
    position: String,
    /// The topic.
    #[schema(example = "order.placed")]
    #[schema(value_type = TopicName)]
    topic: &'a str,
    /// The version of the fields in payload.
    version: i16,
    /// The time of the change.
    occurred_at: DateTime<Utc>,
    /// The fields of the event, which depend on the topic.
    #[schema(value_type = Object, example = json!({"orderId": "01920000-0000-7000-8000-000000000000"}))]
    payload: &'a Value,
}

impl<'a> EventView<'a> {
    pub(super) fn new(event: &'a StoredEvent, epoch: &str) -> Self {
        Self {
            id: event.id,
            position: Position { epoch: epoch.to_owned(), last: event.position }.to_string(),
            topic: &event.topic,
            version: event.version,
            occurred_at: event.created_at,
            payload: &event.payload,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListenToEvents {
    /// Only these topics, separated by commas: names such as order.placed, or groups such as order.*.
    /// Defaults to all topics that you may see.
    #[param(max_length = 1000, example = "order.*,stock.adjusted")]
    topics: Option<String>,
    /// The position after which the stream begins, for clients that cannot send the header Last-Event-ID. The
    /// header counts if both are sent. Defaults to now.
    #[param(max_length = 40, example = "4f2a91c0.1207")]
    last_event_id: Option<String>,
}

/// Listen to live events
///
/// A stream of server-sent events (text/event-stream), which stays open. Each message has an event in JSON,
/// in the order of the business. After a broken connection, browsers send the last id as Last-Event-ID and
/// get what they missed. An event may be delivered twice after a broken connection; then it has the same
/// id.
///
/// A message of the type reset says that events are missing, because the position is too old or belongs to
/// another database: read again what you show. A message of the type end says that the session has ended, or
/// that the server stops; refresh the session if reason is session, and connect again. Each event needs the
/// permission that reading its document needs. An empty message comes every 15 seconds.
#[utoipa::path(tag = "events", operation_id = "listenToEvents", params(ListenToEvents),
    responses((status = 200, content_type = "text/event-stream", body = String,
               description = "A stream of events")))]
#[get("/events")]
pub async fn listen(
    state: web::Data<State>,
    caller: Caller<may::CatalogueRead>,
    Query(query): Query<ListenToEvents>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let chosen = Chosen::parse(query.topics.as_deref())?;
    let header = request.headers().get("last-event-id").and_then(|value| value.to_str().ok());
    let asked = header.map(str::to_owned).or(query.last_event_id).filter(|text| !text.is_empty());
    let tenant = caller.scope().tenant().id;
    let open = state.streams.open(tenant, caller.id())?;
    let subscription = state.events.subscribe(tenant).await?;
    // After the subscription: whatever comes after this extent is received.
    let extent = async |tx: &SharedTx| stored::extent(tx, tenant).await;
    let extent = state.database.read_shared(SharedScope::Tenant(tenant), extent).await?;
    let end = Position::end(&extent);
    let asked = asked.map(|text| Position::parse(&text).ok_or(ResetReason::NoPosition));
    let asked = asked.map(|asked| asked.and_then(|position| position.check(&extent).map(|()| position.last)));
    let (last, first) = match asked {
        None => (end.last, format!("retry: {RETRY_MS}\nid: {end}\n\n")),
        Some(Ok(last)) => (last, format!("retry: {RETRY_MS}\n\n")),
        Some(Err(reason)) => {
            (end.last, format!("retry: {RETRY_MS}\n{}", control("reset", &end, &json!({"reason": reason}))))
        }
    };
    let live = Live {
        is_behind: last < end.last,
        epoch: end.epoch,
        last,
        ready: VecDeque::from([Bytes::from(first)]),
        next_check: Box::pin(tokio::time::sleep(CHECK)),
        next_heartbeat: Instant::now() + HEARTBEAT,
        has_ended: false,
        state,
        caller,
        chosen,
        request,
        subscription,
        _open: open,
    };
    let frames = stream::unfold(live, |mut live| async move {
        let frame = live.next().await?;
        Some((Ok::<_, Infallible>(frame), live))
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        // Proxies must not collect the events.
        .insert_header(("x-accel-buffering", "no"))
        .streaming(frames))
}

/// The time after which a browser connects again.
const RETRY_MS: u32 = 2_000;
/// How often the session is checked.
const CHECK: Duration = Duration::from_secs(1);
/// How often something is sent, so that neither side takes the connection for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// The events that a client reads at once from the database.
const PAGE: i64 = 100;

/// A message that is no event.
fn control(kind: &str, position: &Position, data: &Value) -> String {
    format!("event: {kind}\nid: {position}\ndata: {data}\n\n")
}

/// A client that listens.
struct Live {
    state: web::Data<State>,
    request: HttpRequest,
    caller: Caller<may::CatalogueRead>,
    chosen: Chosen,
    subscription: Subscription,
    epoch: String,
    /// The last event that was sent or left out.
    last: i64,
    /// Whether there are events in the database that the subscription does not bring.
    is_behind: bool,
    ready: VecDeque<Bytes>,
    next_check: Pin<Box<Sleep>>,
    next_heartbeat: Instant,
    has_ended: bool,
    _open: OpenStream,
}

impl Live {
    /// The next bytes of the stream; `None` at its end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                self.next_heartbeat = Instant::now() + HEARTBEAT;
                return Some(frame);
            }
            if self.has_ended {
                return None;
            }
            if self.is_behind && self.catch_up().await.is_err() {
                // The client connects again, and goes on after its last event.
                return None;
            }
            if !self.ready.is_empty() {
                continue;
            }
            tokio::select! {
                () = &mut self.next_check => self.check().await,
                next = self.subscription.next() => match next {
                    Next::End => self.end("business"),
                    next => self.take(next),
                },
            }
        }
    }

    fn position(&self) -> Position {
        Position { epoch: self.epoch.clone(), last: self.last }
    }

    fn take(&mut self, next: Next) {
        match next {
            Next::Event(event) if event.position <= self.last => {}
            Next::Event(event) if event.position == self.last + 1 => self.send(&event),
            Next::Event(_) | Next::Missed | Next::End => self.is_behind = true,
        }
    }

    fn send(&mut self, event: &StoredEvent) {
        self.last = event.position;
        if self.chosen.includes(&event.topic, &self.caller) {
            self.ready.push_back(event.rendered.get_or_init(|| frame(event, &self.epoch)).clone());
        }
    }

    /// Reads a page of the events that the client has missed.
    async fn catch_up(&mut self) -> Result<(), DbError> {
        let (tenant, last) = (self.caller.scope().tenant().id, self.last);
        let read = async |tx: &SharedTx| stored::after(tx, tenant, last, PAGE).await;
        let events = self.state.database.read_shared(SharedScope::Tenant(tenant), read).await?;
        self.is_behind = events.len() as i64 == PAGE;
        if let Some(first) = events.first().filter(|first| first.position > last + 1) {
            // The events between them were deleted in the meantime.
            let position = Position { epoch: self.epoch.clone(), last: first.position - 1 };
            let reset = control("reset", &position, &json!({"reason": ResetReason::TooOld}));
            self.ready.push_back(Bytes::from(reset));
        }
        events.iter().for_each(|event| self.send(event));
        Ok(())
    }

    fn end(&mut self, reason: &str) {
        self.has_ended = true;
        let end = control("end", &self.position(), &json!({"reason": reason}));
        self.ready.push_back(Bytes::from(end));
    }

    /// Ends the stream with the session, with the access to the business, or with the server.
    async fn check(&mut self) {
        self.next_check.as_mut().reset(Instant::now() + CHECK);
        let reason = if self.state.draining.load(Ordering::Relaxed) {
            Some("server")
        } else if tenant::still_open(&self.request).await.is_err() {
            Some("business")
        } else {
            match Caller::extract_again(&self.request).await {
                Ok(caller) => {
                    self.caller = caller;
                    None
                }
                Err(_) => Some("session"),
            }
        };
        if let Some(reason) = reason {
            self.end(reason);
        } else if Instant::now() >= self.next_heartbeat {
            // A message without data tells nothing, but moves the position past events that were left out.
            self.ready.push_back(Bytes::from(format!("id: {}\n\n", self.position())));
        }
    }
}

/// An event as a message of the stream.
fn frame(event: &StoredEvent, epoch: &str) -> Bytes {
    let view = EventView::new(event, epoch);
    let data = serde_json::to_string(&view).unwrap_or_default();
    Bytes::from(format!("id: {}\ndata: {data}\n\n", view.position))
}
