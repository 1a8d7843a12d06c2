//! Clients of live events and receivers of webhooks get every event in its order, while servers are killed
//! and PostgreSQL crashes. A repeated event has the same id.

use std::cell::RefCell;
use std::collections::HashSet;
use std::time::Duration;

use harness::live::Stream;
use harness::receiver::Receiver;
use harness::{Business, until};
use serde_json::json;
use tokio_postgres::Client;

/// A client and a receiver of the events of one business.
pub struct Hearing {
    receiver: Receiver,
    /// The position of the last event that the client has seen, and the ids of all.
    last: RefCell<String>,
    seen: RefCell<Vec<String>>,
}

/// A stream without a message for this time is opened again.
const PATIENCE: Duration = Duration::from_secs(5);

impl Hearing {
    /// Begins before the first event that counts.
    pub async fn begin(business: &Business<'_>) -> Self {
        let receiver = Receiver::start().await;
        let made = business.post("/api/v1/webhooks", &json!({"url": receiver.url()})).await;
        assert_eq!(made.status, 201, "{made:?}");
        let page = business.get("/api/v1/events/history?limit=100").await.body;
        let last = page["next"].as_str().unwrap().to_owned();
        Self { receiver, last: RefCell::new(last), seen: RefCell::default() }
    }

    /// Listens at one server after the other, until the future is dropped.
    pub async fn listen(&self, business: &Business<'_>, ports: [u16; 2]) {
        for port in ports.into_iter().cycle() {
            let after = self.last.borrow().clone();
            let Ok(mut stream) = Stream::open_at(port, business, "", &after).await else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            while let Ok(Some(message)) = tokio::time::timeout(PATIENCE, stream.next()).await {
                match message.kind.as_str() {
                    "message" => {
                        self.last.replace(message.id);
                        self.seen.borrow_mut().push(message.data["id"].as_str().unwrap().to_owned());
                    }
                    "end" => break,
                    kind => panic!("{kind}: {message:?}"),
                }
            }
        }
    }

    /// Waits until everything was heard, and compares it with the events of the business.
    pub async fn verify(&self, business: &Business<'_>, ports: [u16; 2], admin: &Client) {
        const EVENTS: &str = "SELECT id::text FROM shared.events WHERE tenant_id = $1 ORDER BY position";
        const WAITING: &str = "SELECT count(*) FROM shared.outbox WHERE tenant_id = $1";
        let tenant = business.tenant.id;
        until("the outbox is empty", async || {
            admin.query_one(WAITING, &[&tenant]).await.unwrap().get::<_, i64>(0) == 0
        })
        .await;
        let events: Vec<String> =
            admin.query(EVENTS, &[&tenant]).await.unwrap().iter().map(|row| row.get(0)).collect();
        let all_heard = async {
            loop {
                let posted = self.posted();
                if self.seen.borrow().last() == events.last() && posted.last() == events.last() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::select! {
            () = self.listen(business, ports) => unreachable!("listens for ever"),
            () = all_heard => {}
            () = tokio::time::sleep(Duration::from_secs(120)) => {
                let (seen, posted) = (self.seen.borrow().len(), self.posted().len());
                panic!("of {} events, {seen} were seen and {posted} posted", events.len());
            }
        }
        let before = events.len() - self.seen.borrow().len();
        assert_eq!(events[before..], *self.seen.borrow(), "live events");
        let posted = self.posted();
        let before = events.len() - posted.len();
        assert_eq!(events[before..], posted, "webhooks");
        println!(
            "{}: {} live events and {} events by webhook in their order, {} of those repeated",
            business.host,
            self.seen.borrow().len(),
            posted.len(),
            self.receiver.posted().len() - posted.len()
        );
    }

    /// The ids of the posted messages in the order of their first arrival.
    fn posted(&self) -> Vec<String> {
        let mut known = HashSet::new();
        let ids = self.receiver.posted().into_iter().map(|message| message.header("webhook-id").to_owned());
        ids.filter(|id| known.insert(id.clone())).collect()
    }
}
